import type { Code } from '../wasm/code.ts';
import type {
  AccessKind,
  Bits,
  InstructionNode,
  LocalNode,
  Node,
  OperandAccess,
  Program,
  RegisterReference,
  Statement,
  ValueType,
} from './nodes.ts';
import { collectAssigned } from './prune.ts';

export const BITS: Record<ValueType, number> = { i32: 32, i64: 64, f32: 32, f64: 64, v128: 128 };

type Load = Extract<Statement, { kind: 'load' }>;
type Store = Extract<Statement, { kind: 'store' }>;
export type If = Extract<Statement, { kind: 'if' }>;
type Bulk = Extract<Statement, { kind: 'bulk' }>;
type SegmentAddress = Extract<Statement, { kind: 'segmentAddress' }>;

/**
 * From recorded programs to WebAssembly. Expressions, control flow and the TLB probe are the same for every engine; a subclass binds
 * what differs: where registers, operands and flags are, what a TLB miss does, and how control leaves an instruction.
 */
export abstract class ProgramLowering {
  protected readonly code: Code;
  /** WebAssembly local of each bound local. */
  readonly #locals = new Map<number, number>();
  /** For each place, the local with its host address: 0 when only the slow path may store there. */
  readonly #places = new Map<number, number>();
  readonly #taken: [ValueType, number][] = [];
  readonly #assigned = new Set<number>();
  /** Upper bound of the significant bits of bound i64 values. */
  readonly #significant = new Map<number, number>();
  /** Bound i64 values that are sign-extended from 32 bits. */
  readonly #signExtended = new Set<number>();

  constructor(code: Code) {
    this.code = code;
  }

  /** Pushes a general register, zero-extended from `bits` to i64. */
  protected abstract readRegister(register: RegisterReference, bits: Bits): void;
  /** Writes the low `bits` of a value: 8 and 16 merge, 32 clear the upper half. */
  protected abstract writeRegister(register: RegisterReference, bits: Bits, value: Node): void;
  /** Pushes lane 0 of an XMM register, or all of it for v128. */
  protected abstract readVector(register: RegisterReference, type: ValueType): void;
  protected abstract writeVector(register: RegisterReference, lane: number, value: Node): void;
  /** Pushes a 64-bit constant of the instruction. */
  protected abstract instructionValue(what: InstructionNode['what']): void;
  /** Pushes the linear address of the memory operand for an access, or without one its offset in the segment. */
  protected abstract operandAddress(access: OperandAccess | undefined): void;
  /** Pushes the base of the memory operand's segment. */
  protected abstract operandSegment(): void;
  /** Pushes the linear address of an access outside 64-bit mode, or SEGMENT_VIOLATION. */
  protected abstract segmentAddress(statement: SegmentAddress): void;
  /** Pushes a field of the CPU block. */
  protected abstract readField(address: number, bytes: 4 | 8): void;
  protected abstract writeField(address: number, bytes: 4 | 8, value: Node): void;
  protected abstract setFlags(kind: Node, a: Node, b: Node): void;
  /** Pushes i32 0 or 1. */
  protected abstract condition(code: number): void;
  /** Pushes the six status flags. */
  protected abstract statusFlags(): void;
  /**
   * Pushes the host address of an access, or leaves the instruction when the TLB has none; undefined in engines that go slow ways
   * within the instruction instead. @param address local with the linear address
   */
  protected translate?(address: number, bits: number, write: boolean, access: AccessKind): void;
  /** @returns how the condition turns out, or may be taken to turn out; undefined when the program must look */
  protected knownOutcome?(statement: If): boolean | undefined;
  /** Pushes the host address of the current read or write TLB. */
  protected abstract pushTlb(write: boolean): void;
  /** Pushes the value of a load whose probe missed, or leaves. */
  protected abstract missedLoad(address: number, bits: number, type: ValueType, access: AccessKind): void;
  protected abstract missedStore(
    address: number,
    value: number,
    bits: number,
    type: ValueType,
    access: AccessKind,
  ): void;
  /** Pushes the host address of a place whose probe missed, 0 when load and store must go their slow ways; or leaves. */
  protected abstract missedPlace(address: number, bits: number, access: AccessKind): void;
  protected abstract bulk(statement: Bulk): void;
  /** Pushes i32 1, or 0 with nothing done. @param address local */
  protected abstract invalidatePage(address: number): void;
  /** The instruction ends with an exception. */
  protected abstract raise(vector: number, errorCode: number | undefined): void;
  protected abstract leave(): void;
  protected abstract restart(): void;
  /** Ends the instruction at the branch target if `condition` is not 0; always, when undefined. */
  protected abstract branch(condition: Node | undefined): void;
  protected abstract jump(target: Node, resumes: boolean): void;

