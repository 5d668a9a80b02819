import type { Node, ValueType } from '../semantics/nodes.ts';
import type { Code } from '../wasm/code.ts';

/**
 * Scalars in the lowest lanes of vector registers are kept in locals of their own as well, so that scalar arithmetic need not go through
 * vectors. All of it concerns the program that is being lowered, in a stretch of code that is only entered at its top.
 */
export class ScalarCopies {
  readonly #code: Code;
  /** By vector register. */
  readonly #low = new Map<number, { readonly type: ValueType; readonly local: number }>();
  /** The locals for that, by type and register. */
  readonly #locals = new Map<string, number>();
  /** Vector registers that the program's locals are copies of. */
  readonly #copied = new Map<number, number>();
  #writesAlways = true;

  constructor(code: Code) {
    this.#code = code;
  }

  /** Another program. @param writesAlways it writes to no register under a condition */
  begin(writesAlways: boolean): void {
    this.#copied.clear();
    this.#writesAlways = writesAlways;
  }

  /** Control comes here from elsewhere too. */
  forget(): void {
    this.#low.clear();
  }

  /** A local of the program holds what a vector register does. */
  copy(local: number, register: number): void {
    this.#copied.set(local, register);
  }

  /** @returns the local with the lowest lane of a register, when there is one of this type */
  find(register: number, type: ValueType): number | undefined {
    const low = this.#low.get(register);
    return low?.type === type ? low.local : undefined;
  }

  /** A lane of a register is being written: keeps a scalar that the value shows. @param push emits a value */
  write(register: number, lane: number, value: Node, push: (value: Node) => void): void {
    const scalar = lane === 0 && this.#writesAlways ? this.#scalarIn(value, push) : undefined;
    this.#low.delete(register);
    for (const [local, source] of this.#copied) if (source === register) this.#copied.delete(local);
    if (scalar === undefined) return;
    const type = scalar.type as 'f32' | 'f64';
    const key = `${type} ${register}`;
    const local = this.#locals.get(key) ?? this.#code.local(type);
    this.#locals.set(key, local);
    scalar.push();
    this.#code.set(local);
    this.#low.set(register, { type, local });
  }

  #scalarIn(value: Node, push: (value: Node) => void): { type: ValueType; push: () => void } | undefined {
    if (value.type === 'f32' || value.type === 'f64') {
      return value.kind === 'local' ? { type: value.type, push: () => push(value) } : undefined;
    }
    if (value.kind === 'local') {
      const low = this.#low.get(this.#copied.get(value.id) ?? -1);
      return low && { type: low.type, push: () => this.#code.get(low.local) };
    }
    const isScalar =
      value.kind === 'operation' && /^f(32x4|64x2)\.replace_lane$/.test(value.name) && value.lanes![0] === 0;
    return isScalar ? this.#scalarIn(value.operands[1]!, push) : undefined;
  }
}
