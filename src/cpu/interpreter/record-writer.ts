import { FORMS, type Form } from '../decode/forms.ts';
import { byteRegister, HIGH_BYTE_REGISTERS, Instruction, NO_REGISTER } from '../decode/instruction.ts';
import { operandWidth } from '../decode/operands.ts';
import {
  FLAT_SEGMENT,
  FS,
  GPR,
  GS,
  MODE,
  RECORD_ARENA,
  RECORD_ARENA_BYTES,
  SEGMENT_BYTES,
  SEGMENTS,
  X87_REGISTERS,
  XMM,
  ZERO_SLOT,
} from '../layout.ts';
import type { CpuState } from '../state.ts';
import { ALIAS, ALIAS_CHANGES, CANONICAL_FORM } from './aliases.ts';
import type { CodePage } from './code-cache.ts';
import { type Handlers, TRAIT } from './generate.ts';
import * as R from './records.ts';
import { isImmediateShift } from './variants.ts';

const PAGE = 4096;
const RSP = 4;

/** Which registers a ModRM field names. */
const REGISTER = { none: 0, general: 1, byte: 2, vector: 3, mmx: 4 } as const;

/** What the writer has to know of a form, worked out once. */
class FormFacts {
  readonly rm: number;
  readonly reg: number;
  readonly vvvv: boolean;
  readonly branch: boolean;
  /** Control never goes on with the next instruction. */
  readonly leaves: boolean;
  readonly conditional: boolean;
  readonly immediate: Form['operands'][number] | undefined;
  readonly secondImmediate: boolean;
  readonly shift: boolean;
  readonly implicitSegment: boolean;
  readonly popsToMemory: boolean;
  /** Its operand is neither read nor written. */
  readonly hint: boolean;
  /** Needs CR0.EM and TS clear and CR4.OSFXSR set. */
  readonly usesSse: boolean;

  constructor(form: Form) {
    const find = (methods: string) =>
      form.operands.find(({ method }) => method !== 'fixed' && methods.includes(method));
    const general = (type: string | undefined) =>
      type === undefined ? REGISTER.none : type === 'b' ? REGISTER.byte : REGISTER.general;
    this.rm = find('WU') ? REGISTER.vector : find('QN') ? REGISTER.mmx : general(find('ERZ')?.type);
    this.reg = find('V') ? REGISTER.vector : find('P') ? REGISTER.mmx : general(find('G')?.type);
    this.vvvv = find('B') !== undefined;
    this.branch = find('J') !== undefined;
    this.conditional = this.branch && form.mnemonic !== 'JMP' && form.mnemonic !== 'CALL';
    this.leaves = form.endsRun && !this.conditional;
    this.immediate = form.operands.find(({ method }) => method === 'I' || method === 'sI');
    this.secondImmediate = form.mnemonic === 'ENTER';
    this.shift = isImmediateShift(form);
    this.implicitSegment = form.string || form.mnemonic === 'XLAT';
    this.hint = form.mnemonic === 'NOP';
    this.popsToMemory = form.mnemonic === 'POP';
    const sse = form.feature === 'sse' || form.feature === 'sse2' || form.feature === 'mmx';
    this.usesSse = sse && (find('VWU') !== undefined || form.mnemonic.endsWith('MXCSR'));
  }
}

const FACTS = FORMS.map((form) => new FormFacts(form));
const ENDS_RUN = Uint8Array.from(FORMS, ({ endsRun }) => Number(endsRun));

/** Writes the records of one run: chooses handlers, fuses pairs, leaves out dead flags, and ends it with stubs. */
export class RecordWriter {
  /** Instructions executed by TypeScript functions, by the index in their record's TARGET. */
  readonly helpers: Instruction[] = [];
  /** Linear addresses where the interpreter stops, as signed numbers. */
  readonly breakpoints = new Set<number>();
  /** Linear address of RIP 0: the base of CS outside 64-bit mode. */
  codeBase = 0;
  /** What each record of the arena was decoded as: variant + 1, and in the upper half a fused condition + 1; 0 for none. */
  readonly #decoded = new Int32Array(RECORD_ARENA_BYTES / R.RECORD_BYTES);
  /** The page of each record of the arena. */
  #pages: CodePage[] = [];
  /** Records written in this run. */
  records = 0;

  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #halves: Uint16Array;
  readonly #handlers: Handlers;
  #page!: CodePage;
  #first = 0;
  #position = 0;
  #leaves = false;
  #plain = false;
  #crossing = false;
  /** Variant of each record; -1 for helpers and fused pairs. */
  readonly #variants = new Int32Array(2 * R.RUN_LIMIT);
  readonly #branches: { record: number; target: number }[] = [];
  #fusable = false;