  /** Emits a computation that has no operands and leaves its value on the stack. */
  lowerFunction(program: Program, result: Node): void {
    this.lowerStatements(program.statements);
    this.value(result);
  }

  /** Emits a whole program's statements. */
  protected lowerStatements(statements: readonly Statement[]): void {
    collectAssigned(statements, this.#assigned);
    this.#statements(statements);
  }

  /** Forgets the bindings of the program just emitted; its locals may be used again. */
  protected releaseLocals(): void {
    for (const [type, local] of this.#taken) this.code.release(type, local);
    this.#taken.length = 0;
    this.#locals.clear();
    this.#places.clear();
    this.#assigned.clear();
    this.#significant.clear();
    this.#signExtended.clear();
  }

  #statements(statements: readonly Statement[]): void {
    for (const statement of statements) this.#statement(statement);
  }

  #statement(statement: Statement): void {
    const { code } = this;
    switch (statement.kind) {
      case 'let':
      case 'assign':
        this.value(statement.value);
        if (!this.#assigned.has(statement.local.id) && this.#isSignExtended(statement.value)) {
          this.#signExtended.add(statement.local.id);
        }
        this.#bind(statement.local, statement.kind === 'let' ? this.bitsOf(statement.value) : 64);
        break;
      case 'readRegister':
        this.readRegister(statement.register, statement.bits);
        this.#bind(statement.local, statement.bits);
        break;
      case 'readVector':
        this.readVector(statement.register, statement.local.type);
        this.#bind(statement.local);
        break;
      case 'writeRegister':
        this.writeRegister(statement.register, statement.bits, statement.value);
        break;
      case 'writeVector':
        this.writeVector(statement.register, statement.lane, statement.value);
        break;
      case 'readField':
        this.readField(statement.address, statement.bytes);
        this.#bind(statement.local);
        break;
      case 'writeField':
        this.writeField(statement.address, statement.bytes, statement.value);
        break;
      case 'operandAddress':
        this.operandAddress(statement.access);
        this.#bind(statement.local);
        break;
      case 'segmentAddress':
        this.segmentAddress(statement);
        this.#bind(statement.local);
        break;
      case 'operandSegment':
        this.operandSegment();
        this.#bind(statement.local);
        break;
      case 'load':
        this.#load(statement);
        break;
      case 'store':
        this.#store(statement);
        break;
      case 'setFlags':
        this.setFlags(statement.flagKind, statement.a, statement.b);
        break;
      case 'condition':
        this.condition(statement.code);
        this.#bind(statement.local);
        break;
      case 'statusFlags':
        this.statusFlags();
        this.#bind(statement.local);
        break;
      case 'if': {
        const known = this.knownOutcome?.(statement);
        if (known !== undefined) {
          this.#statements(known ? statement.whenTrue : statement.whenFalse);
          break;
        }
        this.value(statement.condition);
        code.if();
        this.#statements(statement.whenTrue);
        if (statement.whenFalse.length > 0) {
          code.else();
          this.#statements(statement.whenFalse);
        }
        code.end();
        break;
      }
      case 'loop': {
        const label = code.loop();
        this.#statements(statement.body);
        this.value(statement.condition);
        code.brIf(label).end();
        break;
      }
      case 'raise':
        this.raise(statement.vector, statement.errorCode);
        break;
      case 'leave':
        this.leave();
        break;
      case 'restart':
        this.restart();
        break;
      case 'branch':
        this.branch(statement.condition);
        break;
      case 'jump':
        this.jump(statement.target, statement.resumes);
        break;
      case 'invalidatePage':
        this.invalidatePage(this.valueLocal(statement.address));
        this.#bind(statement.local);
        break;
      case 'bulk':
        this.bulk(statement);
        this.#bind(statement.local);
        break;
    }
  }

