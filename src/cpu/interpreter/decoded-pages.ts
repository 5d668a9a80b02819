/** Which code has been decoded, by physical page, and what becomes of it when its bytes change. */
import { MAX_LENGTH } from '../decode/decoder.ts';
import { CODE_GRANULES } from '../layout.ts';
import type { CpuState } from '../state.ts';
import { CodePage, type Crossing } from './code-page.ts';
import type { RecordWriter } from './record-writer.ts';
import * as R from './records.ts';

const PAGE_SHIFT = 12;
const PAGE = 1 << PAGE_SHIFT;
const GRANULE_SHIFT = 6;
const GRANULE = 1 << GRANULE_SHIFT;
/** Bytes behind its offset that a record may have been decoded from: two instructions', when fused. */
const REACH = 2 * MAX_LENGTH;

/** The pages of which code has been decoded. Writes to their granules that hold code end up in `invalidate`. */
export class DecodedPages {
  readonly #state: CpuState;
  readonly #writer: RecordWriter;
  readonly #holdCode: (physicalPage: number) => void;
  readonly #pages = new Map<number, CodePage[]>();
  /** By physical page, the instructions that end there and begin in another page. */
  readonly #crossings = new Map<number, Crossing[]>();
  /** The granule of the last record dropped, unless something has been decoded since. */
  #droppedGranule = -1;
  /** Physical addresses from and to which nothing is decoded, as something was written there. */
  #emptyFrom = 0;
  #emptyTo = 0;
  /** Records of this page have been dropped because their bytes changed. */
  onRecordsDropped?: (page: CodePage) => void;

