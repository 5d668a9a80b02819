import { DecodeError, type Decoder, MAX_LENGTH } from '../decode/decoder.ts';
import { type CodeSize, Instruction } from '../decode/instruction.ts';
import { CODE_GRANULES, JUMP_CACHE, MODE, RECORD_ARENA, RECORD_ARENA_BYTES } from '../layout.ts';
import type { CpuState } from '../state.ts';
import { jumpCacheIndex } from './generate.ts';
import type { RecordWriter } from './record-writer.ts';
import * as R from './records.ts';

const PAGE = 4096;
const GRANULE = 64;
/** The start of the arena is kept for the record of a single step. */
const ARENA = RECORD_ARENA + 4 * R.RECORD_BYTES;

/** A straight line of records, from one entry to where control must leave. Offsets are bytes from the start of the page. */
export interface Run {
  readonly page: CodePage;
  readonly start: number;
  /** Offset behind the last byte; beyond 4096 when the last instruction goes on in the next page. */
  readonly end: number;
  readonly first: number;
  /** Number of records, without the stubs behind them. */
  readonly records: number;
  /** Physical page number of the second page, or -1. */
  readonly secondPage: number;
  /** The start of it has been dropped. */
  readonly isRest: boolean;
}

/** What has been decoded of one physical page, seen at one RIP and in one mode. */
export class CodePage {
  readonly physicalPage: number;
  readonly mode: number;
  /** RIP of the page's first byte, as a signed number: RIPs are canonical, so it is exact. */
  readonly ripBase: number;
  /** The last RIP that may be fetched: the limit of CS; infinity in 64-bit mode. */
  readonly limit: number;
  /** How many bytes of the page that allows, from its start. */
  readonly usable: number;
  /** Record of the instruction at each offset, 0 for none. */
  readonly entries = new Int32Array(PAGE);
  runs: Run[] = [];
  /** Runs that go on in another page: not in `entries`, as they are only right while both pages stay mapped. */
  readonly crossing = new Map<number, Run>();

  constructor(physicalPage: number, mode: number, ripBase: number, limit: number) {
    this.physicalPage = physicalPage;
    this.mode = mode;
    this.ripBase = ripBase;
    this.limit = limit;
    this.usable = Math.min(limit + 1 - ripBase, PAGE);
  }
}

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
 * Decoded code: runs by physical page, kept until their bytes change or the arena is full, when all of it is dropped at once.
 * Within a page runs are linked directly; every way into another page goes through the jump cache, which knows the address space.
 */
export class CodeCache {
  readonly #state: CpuState;
  readonly #decoder: Decoder;
  readonly #source: CodeSource;
  readonly #writer: RecordWriter;
  readonly #pages = new Map<number, CodePage[]>();
  /** Runs of other pages that end in a physical page. */
  readonly #spillers = new Map<number, Run[]>();
  readonly #instruction = new Instruction();
  readonly #bytes = new Uint8Array(32);
  /** Counts how often everything was dropped: records from before are gone. */
  generation = 0;
  /** Runs of this page have been dropped because their bytes changed. */
  onRunsDropped?: (page: CodePage) => void;
  /** Everything has been dropped. */
  onCleared?: () => void;
  #top = ARENA;

  constructor(state: CpuState, decoder: Decoder, source: CodeSource, writer: RecordWriter) {
    this.#state = state;
    this.#decoder = decoder;
    this.#source = source;
    this.#writer = writer;
  }

  /**
   * @param ripBase RIP of the page's first byte @param mode decode-relevant bits of the mode word
   * @param limit the last RIP that may be fetched, infinity for any
   */
  page(physicalPage: number, ripBase: number, mode: number, limit: number): CodePage {
    let pages = this.#pages.get(physicalPage);
    if (pages === undefined) {
      pages = [];
      this.#pages.set(physicalPage, pages);
    }
    for (const page of pages) {
      if (page.ripBase === ripBase && page.mode === mode && page.limit === limit) return page;
    }
    const page = new CodePage(physicalPage, mode, ripBase, limit);
    pages.push(page);
    return page;
  }

