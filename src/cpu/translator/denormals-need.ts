/** Which vector registers are looked at for denormals before they are written to: what is worth knowing of them on the way in. */
import type { Node, RegisterReference, Statement } from '../semantics/nodes.ts';
import type { ControlFlow } from './control-flow.ts';
import { type Block, type RegionInstruction, successorsOf } from './region.ts';
import type { RegisterResolver } from './register-use.ts';
import { movedParts, PARTS_OF, type Parts, partsLookedAt, partsUnder } from './vector-parts.ts';

/** @returns for each block, the parts of each of `count` vector registers that are looked at from its beginning on */
export function neededParts(
  blocks: readonly Block[],
  flow: ControlFlow,
  resolver: RegisterResolver,
  count: number,
): Int32Array[] {
  const needed = blocks.map(() => new Int32Array(count));
  const backward = [...flow.order].reverse();
  for (let changed = true; changed; ) {
    changed = false;
    for (const number of backward) {
      const block = blocks[number]!;
      const registers = new Int32Array(count);
      for (const next of successorsOf(block)) {
        for (let at = 0; at < count; at++) registers[at]! |= needed[next]![at]!;
      }
      for (let at = block.instructions.length - 1; at >= 0; at--) {
        new Need(block.instructions[at]!, resolver, registers).visit();
      }
      if (registers.every((parts, at) => parts === needed[number]![at])) continue;
      needed[number] = registers;
      changed = true;
    }
  }
  return needed;
}

/** One instruction, from its end to its beginning. */
class Need {
  readonly #instruction: RegionInstruction;
  readonly #resolver: RegisterResolver;
  readonly #registers: Int32Array;
  /** By local. */
  readonly #values = new Map<number, Parts>();

  /** @param registers are brought from behind the instruction to before it */
  constructor(instruction: RegionInstruction, resolver: RegisterResolver, registers: Int32Array) {
    this.#instruction = instruction;
    this.#resolver = resolver;
    this.#registers = registers;
  }

  visit(): void {
    this.#visitAll(this.#instruction.translatable.program.statements, true);
  }

  #visitAll(statements: readonly Statement[], always: boolean): void {
    for (let at = statements.length - 1; at >= 0; at--) this.#visit(statements[at]!, always);
  }

  /** @param always whether the statement is executed whenever the instruction is */
  #visit(statement: Statement, always: boolean): void {
    switch (statement.kind) {
      case 'readVector':
        this.#registers[this.#number(statement.register)]! |=
          this.#valueOf(statement.local.id) & PARTS_OF[statement.local.type];
        break;
      case 'let':
        this.#need(statement.value, this.#valueOf(statement.local.id));
        break;
      case 'assign':
        if (always) this.#values.delete(statement.local.id);
        break;
      case 'writeVector': {
        const { lane, value } = statement;
        const number = this.#number(statement.register);
        this.#need(value, (this.#registers[number]! >> (value.type === 'v128' ? 0 : lane)) & PARTS_OF[value.type]);
        if (always) this.#registers[number]! &= ~partsUnder(value.type, lane);
        break;
      }
      case 'if':
        this.#visitAll(statement.whenFalse, false);
        this.#visitAll(statement.whenTrue, false);
        if (statement.establishes && always) {
          this.#need(statement.establishes.local as Node, partsLookedAt(statement.establishes));
        }
        break;
    }
  }

  #number(register: RegisterReference): number {
    return this.#resolver.resolve(this.#instruction.record, register, 'vector').number;
  }

  #valueOf(local: number): Parts {
    return this.#values.get(local) ?? 0;
  }

  #need(node: Node, parts: Parts): void {
    if (parts === 0) return;
    if (node.kind === 'local') this.#values.set(node.id, this.#valueOf(node.id) | parts);
    else for (const { to, from, operand } of movedParts(node)) if (parts & to) this.#need(operand, from);
  }
}
