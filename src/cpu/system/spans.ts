/** Stretches of linear memory that translated code may use without a lookup in the TLB. */
import {
  MMU_INDEXES,
  SPAN_ADDEND,
  SPAN_BASE,
  SPAN_BYTES,
  SPAN_LENGTH,
  SPAN_MISSED,
  SPAN_OFFSET,
  SPAN_SLACK,
  SPAN_STATUS,
  SPANS,
  SPANS_CHANGED,
  SPANS_NONE,
  TLB_ADDEND,
  TLB_BYTES,
  TLB_EMPTY,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB_TAG,
  tlbReadAddress,
} from '../layout.ts';
import type { CpuState } from '../state.ts';

const PAGE = 4096;
/** Value of a TLB's SPAN_STATUS besides SPANS_NONE and SPANS_CHANGED: some spans have a length, and `refresh` has seen them. */
const SEEN = 2;

/**
 * Accesses of the same kind in a region share a span (layout.ts), so that most of them cost a comparison and no lookup. Translated code
 * moves a span of one page to the page that it has just found in the TLB. `refresh` stretches spans to all the pages around that lie in
 * the same order in RAM; such a span stays when an access misses it, until the next `refresh`.
 *
 * Invariant: all pages of a span are in the TLB, at full speed, with the same addend. So a span never lets pass what a probe would
 * not, and both engines see the same misses; whoever drops or changes a TLB entry forgets the spans first.
 */
export class Spans {
  readonly #state: CpuState;
  #allocated = 0;

  constructor(state: CpuState) {
    this.#state = state;
  }

  /** @returns the number of a span for another group of accesses; when there are many, groups share them */
  allocate(): number {
    const number = this.#allocated++ % SPANS;
    if (number >= this.#state.get('spansUsed')) this.#state.set('spansUsed', number + 1);
    return number;
  }

  /** Moves the spans of the current TLBs to where accesses have missed them since the last time. */
  refresh(): void {
    const { i32: words } = this.#state;
    for (const tlb of [this.#state.get('tlbRead'), this.#state.get('tlbWrite')]) {
      const status = (tlb + SPAN_STATUS) >> 2;
      if (tlb === TLB_EMPTY || words[status] !== SPANS_CHANGED) continue;
      words[status] = SEEN;
      this.#forEach(tlb, (word) => {
        const low = words[word + SPAN_MISSED / 4]!;
        if (low === 0) return;
        words[word + SPAN_MISSED / 4] = 0;
        this.#stretch(word, tlb, words[word + SPAN_MISSED / 4 + 1]! * 2 ** 20 + (low >>> 12));
      });
    }
  }

  /** Lets a span cover a page and its neighbours as far as the TLB has them in the same order. */
  #stretch(word: number, tlb: number, page: number): void {
    const words = this.#state.i32;
    const addend = words[this.#entryOf(tlb, page) + TLB_ADDEND / 4]!;
    if (!this.#has(tlb, page, addend)) return;
    let first = page;
    let end = page + 1;
    while (end - first < TLB_ENTRIES && this.#has(tlb, first - 1, addend)) first--;
    while (end - first < TLB_ENTRIES && this.#has(tlb, end, addend)) end++;
    words[word + SPAN_BASE / 4] = lowBits(first);
    words[word + SPAN_BASE / 4 + 1] = highBits(first);
    words[word + SPAN_LENGTH / 4] = (end - first) * PAGE - SPAN_SLACK;
    words[word + SPAN_ADDEND / 4] = addend;
  }

  #entryOf(tlb: number, page: number): number {
    return (tlb + ((lowBits(page) >>> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY_BYTES) >> 2;
  }

  /** @returns whether the TLB has a page at full speed and with this addend */
  #has(tlb: number, page: number, addend: number): boolean {
    const words = this.#state.i32;
    const word = this.#entryOf(tlb, page);
    const isTagged = words[word + TLB_TAG / 4] === lowBits(page) && words[word + TLB_TAG / 4 + 1] === highBits(page);
    return isTagged && words[word + TLB_ADDEND / 4] === addend;
  }

  /** Ends all spans of a TLB. */
  forget(tlb: number): void {
    const { i32: words } = this.#state;
    const status = (tlb + SPAN_STATUS) >> 2;
    if (words[status] === SPANS_NONE) return;
    words[status] = SPANS_NONE;
    this.#forEach(tlb, (word) => {
      words[word + SPAN_LENGTH / 4] = 0;
    });
  }

  /** Ends all spans. */
  forgetAll(): void {
    for (let table = 0; table < MMU_INDEXES * 2; table++) this.forget(tlbReadAddress(0) + table * TLB_BYTES);
  }

  /** @param visit gets the word index of each span of a TLB */
  #forEach(tlb: number, visit: (word: number) => void): void {
    const used = this.#state.get('spansUsed');
    for (let number = 0; number < used; number++) visit((tlb + SPAN_OFFSET + number * SPAN_BYTES) >> 2);
  }
}

/** Halves of the address of a page, by its number: signed, as canonical addresses are. */
const highBits = (page: number): number => Math.floor(page / 2 ** 20);
const lowBits = (page: number): number => ((page - highBits(page) * 2 ** 20) * PAGE) | 0;
