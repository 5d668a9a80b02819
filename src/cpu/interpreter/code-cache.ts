import { DecodeError, type Decoder, MAX_LENGTH } from '../decode/decoder.ts';
import type { Instruction } from '../decode/instruction.ts';
import { JUMP_CACHE, RECORD_ARENA, RECORD_ARENA_BYTES } from '../layout.ts';
import type { CpuState } from '../state.ts';
import type { CodePage, Crossing } from './code-page.ts';
import { DecodedPages, isDropped, offsetIn } from './decoded-pages.ts';
import { jumpCacheIndex } from './generate.ts';
import type { RecordWriter } from './record-writer.ts';
import * as R from './records.ts';
import { codeSizeOf, type Template, type Templates } from './templates.ts';

const PAGE = 4096;
/** The start of the arena is kept for the record of a single step. */
const ARENA = RECORD_ARENA + 4 * R.RECORD_BYTES;

/** What `decode` returns when the instruction goes on in a page that cannot be fetched. */
export const UNFETCHABLE = -1;

/** An instruction that runs into the limit of CS raises #GP(0), as one that is too long does. */
const BEYOND_LIMIT = DecodeError.TooLong;

export interface CodeSource {
  /** @param offset beyond the page's end @returns physical address of the code byte there, or -1: cannot be fetched */
  fetchBehind(page: CodePage, offset: number): number;
  /** From now on a page's bytes are decoded: writes to it must be noticed. */
  holdCode(physicalPage: number): void;
}

/**
 * Decoded code: runs of records by physical page, kept until the arena is full, when all of it is dropped at once. A record whose bytes
 * change is dropped by itself, and decoded anew in its place when control comes there, if the new instruction fits.
 * Within a page runs are linked directly; every way into another page goes through the jump cache, which knows the address space.
 */
export class CodeCache {
  readonly #state: CpuState;
  readonly #decoder: Decoder;
  readonly #source: CodeSource;
  readonly #writer: RecordWriter;
  readonly #templates: Templates;
  readonly #decoded: DecodedPages;
  readonly #bytes = new Uint8Array(32);
  /** Physical page number of the second page of what is in #bytes. */
  #secondPage = -1;
  /** Counts how often everything was dropped: records from before are gone. */
  generation = 0;
  /** Everything has been dropped. */
  onCleared?: () => void;
  #top = ARENA;

  constructor(state: CpuState, decoder: Decoder, source: CodeSource, writer: RecordWriter, templates: Templates) {
    this.#state = state;
    this.#decoder = decoder;
    this.#source = source;
    this.#writer = writer;
    this.#templates = templates;
    this.#decoded = new DecodedPages(state, writer, (physicalPage) => source.holdCode(physicalPage));
  }

  /** Records of a page have been dropped because their bytes changed. */
  set onRecordsDropped(listener: (page: CodePage) => void) {
    this.#decoded.onRecordsDropped = listener;
  }

  /** See DecodedPages.page. */
  page(physicalPage: number, ripBase: number, mode: number, limit: number): CodePage {
    return this.#decoded.page(physicalPage, ripBase, mode, limit);
  }

  /** Bytes of RAM have changed: the records decoded from them are dropped. */
  invalidate(physical: number, size: number): void {
    this.#decoded.invalidate(physical, size);
  }

  /** Makes room for one more run, dropping everything if there is none. @returns whether everything was dropped */
  reserve(): boolean {
    if (!this.isFull) return false;
    this.clear();
    return true;
  }

  clear(): void {
    this.#decoded.forget();
    this.#writer.forget();
    this.#top = ARENA;
    this.generation++;
    this.#state.forgetFetches();
    this.onCleared?.();
  }