  /** Pushes the value of an expression. */
  protected value(node: Node): void {
    const { code } = this;
    switch (node.kind) {
      case 'constant':
        if (node.type === 'i32') code.i32(Number(node.bits) | 0);
        else if (node.type === 'i64') code.i64(node.bits);
        else code.float(node.type, node.bits);
        break;
      case 'local':
        code.get(this.#locals.get(node.id)!);
        break;
      case 'operation':
        if (this.#isRedundantMask(node)) {
          this.value(node.operands[0]!);
          break;
        }
        if (this.#isNarrow(node)) {
          this.#low32(node);
          code.op('i64.extend_i32_u');
          break;
        }
        for (const operand of node.operands) this.value(operand);
        code.op(node.name, node.lanes);
        break;
      case 'select':
        this.value(node.whenTrue);
        this.value(node.whenFalse);
        this.value(node.condition);
        code.select();
        break;
      case 'instruction':
        this.instructionValue(node.what);
        break;
    }
  }

  /** Pushes the low 32 bits of an i64 value as i32: hosts do 32-bit arithmetic with shorter instructions and no mask behind it. */
  #low32(node: Node): void {
    const { code } = this;
    if (node.kind === 'constant') {
      code.i32(Number(BigInt.asIntN(32, node.bits)));
    } else if (node.kind === 'operation' && node.name === 'i64.extend_i32_u') {
      this.value(node.operands[0]!);
    } else if (node.kind === 'operation' && (LOW_OPERATORS.has(node.name) || this.#isNarrowShift(node))) {
      if (node.name === 'i64.and' && isLowMask(node.operands[1]!)) {
        this.#low32(node.operands[0]!);
        return;
      }
      for (const operand of node.operands) this.#low32(operand);
      code.op(node.name.replace('i64', 'i32'));
    } else {
      this.value(node);
      code.op('i32.wrap_i64');
    }
  }

  /** The value fits 32 bits, and 32-bit arithmetic yields it. */
  #isNarrow(node: Extract<Node, { kind: 'operation' }>): boolean {
    if (node.type !== 'i64' || this.bitsOf(node) > 32) return false;
    const [value, mask] = node.operands;
    if (node.name === 'i64.and' && isLowMask(mask!)) {
      return value!.kind === 'operation' && (LOW_OPERATORS.has(value!.name) || this.#isNarrowShift(value!));
    }
    return LOW_OPERATORS.has(node.name) || this.#isNarrowShift(node);
  }

  /** A shift whose low 32 result bits a 32-bit shift yields: by less than 32, and nothing comes in from above. */
  #isNarrowShift({ name, operands: [value, count] }: Extract<Node, { kind: 'operation' }>): boolean {
    if (!name.startsWith('i64.sh') || !this.#isBelow32(count!)) return false;
    if (name === 'i64.shl') return true;
    return name === 'i64.shr_u' ? this.bitsOf(value!) <= 32 : this.#isSignExtended(value!);
  }

  #isBelow32(count: Node): boolean {
    return count.kind === 'constant' ? count.bits < 32n : this.bitsOf(count) <= 5;
  }