  /** Makes room for one more run, dropping everything if there is none. @returns whether everything was dropped */
  reserve(): boolean {
    if (!this.isFull) return false;
    this.clear();
    return true;
  }

  clear(): void {
    for (const physicalPage of [...this.#pages.keys(), ...this.#spillers.keys()]) {
      this.#state.u64[(CODE_GRANULES >> 3) + physicalPage] = 0n;
    }
    this.#pages.clear();
    this.#spillers.clear();
    this.#writer.forget();
    this.#top = ARENA;
    this.generation++;
    this.#state.forgetFetches();
    this.onCleared?.();
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
      if (Math.floor(physical / PAGE) === crossing.secondPage) return crossing.first;
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

  #codeSize(mode: number): CodeSize {
    return mode & MODE.code64 ? 64 : mode & MODE.code32 ? 32 : 16;
  }

  /**
   * Decodes one instruction for a single step, with a record of its own and exact flags around it.
   * @returns its record, or 0 as `record` does
   */
  single(page: CodePage, offset: number): number {
    const length = this.decode(page, offset, this.#instruction);
    if (length === UNFETCHABLE) return 0;
    const writer = this.#writer;
    writer.begin(RECORD_ARENA, page, true);
    if (length > 0) writer.add(this.#instruction, offset, length);
    else writer.addUndecodable(offset, length);
    const behind = writer.finish(offset + Math.max(length, 1), undefined);
    for (let record = RECORD_ARENA + R.RECORD_BYTES; record < behind; record += R.RECORD_BYTES) {
      this.#state.i32[(record + R.HANDLER) >> 2] = R.PSEUDO.stop;
    }
    return RECORD_ARENA;
  }

  /** @returns the length of the instruction, a DecodeError, or UNFETCHABLE */
  decode(page: CodePage, offset: number, instruction: Instruction): number {
    const base = page.physicalPage * PAGE;
    const codeSize = this.#codeSize(page.mode);
    const available = page.usable - offset;
    const length = this.#decoder.decode(this.#state.guestRam, base + offset, available, codeSize, instruction);
    if (length !== DecodeError.Incomplete) return length;
    if (page.usable < PAGE) return BEYOND_LIMIT;
    const physical = this.#source.fetchBehind(page, PAGE);
    return physical < 0 ? UNFETCHABLE : this.#decodeAcross(page, offset, physical, instruction);
  }

  #build(page: CodePage, start: number): number {
    const ram = this.#state.guestRam;
    const base = page.physicalPage * PAGE;
    const codeSize = this.#codeSize(page.mode);
    const writer = this.#writer;
    const instruction = this.#instruction;
    const first = this.#top;
    writer.begin(first, page);
    let offset = start;
    let secondPage = -1;
    while (!writer.full) {
      if (offset >= page.usable || (offset !== start && page.entries[offset] !== 0)) break;
      let length = this.#decoder.decode(ram, base + offset, page.usable - offset, codeSize, instruction);
      if (length === DecodeError.Incomplete && page.usable < PAGE) length = BEYOND_LIMIT;
      if (length === DecodeError.Incomplete) {
        if (offset !== start) break;
        const physical = this.#source.fetchBehind(page, PAGE);
        if (physical < 0) return 0;
        secondPage = Math.floor(physical / PAGE);
        length = this.#decodeAcross(page, offset, physical, instruction);
      }
      const goesOn = length > 0 ? writer.add(instruction, offset, length) : writer.addUndecodable(offset, length);
      offset += Math.max(length, 1);
      if (!goesOn || secondPage >= 0) break;
    }
    this.#top = writer.finish(offset, secondPage < 0 ? page.entries : undefined);
    const run: Run = { page, start, end: offset, first, records: writer.records, secondPage, isRest: false };
    this.#keep(run);
    return first;
  }

  /** @param physical where the instruction goes on */
  #decodeAcross(page: CodePage, offset: number, physical: number, instruction: Instruction): number {
    const ram = this.#state.guestRam;
    const base = page.physicalPage * PAGE;
    this.#bytes.set(ram.subarray(base + offset, base + PAGE));
    this.#bytes.set(ram.subarray(physical, physical + MAX_LENGTH), PAGE - offset);
    const available = Math.min(MAX_LENGTH, page.limit + 1 - page.ripBase - offset);
    const length = this.#decoder.decode(this.#bytes, 0, available, this.#codeSize(page.mode), instruction);
    return length === DecodeError.Incomplete ? BEYOND_LIMIT : length;
  }

  #keep(run: Run): void {
    const { page } = run;
    page.runs.push(run);
    this.#mark(page.physicalPage, run.start, Math.min(run.end, PAGE));
    if (run.secondPage < 0) return;
    page.crossing.set(run.start, run);
    const spillers = this.#spillers.get(run.secondPage) ?? [];
    spillers.push(run);
    this.#spillers.set(run.secondPage, spillers);
    this.#mark(run.secondPage, 0, run.end - PAGE);
  }