  constructor(state: CpuState, handlers: Handlers) {
    this.#words = state.i32;
    this.#bytes = state.u8;
    this.#halves = new Uint16Array(state.memory.buffer);
    this.#handlers = handlers;
  }

  get full(): boolean {
    return this.#position >= R.RUN_LIMIT - 1;
  }

  /** @returns whether a form can only execute while MODE.sse is set */
  usesSse(form: number): boolean {
    return FACTS[form]!.usesSse;
  }

  /** @returns whether the instruction of a record may go on elsewhere than with the next */
  endsRun(record: number): boolean {
    return ENDS_RUN[this.#halves[(record + R.FORM) >> 1]!] !== 0;
  }

  forget(): void {
    this.helpers.length = 0;
    this.#pages = [];
  }

  /** @returns the page that a record, which is no stub, was decoded from */
  pageOf(record: number): CodePage | undefined {
    return this.#pages[(record - RECORD_ARENA) / R.RECORD_BYTES];
  }

  /** @returns the variant of a record and the condition of the jump fused to it (-1: none), or undefined for what TypeScript executes */
  decodedAs(record: number): { variant: number; condition: number } | undefined {
    const decoded = this.#decoded[(record - RECORD_ARENA) / R.RECORD_BYTES]!;
    return decoded === 0 ? undefined : { variant: (decoded & 0xffff) - 1, condition: (decoded >>> 16) - 1 };
  }

  /** @param plain no fusion and no dead flags: every instruction boundary is a record boundary with exact flags */
  begin(first: number, page: CodePage, plain = false): void {
    this.#first = first;
    this.#page = page;
    this.#plain = plain;
    this.records = 0;
    this.#position = 0;
    this.#leaves = false;
    this.#fusable = false;
    this.#branches.length = 0;
  }

  /** @returns whether the run goes on behind this instruction */
  add(instruction: Instruction, offset: number, length: number): boolean {
    if (FACTS[instruction.form]!.hint) instruction.memory = false;
    const key = instruction.form * 2 + Number(instruction.memory);
    const form = CANONICAL_FORM[key]!;
    const facts = FACTS[form]!;
    const leavesSegment = facts.branch && this.#target(instruction, offset + length) > this.#page.limit;
    const variant = leavesSegment ? -1 : this.#variantOf(instruction, form, facts, ALIAS_CHANGES[key]!);
    this.#crossing = offset + length > PAGE;
    if (this.breakpoints.size > 0 && !this.#plain) this.#breakpoint(offset);
    if (facts.conditional && this.#fuse(variant, instruction, offset + length)) return true;
    const record = this.#start(offset, length, form);
    this.#variants[this.records - 1] = variant;
    this.#decoded[(record - RECORD_ARENA) / R.RECORD_BYTES] = variant + 1;
    if (variant < 0) {
      this.#words[(record + R.HANDLER) >> 2] = R.PSEUDO.helper;
      this.#words[(record + R.TARGET) >> 2] = this.helpers.length;
      this.helpers.push(Object.assign(new Instruction(), instruction));
      this.#leaves = FORMS[instruction.form]!.endsRun;
      return !this.#leaves;
    }
    this.#registers(record, instruction, facts, ALIAS_CHANGES[key]!);
    let handler = this.#handlers.general[variant]!;
    if (instruction.memory || facts.implicitSegment) {
      const addressing = this.#memoryOperand(record, instruction, offset + length, facts);
      if (instruction.memory && addressing !== 'general') {
        const special = this.#handlers[addressing][variant]!;
        if (special >= 0) handler = special;
      }
      this.#fusable = addressing === 'base';
    } else {
      this.#fusable = true;
    }
    this.#words[(record + R.HANDLER) >> 2] = handler;
    if (facts.branch) this.#branch(record, instruction, offset + length);
    else if (facts.immediate) this.#immediate(record, instruction, facts, ALIAS_CHANGES[key]!);
    this.#leaves = facts.leaves;
    return !facts.leaves;
  }

  /** A place where decoding fails. @param error a DecodeError, which the driver finds in TARGET */
  addUndecodable(offset: number, error: number): boolean {
    const record = this.#start(offset, 0, 0);
    this.#variants[this.records - 1] = -1;
    this.#words[(record + R.HANDLER) >> 2] = R.PSEUDO.helper;
    this.#words[(record + R.TARGET) >> 2] = error;
    this.#leaves = true;
    return false;
  }

  /**
   * Ends the run and links its branches.
   * @param offset behind its last byte
   * @param entries where to enter the records; undefined for a run that must not be found by offset
   * @returns the first free host address behind the run
   */
  finish(offset: number, entries: Int32Array | undefined): number {
    if (!this.#plain) this.#leaveOutDeadFlags();
    if (entries) {
      for (let i = this.records - 1; i >= 0; i--) {
        const record = this.#first + i * R.RECORD_BYTES;
        entries[this.#offsetOf(this.#words[(record + R.RIP) >> 2]!)] = record;
      }
    }
    let top = this.#first + this.records * R.RECORD_BYTES;
    if (!this.#leaves) {
      this.#stub(top, top, this.#page.ripBase + offset, this.#position, entries !== undefined);
      top += R.RECORD_BYTES;
    }
    for (const { record, target } of this.#branches) {
      const inPage = this.#inPage(target);
      const known = inPage ? this.#page.entries[target - this.#page.ripBase]! : 0;
      if (known !== 0) {
        this.#words[(record + R.TARGET) >> 2] = known;
        this.#words[(record + R.COST) >> 2]! -= this.#halves[(known + R.POSITION) >> 1]!;
        continue;
      }
      this.#words[(record + R.TARGET) >> 2] = top;
      this.#stub(top, record, target, 0, inPage);
      top += R.RECORD_BYTES;
    }
    return top;
  }

  /** @param owner the branch it stands in for, or itself: the end of the run */
  #stub(at: number, owner: number, target: number, position: number, linkable: boolean): void {
    const inPage = linkable && this.#inPage(target);
    this.#words.fill(0, at >> 2, (at + R.RECORD_BYTES) >> 2);
    this.#words[(at + R.HANDLER) >> 2] = inPage ? R.PSEUDO.link : R.PSEUDO.jump;
    this.#words[(at + R.BASE) >> 2] = owner;
    this.#words[(at + R.COST) >> 2] = position;
    this.#halves[(at + R.POSITION) >> 1] = position;
    this.#bytes[at + R.MARKS] = R.MARK.stub;
    this.#set64(at + R.RIP, target);
  }

  #inPage(rip: number): boolean {
    return rip >= this.#page.ripBase && rip < this.#page.ripBase + PAGE;
  }

  #offsetOf(low: number): number {
    return (low - (this.#page.ripBase | 0)) | 0;
  }

  #set64(address: number, value: number): void {
    this.#words[address >> 2] = value;
    this.#words[(address >> 2) + 1] = Math.floor(value / 2 ** 32);
  }

  #start(offset: number, length: number, form: number): number {
    const record = this.#first + this.records * R.RECORD_BYTES;
    this.#words.fill(0, record >> 2, (record + R.RECORD_BYTES) >> 2);
    this.#set64(record + R.RIP, this.#page.ripBase + offset);
    this.#halves[(record + R.POSITION) >> 1] = this.#position;
    this.#halves[(record + R.FORM) >> 1] = form;
    this.#bytes[record + R.LENGTH] = length;
    this.#decoded[(record - RECORD_ARENA) / R.RECORD_BYTES] = 0;
    this.#pages[(record - RECORD_ARENA) / R.RECORD_BYTES] = this.#page;
    if (this.#crossing) this.#bytes[record + R.MARKS] = R.MARK.crossing;
    this.#words[(record + R.COST) >> 2] = this.#position + 1;
    this.records++;
    this.#position++;
    this.#fusable = false;
    return record;
  }

  #breakpoint(offset: number): void {
    const rip = this.#page.ripBase + offset;
    const linear = this.#page.mode & MODE.code64 ? rip : (rip + this.codeBase) % 2 ** 32;
    if (!this.breakpoints.has(linear)) return;
    const record = this.#start(offset, 0, 0);
    this.#variants[this.records - 1] = -1;
    this.#position--;
    this.#words[(record + R.HANDLER) >> 2] = R.PSEUDO.breakpoint;
    this.#bytes[record + R.MARKS] = R.MARK.breakpoint;
  }

  #variantOf(instruction: Instruction, form: number, facts: FormFacts, changes: number): number {
    const mode = this.#page.mode;
    if (facts.usesSse && (mode & MODE.sse) === 0) return -1;
    const long = (mode & MODE.code64) !== 0;
    const stackMode = long ? 0 : mode & MODE.stack32 ? 1 : 2;
    const count = (changes & ALIAS.immediateOne) !== 0 ? 1 : instruction.immediate;
    const nonzero = facts.shift && (count & (instruction.operandSize === 64 ? 63 : 31)) !== 0;
    return this.#handlers.table.find(
      form,
      instruction.operandSize,
      instruction.memory,
      instruction.opcode,
      instruction.reg,
      instruction.repeat,
      addressingOf(instruction, long),
      stackMode,
      nonzero,
    );
  }