  /** @param holdCode from now on writes to a physical page must be noticed */
  constructor(state: CpuState, writer: RecordWriter, holdCode: (physicalPage: number) => void) {
    this.#state = state;
    this.#writer = writer;
    this.#holdCode = holdCode;
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
    const page = new CodePage(physicalPage, mode, ripBase, limit, (created) => this.#writer.enlist(created));
    pages.push(page);
    return page;
  }

  /** All records are gone. */
  forget(): void {
    for (const physicalPage of [...this.#pages.keys(), ...this.#crossings.keys()]) {
      this.#state.u64[(CODE_GRANULES >> 3) + physicalPage] = 0n;
    }
    this.#pages.clear();
    this.#crossings.clear();
  }

  /** Keeps the record of an instruction that goes on in the next page. */
  addCrossing(crossing: Crossing): void {
    const { page, start, end, secondPage } = crossing;
    page.crossing.set(start, crossing);
    const others = (this.#crossings.get(secondPage) ?? []).filter(isCurrent);
    this.#crossings.set(secondPage, [...others, crossing]);
    this.mark(secondPage, 0, end - PAGE);
  }

  /** Writes to these bytes of a page are to be looked at. */
  mark(physicalPage: number, start: number, end: number): void {
    const words = this.#state.u32;
    const word = (CODE_GRANULES >> 2) + physicalPage * 2;
    if (words[word] === 0 && words[word + 1] === 0) this.#holdCode(physicalPage);
    for (let granule = start >> GRANULE_SHIFT; granule << GRANULE_SHIFT < end; granule++) {
      words[word + (granule >> 5)]! |= 1 << (granule & 31);
    }
    this.#droppedGranule = -1;
    this.#emptyTo = 0;
  }

  /** No records are left of these granules. While a page has any, writes to it take the slow path: so it keeps one. */
  #unmark(physicalPage: number, start: number, end: number): void {
    const words = this.#state.u32;
    const word = (CODE_GRANULES >> 2) + physicalPage * 2;
    for (let granule = start >> GRANULE_SHIFT; granule << GRANULE_SHIFT < end; granule++) {
      const at = word + (granule >> 5);
      const left = words[at]! & ~(1 << (granule & 31));
      if (left !== 0 || words[at ^ 1] !== 0) words[at] = left;
    }
  }

  /** Bytes of RAM have changed: the records decoded from them are dropped. */
  invalidate(physical: number, size: number): void {
    const end = physical + size;
    if (physical >= this.#emptyFrom && end <= this.#emptyTo) return;
    const words = this.#state.u32;
    for (let page = physical >>> PAGE_SHIFT; page * PAGE < end; page++) {
      const word = (CODE_GRANULES >> 2) + page * 2;
      if (words[word] === 0 && words[word + 1] === 0) continue;
      const base = page * PAGE;
      this.#invalidateIn(page, Math.max(physical - base, 0), Math.min(end - base, PAGE));
    }
  }

  /** Where a second record goes before anything has been decoded again, code is being written: the whole granule goes. */
  #invalidateIn(page: number, first: number, last: number): void {
    const granule = (page << (PAGE_SHIFT - GRANULE_SHIFT)) + (first >> GRANULE_SHIFT);
    if (granule !== this.#droppedGranule) {
      if (this.#dropAll(page, first, last)) this.#droppedGranule = granule;
      return;
    }
    const from = first & -GRANULE;
    const to = (last + GRANULE - 1) & -GRANULE;
    this.#dropAll(page, from, to);
    this.#unmark(page, from, to);
    this.#emptyFrom = page * PAGE + from;
    this.#emptyTo = page * PAGE + to;
  }

  /** Drops what has been decoded from some bytes of a physical page. @returns whether that was anything */
  #dropAll(physicalPage: number, from: number, to: number): boolean {
    let isHit = false;
    const pages = this.#pages.get(physicalPage);
    for (let i = 0; pages !== undefined && i < pages.length; i++) {
      if (!this.#dropRange(pages[i]!, from, to)) continue;
      isHit = true;
      this.onRecordsDropped?.(pages[i]!);
    }
    const crossings = this.#crossings.get(physicalPage);
    if (crossings !== undefined) {
      const left = crossings.filter((crossing) => !this.#dropCrossing(crossing, from + PAGE, to + PAGE));
      this.#crossings.set(physicalPage, left);
    }
    return isHit;
  }

  /** @returns whether there was a record that bytes from `from` to `to` are part of */
  #dropRange(page: CodePage, from: number, to: number): boolean {
    const words = this.#state.u32;
    const word = (CODE_GRANULES >> 2) + page.physicalPage * 2;
    const first = Math.max(from - REACH + 1, 0);
    let isHit = false;
    for (let granule = first >> GRANULE_SHIFT; granule << GRANULE_SHIFT < to; granule++) {
      if ((words[word + (granule >> 5)]! & (1 << (granule & 31))) === 0) continue;
      const start = granule << GRANULE_SHIFT;
      if (this.#dropBetween(page, Math.max(first, start), Math.min(start + GRANULE, to), from)) isHit = true;
    }
    if (page.crossing.size === 0) return isHit;
    for (const crossing of page.crossing.values()) {
      if (this.#dropCrossing(crossing, from, to)) isHit = true;
    }
    return isHit;
  }

  /** Drops the records that begin between two offsets and reach beyond `from`. @returns whether there was one */
  #dropBetween(page: CodePage, first: number, end: number, from: number): boolean {
    const { entries } = page;
    let isHit = false;
    for (let offset = first; offset < end; offset++) {
      const record = entries[offset]!;
      if (record === 0 || offset + this.#extent(record) <= from) continue;
      this.#drop(page, record);
      isHit = true;
    }
    return isHit;
  }

  #dropCrossing(crossing: Crossing, from: number, to: number): boolean {
    const { page, start, end, record } = crossing;
    if (start >= to || end <= from || !isCurrent(crossing)) return false;
    this.#state.i32[(record + R.HANDLER) >> 2] = R.PSEUDO.relookup;
    page.crossing.delete(start);
    this.onRecordsDropped?.(page);
    return true;
  }

  /** Drops a record, and those before it that have left out flags because it, or one behind it, replaces them. */
  #drop(page: CodePage, dropped: number): void {
    const words = this.#state.i32;
    for (let record = dropped; ; record -= R.RECORD_BYTES) {
      const isOrigin = record !== dropped && this.#writer.leavesFlagsOut(record);
      words[(record + R.HANDLER) >> 2] = R.PSEUDO.relookup;
      const offset = offsetIn(this.#state, page, record);
      if (page.entries[offset] === record) page.entries[offset] = 0;
      const isStale = (this.#state.u8[record + R.MARKS]! & R.MARK.staleFlags) !== 0;
      if (isOrigin || !isStale || isDropped(this.#state, record - R.RECORD_BYTES)) return;
    }
  }

  /** @returns how many bytes a record was decoded from, or more */
  #extent(record: number): number {
    const isFused = (this.#state.u8[record + R.MARKS]! & R.MARK.fused) !== 0;
    return isFused ? REACH : this.#state.u8[record + R.LENGTH]! || MAX_LENGTH;
  }
}

const isCurrent = (crossing: Crossing): boolean => crossing.page.crossing.get(crossing.start) === crossing;

export function isDropped(state: CpuState, record: number): boolean {
  return state.i32[(record + R.HANDLER) >> 2] === R.PSEUDO.relookup;
}

/** @returns the offset of a record's instruction in its page */
export function offsetIn(state: CpuState, page: CodePage, record: number): number {
  return (state.i32[(record + R.RIP) >> 2]! - (page.ripBase | 0)) | 0;
}
