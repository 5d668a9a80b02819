import type { Decoder } from '../decode/decoder.ts';
import { Instruction } from '../decode/instruction.ts';
import { MODE, RECORD_ARENA, RECORD_ARENA_BYTES } from '../layout.ts';
import type { CpuState } from '../state.ts';
import type { CodePage } from './code-page.ts';
import { FACTS } from './form-facts.ts';
import { type Handlers, TRAIT } from './generate.ts';
import * as R from './records.ts';
import { codeSizeOf, type Template } from './templates.ts';

const PAGE = 4096;

/** What is being written: a run, what is executed alone, or an instruction that goes on in the next page, which is a run by itself. */
export type RunKind = 'run' | 'single' | 'crossing';

/** Writes the records of one run: fills in templates, fuses pairs, leaves out dead flags, and ends it with stubs. */
export class RecordWriter {
  /** Instructions executed by TypeScript functions, by the index in their record's TARGET. */
  readonly helpers: Instruction[] = [];
  /** Linear addresses where the interpreter stops, as signed numbers. */
  readonly breakpoints = new Set<number>();
  /** Linear address of RIP 0: the base of CS outside 64-bit mode. */
  codeBase = 0;
  /** What each record of the arena was decoded as: variant + 1, and in the upper half a fused condition + 1; 0 for none. */
  readonly #decoded = new Int32Array(RECORD_ARENA_BYTES / R.RECORD_BYTES);
  /** The number of each record's page. */
  readonly #pageNumbers = new Int32Array(RECORD_ARENA_BYTES / R.RECORD_BYTES);
  #pages: CodePage[] = [];

  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #halves: Uint16Array;
  readonly #handlers: Handlers;
  readonly #decoder: Decoder;
  readonly #instruction = new Instruction();
  #page!: CodePage;
  #kind: RunKind = 'run';
  /** Where the next record goes. */
  #top = 0;
  #position = 0;
  #leaves = false;
  /** Handlers of the last record with a condition fused to it begin here in `fused`; -1 when none can be. */
  #fusedHandlers = -1;
  /** A record that has set flags which nothing has looked at yet, and its handler that does not; 0 for none. */
  #unread = 0;
  #unreadNoFlags = 0;
  readonly #branches = new Int32Array(R.RUN_LIMIT);
  readonly #targets = new Float64Array(R.RUN_LIMIT);
  #branchCount = 0;