  #mark(physicalPage: number, start: number, end: number): void {
    const words = this.#state.u32;
    const word = (CODE_GRANULES >> 2) + physicalPage * 2;
    if (words[word] === 0 && words[word + 1] === 0) this.#source.holdCode(physicalPage);
    for (let granule = Math.floor(start / GRANULE); granule * GRANULE < end; granule++) {
      words[word + (granule >> 5)]! |= 1 << (granule & 31);
    }
  }

  /** Bytes of RAM have changed: the records decoded from them will look up their instruction anew. */
  invalidate(physical: number, size: number): void {
    const end = physical + size;
    for (let page = Math.floor(physical / PAGE); page * PAGE < end; page++) {
      const from = Math.max(physical - page * PAGE, 0);
      const to = Math.min(end - page * PAGE, PAGE);
      for (const codePage of this.#pages.get(page) ?? []) {
        const before = codePage.runs;
        const left = before.flatMap((run) => this.#dropIfHit(run, from, to) ?? []);
        if (left.length === before.length && left.every((run, index) => run === before[index])) continue;
        codePage.runs = left;
        this.onRunsDropped?.(codePage);
      }
      const spillers = this.#spillers.get(page);
      if (spillers)
        this.#spillers.set(
          page,
          spillers.filter((run) => {
            const isHit = this.#dropIfHit(run, from + PAGE, to + PAGE) !== run;
            if (isHit) this.onRunsDropped?.(run.page);
            return !isHit;
          }),
        );
    }
  }

  /**
   * Drops the instructions of a run that bytes from `from` to `to` are part of, and those before them: they may leave out flags that they
   * have seen replaced. A run that is hit again goes altogether: it is being written anew.
   * @returns what is left of the run, undefined for nothing
   */
  #dropIfHit(run: Run, from: number, to: number): Run | undefined {
    if (run.start >= to || run.end <= from) return run;
    const words = this.#state.i32;
    const { entries, crossing, ripBase } = run.page;
    const offsetOf = (record: number) => (words[(record + R.RIP) >> 2]! - (ripBase | 0)) | 0;
    if (crossing.get(run.start) === run) crossing.delete(run.start);
    const behind = run.first + run.records * R.RECORD_BYTES;
    let record = run.first;
    do {
      words[(record + R.HANDLER) >> 2] = R.PSEUDO.relookup;
      const offset = offsetOf(record);
      if (entries[offset] === record) entries[offset] = 0;
      record += R.RECORD_BYTES;
    } while (record < behind && (run.isRest || run.secondPage >= 0 || offsetOf(record) < to));
    if (record === behind) return undefined;
    const records = (behind - record) / R.RECORD_BYTES;
    return { ...run, start: offsetOf(record), first: record, records, isRest: true };
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
