/** The third binding of the semantics: a recorded program evaluated on bigints, slowly and without any engine. */
import { GuestException } from '../bus.ts';
import type { Instruction } from '../decode/instruction.ts';
import { FLAG, statusFlags } from '../flags.ts';
import { FS, MMX_VECTORS, SEGMENT_VIOLATION, SS, XMM } from '../layout.ts';
import type {
  Bits,
  LocalNode,
  Node,
  OperandAccess,
  Program,
  RegisterReference,
  Statement,
} from '../semantics/nodes.ts';
import type { CpuState } from '../state.ts';
import { segmentAllows } from '../system/operands.ts';
import { evaluateScalar } from './scalars.ts';
import { evaluateVector, fromLanes, lanesOf, shuffle } from './vectors.ts';

/** Guest memory by linear address, for the current privilege. Every method throws GuestException before it changes anything. */
export interface OracleMemory {
  /** @returns the value, zero-extended */
  read(address: bigint, bits: Bits): bigint;
  write(address: bigint, bits: Bits, value: bigint): void;
  /** Raises what `write` would. */
  checkWrite(address: bigint, bits: Bits): void;
}

/** How a program ended: by reaching its end, by a jump (RIP is set), unexecuted for its TypeScript function, or to be run again. */
export type Outcome = 'next' | 'jumped' | 'leave' | 'restart';

const STACK_FAULT = 12;
const GENERAL_PROTECTION = 13;
const RSP = 4;
const RBP = 5;
const WIDTHS = { i32: 32, i64: 64, f32: 32, f64: 64, v128: 128 } as const;

const isCanonical = (address: bigint): boolean => BigInt.asUintN(64, BigInt.asIntN(48, address)) === address;

/** Evaluates programs over a CPU's state. */
export class Evaluator {
  readonly #state: CpuState;
  readonly #memory: OracleMemory;
  #instruction!: Instruction;
  /** Address of the instruction being executed. */
  #rip = 0n;
  #locals: bigint[] = [];

  constructor(state: CpuState, memory: OracleMemory) {
    this.#state = state;
    this.#memory = memory;
  }

  /**
   * Executes one instruction, whose address is in RIP. RIP only changes when the outcome is 'jumped'.
   * @throws GuestException with the state as it was
   */
  execute(program: Program, instruction: Instruction): Outcome {
    this.#instruction = instruction;
    this.#rip = this.#state.rip;
    this.#locals = program.locals.map(() => 0n);
    return this.#run(program.statements) ?? 'next';
  }

