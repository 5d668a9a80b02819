import * as R from './records.ts';

/** A handler that stands in for a record's own until it is removed. */
export class Substitute {
  readonly #words: Int32Array;
  readonly #handler: number;
  #record = 0;
  #replaced = 0;
  /** The record's own handler should it be the head of a region. */
  #own = 0;

  constructor(words: Int32Array, handler: number) {
    this.#words = words;
    this.#handler = handler;
  }

  /** Puts the handler into a record, unless it is in one. */
  place(record: number): void {
    if (this.#record !== 0) return;
    const words = this.#words;
    this.#record = record;
    this.#replaced = words[(record + R.HANDLER) >> 2]!;
    this.#own = (words[(record + R.SCALE) >> 2]! >>> R.REGION.handlerShift) & R.REGION.handlerMask;
    words[(record + R.HANDLER) >> 2] = this.#handler;
  }

  /** Undoes `place`; code may have changed meanwhile, and regions been dropped. */
  remove(): void {
    const record = this.#record;
    if (record === 0) return;
    const words = this.#words;
    this.#record = 0;
    if (words[(record + R.HANDLER) >> 2] !== this.#handler) return;
    const isRegionGone =
      this.#replaced === R.PSEUDO.region && words[(record + R.SCALE) >> 2]! >>> R.REGION.handlerShift === 0;
    words[(record + R.HANDLER) >> 2] = isRegionGone ? this.#own : this.#replaced;
  }
}
