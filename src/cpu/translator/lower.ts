import * as R from '../interpreter/records.ts';
import {
  FIELDS,
  FLAT_SEGMENT,
  SEGMENT_BASE,
  SEGMENT_BYTES,
  SEGMENTS,
  SPAN_MISSED,
  SPAN_STATUS,
  SPANS_CHANGED,
  ZERO_SLOT,
} from '../layout.ts';
import { conditionAfter, statusFlagsAfter } from '../semantics/flags.ts';
import { type If, ProgramLowering } from '../semantics/lowering.ts';
import type {
  AccessKind,
  Bits,
  InstructionNode,
  LocalNode,
  Node,
  OperandAccess,
  RegisterReference,
  Statement,
  ValueType,
} from '../semantics/nodes.ts';
import { denormal, SETTLED } from '../semantics/sse-guards.ts';
import { LANES } from '../semantics/sse-lanes.ts';
import type { CpuState } from '../state.ts';
import { type KnownBits, knownBits } from './known-bits.ts';
import { isComputation } from './programs.ts';
import { RecordOperands } from './record-operands.ts';
import type { RegionInstruction } from './region.ts';
import type { RegionFrame } from './region-frame.ts';
import type { RegisterResolver } from './register-use.ts';
import { ScalarCopies } from './scalar-copies.ts';
import { DOUBLES, type Parts, SINGLES, SINGLES_SHIFT } from './vector-parts.ts';

/** Binds MXCSR to a local. */
export const readsMxcsr = (statement: Statement): statement is Extract<Statement, { kind: 'readField' }> =>
  statement.kind === 'readField' && statement.address === FIELDS.mxcsr.address;

const WHOLE_SHAPES: Partial<Record<ValueType, string>> = { i32: 'i32x4', i64: 'i64x2', f32: 'f32x4', f64: 'f64x2' };

/** Stand for the flags' two values in conditions whose kind is known. */
const FLAGS_A: LocalNode = { kind: 'local', type: 'i64', id: -1 };
const FLAGS_B: LocalNode = { kind: 'local', type: 'i64', id: -2 };
/** What the swift version looks at. */
const OPERAND: LocalNode = { kind: 'local', type: 'v128', id: -3 };

const LEAVING = new Set<Statement['kind']>(['leave', 'raise']);

/** Works out whether to leave the instruction, and nothing else. */
const mayOnlyLeave = (statements: readonly Statement[]): boolean =>
  statements.every(
    (each) =>
      each.kind === 'let' ||
      each.kind === 'leave' ||
      (each.kind === 'if' &&
        each.establishes === undefined &&
        mayOnlyLeave(each.whenTrue) &&
        mayOnlyLeave(each.whenFalse)),
  );

/** Lowers programs with every operand known: registers are WebAssembly locals, and the slow way of anything is to leave. */
export class RegionLowering extends ProgramLowering {
  readonly #frame: RegionFrame;
  readonly #state: CpuState;
  readonly #resolver: RegisterResolver;
  readonly #operands: RecordOperands;
  /** Stored kind of the flags before this instruction, when it is the same on every way here. */
  #flagKind: number | undefined;
  #flagsTouched = false;
  /** What is known of the program's locals. */
  readonly #known = new Map<number, KnownBits>();
  #withoutDenormals: ReadonlySet<number> = new Set();
  readonly #scalars: ScalarCopies;

  constructor(frame: RegionFrame, state: CpuState, resolver: RegisterResolver) {
    super(frame.code);
    this.#frame = frame;
    this.#state = state;
    this.#resolver = resolver;
    this.#operands = new RecordOperands(state);
    this.#scalars = new ScalarCopies(frame.code);
  }