  #registers(record: number, instruction: Instruction, facts: FormFacts, changes: number): void {
    let { reg, rm } = instruction;
    if (changes & ALIAS.accumulatorAsRm) rm = 0;
    if (changes & ALIAS.accumulatorAsReg) reg = 0;
    if (changes & ALIAS.swap) [reg, rm] = [rm, reg];
    const { rex } = instruction;
    if (!instruction.memory) this.#words[(record + R.BASE) >> 2] = slotOf(facts.rm, rm, rex);
    this.#words[(record + R.REG) >> 2] = slotOf(facts.reg, reg, rex);
    if (facts.vvvv) this.#words[(record + R.VVVV) >> 2] = GPR + 8 * instruction.vvvv;
  }

  #memoryOperand(
    record: number,
    instruction: Instruction,
    nextOffset: number,
    facts: FormFacts,
  ): 'base' | 'index' | 'general' {
    const words = this.#words;
    const long = (this.#page.mode & MODE.code64) !== 0;
    const kind = addressingOf(instruction, long);
    const extra = facts.popsToMemory && instruction.base === RSP ? instruction.operandSize / 8 : 0;
    if (instruction.ripRelative) {
      this.#set64(record + R.DISPLACEMENT, this.#page.ripBase + nextOffset + instruction.displacement);
    } else if (extra !== 0) {
      this.#set64(record + R.DISPLACEMENT, instruction.displacement + extra);
    } else {
      words[(record + R.DISPLACEMENT) >> 2] = instruction.displacement;
      words[(record + R.DISPLACEMENT + 4) >> 2] = instruction.displacementHigh;
    }
    let base = GPR + 8 * instruction.base;
    let index = GPR + 8 * instruction.index;
    let segment = instruction.segment;
    if ((long && segment !== FS && segment !== GS) || instruction.form === LEA) segment = FLAT_SEGMENT;
    if (long && segment !== FLAT_SEGMENT && kind === R.ADDRESSING.bits64 && !facts.implicitSegment) {
      const address = SEGMENTS + SEGMENT_BYTES * segment;
      if (base === ZERO_SLOT) [base, segment] = [address, FLAT_SEGMENT];
      else if (index === ZERO_SLOT) [index, segment] = [address, FLAT_SEGMENT];
    }
    words[(record + R.BASE) >> 2] = base;
    words[(record + R.INDEX) >> 2] = index;
    words[(record + R.SCALE) >> 2] = instruction.index === NO_REGISTER ? 0 : instruction.scale;
    this.#bytes[record + R.ADDRESSING_KIND] = kind;
    this.#bytes[record + R.SEGMENT] = segment;
    if (kind !== R.ADDRESSING.bits64 || segment !== FLAT_SEGMENT) return 'general';
    return index === ZERO_SLOT ? 'base' : 'index';
  }

  #immediate(record: number, instruction: Instruction, facts: FormFacts, changes: number): void {
    const words = this.#words;
    const at = (record + R.IMMEDIATE) >> 2;
    const bits = operandWidth(facts.immediate!, instruction);
    const value = changes & ALIAS.immediateOne ? 1 : instruction.immediate;
    words[at] = bits === 8 ? value & 0xff : bits === 16 ? value & 0xffff : value;
    words[at + 1] = bits === 64 ? instruction.immediateHigh : 0;
    if (facts.secondImmediate) words[(record + R.TARGET) >> 2] = instruction.immediate2;
  }

  #branch(record: number, instruction: Instruction, nextOffset: number): void {
    const target = this.#target(instruction, nextOffset);
    this.#set64(record + R.IMMEDIATE, target);
    this.#branches.push({ record, target });
  }

  /** RIP of a direct branch's target: cut to the operand size outside 64-bit mode. */
  #target(instruction: Instruction, nextOffset: number): number {
    const target = this.#page.ripBase + nextOffset + instruction.immediate;
    if (this.#page.mode & MODE.code64) return target;
    return instruction.operandSize === 16 ? target & 0xffff : target >>> 0;
  }

  /** Makes one record of a comparison and the conditional jump behind it. */
  #fuse(variant: number, instruction: Instruction, nextOffset: number): boolean {
    if (!this.#fusable || this.#plain || this.#crossing || variant < 0) return false;
    if (this.#handlers.table.variants[variant]!.form.mnemonic !== 'Jcc') return false;
    const previous = this.#variants[this.records - 1]!;
    if (previous < 0) return false;
    const handler = this.#handlers.fused[previous * 32 + (instruction.opcode & 15)]!;
    if (handler < 0) return false;
    const record = this.#first + (this.records - 1) * R.RECORD_BYTES;
    this.#words[(record + R.HANDLER) >> 2] = handler;
    this.#bytes[record + R.MARKS]! |= R.MARK.fused;
    this.#decoded[(record - RECORD_ARENA) / R.RECORD_BYTES]! |= ((instruction.opcode & 15) + 1) << 16;
    this.#variants[this.records - 1] = -1;
    this.#position++;
    this.#words[(record + R.COST) >> 2] = this.#position;
    this.#branches.push({ record, target: this.#target(instruction, nextOffset) });
    this.#fusable = false;
    return true;
  }

  /**
   * Flags are dead behind an instruction when one that replaces them all follows, with nothing between (nor it) that reads them or may
   * stop: whoever stops must find them.
   */
  #leaveOutDeadFlags(): void {
    const { noFlags, traits } = this.#handlers;
    let dead = false;
    for (let i = this.records - 1; i >= 0; i--) {
      const record = this.#first + i * R.RECORD_BYTES;
      const variant = this.#variants[i]!;
      if (variant < 0) {
        dead = false;
        continue;
      }
      if (dead && noFlags[variant]! >= 0) this.#words[(record + R.HANDLER) >> 2] = noFlags[variant]!;
      const trait = traits[variant]!;
      if (trait & (TRAIT.readsFlags | TRAIT.mayStop)) dead = false;
      else if (trait & TRAIT.writesFlags) dead = true;
    }
    this.#markStaleFlags();
  }

  /** Marks the records behind an instruction that leaves its flags out, up to the one that replaces them. */
  #markStaleFlags(): void {
    const { noFlags, traits } = this.#handlers;
    let stale = false;
    for (let i = 0; i < this.records; i++) {
      const record = this.#first + i * R.RECORD_BYTES;
      if (stale) this.#bytes[record + R.MARKS]! |= R.MARK.staleFlags;
      const variant = this.#variants[i]!;
      const leavesOut = variant >= 0 && this.#words[(record + R.HANDLER) >> 2] === noFlags[variant];
      if (leavesOut) stale = true;
      else if (variant < 0 || traits[variant]! & TRAIT.writesFlags) stale = false;
    }
  }
}

const LEA = FORMS.find(({ mnemonic }) => mnemonic === 'LEA')!.index;

function slotOf(kind: number, number: number, rex: number): number {
  if (kind === REGISTER.vector) return XMM + 16 * number;
  if (kind === REGISTER.mmx) return X87_REGISTERS + 16 * (number & 7);
  if (kind === REGISTER.byte) {
    const byte = byteRegister(number, rex);
    return byte >= HIGH_BYTE_REGISTERS ? GPR + 8 * (byte - HIGH_BYTE_REGISTERS) + 1 : GPR + 8 * byte;
  }
  return kind === REGISTER.none ? 0 : GPR + 8 * number;
}

function addressingOf(instruction: Instruction, long: boolean): number {
  if (instruction.addressSize === 64) return R.ADDRESSING.bits64;
  if (instruction.addressSize === 16) return R.ADDRESSING.bits16;
  return long ? R.ADDRESSING.bits32In64 : R.ADDRESSING.bits32;
}