  /** Records of the arena in use. */
  get records(): number {
    return (this.#top - RECORD_ARENA) / R.RECORD_BYTES;
  }

  /** No room for another run: the next `reserve` will drop everything. */
  get isFull(): boolean {
    return this.#top + (3 * R.RUN_LIMIT + 4) * R.RECORD_BYTES > RECORD_ARENA + RECORD_ARENA_BYTES;
  }

  /**
   * @param offset of an instruction in its page
   * @returns its record, or 0 when the instruction goes on in a page that cannot be fetched
   */
  record(page: CodePage, offset: number): number {
    const known = page.entries[offset]!;
    if (known !== 0) return known;
    const crossing = page.crossing.get(offset);
    if (crossing !== undefined) {
      const physical = this.#source.fetchBehind(page, PAGE);
      if (physical < 0) return 0;
      if (Math.floor(physical / PAGE) === crossing.secondPage) return crossing.record;
      page.crossing.delete(offset);
    }
    return this.#build(page, offset);
  }

  /** @returns the record that the jump cache has for a RIP, or 0 */
  find(low: number, high: number): number {
    const word = (JUMP_CACHE >> 2) + jumpCacheIndex(low) * 4;
    const words = this.#state.i32;
    const isKnown = words[word] === low && words[word + 1] === high && words[word + 3] === this.#state.fetchContext;
    return isKnown ? words[word + 2]! : 0;
  }

  /** Puts a record into the jump cache under the RIP at which it was looked up. */
  remember(low: number, high: number, record: number): void {
    const word = (JUMP_CACHE >> 2) + jumpCacheIndex(low) * 4;
    const words = this.#state.i32;
    words[word] = low;
    words[word + 1] = high;
    words[word + 2] = record;
    words[word + 3] = this.#state.fetchContext;
  }

  /**
   * Decodes one instruction for a single step, with a record of its own and exact flags around it.
   * @returns its record, or 0 as `record` does
   */
  single(page: CodePage, offset: number): number {
    const writer = this.#writer;
    writer.begin(RECORD_ARENA, page, 'single');
    const behind = this.#addFirst(page, offset);
    if (behind === UNFETCHABLE) return 0;
    const end = writer.finish(behind);
    for (let record = RECORD_ARENA + R.RECORD_BYTES; record < end; record += R.RECORD_BYTES) {
      this.#state.i32[(record + R.HANDLER) >> 2] = R.PSEUDO.stop;
    }
    return RECORD_ARENA;
  }

  /** @returns the length of the instruction, a DecodeError, or UNFETCHABLE */
  decode(page: CodePage, offset: number, instruction: Instruction): number {
    const base = page.physicalPage * PAGE;
    const codeSize = codeSizeOf(page.mode);
    const ram = this.#state.guestRam;
    const length = this.#decoder.decode(ram, base + offset, page.usable - offset, codeSize, instruction);
    if (length !== DecodeError.Incomplete) return length;
    const available = this.#join(page, offset);
    return available < 0 ? available : orBeyond(this.#decoder.decode(this.#bytes, 0, available, codeSize, instruction));
  }

  #build(page: CodePage, start: number): number {
    const ram = this.#state.guestRam;
    const base = page.physicalPage * PAGE;
    const { entries, usable, mode } = page;
    const writer = this.#writer;
    const templates = this.#templates;
    const first = this.#top;
    writer.begin(first, page, 'run');
    let offset = start;
    do {
      const template = templates.find(ram, base + offset, usable - offset, mode);
      if (template === undefined) {
        if (templates.error !== DecodeError.Incomplete) {
          writer.addUndecodable(offset, templates.error);
          offset = Math.min(offset + MAX_LENGTH, PAGE);
        } else if (offset === start) return this.#buildAcross(page, start);
        break;
      }
      const goesOn = writer.add(template, ram, base + offset, offset);
      offset += template.length;
      if (!goesOn) break;
    } while (offset < usable && entries[offset] === 0 && !writer.full);
    this.#top = writer.finish(offset);
    this.#decoded.mark(page.physicalPage, start, offset);
    return first;
  }

  /** Builds the run of an instruction that is not all in its page. */
  #buildAcross(page: CodePage, start: number): number {
    const record = this.#top;
    this.#writer.begin(record, page, 'crossing');
    const end = this.#addFirst(page, start);
    if (end === UNFETCHABLE) return 0;
    this.#top = this.#writer.finish(end);
    this.#decoded.mark(page.physicalPage, start, PAGE);
    if (page.usable < PAGE) {
      page.entries[start] = record;
      return record;
    }
    const crossing: Crossing = { page, start, end, record, secondPage: this.#secondPage };
    this.#decoded.addCrossing(crossing);
    return record;
  }

  /** Adds the record of one instruction, wherever it ends. @returns the offset behind it, or UNFETCHABLE */
  #addFirst(page: CodePage, offset: number): number {
    const templates = this.#templates;
    let bytes = this.#state.guestRam;
    let at = page.physicalPage * PAGE + offset;
    let template = templates.find(bytes, at, page.usable - offset, page.mode);
    let { error } = templates;
    if (template === undefined && error === DecodeError.Incomplete) {
      const available = this.#join(page, offset);
      if (available === UNFETCHABLE) return UNFETCHABLE;
      [bytes, at] = [this.#bytes, 0];
      template = available < 0 ? undefined : templates.find(bytes, at, available, page.mode);
      error = available < 0 ? available : orBeyond(templates.error);
    }
    if (template !== undefined) this.#writer.add(template, bytes, at, offset);
    else this.#writer.addUndecodable(offset, error);
    return offset + (template?.length ?? MAX_LENGTH);
  }

  /**
   * Puts the bytes of an instruction that is not all in its page behind each other in #bytes.
   * @returns how many of them there are; BEYOND_LIMIT when the page is not all code, UNFETCHABLE
   */
  #join(page: CodePage, offset: number): number {
    if (page.usable < PAGE) return BEYOND_LIMIT;
    const physical = this.#source.fetchBehind(page, PAGE);
    if (physical < 0) return UNFETCHABLE;
    this.#secondPage = Math.floor(physical / PAGE);
    const ram = this.#state.guestRam;
    const base = page.physicalPage * PAGE;
    this.#bytes.set(ram.subarray(base + offset, base + PAGE));
    this.#bytes.set(ram.subarray(physical, physical + MAX_LENGTH), PAGE - offset);
    return Math.min(MAX_LENGTH, page.limit + 1 - page.ripBase - offset);
  }