  /**
   * @param flagKind of the flags before, if known
   * @param flagsAreDead what the instruction does to the flags may be left out
   * @param withoutDenormals bound values of which that need not be established
   */
  lower(
    { record, translatable }: RegionInstruction,
    flagKind: number | undefined,
    flagsAreDead: boolean,
    withoutDenormals: ReadonlySet<number>,
  ): void {
    this.#operands.record = record;
    this.#flagKind = flagKind;
    this.#flagsTouched = false;
    this.bindFixed(FLAGS_A, this.#frame.flagsA);
    this.bindFixed(FLAGS_B, this.#frame.flagsB);
    const { program } = flagsAreDead ? translatable.withoutFlags : translatable;
    this.#withoutDenormals = withoutDenormals;
    this.#learn(program.statements);
    this.lowerStatements(program.statements);
    this.releaseLocals();
  }

  protected readRegister(register: RegisterReference, bits: Bits): void {
    const { number, high } = this.#resolver.resolve(this.#operands.record, register, 'general');
    this.code.get(this.#frame.general[number]!);
    if (high) this.code.i64(8n).op('i64.shr_u');
    if (bits === 32) this.code.op('i32.wrap_i64').op('i64.extend_i32_u');
    else if (bits < 64) this.code.i64((1n << BigInt(bits)) - 1n).op('i64.and');
  }

  protected writeRegister(register: RegisterReference, bits: Bits, value: Node): void {
    const { code } = this;
    const { number, high } = this.#resolver.resolve(this.#operands.record, register, 'general');
    const local = this.#frame.general[number]!;
    const mask = (1n << BigInt(bits)) - 1n;
    if (bits >= 32) {
      this.value(value);
      if (bits === 32 && this.bitsOf(value) > 32) code.i64(mask).op('i64.and');
    } else {
      const shift = high ? 8n : 0n;
      this.value(value);
      if (this.bitsOf(value) > bits) code.i64(mask).op('i64.and');
      if (high) code.i64(shift).op('i64.shl');
      code
        .get(local)
        .i64(~(mask << shift))
        .op('i64.and')
        .op('i64.or');
    }
    code.set(local);
  }

  protected readVector(register: RegisterReference, type: ValueType): void {
    const { number } = this.#resolver.resolve(this.#operands.record, register, 'vector');
    const scalar = this.#scalars.find(number, type);
    if (scalar !== undefined) {
      this.code.get(scalar);
      return;
    }
    this.code.get(this.#frame.vector[number]!);
    if (type !== 'v128') this.code.op(`${WHOLE_SHAPES[type]}.extract_lane`, [0]);
  }

  /** Control comes here from elsewhere too: the scalars' locals are out of date. */
  forgetScalars(): void {
    this.#scalars.forget();
  }

  protected writeVector(register: RegisterReference, lane: number, value: Node): void {
    const { number } = this.#resolver.resolve(this.#operands.record, register, 'vector');
    const local = this.#frame.vector[number]!;
    this.#scalars.write(number, lane, value, (scalar) => this.value(scalar));
    if (value.type === 'v128') {
      this.value(value);
    } else {
      this.code.get(local);
      this.value(value);
      this.code.op(`${WHOLE_SHAPES[value.type]}.replace_lane`, [lane]);
    }
    this.code.set(local);
  }

  protected override knownOutcome(statement: If): boolean | undefined {
    const { condition, establishes } = statement;
    if (establishes !== undefined && this.#withoutDenormals.has(establishes.local.id)) return false;
    const { mask, value } = knownBits(condition, this.#known);
    if (mask === -1) return value !== 0;
    return this.#frame.swift.isOn ? this.#decideSwiftly(statement) : undefined;
  }

  /** The swift version takes numbers to be ordinary and instructions not to be left: it notes where that may be wrong. */
  #decideSwiftly({ condition, establishes, whenTrue, whenFalse }: If): boolean | undefined {
    const { swift } = this.#frame;
    if (establishes !== undefined) {
      const { local, width } = establishes;
      const operand = local as Node;
      const [packed, scalar] = width === 64 ? [LANES.PD, LANES.SD] : [LANES.PS, LANES.SS];
      if (local.type === 'v128') swift.collect(width, () => this.value(packed.unusualKey!(operand)));
      else this.#failIf(scalar.someUnusual(operand));
      return false;
    }
    if (whenFalse.length > 0 || !mayOnlyLeave(whenTrue)) return undefined;
    this.#failIf(condition);
    return false;
  }

  #failIf(condition: Node): void {
    this.value(condition);
    this.code.if();
    this.#frame.swift.fail();
    this.code.end();
  }

  /** Pushes whether a key says that some number was not ordinary. @param most local */
  pushSomeBeyond(width: 32 | 64, most: number): void {
    this.bindFixed(OPERAND, most);
    this.value((width === 64 ? LANES.PD : LANES.PS).someBeyond!(OPERAND as Node<'v128'>));
  }

  /** Pushes an i32 that is not 0 when one of these parts of a vector is a denormal. @param local of the vector */
  pushDenormals(local: number, parts: Parts): void {
    this.bindFixed(OPERAND, local);
    const some = (
      [
        [LANES.PD, parts & DOUBLES],
        [LANES.PS, (parts & SINGLES) >> SINGLES_SHIFT],
      ] as const
    ).filter(([, lanes]) => lanes !== 0);
    some.forEach(([shape, lanes], index) => {
      this.value(shape.any(denormal(shape, OPERAND)));
      this.code.i32(lanes).op('i32.and');
      if (index > 0) this.code.op('i32.or');
    });
  }

  /** What MXCSR, immediates and registers tell of bound values. */
  #learn(statements: readonly Statement[]): void {
    this.#known.clear();
    this.#scalars.begin(!statements.some((each) => each.kind === 'if' && !isComputation([each], LEAVING)));
    const immediate = () => this.#operands.constant('immediate');
    for (const statement of statements) {
      if (statement.kind === 'readVector' && statement.local.type === 'v128') {
        const { number } = this.#resolver.resolve(this.#operands.record, statement.register, 'vector');
        this.#scalars.copy(statement.local.id, number);
      } else if (readsMxcsr(statement)) {
        if (this.#frame.isSettled) this.#known.set(statement.local.id, SETTLED);
      } else if (statement.kind === 'let' && statement.local.type === 'i32') {
        const known = knownBits(statement.value, this.#known, immediate);
        if (known.mask !== 0) this.#known.set(statement.local.id, known);
      }
    }
  }

  protected readField(address: number, bytes: 4 | 8): void {
    if (address === FIELDS.mxcsr.address) {
      this.code.get(this.#frame.mxcsr!);
      return;
    }
    this.code.i32(0).load(bytes === 4 ? 'i32' : 'i64', bytes * 8, address);
  }

  protected writeField(address: number, bytes: 4 | 8, value: Node): void {
    this.code.i32(0);
    this.value(value);
    this.code.store(bytes === 4 ? 'i32' : 'i64', bytes * 8, address);
    const writes = address === FIELDS.tlbWrite.address;
    if (!writes && address !== FIELDS.tlbRead.address) return;
    const { tlbRead, tlbWrite } = this.#frame;
    this.code
      .i32(0)
      .load('i32', 32, address)
      .set(writes ? tlbWrite : tlbRead);
    this.#frame.reloadSpans(writes);
  }

  protected instructionValue(what: InstructionNode['what']): void {
    this.code.i64(this.#operands.constant(what));
  }

  protected operandAddress(access: OperandAccess | undefined): void {
    const { code } = this;
    const { u64, i32, u8 } = this.#state;
    const record = this.#operands.record;
    const displacement = u64[(record + R.DISPLACEMENT) >> 3]!;
    const isZero = (field: number) => i32[(record + field) >> 2] === ZERO_SLOT;
    let terms = 0;
    const add = () => {
      if (terms++ > 0) code.op('i64.add');
    };
    if (!isZero(R.BASE)) {
      this.#addressSlot(R.BASE);
      add();
    }
    if (!isZero(R.INDEX)) {
      this.#addressSlot(R.INDEX);
      const scale = i32[(record + R.SCALE) >> 2]! & 3;
      if (scale > 0) code.i64(BigInt(scale)).op('i64.shl');
      add();
    }
    if (displacement !== 0n || terms === 0) {
      code.i64(displacement);
      add();
    }
    if (u8[record + R.ADDRESSING_KIND] === R.ADDRESSING.bits32In64) code.i64(0xffffffffn).op('i64.and');
    if (access !== undefined && u8[record + R.SEGMENT] !== FLAT_SEGMENT) {
      this.operandSegment();
      code.op('i64.add');
    }
  }

  /** Pushes a register, or the segment base, that an address field of the record names. */
  #addressSlot(field: number): void {
    const number = this.#resolver.addressRegister(this.#operands.record, field);
    if (number >= 0) this.code.get(this.#frame.general[number]!);
    else this.code.i32(0).load('i64', 64, this.#state.i32[(this.#operands.record + field) >> 2]!);
  }

  protected operandSegment(): void {
    const segment = this.#state.u8[this.#operands.record + R.SEGMENT]!;
    if (segment === FLAT_SEGMENT) this.code.i64(0n);
    else this.code.i32(0).load('i64', 64, SEGMENTS + segment * SEGMENT_BYTES + SEGMENT_BASE);
  }

  protected setFlags(kind: Node, a: Node, b: Node): void {
    const { flagsKind, flagsA, flagsB } = this.#frame;
    this.value(kind);
    this.value(a);
    this.value(b);
    this.code.set(flagsB).set(flagsA).set(flagsKind);
    this.#flagsTouched = true;
  }

  protected condition(code: number): void {
    const kind = this.#flagsTouched ? undefined : this.#flagKind;
    if (kind !== undefined) {
      this.value(conditionAfter(code, kind, FLAGS_A as Node<'i64'>, FLAGS_B as Node<'i64'>));
      return;
    }
    this.#flagsToMemory();
    this.code.call(this.#frame.conditions[code >> 1]!);
    if (code & 1) this.code.op('i32.eqz');
  }

  protected statusFlags(): void {
    const kind = this.#flagsTouched ? undefined : this.#flagKind;
    if (kind !== undefined) {
      this.value(statusFlagsAfter(kind, FLAGS_A as Node<'i64'>, FLAGS_B as Node<'i64'>));
      return;
    }
    this.#flagsToMemory();
    this.code.call(this.#frame.statusFlags);
  }

  #flagsToMemory(): void {
    const { flagsKind, flagsA, flagsB } = this.#frame;
    this.code.i32(0).get(flagsKind).store('i32', 32, FIELDS.flagsKind.address);
    this.code.i32(0).get(flagsA).store('i64', 64, FIELDS.flagsA.address);
    this.code.i32(0).get(flagsB).store('i64', 64, FIELDS.flagsB.address);
  }

  protected pushTlb(write: boolean): void {
    this.code.get(write ? this.#frame.tlbWrite : this.#frame.tlbRead);
  }

  /** By the span of this kind of access, else by the TLB, to whose page the span then moves; leaves when it has no entry. */
  protected override translate(address: number, bits: number, write: boolean, access: AccessKind): void {
    const { code } = this;
    const tlb = write ? this.#frame.tlbWrite : this.#frame.tlbRead;
    const span = this.#frame.span(this.#operands.group(access), write);
    code.get(address).get(span.base).op('i64.sub').get(span.length);
    if (this.#frame.swift.isOn) {
      code.op('i64.ge_u').if();
      this.#frame.swift.fail();
      code.end().get(address).op('i32.wrap_i64').get(span.addend).op('i32.add');
      return;
    }
    code.op('i64.lt_u').if('i32');
    code.get(address).op('i32.wrap_i64').get(span.addend).op('i32.add').else();
    code
      .get(tlb)
      .get(address)
      .store('i64', 64, span.offset + SPAN_MISSED);
    code.get(tlb).i32(SPANS_CHANGED).store('i32', 32, SPAN_STATUS);
    this.probe(address, bits, write, 'i32');
    code.else();
    this.#frame.sideExit();
    code.end().end();
  }

  /** Names the spans that an instruction may use. */
  collectSpans({ record, translatable }: RegionInstruction): void {
    this.#operands.record = record;
    const visit = (statements: readonly Statement[]): void => {
      for (const statement of statements) {
        if (statement.kind === 'load')
          this.#frame.span(this.#operands.group(statement.access), statement.place !== undefined);
        else if (statement.kind === 'store' && statement.place === undefined)
          this.#frame.span(this.#operands.group(statement.access), true);
        else if (statement.kind === 'if') {
          visit(statement.whenTrue);
          visit(statement.whenFalse);
        }
      }
    };
    visit(translatable.program.statements);
  }

  protected missedLoad(): void {
    throw new Error('translate has left');
  }

  protected missedStore(): void {
    throw new Error('translate has left');
  }

  protected missedPlace(): void {
    throw new Error('translate has left');
  }

  protected raise(): void {
    this.leave();
  }

  protected leave(): void {
    if (this.#frame.swift.isOn) this.#frame.swift.fail();
    else this.#frame.sideExit();
  }

  /** The spans of the TLBs may have been forgotten. */
  protected invalidatePage(address: number): void {
    this.code.get(address).call(this.#frame.invalidatePage);
    this.#frame.reloadSpans(false);
    this.#frame.reloadSpans(true);
  }

  protected restart(): void {
    throw new Error('an instruction that restarts is not translated');
  }

  protected segmentAddress(): void {
    throw new Error('code outside 64-bit mode is not translated');
  }

  protected bulk(): void {
    throw new Error('a block operation is not translated');
  }

  protected branch(condition: Node | undefined): void {
    if (condition === undefined) return;
    this.value(condition);
    this.code.set(this.#frame.branchTaken);
  }

  protected jump(target: Node): void {
    this.value(target);
    this.code.set(this.#frame.jumpTarget);
  }
}