  constructor(state: CpuState, handlers: Handlers, decoder: Decoder) {
    this.#words = state.i32;
    this.#bytes = state.u8;
    this.#halves = new Uint16Array(state.memory.buffer);
    this.#handlers = handlers;
    this.#decoder = decoder;
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
    return FACTS[this.#halves[(record + R.FORM) >> 1]!]!.endsRun;
  }

  forget(): void {
    this.helpers.length = 0;
    this.#pages = [];
  }

  /** @returns the number that a new page gets */
  enlist(page: CodePage): number {
    return this.#pages.push(page) - 1;
  }

  /** @returns the page that a record, which is no stub, was decoded from */
  pageOf(record: number): CodePage | undefined {
    return this.#pages[this.#pageNumbers[(record - RECORD_ARENA) / R.RECORD_BYTES]!];
  }

  /** @returns the variant of a record and the condition of the jump fused to it (-1: none), or undefined for what TypeScript executes */
  decodedAs(record: number): { variant: number; condition: number } | undefined {
    const decoded = this.#decoded[(record - RECORD_ARENA) / R.RECORD_BYTES]!;
    return decoded === 0 ? undefined : { variant: (decoded & 0xffff) - 1, condition: (decoded >>> 16) - 1 };
  }

  /** Starts a run. @param first where its records go */
  begin(first: number, page: CodePage, kind: RunKind): void {
    this.resume(first, page, 0);
    this.#kind = kind;
  }

  /** Goes on within a run, at a record with a position. */
  resume(record: number, page: CodePage, position: number): void {
    this.#page = page;
    this.#kind = 'run';
    this.#top = record;
    this.#position = position;
    this.#leaves = false;
    this.#fusedHandlers = -1;
    this.#unread = 0;
    this.#branchCount = 0;
  }

  /** @param at where in `bytes` the instruction is @param offset where in its page @returns whether the run goes on behind it */
  add(template: Template, bytes: Uint8Array, at: number, offset: number): boolean {
    if (this.breakpoints.size > 0 && this.#kind !== 'single') this.#breakpoint(offset);
    if (template.variant < 0) return this.#addHelper(template, bytes, at, offset);
    if (template.isBranch) return this.#addBranch(template, bytes, at, offset);
    const word = this.#addRecord(template, offset);
    if (template.hasRareOperands) this.#decodeOperands(template, bytes, at, word);
    else this.#readOperands(template, bytes, at, offset, word);
    this.#noteFlags(template, word);
    if (template.isFusable) this.#fusedHandlers = template.variant * 32;
    this.#leaves = template.endsRun;
    return !template.endsRun;
  }

  /** A place where decoding fails. @param error a DecodeError, which the driver finds in TARGET */
  addUndecodable(offset: number, error: number): false {
    const word = this.#start(offset, 0, 0, 0);
    this.#clear(word);
    this.#words[word + R.HANDLER / 4] = R.PSEUDO.helper;
    this.#words[word + R.TARGET / 4] = error;
    this.#leaves = true;
    return false;
  }

  /**
   * Ends the run and links its branches.
   * @param offset behind its last byte
   * @returns the first free host address behind the run
   */
  finish(offset: number): number {
    if (!this.#leaves) this.#stub(this.#top, this.#page.ripBase + offset, this.#position);
    const { ripBase, entries } = this.#page;
    for (let i = 0; i < this.#branchCount; i++) {
      const record = this.#branches[i]!;
      const target = this.#targets[i]!;
      const known = this.#isLinkable(target) ? entries[target - ripBase]! : 0;
      this.#words[(record + R.TARGET) >> 2] = known === 0 ? this.#top : known;
      if (known === 0) this.#stub(record, target, 0);
      else this.#words[(record + R.COST) >> 2]! -= this.#halves[(known + R.POSITION) >> 1]!;
    }
    return this.#top;
  }

  /** A run has been written anew up to a record that has stayed: flags that this one replaces are dead. */
  finishBefore(record: number): void {
    if (this.#unread === 0) return;
    const variant = this.#variantOf(record);
    if (variant >= 0 && this.#handlers.traits[variant] === TRAIT.writesFlags) this.#leaveOutFlags(record);
  }

  /** @returns whether a record's handler leaves its flags out */
  leavesFlagsOut(record: number): boolean {
    const variant = this.#variantOf(record);
    return variant >= 0 && this.#words[(record + R.HANDLER) >> 2] === this.#handlers.noFlags[variant];
  }

  #variantOf(record: number): number {
    return (this.#decoded[(record - RECORD_ARENA) / R.RECORD_BYTES]! & 0xffff) - 1;
  }

  /** @param owner the branch it stands in for, or itself: the end of the run */
  #stub(owner: number, target: number, position: number): void {
    const at = this.#top;
    const word = at >> 2;
    this.#clear(word);
    this.#words[word + R.HANDLER / 4] = this.#isLinkable(target) ? R.PSEUDO.link : R.PSEUDO.jump;
    this.#words[word + R.BASE / 4] = owner;
    this.#words[word + R.COST / 4] = position;
    this.#words[word + R.POSITION / 4] = position | (R.MARK.stub << 24);
    this.#words[word + R.FORM / 4] = 0;
    this.#set64(word + R.RIP / 4, target);
    this.#top += R.RECORD_BYTES;
  }

  #isLinkable(rip: number): boolean {
    return rip >= this.#page.ripBase && rip < this.#page.ripBase + PAGE;
  }

  #set64(word: number, value: number): void {
    this.#words[word] = value;
    this.#words[word + 1] = Math.floor(value / 2 ** 32);
  }

  /** Clears the fields before RIP, and TARGET. */
  #clear(word: number): void {
    for (let i = 0; i < R.RIP / 4; i++) this.#words[word + i] = 0;
    this.#words[word + R.TARGET / 4] = 0;
  }

  /** Writes the fields of the next record from RIP on, but TARGET. @param last the last word of it @returns the index of its first word */
  #start(offset: number, length: number, last: number, decoded: number): number {
    const record = this.#top;
    const word = record >> 2;
    const words = this.#words;
    const marks = offset + length > PAGE ? R.MARK.crossing : 0;
    words[word + R.COST / 4] = this.#position + 1;
    words[word + R.POSITION / 4] = this.#position | (length << 16) | (marks << 24);
    words[word + R.FORM / 4] = last;
    this.#set64(word + R.RIP / 4, this.#page.ripBase + offset);
    const number = (record - RECORD_ARENA) / R.RECORD_BYTES;
    this.#decoded[number] = decoded;
    this.#pageNumbers[number] = this.#page.number;
    if (this.#kind === 'run' && this.#page.entries[offset] === 0) this.#page.entries[offset] = record;
    this.#top = record + R.RECORD_BYTES;
    this.#position++;
    this.#fusedHandlers = -1;
    return word;
  }

  /** @returns the index of the record's first word; what remains to be written is DISPLACEMENT and IMMEDIATE */
  #addRecord(template: Template, offset: number): number {
    const last = template.form | (template.addressing << 16) | (template.segment << 24);
    const word = this.#start(offset, template.length, last, template.variant + 1);
    const words = this.#words;
    words[word + R.HANDLER / 4] = template.handler;
    words[word + R.BASE / 4] = template.base;
    words[word + R.INDEX / 4] = template.index;
    words[word + R.SCALE / 4] = template.scale;
    words[word + R.REG / 4] = template.reg;
    words[word + R.VVVV / 4] = template.vvvv;
    words[word + R.TARGET / 4] = 0;
    return word;
  }

