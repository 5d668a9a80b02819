import { OPERATORS, type ValueType } from './operators.ts';

export const TYPE_CODE: Record<ValueType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };
const EMPTY_BLOCK = 0x40;

/** A control construct that can be branched to. */
export interface Label {
  readonly depth: number;
}

/** Growing bytes with WebAssembly's integer encodings (Core Specification 2.0, 5.2.2). */
export class Bytes {
  #bytes = new Uint8Array(256);
  length = 0;

  byte(value: number): this {
    if (this.length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.length++] = value;
    return this;
  }

  append(bytes: ArrayLike<number>): this {
    if (this.length + bytes.length > this.#bytes.length) this.#grow(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  /** Unsigned LEB128 of an integer below 2^32. */
  unsigned(value: number): this {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    return this.byte(rest);
  }

  /** Signed LEB128 of a 32-bit integer. */
  signed(value: number): this {
    let rest = value | 0;
    while (rest < -64 || rest > 63) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    return this.byte(rest & 0x7f);
  }

  /** Signed LEB128 of 64 bits. */
  signed64(value: bigint): this {
    let rest = BigInt.asIntN(64, value);
    while (rest < -64n || rest > 63n) {
      this.byte(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    return this.byte(Number(rest & 0x7fn));
  }

  name(text: string): this {
    const bytes = new TextEncoder().encode(text);
    return this.unsigned(bytes.length).append(bytes);
  }

  take(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.length);
  }

  #grow(extra: number): void {
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + extra));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

/** The body of one function, emitted in order. Operands are on WebAssembly's stack. */
export class Code {
  readonly #body = new Bytes();
  readonly #parameters: number;
  readonly #locals: ValueType[] = [];
  readonly #free: Record<ValueType, number[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  #depth = 0;

  /** @param parameters how many the function has; they are locals 0 upward */
  constructor(parameters: number) {
    this.#parameters = parameters;
  }

  get length(): number {
    return this.#body.length;
  }

  /** @returns a local of its own, or one that was released */
  local(type: ValueType): number {
    const free = this.#free[type].pop();
    if (free !== undefined) return free;
    this.#locals.push(type);
    return this.#parameters + this.#locals.length - 1;
  }
  release(type: ValueType, local: number): void {
    this.#free[type].push(local);
  }

  /** An operator by its text-format name, with its lane immediates if it has any. */
  op(name: string, lanes?: readonly number[]): this {
    const operator = OPERATORS.get(name);
    if (!operator) throw new RangeError(`no WebAssembly operator ${name}`);
    this.#body.append(operator.code);
    if (lanes) this.#body.append(lanes);
    return this;
  }

  i32(value: number): this {
    this.#body.byte(0x41).signed(value);
    return this;
  }
  i64(value: bigint): this {
    this.#body.byte(0x42).signed64(value);
    return this;
  }
  /** @param bits the value's bits, little end first */
  float(type: 'f32' | 'f64' | 'v128', bits: bigint): this {
    if (type === 'v128') this.#body.byte(0xfd).unsigned(0x0c);
    else this.#body.byte(type === 'f32' ? 0x43 : 0x44);
    const bytes = type === 'f32' ? 4 : type === 'f64' ? 8 : 16;
    for (let i = 0; i < bytes; i++) this.#body.byte(Number((bits >> BigInt(8 * i)) & 0xffn));
    return this;
  }

  get(local: number): this {
    this.#body.byte(0x20).unsigned(local);
    return this;
  }
  set(local: number): this {
    this.#body.byte(0x21).unsigned(local);
    return this;
  }
  tee(local: number): this {
    this.#body.byte(0x22).unsigned(local);
    return this;
  }
  select(): this {
    this.#body.byte(0x1b);
    return this;
  }
  drop(): this {
    this.#body.byte(0x1a);
    return this;
  }

  /** Loads `bits` from the address on the stack plus `offset`; narrower than the type is zero-extended. */
  load(type: ValueType, bits: number, offset = 0): this {
    const key = `${type}${bits}`;
    if (type === 'v128') this.#body.byte(0xfd).byte(0x00);
    else this.#body.byte(LOADS[key]!);
    this.#body.byte(0).unsigned(offset);
    return this;
  }
  store(type: ValueType, bits: number, offset = 0): this {
    const key = `${type}${bits}`;
    if (type === 'v128') this.#body.byte(0xfd).byte(0x0b);
    else this.#body.byte(STORES[key]!);
    this.#body.byte(0).unsigned(offset);
    return this;
  }
  memoryCopy(): this {
    this.#body.append([0xfc, 10, 0, 0]);
    return this;
  }
  memoryFill(): this {
    this.#body.append([0xfc, 11, 0]);
    return this;
  }

  block(result?: ValueType): Label {
    return this.#open(0x02, result);
  }
  loop(): Label {
    return this.#open(0x03);
  }
  if(result?: ValueType): this {
    this.#open(0x04, result);
    return this;
  }
  else(): this {
    this.#body.byte(0x05);
    return this;
  }
  end(): this {
    this.#depth--;
    this.#body.byte(0x0b);
    return this;
  }
  br(label: Label): this {
    this.#body.byte(0x0c).unsigned(this.#depth - label.depth);
    return this;
  }
  brIf(label: Label): this {
    this.#body.byte(0x0d).unsigned(this.#depth - label.depth);
    return this;
  }
  brTable(labels: readonly Label[], otherwise: Label): this {
    this.#body.byte(0x0e).unsigned(labels.length);
    for (const label of [...labels, otherwise]) this.#body.unsigned(this.#depth - label.depth);
    return this;
  }
  return(): this {
    this.#body.byte(0x0f);
    return this;
  }
  unreachable(): this {
    this.#body.byte(0x00);
    return this;
  }
  call(functionIndex: number): this {
    this.#body.byte(0x10).unsigned(functionIndex);
    return this;
  }
  callIndirect(typeIndex: number): this {
    this.#body.byte(0x11).unsigned(typeIndex).byte(0);
    return this;
  }

  /** @returns the function's entry of the code section: size, locals, body */
  finish(): Uint8Array {
    const head = new Bytes();
    const groups: [ValueType, number][] = [];
    for (const type of this.#locals) {
      const last = groups.at(-1);
      if (last?.[0] === type) last[1]++;
      else groups.push([type, 1]);
    }
    head.unsigned(groups.length);
    for (const [type, count] of groups) head.unsigned(count).byte(TYPE_CODE[type]);
    const entry = new Bytes();
    entry.unsigned(head.length + this.#body.length + 1);
    return entry.append(head.take()).append(this.#body.take()).byte(0x0b).take();
  }

  #open(opcode: number, result?: ValueType): Label {
    this.#body.byte(opcode).byte(result ? TYPE_CODE[result] : EMPTY_BLOCK);
    this.#depth++;
    return { depth: this.#depth };
  }
}

const LOADS: Record<string, number> = {
  i3232: 0x28,
  i6464: 0x29,
  f3232: 0x2a,
  f6464: 0x2b,
  i328: 0x2d,
  i3216: 0x2f,
  i648: 0x31,
  i6416: 0x33,
  i6432: 0x35,
};
const STORES: Record<string, number> = {
  i3232: 0x36,
  i6464: 0x37,
  f3232: 0x38,
  f6464: 0x39,
  i328: 0x3a,
  i3216: 0x3b,
  i648: 0x3c,
  i6416: 0x3d,
  i6432: 0x3e,
};
