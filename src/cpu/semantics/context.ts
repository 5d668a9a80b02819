import { FORMS, type Form, type Operand } from '../decode/forms.ts';
import { operandWidth } from '../decode/operands.ts';
import { KIND, storedKind } from '../flags.ts';
import {
  CS,
  DS,
  ES,
  FIELDS,
  type FieldName,
  FS,
  GS,
  MMX_VECTORS,
  SEGMENT_ATTRIBUTES,
  SEGMENT_BASE,
  SEGMENT_BYTES,
  SEGMENT_LIMIT,
  SEGMENT_SELECTOR,
  SEGMENT_VIOLATION,
  SEGMENTS,
  SS,
} from '../layout.ts';
import {
  type AccessKind,
  type Bits,
  constant,
  extractLane,
  type I32,
  type I64,
  i32,
  i64,
  type LocalNode,
  type Node,
  type Program,
  type RegisterReference,
  replaceLane,
  type Statement,
  select,
  type V128,
  type ValueType,
} from './nodes.ts';

export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;

type Size = 8 | 16 | 32 | 64;

/** What distinguishes the recordings of one form. */
export interface Variant {
  readonly form: Form;
  /** Instruction.operandSize. */
  readonly operandSize: Size;
  /** Instruction.addressSize: matters to string instructions, loops and implicit addresses. */
  readonly addressSize: 16 | 32 | 64;
  /** Width of the stack pointer. */
  readonly stackSize: 16 | 32 | 64;
  /** True when ModRM names memory. */
  readonly memory: boolean;
  /** Condition of Jcc, SETcc and CMOVcc, 0 to 15; else 0. */
  readonly condition: number;
  /** Number of the control register of MOV from one, 0 to 15; else 0. */
  readonly control: number;
  /** 0, 0xf2 or 0xf3; string instructions only. */
  readonly repeat: number;
  /** The count of a shift or rotate is an immediate and not 0 modulo the operand's width. */
  readonly countNonzero: boolean;
}

const NO_INSTRUCTION: Variant = {
  form: FORMS[0]!,
  operandSize: 64,
  addressSize: 64,
  stackSize: 64,
  memory: false,
  condition: 0,
  control: 0,
  repeat: 0,
  countNonzero: false,
};

/** One memory place, addressed once, that is read and then written. */
interface Place {
  readonly id: number;
  readonly address: I64;
  readonly bits: Bits;
}

/** Records the meaning of an instruction. Its methods append statements; the values they return are bound at that point. */
export type Semantics = (context: Context) => void;

/**
 * The builder that semantics talk to. Operands are numbered as the opcode table lists them. Integer operand values are i64,
 * zero-extended from the operand's width; results passed to `write` are truncated by the write.
 *
 * The rule that keeps instructions restartable: every access that may fault comes before the first change of state.
 */
export class Context {
  readonly variant: Variant;
  readonly size: Size;
  readonly #locals: ValueType[] = [];
  readonly #variables = new Set<number>();
  readonly #places = new Map<number, Place>();
  /** All accesses at the memory operand's address together. */
  readonly #access = { bytes: 1, write: false };
  #statements: Statement[] = [];
  #address: I64 | undefined;
  #nextPlace = 0;

  constructor(variant: Variant) {
    this.variant = variant;
    this.size = variant.operandSize;
  }

  static record(variant: Variant, semantics: Semantics): Program {
    const context = new Context(variant);
    semantics(context);
    return { statements: context.#statements, locals: context.#locals };
  }

