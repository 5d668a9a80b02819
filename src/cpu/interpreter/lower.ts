import { FIELDS, GPR, SEGMENT_BASE, SEGMENT_BYTES, SEGMENTS, XMM } from '../layout.ts';
import { BITS, ProgramLowering } from '../semantics/lowering.ts';
import type {
  AccessKind,
  Bits,
  InstructionNode,
  Node,
  OperandAccess,
  Program,
  RegisterReference,
  Statement,
  ValueType,
} from '../semantics/nodes.ts';
import { prune } from '../semantics/prune.ts';
import type { Code } from '../wasm/code.ts';
import * as R from './records.ts';
import type { SharedFunctions } from './shared-functions.ts';

/** How the lowered code of a handler leaves it. `record` is the local that holds the op record's address. */
export interface Surroundings {
  readonly code: Code;
  readonly record: number;
  readonly functions: SharedFunctions;
  /** Emitted before a call of the slow path. */
  beforeSlowPath?(): void;
  /** Pushes the host address of the current read or write TLB. */
  pushTlb(write: boolean): void;
  /** Leaves the interpreter; exitReason and whatever belongs to it are set. The record is not executed. */
  exit(): void;
  /** Goes on with the next record. */
  next(): void;
  /** Goes on with the record's branch target. */
  takeBranch(): void;
  /** Goes on at the RIP on the stack (i64). */
  jumpToStack(resumes?: boolean): void;
}

export interface LoweringOptions {
  /** The status flags are dead: they are not stored. */
  readonly noFlags: boolean;
  /** 'base' and 'index': 64-bit addresses without a segment base, without and with an index. 'general' takes all others. */
  readonly addressing: 'base' | 'index' | 'general';
}

/** Lowers recorded programs to WebAssembly whose operands are found through the op record. */
export class Lowering extends ProgramLowering {
  readonly #to: Surroundings;
  readonly #options: LoweringOptions;

  constructor(to: Surroundings, options: LoweringOptions) {
    super(to.code);
    this.#to = to;
    this.#options = options;
  }