  /** Bits 63:32 are copies of bit 31. */
  #isSignExtended(node: Node): boolean {
    if (node.kind === 'local') return this.#signExtended.has(node.id);
    return node.kind === 'operation' && SIGN_EXTENSIONS.has(node.name);
  }

  #load(statement: Load): void {
    const { code } = this;
    const { type } = statement.local;
    const { bits, place, access } = statement;
    const address = this.valueLocal(statement.address);
    if (statement.aligned) this.#checkAlignment(address);
    if (this.translate) {
      this.translate(address, bits, place !== undefined, access);
      if (place !== undefined) {
        const host = this.take('i32');
        this.#places.set(place, host);
        code.tee(host);
      }
      code.load(type, bits);
      this.#bind(statement.local, bits);
      return;
    }
    const host = this.take('i32');
    if (place !== undefined) {
      this.#places.set(place, host);
      this.probe(address, bits, true, 'i32');
      code.else();
      this.missedPlace(address, bits, access);
      code.end().tee(host).if(type);
    } else {
      this.probe(address, bits, false, type, host);
    }
    code.get(host).load(type, bits);
    code.else();
    this.missedLoad(address, bits, type, access);
    code.end();
    this.#bind(statement.local, bits);
  }

  #store(statement: Store): void {
    const { code } = this;
    const { bits, place, access } = statement;
    const { type } = statement.value;
    const address = this.valueLocal(statement.address);
    const value = this.valueLocal(statement.value);
    if (statement.aligned) this.#checkAlignment(address);
    let host = place === undefined ? undefined : this.#places.get(place);
    if (this.translate) {
      if (host === undefined) this.translate(address, bits, true, access);
      else code.get(host);
      code.get(value).store(type, bits);
      return;
    }
    if (host !== undefined) {
      code.get(host).if();
    } else {
      host = this.take('i32');
      this.probe(address, bits, true, undefined, host);
    }
    code.get(host).get(value).store(type, bits);
    code.else();
    this.missedStore(address, value, bits, type, access);
    code.end();
  }

  /**
   * Opens an `if` that is entered when the TLB maps all of the access to RAM. With `host`, its local then holds the host address;
   * without, the host address is what the arm leaves on the stack so far. @returns the local with the entry's host address
   */
  protected probe(address: number, bits: number, write: boolean, result: ValueType | undefined, host?: number): number {
    const { code } = this;
    const entry = this.take('i32');
    code.get(address).i64(8n).op('i64.shr_u').op('i32.wrap_i64').i32(0xfff0).op('i32.and');
    this.pushTlb(write);
    code.op('i32.add').tee(entry).load('i64', 64);
    code.get(address);
    if (bits > 8) code.i64(BigInt(bits / 8 - 1)).op('i64.add');
    code.i64(-4096n).op('i64.and').op('i64.eq').if(result);
    code.get(address).op('i32.wrap_i64').get(entry).load('i32', 32, 8).op('i32.add');
    if (host !== undefined) code.set(host);
    return entry;
  }

  #checkAlignment(address: number): void {
    this.code.get(address).i64(15n).op('i64.and').op('i64.eqz').op('i32.eqz').if();
    this.raise(GENERAL_PROTECTION, 0);
    this.code.end();
  }

  /** @returns a local with the value of an expression: its own, if it is a bound local */
  protected valueLocal(node: Node): number {
    if (node.kind === 'local') return this.#locals.get(node.id)!;
    const local = this.take(node.type);
    this.value(node);
    this.code.set(local);
    return local;
  }

  /** @returns a local that is free again after this program */
  protected take(type: ValueType): number {
    const local = this.code.local(type);
    this.#taken.push([type, local]);
    return local;
  }

  /** Makes a local node stand for a WebAssembly local of the caller's, for this program. */
  protected bindFixed(node: LocalNode, local: number): void {
    this.#locals.set(node.id, local);
  }

  #bind(node: LocalNode, significant = 64): void {
    let local = this.#locals.get(node.id);
    if (local === undefined) {
      local = this.take(node.type);
      this.#locals.set(node.id, local);
      this.#significant.set(node.id, this.#assigned.has(node.id) ? 64 : significant);
    }
    this.code.set(local);
  }

  /** How many low bits of an i64 value can be other than 0, as far as can be seen cheaply. */
  protected bitsOf(node: Node): number {
    if (node.kind === 'constant') return node.bits.toString(2).length;
    if (node.kind === 'local') return this.#significant.get(node.id) ?? 64;
    if (node.kind !== 'operation') return 64;
    const [a, b] = node.operands;
    switch (node.name) {
      case 'i64.and':
        return Math.min(this.bitsOf(a!), this.bitsOf(b!));
      case 'i64.or':
      case 'i64.xor':
        return Math.max(this.bitsOf(a!), this.bitsOf(b!));
      case 'i64.extend_i32_u':
        return 32;
      case 'i64.shr_u':
        return this.bitsOf(a!);
      default:
        return 64;
    }
  }

  /** An `and` with 2^n - 1 of a value that has no more than n bits; immediates are already cut to the width they are read at. */
  #isRedundantMask(node: Extract<Node, { kind: 'operation' }>): boolean {
    if (node.name !== 'i64.and') return false;
    const [value, mask] = node.operands;
    if (mask!.kind !== 'constant' || (mask!.bits & (mask!.bits + 1n)) !== 0n) return false;
    if (value!.kind === 'instruction' && value!.what === 'immediate') return true;
    return this.bitsOf(value!) <= mask!.bits.toString(2).length;
  }
}

const GENERAL_PROTECTION = 13;

/** Operators whose low 32 result bits depend on the low 32 bits of their operands alone. */
const LOW_OPERATORS = new Set(['i64.add', 'i64.sub', 'i64.mul', 'i64.and', 'i64.or', 'i64.xor']);

const SIGN_EXTENSIONS = new Set(['i64.extend8_s', 'i64.extend16_s', 'i64.extend32_s', 'i64.extend_i32_s']);

const isLowMask = (node: Node): boolean => node.kind === 'constant' && node.bits === 0xffff_ffffn;