  /** Records a computation over the state that belongs to no instruction. */
  static recordFunction<T extends ValueType>(
    body: (context: Context) => Node<T>,
  ): { program: Program; result: Node<T> } {
    const context = new Context(NO_INSTRUCTION);
    const result = body(context);
    return { program: { statements: context.#statements, locals: context.#locals }, result };
  }

  // Values

  /** Binds a value: what is returned stays the same whatever is written later, and is computed once. */
  let<T extends ValueType>(value: Node<T>): Node<T> {
    if ((value.kind === 'local' && !this.#variables.has(value.id)) || value.kind === 'constant') return value;
    return this.#bind(value.type as T, (local) => ({ kind: 'let', local, value }));
  }

  /** A variable, for loops and values that differ between the arms of an `if`. */
  variable<T extends ValueType>(initial: Node<T>): Node<T> {
    const variable = this.#bind(initial.type as T, (local) => ({ kind: 'let', local, value: initial }));
    this.#variables.add((variable as LocalNode).id);
    return variable;
  }

  assign<T extends ValueType>(variable: Node<T>, value: Node<T>): void {
    if (variable.kind !== 'local') throw new TypeError('only a variable can be assigned');
    this.#statements.push({ kind: 'assign', local: variable, value });
  }

  /** Truncates to the operand size and binds. */
  result(value: I64, bits: number = this.size): I64 {
    return this.let(truncate(value, bits));
  }

  /** Sign-extends from the operand size, unbound. */
  signed(value: I64, bits: number = this.size): I64 {
    return signExtend(value, bits);
  }

  immediate(): I64 {
    return { kind: 'instruction', type: 'i64', what: 'immediate' };
  }
  immediate2(): I64 {
    return { kind: 'instruction', type: 'i64', what: 'immediate2' };
  }
  rip(): I64 {
    return { kind: 'instruction', type: 'i64', what: 'rip' };
  }
  nextRip(): I64 {
    return { kind: 'instruction', type: 'i64', what: 'nextRip' };
  }
  branchTarget(): I64 {
    return { kind: 'instruction', type: 'i64', what: 'branchTarget' };
  }

  // Operands

  /** Width in bits of an operand, as its type letters say. */
  width(index: number): Bits {
    const operand = this.#operand(index);
    if (operand.type in SEGMENT_NUMBERS) return this.size;
    if (operand.type === '1') return 8;
    const { operandSize, memory, stackSize } = this.variant;
    return operandWidth(operand, { operandSize, memory, codeSize: stackSize === 64 ? 64 : 32 }) as Bits;
  }

  /** True when the operand is in memory in this variant. */
  inMemory(index: number): boolean {
    const { method } = this.#operand(index);
    return (
      method === 'M' || method === 'O' || ((method === 'E' || method === 'W' || method === 'Q') && this.variant.memory)
    );
  }

  /** The operand, zero-extended to i64; of an XMM or MMX register its low 32 or 64 bits, if `bits` or its type says so. */
  read(index: number, bits: Bits = this.width(index)): I64 {
    return this.#read(index, bits, undefined);
  }

  /** As `read`, for an operand that `write` will follow: memory is checked for writing and addressed once. */
  readForWrite(index: number, bits: Bits = this.width(index)): I64 {
    if (!this.inMemory(index)) return this.#read(index, bits, undefined);
    const place: Place = { id: this.#nextPlace++, address: this.operandAddress(bits, true), bits };
    this.#places.set(index, place);
    return this.#read(index, bits, place.id);
  }

  #read(index: number, bits: Bits, place: number | undefined): I64 {
    const { method, type } = this.#operand(index);
    if (method === 'I') return truncate(this.immediate(), bits);
    if (method === 'sI') return truncate(this.immediate(), this.size);
    if (type === '1') return i64.const(1);
    if (method === 'fixed' && type in SEGMENT_NUMBERS) return this.#selector(SEGMENT_NUMBERS[type]!);
    if (this.inMemory(index)) {
      const address = this.operandAddress(bits, false);
      const aligned = false;
      return this.#bind('i64', (local) => ({ kind: 'load', local, address, bits, access: 'operand', aligned, place }));
    }
    if ('VWUPQN'.includes(method)) return this.#lane(index, bits);
    return this.readRegister(this.#register(index), bits);
  }

  #selector(segment: number): I64 {
    const address = SEGMENTS + segment * SEGMENT_BYTES + SEGMENT_SELECTOR;
    const selector = this.#bind('i32', (local) => ({ kind: 'readField', local, address, bytes: 4 }));
    return i64.extend_i32_u(selector);
  }

  #lane(index: number, bits: Bits): I64 {
    const register = this.#register(index);
    if (bits === 64) return this.#bind('i64', (local) => ({ kind: 'readVector', local, register }));
    const low = this.#bind('i32', (local) => ({ kind: 'readVector', local, register }));
    return truncate(i64.extend_i32_u(low), bits);
  }

  /** Writes the low `bits` of a value to a register, XMM lane 0 or memory operand; an MMX register takes it zero-extended. */
  write(index: number, value: I64, bits: Bits = this.width(index)): void {
    const { method } = this.#operand(index);
    if (this.inMemory(index)) {
      const place = this.#places.get(index);
      const address = place?.address ?? this.operandAddress(bits, true);
      const base = { address, bits, value, access: 'operand', aligned: false } as const;
      this.#statements.push({ kind: 'store', ...base, place: place?.id });
    } else if (this.#isMmx(index)) {
      this.#writeMmx(index, truncate(value, bits));
    } else if ('VWU'.includes(method)) {
      this.writeVector(index, bits === 32 ? i32.wrap_i64(value) : value, 0);
    } else {
      this.writeRegister(this.#register(index), bits, value);
    }
  }

  /** Writes an operand and the flags, in the order that leaves the flags alone when the store faults. */
  writeWithFlags(index: number, value: I64, kind: number, a: I64, b: I64 = i64.const(0)): void {
    this.write(index, value);
    this.setFlags(kind, a, b);
  }

  /**
   * All 128 bits of an XMM register or memory operand; an MMX register, or memory in its place, with zeros above.
   * @param aligned whether a misaligned memory operand of 128 bits raises #GP(0)
   */
  readVector(index: number, aligned: boolean): V128 {
    if (this.#isMmx(index)) {
      return this.let(replaceLane('i64x2.replace_lane', constant('v128', 0), 0, this.read(index)));
    }
    if (!this.inMemory(index)) {
      const register = this.#register(index);
      return this.#bind('v128', (local) => ({ kind: 'readVector', local, register }));
    }
    const address = this.operandAddress(128, false);
    const shared = { address, bits: 128, access: 'operand', aligned, place: undefined } as const;
    return this.#bind('v128', (local) => ({ kind: 'load', local, ...shared }));
  }

  /** Lane 0 of an XMM register, or as many bytes of memory. */
  readLane<T extends 'i32' | 'i64' | 'f32' | 'f64'>(index: number, type: T): Node<T> {
    if (!this.inMemory(index)) {
      const register = this.#register(index);
      return this.#bind(type, (local) => ({ kind: 'readVector', local, register }));
    }
    const bits: Bits = type === 'i32' || type === 'f32' ? 32 : 64;
    const address = this.operandAddress(bits, false);
    const shared = { address, bits, access: 'operand', aligned: false, place: undefined } as const;
    return this.#bind(type, (local) => ({ kind: 'load', local, ...shared }));
  }

  /**
   * To memory: the value's own width. To an XMM register: v128 replaces all of it, another type only its lane. To an MMX register:
   * the low half of a v128.
   * @param aligned for a v128 to memory, whether a misaligned address raises #GP(0)
   */
  writeVector(index: number, value: Node, lane = 0, aligned = false): void {
    if (this.#isMmx(index)) {
      this.#writeMmx(index, extractLane('i64', 'i64x2.extract_lane', value as V128, 0));
    } else if (this.inMemory(index)) {
      const bits: Bits = value.type === 'v128' ? 128 : value.type === 'i32' || value.type === 'f32' ? 32 : 64;
      const address = this.operandAddress(bits, true);
      this.#statements.push({ kind: 'store', address, bits, value, access: 'operand', aligned, place: undefined });
    } else {
      this.#statements.push({ kind: 'writeVector', register: this.#register(index), lane, value });
    }
  }

  #isMmx(index: number): boolean {
    return 'PQN'.includes(this.#operand(index).method);
  }

  /** Sign and exponent of the x87 register that an MMX register is part of become ones (SDM vol. 3A 12.2). */
  #writeMmx(index: number, value: I64): void {
    const whole = replaceLane('i64x2.replace_lane', constant('v128', 0xffffn << 64n), 0, value);
    this.#statements.push({ kind: 'writeVector', register: this.#register(index), lane: 0, value: whole });
  }

  /** Linear address of the memory operand, segment base included, for an access of `bits` there. */
  operandAddress(bits: number, write: boolean): I64 {
    const access = this.#access;
    access.bytes = Math.max(access.bytes, bits / 8);
    access.write ||= write;
    this.#address ??= this.#bind('i64', (local) => ({ kind: 'operandAddress', local, access }));
    return this.#address;
  }
  /** The memory operand's offset in its segment, cut to the address size: what LEA loads. */
  operandOffset(): I64 {
    return this.#bind('i64', (local) => ({ kind: 'operandAddress', local, access: undefined }));
  }

  // Registers by number

  /** @param register a fixed number (20 to 23 for AH CH DH BH with 8 bits) or the field that names it */
  readRegister(register: number | RegisterReference, bits: Bits): I64 {
    const reference = toReference(register);
    return this.#bind('i64', (local) => ({ kind: 'readRegister', local, register: reference, bits }));
  }
  writeRegister(register: number | RegisterReference, bits: Bits, value: I64): void {
    this.#statements.push({ kind: 'writeRegister', register: toReference(register), bits, value });
  }

  // Memory

  /** Loads from a linear address. @returns zero-extended */
  load(address: I64, bits: Bits, access: AccessKind = 'data'): I64 {
    const shared = { address, bits, access, aligned: false, place: undefined } as const;
    return this.#bind('i64', (local) => ({ kind: 'load', local, ...shared }));
  }
  /** Loads what `storeBack` will overwrite. @returns the value and the place to store to */
  loadForWrite(address: I64, bits: Bits, access: AccessKind = 'data'): { value: I64; place: number } {
    const place = this.#nextPlace++;
    const bound = this.let(address);
    const shared = { address: bound, bits, access, aligned: false, place } as const;
    return { value: this.#bind('i64', (local) => ({ kind: 'load', local, ...shared })), place };
  }
  store(address: I64, bits: Bits, value: Node, access: AccessKind = 'data', place?: number): void {
    this.#statements.push({ kind: 'store', address, bits, value, access, aligned: false, place });
  }
  /** Asks for write permission without changing anything. */
  checkWritable(address: I64, bits: Bits, access: AccessKind = 'data'): void {
    this.loadForWrite(address, bits, access);
  }

  /**
   * @param offset cut to the address size
   * @returns its linear address in the segment of the (implied) memory operand, for an access of `bits`
   */
  linear(offset: I64, bits: number, write = false): I64 {
    if (this.#segmented) return this.#segmentAddress(undefined, offset, i64.const(bits / 8), write);
    const base = this.#bind('i64', (local) => ({ kind: 'operandSegment', local }));
    return this.let(i64.add(base, offset));
  }
  /** @param offset cut to the address size @returns its linear address in ES, which string instructions cannot override */
  linearInEs(offset: I64, bits: number, write = false): I64 {
    return this.#segmented ? this.#segmentAddress(ES, offset, i64.const(bits / 8), write) : this.let(offset);
  }

  /**
   * Whether a segment allows an access of many bytes, without wrapping at the address size.
   * @param segment undefined for that of the (implied) memory operand
   * @returns undefined in 64-bit mode, where it always does
   */
  segmentAllows(segment: number | undefined, offset: I64, bytes: I64, write: boolean): I32 | undefined {
    if (!this.#segmented) return undefined;
    const address = this.#segmentAddress(segment, offset, bytes, write);
    const end = i64.const(1n << BigInt(this.variant.addressSize));
    return i32.and(i64.ne(address, i64.const(SEGMENT_VIOLATION)), i64.le_u(i64.add(offset, bytes), end));
  }

  #segmentAddress(segment: number | undefined, offset: I64, bytes: I64, write: boolean): I64 {
    return this.#bind('i64', (local) => ({ kind: 'segmentAddress', local, segment, offset, bytes, write }));
  }

  /** Outside 64-bit mode, as far as the variant tells: all do that address memory without ModRM. */
  get #segmented(): boolean {
    return this.variant.stackSize !== 64;
  }

  /** @param segment LDTR or TR */
  systemSegmentBase(segment: number): I64 {
    const address = SEGMENTS + segment * SEGMENT_BYTES + SEGMENT_BASE;
    return this.#bind('i64', (local) => ({ kind: 'readField', local, address, bytes: 8 }));
  }

  /** @param segment FS or GS */
  segmentBase(segment: number): I64 {
    const address = SEGMENTS + segment * SEGMENT_BYTES + SEGMENT_BASE;
    return this.#bind('i64', (local) => ({ kind: 'readField', local, address, bytes: 8 }));
  }

  /** @param part SEGMENT_LIMIT, SEGMENT_SELECTOR or SEGMENT_ATTRIBUTES */
  segmentPart(segment: number, part: number): I32 {
    const address = SEGMENTS + segment * SEGMENT_BYTES + part;
    return this.#bind('i32', (local) => ({ kind: 'readField', local, address, bytes: 4 }));
  }
  /** Writes all four parts of a segment register. */
  setSegment(segment: number, selector: I32, attributes: I32, base: I64, limit: I32): void {
    const parts = [
      [SEGMENT_SELECTOR, selector],
      [SEGMENT_ATTRIBUTES, attributes],
      [SEGMENT_LIMIT, limit],
    ] as const;
    for (const [part, value] of parts) {
      const address = SEGMENTS + segment * SEGMENT_BYTES + part;
      this.#statements.push({ kind: 'writeField', address, bytes: 4, value });
    }
    this.setSegmentBase(segment, base);
  }

  setSegmentBase(segment: number, value: I64): void {
    const address = SEGMENTS + segment * SEGMENT_BYTES + SEGMENT_BASE;
    this.#statements.push({ kind: 'writeField', address, bytes: 8, value });
  }

  /** Limit of CS. */
  codeLimit(): I64 {
    const address = SEGMENTS + CS * SEGMENT_BYTES + SEGMENT_LIMIT;
    return i64.extend_i32_u(this.#bind('i32', (local) => ({ kind: 'readField', local, address, bytes: 4 })));
  }

  /** Stack pointer, cut to its width. */
  stackPointer(): I64 {
    return this.readRegister(RSP, this.variant.stackSize);
  }
  setStackPointer(value: I64): void {
    this.writeRegister(RSP, this.variant.stackSize, value);
  }
  /** @param offset a stack pointer value @returns the linear address, for an access of `bits` */
  stackAddress(offset: I64, bits: number, write: boolean): I64 {
    if (!this.#segmented) return offset;
    return this.#segmentAddress(SS, truncate(offset, this.variant.stackSize), i64.const(bits / 8), write);
  }
  push(value: I64, bits: Bits = this.size): void {
    const top = this.result(i64.sub(this.stackPointer(), i64.const(bits / 8)), this.variant.stackSize);
    this.store(this.stackAddress(top, bits, true), bits, value, 'stack');
    this.setStackPointer(top);
  }
  /** Reads the top of the stack; the caller then moves the pointer with `dropStack`. */
  peekStack(bits: Bits = this.size): I64 {
    return this.load(this.stackAddress(this.stackPointer(), bits, false), bits, 'stack');
  }
  dropStack(bytes: I64): void {
    this.setStackPointer(truncate(i64.add(this.stackPointer(), bytes), this.variant.stackSize));
  }

  // Flags and other state

  /** @param kind a KIND; the operand size is added @param a and @param b as flags.ts lists them */
  setFlags(kind: number, a: I64, b: I64 = i64.const(0), bits: number = this.size): void {
    this.#statements.push({ kind: 'setFlags', flagKind: i32.const(storedKind(kind, bits)), a, b });
  }
  /** Flags whose kind depends on values. @param flagKind a stored kind */
  setFlagsOfKind(flagKind: I32, a: I64, b: I64): void {
    this.#statements.push({ kind: 'setFlags', flagKind, a, b });
  }
  /** @param flags i32 with CF PF AF ZF SF OF in place; other bits must be 0 */
  setStatusFlags(flags: I32): void {
    this.setFlagsOfKind(i32.const(KIND.RAW << 2), i64.extend_i32_u(flags), i64.const(0));
  }
  statusFlags(): I32 {
    return this.#bind('i32', (local) => ({ kind: 'statusFlags', local }));
  }
  /** @returns i32 0 or 1 */
  condition(code: number = this.variant.condition): I32 {
    return this.#bind('i32', (local) => ({ kind: 'condition', local, code }));
  }
  /** @returns CF as i64 0 or 1 */
  carry(): I64 {
    return i64.extend_i32_u(this.condition(2));
  }

  /** A 32-bit field of the CPU block. */
  field(name: FieldName): I32 {
    const { address } = FIELDS[name];
    return this.#bind('i32', (local) => ({ kind: 'readField', local, address, bytes: 4 }));
  }
  setField(name: FieldName, value: I32): void {
    this.#statements.push({ kind: 'writeField', address: FIELDS[name].address, bytes: 4, value });
  }
  field64(name: FieldName): I64 {
    const { address } = FIELDS[name];
    return this.#bind('i64', (local) => ({ kind: 'readField', local, address, bytes: 8 }));
  }
  setField64(name: FieldName, value: I64): void {
    this.#statements.push({ kind: 'writeField', address: FIELDS[name].address, bytes: 8, value });
  }
  mxcsr(): I32 {
    return this.field('mxcsr');
  }
  setMxcsr(value: I32): void {
    this.setField('mxcsr', value);
  }

  // Control

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    const statement = {
      kind: 'if',
      condition,
      whenTrue: this.#block(then),
      whenFalse: otherwise ? this.#block(otherwise) : [],
    } as const;
    this.#statements.push(statement);
  }
  /**
   * Makes sure that a bound value's lanes hold no denormals, as far as it matters.
   * @param suspect i32, 0 when they certainly do not @param check leaves the instruction if they do
   */
  excludeDenormals(value: Node, width: 32 | 64, suspect: I32, check: () => void): void {
    if (value.kind !== 'local') throw new TypeError('only of bound values anything can be established');
    const establishes = { local: value, width };
    const whenTrue = this.#block(check);
    this.#statements.push({ kind: 'if', condition: suspect, whenTrue, whenFalse: [], establishes });
  }
  /** Runs `body`, then again while the condition it returns is not 0. */
  loop(body: () => I32): void {
    let condition: I32 = i32.const(0);
    const statements = this.#block(() => {
      condition = body();
    });
    this.#statements.push({ kind: 'loop', body: statements, condition });
  }
  /** Nothing of the instruction has happened when this is reached. */
  raise(vector: number, errorCode?: number): void {
    this.#statements.push({ kind: 'raise', vector, errorCode });
  }
  raiseIf(condition: I32, vector: number, errorCode?: number): void {
    this.if(condition, () => this.raise(vector, errorCode));
  }
  /** Leaves the instruction unexecuted to its TypeScript function unless `condition` holds; before any change of state. */
  exactUnless(condition: I32): void {
    this.if(i32.eqz(condition), () => this.#statements.push({ kind: 'leave' }));
  }
  /** Ends by jumping to the branch target if `condition` is not 0. */
  branch(condition?: I32): void {
    this.#statements.push({ kind: 'branch', condition });
  }
  jump(target: I64): void {
    this.#statements.push({ kind: 'jump', target, resumes: false });
  }
  /** As `jump`, behind which RFLAGS.RF, if it is set now, holds for one instruction. */
  jumpAndResume(target: I64): void {
    this.#statements.push({ kind: 'jump', target, resumes: true });
  }
  restart(): void {
    this.#statements.push({ kind: 'restart' });
  }
  /** @returns i32 0 when nothing was done, as instructions may have been fetched from the page */
  invalidatePage(address: I64): I32 {
    return this.#bind('i32', (local) => ({ kind: 'invalidatePage', local, address }));
  }
  bulk(destination: I64, source: I64 | undefined, value: I64 | undefined, count: I64, bits: Bits): I64 {
    return this.#bind('i64', (local) => ({ kind: 'bulk', local, destination, source, value, count, bits }));
  }

  #block(record: () => void): readonly Statement[] {
    const outer = this.#statements;
    this.#statements = [];
    record();
    const inner = this.#statements;
    this.#statements = outer;
    return inner;
  }

  #bind<T extends ValueType>(type: T, make: (local: LocalNode) => Statement): Node<T> {
    const local: LocalNode = { kind: 'local', type, id: this.#locals.length };
    this.#locals.push(type);
    this.#statements.push(make(local));
    return local as Node<T>;
  }

  #operand(index: number): Operand {
    const operand = this.variant.form.operands[index];
    if (!operand) throw new RangeError(`${this.variant.form.name} has no operand ${index}`);
    return operand;
  }

  #register(index: number): RegisterReference {
    const { method, type, text } = this.#operand(index);
    if (method === 'fixed') {
      const number = FIXED_REGISTERS[type];
      if (number === undefined) throw new TypeError(`${this.variant.form.name}: register ${text}`);
      return { field: 'fixed', number };
    }
    const number = this.#isMmx(index) ? MMX_VECTORS : 0;
    if ('EZWUNQRM'.includes(method)) return { field: 'rm', number };
    return { field: method === 'B' ? 'vvvv' : 'reg', number };
  }
}

const FIXED_REGISTERS: Record<string, number> = { AL: RAX, AX: RAX, eAX: RAX, rAX: RAX, CL: RCX, DX: RDX, AH: 20 };

const SEGMENT_NUMBERS: Record<string, number> = { ES, CS, SS, DS, FS, GS };

function toReference(register: number | RegisterReference): RegisterReference {
  return typeof register === 'number' ? { field: 'fixed', number: register } : register;
}

export function truncate(value: I64, bits: number): I64 {
  if (bits >= 64) return value;
  const mask = (1n << BigInt(bits)) - 1n;
  if (value.kind === 'constant') return constant('i64', value.bits & mask);
  return i64.and(value, i64.const(mask));
}

export function signExtend(value: I64, bits: number): I64 {
  if (bits === 8) return i64.extend8_s(value);
  if (bits === 16) return i64.extend16_s(value);
  return bits === 32 ? i64.extend32_s(value) : value;
}

/** i64 0 or 1 from an i32 condition. */
export const bit = (condition: I32): I64 => i64.extend_i32_u(condition);
export const isNonzero = (value: I64): I32 => i64.ne(value, i64.const(0));
export { i32, i64, select };