  #run(statements: readonly Statement[]): Outcome | undefined {
    for (const statement of statements) {
      const outcome = this.#statement(statement);
      if (outcome !== undefined) return outcome;
    }
    return undefined;
  }

  #statement(statement: Statement): Outcome | undefined {
    switch (statement.kind) {
      case 'let':
      case 'assign':
        this.#set(statement.local, this.#value(statement.value));
        return undefined;
      case 'if':
        return this.#run(this.#value(statement.condition) !== 0n ? statement.whenTrue : statement.whenFalse);
      case 'loop': {
        let outcome: Outcome | undefined;
        do outcome = this.#run(statement.body);
        while (outcome === undefined && this.#value(statement.condition) !== 0n);
        return outcome;
      }
      case 'raise':
        throw new GuestException(statement.vector, statement.errorCode);
      case 'leave':
      case 'restart':
        return statement.kind;
      case 'branch':
        if (statement.condition !== undefined && this.#value(statement.condition) === 0n) return undefined;
        return this.#jump(this.#branchTarget());
      case 'jump':
        return this.#jump(this.#value(statement.target));
      default:
        this.#access(statement);
        return undefined;
    }
  }

  #jump(target: bigint): Outcome {
    if (this.#state.mode64 && !isCanonical(target)) throw new GuestException(GENERAL_PROTECTION, 0);
    this.#state.rip = target;
    return 'jumped';
  }

  /** Statements that read or write the machine. */
  #access(
    statement: Exclude<
      Statement,
      { kind: 'let' | 'assign' | 'if' | 'loop' | 'raise' | 'leave' | 'restart' | 'branch' | 'jump' }
    >,
  ): void {
    const state = this.#state;
    switch (statement.kind) {
      case 'readRegister':
        this.#set(statement.local, this.#readRegister(statement.register, statement.bits));
        break;
      case 'writeRegister':
        this.#writeRegister(statement.register, statement.bits, this.#value(statement.value));
        break;
      case 'readVector':
        this.#set(statement.local, this.#readVector(this.#vectorNumber(statement.register)));
        break;
      case 'writeVector':
        this.#writeVector(statement);
        break;
      case 'readField':
        this.#set(statement.local, this.#field(statement.address, statement.bytes));
        break;
      case 'writeField':
        if (statement.bytes === 4) state.u32[statement.address >> 2] = Number(this.#value(statement.value));
        else state.u64[statement.address >> 3] = this.#value(statement.value);
        break;
      case 'operandAddress':
        this.#set(statement.local, this.#operandAddress(statement.access));
        break;
      case 'segmentAddress': {
        const { segment = this.#instruction.segment, offset, bytes, write } = statement;
        const address = this.#segmentAddress(segment, this.#value(offset), Number(this.#value(bytes)), write);
        this.#set(statement.local, address);
        break;
      }
      case 'operandSegment':
        this.#set(statement.local, this.#segmentBase(this.#instruction.segment));
        break;
      case 'load':
        this.#load(statement);
        break;
      case 'store':
        this.#check(this.#value(statement.address), statement);
        this.#memory.write(this.#value(statement.address), statement.bits, this.#value(statement.value));
        break;
      case 'setFlags':
        state.set('flagsKind', Number(this.#value(statement.flagKind)));
        state.set64('flagsA', this.#value(statement.a));
        state.set64('flagsB', this.#value(statement.b));
        break;
      case 'condition':
        this.#set(statement.local, this.#condition(statement.code) ? 1n : 0n);
        break;
      case 'statusFlags':
        this.#set(statement.local, BigInt(this.#statusFlags()));
        break;
      case 'invalidatePage':
        // Left to the TypeScript function.
        this.#set(statement.local, 0n);
        break;
      case 'bulk':
        // Nothing in bulk: the loop around it goes element by element.
        this.#set(statement.local, 0n);
        break;
    }
  }

  #set(local: LocalNode, value: bigint): void {
    this.#locals[local.id] = BigInt.asUintN(WIDTHS[local.type], value);
  }

  #value(node: Node): bigint {
    switch (node.kind) {
      case 'constant':
        return node.bits;
      case 'local':
        return this.#locals[node.id]!;
      case 'select':
        return this.#value(this.#value(node.condition) !== 0n ? node.whenTrue : node.whenFalse);
      case 'instruction':
        return this.#instructionValue(node.what);
      case 'operation':
        return this.#operation(node);
    }
  }

  #operation({ name, operands, lanes }: Extract<Node, { kind: 'operation' }>): bigint {
    const values = operands.map((operand) => this.#value(operand));
    const [a = 0n, b = 0n] = values;
    if (name === 'i8x16.shuffle') return shuffle(lanes!, a, b);
    const lane = /^([if])(\d+)x\d+\.(splat|extract_lane|replace_lane)(_s)?/.exec(name);
    if (!lane) return /^[if]\d+x|^v128/.test(name) ? evaluateVector(name, values) : evaluateScalar(name, values);
    const width = Number(lane[2]);
    const index = lanes?.[0] ?? 0;
    if (lane[3] === 'splat') return fromLanes(Array(128 / width).fill(a), width);
    const parts = lanesOf(a, width);
    if (lane[3] === 'replace_lane') return fromLanes(parts.with(index, b), width);
    return lane[4] ? BigInt.asUintN(32, BigInt.asIntN(width, parts[index]!)) : parts[index]!;
  }

  #instructionValue(what: Extract<Node, { kind: 'instruction' }>['what']): bigint {
    const { immediate, immediateHigh, immediate2 } = this.#instruction;
    switch (what) {
      case 'immediate':
        return (BigInt(immediateHigh >>> 0) << 32n) | BigInt(immediate >>> 0);
      case 'immediate2':
        return BigInt(immediate2);
      case 'rip':
        return this.#rip;
      case 'nextRip':
        return this.#nextRip();
      case 'branchTarget':
        return this.#branchTarget();
    }
  }

  #nextRip(): bigint {
    return BigInt.asUintN(this.#state.mode64 ? 64 : 32, this.#rip + BigInt(this.#instruction.length));
  }

  #branchTarget(): bigint {
    const { operandSize, codeSize, immediate, immediateHigh } = this.#instruction;
    const offset = (BigInt(immediateHigh) << 32n) | BigInt(immediate >>> 0);
    return BigInt.asUintN(codeSize === 64 ? 64 : operandSize === 16 ? 16 : 32, this.#nextRip() + offset);
  }

  #number({ field, number }: RegisterReference): number {
    const { reg, rm, vvvv } = this.#instruction;
    return field === 'fixed' ? number : field === 'reg' ? reg : field === 'rm' ? rm : vvvv;
  }

  /** AH, CH, DH and BH: by their own numbers, or by 4 to 7 in an instruction without REX. */
  #highByte({ field }: RegisterReference, number: number, bits: Bits): number | undefined {
    if (number >= 20) return number - 20;
    return bits === 8 && field !== 'fixed' && number >= 4 && number < 8 && this.#instruction.rex === 0
      ? number - 4
      : undefined;
  }

  #readRegister(register: RegisterReference, bits: Bits): bigint {
    const number = this.#number(register);
    const high = this.#highByte(register, number, bits);
    return high === undefined ? BigInt.asUintN(bits, this.#state.gpr(number)) : (this.#state.gpr(high) >> 8n) & 0xffn;
  }

  #writeRegister(register: RegisterReference, bits: Bits, value: bigint): void {
    const state = this.#state;
    const number = this.#number(register);
    const high = this.#highByte(register, number, bits);
    const part = BigInt.asUintN(bits, value);
    if (high !== undefined) state.setGpr(high, (state.gpr(high) & ~0xff00n) | (part << 8n));
    else if (bits >= 32) state.setGpr(number, part);
    else state.setGpr(number, ((state.gpr(number) >> BigInt(bits)) << BigInt(bits)) | part);
  }

  /** MMX registers are numbered as their place in memory has it; REX does not reach them. */
  #vectorNumber(register: RegisterReference): number {
    const number = this.#number(register);
    return register.field !== 'fixed' && register.number === MMX_VECTORS ? MMX_VECTORS + (number & 7) : number;
  }

  #readVector(number: number): bigint {
    const index = (XMM >> 3) + 2 * number;
    return this.#state.u64[index]! | (this.#state.u64[index + 1]! << 64n);
  }

  #writeVector({ register, lane, value }: Extract<Statement, { kind: 'writeVector' }>): void {
    const number = this.#vectorNumber(register);
    const width = WIDTHS[value.type];
    const all = fromLanes(lanesOf(this.#readVector(number), width).with(lane, this.#value(value)), width);
    const index = (XMM >> 3) + 2 * number;
    this.#state.u64[index] = BigInt.asUintN(64, all);
    this.#state.u64[index + 1] = all >> 64n;
  }

  #field(address: number, bytes: 4 | 8): bigint {
    return bytes === 4 ? BigInt(this.#state.u32[address >> 2]!) : this.#state.u64[address >> 3]!;
  }

  #statusFlags(): number {
    const state = this.#state;
    return statusFlags(state.get('flagsKind'), state.get64('flagsA'), state.get64('flagsB'));
  }

  /** Condition codes of SDM vol. 1, appendix B. */
  #condition(code: number): boolean {
    const flags = this.#statusFlags();
    const is = (flag: number): boolean => (flags & flag) !== 0;
    const less = is(FLAG.SF) !== is(FLAG.OF);
    const conditions = [
      is(FLAG.OF),
      is(FLAG.CF),
      is(FLAG.ZF),
      is(FLAG.CF) || is(FLAG.ZF),
      is(FLAG.SF),
      is(FLAG.PF),
      less,
      less || is(FLAG.ZF),
    ];
    return conditions[code >> 1]! !== ((code & 1) !== 0);
  }

  #operandAddress(access: OperandAccess | undefined): bigint {
    const { addressSize, base, index, scale, displacement, displacementHigh, ripRelative, segment } = this.#instruction;
    const state = this.#state;
    let offset = (BigInt(displacementHigh) << 32n) | BigInt(displacement >>> 0);
    if (ripRelative) offset += this.#nextRip();
    if (base < 16) offset += state.gpr(base);
    if (index < 16) offset += state.gpr(index) << BigInt(scale);
    offset = BigInt.asUintN(addressSize, offset);
    if (access === undefined) return offset;
    if (!state.mode64) return this.#segmentAddress(segment, offset, access.bytes, access.write);
    return BigInt.asUintN(64, offset + this.#segmentBase(segment));
  }

  /** Outside 64-bit mode. */
  #segmentAddress(segment: number, offset: bigint, bytes: number, write: boolean): bigint {
    const state = this.#state;
    if (!segmentAllows(state, segment, offset, bytes, write)) return SEGMENT_VIOLATION;
    return BigInt.asUintN(32, offset + state.segments[segment]!.base);
  }

  /** In 64-bit mode only FS and GS have a base. */
  #segmentBase(segment: number): bigint {
    return this.#state.mode64 && segment < FS ? 0n : this.#state.segments[segment]!.base;
  }

  #load(statement: Extract<Statement, { kind: 'load' }>): void {
    const address = this.#value(statement.address);
    this.#check(address, statement);
    if (statement.place !== undefined) this.#memory.checkWrite(address, statement.bits);
    this.#set(statement.local, this.#memory.read(address, statement.bits));
  }

  /** What the address alone decides: canonical form and the alignment that 16-byte operands need. */
  #check(address: bigint, access: Extract<Statement, { kind: 'load' | 'store' }>): void {
    if (access.aligned && (address & 15n) !== 0n) throw new GuestException(GENERAL_PROTECTION, 0);
    const last = BigInt.asUintN(64, address + BigInt(access.bits / 8 - 1));
    if (!isCanonical(address) || !isCanonical(last)) {
      throw new GuestException(this.#isStack(access.access) ? STACK_FAULT : GENERAL_PROTECTION, 0);
    }
  }

  #isStack(kind: Extract<Statement, { kind: 'load' }>['access']): boolean {
    const { base, segment, segmentOverridden } = this.#instruction;
    if (kind !== 'operand') return kind === 'stack';
    return segmentOverridden ? segment === SS : base === RSP || base === RBP;
  }
}