  #readOperands(template: Template, bytes: Uint8Array, at: number, offset: number, word: number): void {
    const words = this.#words;
    const { displacementBytes } = template;
    const place = at + template.operandsAt;
    let displacement = template.displacementConstant;
    if (displacementBytes !== 0) displacement += signedAt(bytes, place, displacementBytes);
    if (template.isRipRelative) {
      this.#set64(word + R.DISPLACEMENT / 4, this.#page.ripBase + offset + template.length + displacement);
    } else {
      words[word + R.DISPLACEMENT / 4] = displacement;
      words[word + R.DISPLACEMENT / 4 + 1] = displacement < 0 ? -1 : 0;
    }
    const low = template.immediateBytes === 0 ? template.immediateConstant : immediateAt(template, bytes, place);
    words[word + R.IMMEDIATE / 4] = low & template.immediateMask;
    let high = 0;
    if (template.immediateHasHigh)
      high = template.immediateBytes === 8 ? signedAt(bytes, place + displacementBytes + 4, 4) : low >> 31;
    words[word + R.IMMEDIATE / 4 + 1] = high;
  }

  #decodeOperands(template: Template, bytes: Uint8Array, at: number, word: number): void {
    const instruction = this.#instruction;
    const words = this.#words;
    this.#decoder.decode(bytes, at, template.length, codeSizeOf(this.#page.mode), instruction);
    words[word + R.DISPLACEMENT / 4] = instruction.displacement;
    words[word + R.DISPLACEMENT / 4 + 1] = instruction.displacementHigh;
    words[word + R.IMMEDIATE / 4] = instruction.immediate & template.immediateMask;
    words[word + R.IMMEDIATE / 4 + 1] = 0;
    words[word + R.TARGET / 4] = instruction.immediate2;
  }

  #addHelper(template: Template, bytes: Uint8Array, at: number, offset: number): boolean {
    const word = this.#start(offset, template.length, template.form, 0);
    this.#clear(word);
    this.#words[word + R.HANDLER / 4] = R.PSEUDO.helper;
    this.#words[word + R.TARGET / 4] = this.helpers.length;
    const instruction = new Instruction();
    this.#decoder.decode(bytes, at, template.length, codeSizeOf(this.#page.mode), instruction);
    this.helpers.push(instruction);
    this.#unread = 0;
    this.#leaves = FACTS[instruction.form]!.endsRun;
    return !this.#leaves;
  }

  #addBranch(template: Template, bytes: Uint8Array, at: number, offset: number): boolean {
    const nextOffset = offset + template.length;
    const distance = immediateAt(template, bytes, at + template.operandsAt);
    const target = this.#target(template, nextOffset, distance);
    if (target > this.#page.limit) return this.#addHelper(template, bytes, at, offset);
    if (template.condition >= 0 && nextOffset <= PAGE && this.#fuse(template.condition, target)) return true;
    const word = this.#addRecord(template, offset);
    this.#set64(word + R.DISPLACEMENT / 4, 0);
    this.#set64(word + R.IMMEDIATE / 4, target);
    this.#noteFlags(template, word);
    this.#noteBranch(word * 4, target);
    this.#leaves = template.endsRun;
    return !template.endsRun;
  }

  #noteBranch(record: number, target: number): void {
    this.#branches[this.#branchCount] = record;
    this.#targets[this.#branchCount++] = target;
  }

  /** RIP of a direct branch's target: cut to the operand size outside 64-bit mode. */
  #target(template: Template, nextOffset: number, distance: number): number {
    const target = this.#page.ripBase + nextOffset + distance;
    if (this.#page.mode & MODE.code64) return target;
    return template.isWord ? target & 0xffff : target >>> 0;
  }

  #breakpoint(offset: number): void {
    const rip = this.#page.ripBase + offset;
    const linear = this.#page.mode & MODE.code64 ? rip : (rip + this.codeBase) % 2 ** 32;
    if (!this.breakpoints.has(linear)) return;
    const word = this.#start(offset, 0, 0, 0);
    this.#clear(word);
    this.#position--;
    this.#words[word + R.HANDLER / 4] = R.PSEUDO.breakpoint;
    this.#bytes[word * 4 + R.MARKS] = R.MARK.breakpoint;
    this.#unread = 0;
  }

  /** Makes one record of a comparison and the conditional jump behind it. */
  #fuse(condition: number, target: number): boolean {
    if (this.#fusedHandlers < 0 || this.#kind !== 'run') return false;
    const handler = this.#handlers.fused[this.#fusedHandlers + condition]!;
    if (handler < 0) return false;
    const record = this.#top - R.RECORD_BYTES;
    this.#words[(record + R.HANDLER) >> 2] = handler;
    this.#bytes[record + R.MARKS]! |= R.MARK.fused;
    this.#decoded[(record - RECORD_ARENA) / R.RECORD_BYTES]! |= (condition + 1) << 16;
    this.#position++;
    this.#words[(record + R.COST) >> 2] = this.#position;
    this.#noteBranch(record, target);
    this.#fusedHandlers = -1;
    this.#unread = 0;
    return true;
  }

  /**
   * Flags are dead behind an instruction when one that replaces them all follows, with nothing between (nor it) that reads them or may
   * stop: whoever stops must find them.
   */
  #noteFlags({ traits, noFlags }: Template, word: number): void {
    if (traits !== 0) {
      if (traits === TRAIT.writesFlags && this.#unread !== 0) this.#leaveOutFlags(word * 4);
      this.#unread = 0;
    }
    if (noFlags < 0 || this.#kind === 'single') return;
    this.#unread = word * 4;
    this.#unreadNoFlags = noFlags;
  }

  /** Lets the unread record leave its flags out, and marks the records behind it up to the one that replaces them. */
  #leaveOutFlags(replacing: number): void {
    this.#words[(this.#unread + R.HANDLER) >> 2] = this.#unreadNoFlags;
    for (let record = this.#unread + R.RECORD_BYTES; record <= replacing; record += R.RECORD_BYTES) {
      this.#bytes[record + R.MARKS]! |= R.MARK.staleFlags;
    }
  }
}

/** @param bytes 1, 2 or 4 */
function signedAt(code: Uint8Array, at: number, bytes: number): number {
  if (bytes === 1) return (code[at]! << 24) >> 24;
  const word = code[at]! | (code[at + 1]! << 8);
  return bytes === 2 ? (word << 16) >> 16 : word | (code[at + 2]! << 16) | (code[at + 3]! << 24);
}

/** The low half of the immediate. @param at where the displacement begins */
function immediateAt(
  { displacementBytes, immediateBytes, immediateSigned }: Template,
  code: Uint8Array,
  at: number,
): number {
  const value = signedAt(code, at + displacementBytes, Math.min(immediateBytes, 4));
  return immediateSigned || immediateBytes >= 4 ? value : value & ((1 << (8 * immediateBytes)) - 1);
}