  /** Emits the program and continues with the next record unless the program itself goes elsewhere. */
  lower(program: Program): void {
    const statements = prune(program.statements, this.#options.noFlags, new Set());
    this.lowerStatements(statements);
    const last = statements.at(-1);
    const leaves = last && (last.kind === 'jump' || (last.kind === 'branch' && !last.condition));
    if (!leaves) this.#to.next();
    this.releaseLocals();
  }

  protected readRegister(register: RegisterReference, bits: Bits): void {
    this.code.load('i64', bits, this.#registerAddress(register, GPR, 8));
  }

  protected writeRegister(register: RegisterReference, bits: Bits, value: Node): void {
    const { code } = this;
    const offset = this.#registerAddress(register, GPR, 8);
    this.value(value);
    if (bits === 32 && this.bitsOf(value) > 32) code.i64(0xffffffffn).op('i64.and');
    code.store('i64', bits === 32 ? 64 : bits, offset);
  }

  protected readVector(register: RegisterReference, type: ValueType): void {
    this.code.load(type, BITS[type], this.#registerAddress(register, XMM, 16));
  }

  protected writeVector(register: RegisterReference, lane: number, value: Node): void {
    const offset = this.#registerAddress(register, XMM, 16);
    this.value(value);
    this.code.store(value.type, BITS[value.type], offset + (lane * BITS[value.type]) / 8);
  }

  protected readField(address: number, bytes: 4 | 8): void {
    this.code.i32(0).load(bytes === 4 ? 'i32' : 'i64', bytes * 8, address);
  }

  protected writeField(address: number, bytes: 4 | 8, value: Node): void {
    this.code.i32(0);
    this.value(value);
    this.code.store(bytes === 4 ? 'i32' : 'i64', bytes * 8, address);
  }

  protected instructionValue(what: InstructionNode['what']): void {
    const code = this.code.get(this.#to.record);
    if (what === 'rip' || what === 'nextRip') {
      code.load('i64', 64, R.RIP);
      if (what === 'nextRip') code.get(this.#to.record).load('i64', 8, R.LENGTH).op('i64.add');
    } else if (what === 'immediate2') {
      code.load('i64', 32, R.TARGET);
    } else {
      code.load('i64', 64, R.IMMEDIATE);
    }
  }

  /** Pushes what the caller's load or store adds its returned offset to. */
  #registerAddress({ field, number }: RegisterReference, base: number, bytes: number): number {
    if (field === 'fixed') {
      this.code.i32(0);
      return number >= 20 ? base + (number - 20) * bytes + 1 : base + number * bytes;
    }
    const offset = field === 'reg' ? R.REG : field === 'rm' ? R.BASE : R.VVVV;
    this.code.get(this.#to.record).load('i32', 32, offset);
    return 0;
  }

  protected operandAddress(access: OperandAccess | undefined): void {
    const { code } = this;
    const { record, functions } = this.#to;
    if (this.#options.addressing === 'general') {
      code.get(record);
      if (access === undefined) code.call(functions.operandOffset);
      else code.i32(access.bytes).i32(Number(access.write)).call(functions.operandAddress);
      return;
    }
    code.get(record).load('i32', 32, R.BASE).load('i64', 64);
    code.get(record).load('i64', 64, R.DISPLACEMENT).op('i64.add');
    if (this.#options.addressing === 'base') return;
    code.get(record).load('i32', 32, R.INDEX).load('i64', 64);
    code.get(record).load('i64', 32, R.SCALE).op('i64.shl').op('i64.add');
  }

  protected segmentAddress({ segment, offset, bytes, write }: Extract<Statement, { kind: 'segmentAddress' }>): void {
    const { code } = this;
    if (segment === undefined) code.get(this.#to.record).load('i32', 8, R.SEGMENT).i32(SEGMENT_BYTES).op('i32.mul');
    else code.i32(segment * SEGMENT_BYTES);
    this.value(offset);
    this.value(bytes);
    code.i32(Number(write)).call(this.#to.functions.segmentAddress);
  }

  protected operandSegment(): void {
    const { code } = this;
    code.get(this.#to.record).load('i32', 8, R.SEGMENT).i32(SEGMENT_BYTES).op('i32.mul');
    code.load('i64', 64, SEGMENTS + SEGMENT_BASE);
  }

  protected setFlags(kind: Node, a: Node, b: Node): void {
    this.writeField(FIELDS.flagsKind.address, 4, kind);
    this.writeField(FIELDS.flagsA.address, 8, a);
    this.writeField(FIELDS.flagsB.address, 8, b);
  }

  protected condition(code: number): void {
    this.code.call(this.#to.functions.conditions[code >> 1]!);
    if (code & 1) this.code.op('i32.eqz');
  }

  protected statusFlags(): void {
    this.code.call(this.#to.functions.statusFlags);
  }

  protected pushTlb(write: boolean): void {
    this.#to.pushTlb(write);
  }

  protected missedLoad(address: number, bits: number, type: ValueType, access: AccessKind): void {
    const { code } = this;
    const kind = ACCESS_KINDS[access];
    this.#to.beforeSlowPath?.();
    if (type === 'v128') {
      code.get(address).i32(kind).call(this.#to.functions.loadVector);
    } else {
      code
        .get(address)
        .i32(bits / 8)
        .i32(kind)
        .call(this.#to.functions.load);
      if (type === 'i32' || type === 'f32') code.op('i32.wrap_i64');
      if (type === 'f32') code.op('f32.reinterpret_i32');
      if (type === 'f64') code.op('f64.reinterpret_i64');
    }
    this.#exitIfStopped();
  }

  protected missedPlace(address: number, bits: number, access: AccessKind): void {
    this.#to.beforeSlowPath?.();
    this.code
      .get(address)
      .i32(bits / 8)
      .i32(ACCESS_KINDS[access])
      .call(this.#to.functions.modify);
    this.#exitIfStopped();
  }

  protected missedStore(address: number, value: number, bits: number, type: ValueType, access: AccessKind): void {
    const { code } = this;
    const kind = ACCESS_KINDS[access];
    this.#to.beforeSlowPath?.();
    if (type === 'v128') {
      code.get(address).get(value).op('i64x2.extract_lane', [0]).get(value).op('i64x2.extract_lane', [1]);
      code.i32(kind).call(this.#to.functions.storeVector);
    } else {
      code.get(address).get(value);
      if (type === 'f32') code.op('i32.reinterpret_f32');
      if (type === 'f64') code.op('i64.reinterpret_f64');
      if (type === 'i32' || type === 'f32') code.op('i64.extend_i32_u');
      code
        .i32(bits / 8)
        .i32(kind)
        .call(this.#to.functions.store);
    }
    this.#exitIfStopped();
  }

  protected bulk(statement: Extract<Statement, { kind: 'bulk' }>): void {
    this.value(statement.destination);
    this.value((statement.source ?? statement.value)!);
    this.value(statement.count);
    const move = this.#to.functions[statement.source ? 'bulkCopy' : 'bulkFill'];
    this.code.i32(statement.bits / 8).call(move);
  }

  protected invalidatePage(address: number): void {
    this.code.get(address).call(this.#to.functions.invalidatePage);
  }

  protected raise(vector: number, errorCode: number | undefined): void {
    this.code
      .i32(vector)
      .i32(errorCode ?? -1)
      .call(this.#to.functions.raise);
    this.#to.exit();
  }

  protected leave(): void {
    this.#exitBecause(R.EXIT.HELPER);
  }

  protected restart(): void {
    this.#exitBecause(R.EXIT.RESTART);
  }

  protected branch(condition: Node | undefined): void {
    if (condition === undefined) {
      this.#to.takeBranch();
      return;
    }
    this.value(condition);
    this.code.if();
    this.#to.takeBranch();
    this.code.end();
  }

  protected jump(target: Node, resumes: boolean): void {
    this.value(target);
    this.#to.jumpToStack(resumes);
  }

  #exitIfStopped(): void {
    this.code.i32(0).load('i32', 32, FIELDS.exitReason.address).if();
    this.#to.exit();
    this.code.end();
  }

  #exitBecause(reason: number): void {
    this.code.i32(0).i32(reason).store('i32', 32, FIELDS.exitReason.address);
    this.#to.exit();
  }
}

/** Pushes bits 31:0 and 63:32 of an i64 local, as functions of TypeScript take them. */
export function pushHalves(code: Code, local: number): Code {
  return code.get(local).op('i32.wrap_i64').get(local).i64(32n).op('i64.shr_u').op('i32.wrap_i64');
}

/** Numbers that tell the slow path how to report a fault. */
export const ACCESS_KINDS = { operand: 0, stack: 1, data: 2 } as const;