  /**
   * Decodes a dropped record anew in its place, and those dropped behind it, as far as the new instructions fit: then its run is whole
   * again, with all the links to it.
   * @returns whether it did so with the first
   */
  renew(dropped: number): boolean {
    const page = this.#writer.pageOf(dropped);
    if (page === undefined || this.#writer.breakpoints.size > 0) return false;
    const ram = this.#state.guestRam;
    const base = page.physicalPage * PAGE;
    const start = offsetIn(this.#state, page, dropped);
    let record = dropped;
    let offset = start;
    this.#writer.resume(record, page, this.position(record));
    for (let goesOn = true; goesOn; ) {
      const template = this.#templates.find(ram, base + offset, page.usable - offset, page.mode);
      if (template === undefined || page.entries[offset] !== 0 || !this.#fits(template, record)) break;
      this.#writer.add(template, ram, base + offset, offset);
      offset += template.length;
      record += R.RECORD_BYTES;
      if (template.endsRun) break;
      goesOn = isDropped(this.#state, record);
      if (page.entries[offset] === record) this.#writer.finishBefore(record);
    }
    if (record === dropped) return false;
    this.#decoded.mark(page.physicalPage, start, offset);
    return true;
  }

  /** @returns whether an instruction can be what a record stands for, without a change to the records around it */
  #fits({ variant, isBranch, length, endsRun }: Template, record: number): boolean {
    const bytes = this.#state.u8;
    const isPlain = (bytes[record + R.MARKS]! & ~R.MARK.staleFlags) === 0;
    if (!isPlain || variant < 0 || isBranch || length !== bytes[record + R.LENGTH]) return false;
    const behind = record + R.RECORD_BYTES;
    const goesOn = behind < this.#top && this.position(behind) === this.position(record) + 1;
    return goesOn === !endsRun;
  }

  /**
   * Makes a dropped record find its successor through the jump cache from now on. Pointing it at the successor would build chains, one
   * link longer each time the same code changes.
   */
  supersede(stale: number): void {
    const words = this.#state.i32;
    words[(stale + R.HANDLER) >> 2] = R.PSEUDO.jump;
    words[(stale + R.COST) >> 2] = this.position(stale);
  }

  /** Makes a record stand for another. */
  redirect(record: number, target: number): void {
    const words = this.#state.i32;
    words[(record + R.HANDLER) >> 2] = R.PSEUDO.goto;
    words[(record + R.TARGET) >> 2] = target;
    words[(record + R.COST) >> 2] = this.position(record) - this.position(target);
  }

  position(record: number): number {
    return this.#state.view.getUint16(record + R.POSITION, true);
  }

  /**
   * Points the branch that a link stub stands in for at its target; a target that goes on in another page is found through the jump
   * cache each time.
   */
  link(stub: number, target: number): void {
    const words = this.#state.i32;
    if (this.#isCrossing(target)) {
      words[(stub + R.HANDLER) >> 2] = R.PSEUDO.jump;
      return;
    }
    const branch = words[(stub + R.BASE) >> 2]!;
    if (branch === stub) {
      this.redirect(stub, target);
    } else if (words[(branch + R.TARGET) >> 2] === stub) {
      words[(branch + R.TARGET) >> 2] = target;
      words[(branch + R.COST) >> 2]! -= this.position(target);
    }
  }

  #isCrossing(record: number): boolean {
    return (this.#state.u8[record + R.MARKS]! & R.MARK.crossing) !== 0;
  }
}

function orBeyond(length: number): number {
  return length === DecodeError.Incomplete ? BEYOND_LIMIT : length;
}
