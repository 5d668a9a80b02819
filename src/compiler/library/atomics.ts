import { atomics, sharedCell32, sharedCell64 } from './host.ts';
import type { u32, u64 } from './integers.ts';

/** Memory orders. x86-64 makes all but a sequentially consistent store a plain access (SDM vol. 3A 9.2). */
export type Order = 'relaxed' | 'acquire' | 'release' | 'acq-rel' | 'seq-cst';

/** A 32-bit atomic cell: a field or module-level constant, stored in place. Every operation defaults to seq-cst. */
export class Atomic32 {
  readonly #cell = sharedCell32();

  constructor(initial: u32 = 0) {
    this.#cell[0] = initial;
  }
  load(_order: Order = 'seq-cst'): u32 {
    return atomics.load(this.#cell, 0);
  }
  store(value: u32, _order: Order = 'seq-cst'): void {
    atomics.store(this.#cell, 0, value);
  }
  /** The three below return the value before the operation. */
  exchange(value: u32): u32 {
    return atomics.exchange(this.#cell, 0, value);
  }
  fetchAdd(value: u32): u32 {
    return atomics.add(this.#cell, 0, value);
  }
  fetchAnd(value: u32): u32 {
    return atomics.and(this.#cell, 0, value);
  }
  fetchOr(value: u32): u32 {
    return atomics.or(this.#cell, 0, value);
  }
  /** Stores `replacement` if the cell holds `expected`; returns what it held. */
  compareExchange(expected: u32, replacement: u32): u32 {
    return atomics.compareExchange(this.#cell, 0, expected, replacement);
  }
}

/** A 64-bit atomic cell. */
export class Atomic64 {
  readonly #cell = sharedCell64();

  constructor(initial: u64 = 0n) {
    this.#cell[0] = initial;
  }
  load(_order: Order = 'seq-cst'): u64 {
    return atomics.load(this.#cell, 0);
  }
  store(value: u64, _order: Order = 'seq-cst'): void {
    atomics.store(this.#cell, 0, value);
  }
  exchange(value: u64): u64 {
    return atomics.exchange(this.#cell, 0, value);
  }
  fetchAdd(value: u64): u64 {
    return atomics.add(this.#cell, 0, value);
  }
  fetchAnd(value: u64): u64 {
    return atomics.and(this.#cell, 0, value);
  }
  fetchOr(value: u64): u64 {
    return atomics.or(this.#cell, 0, value);
  }
  compareExchange(expected: u64, replacement: u64): u64 {
    return atomics.compareExchange(this.#cell, 0, expected, replacement);
  }
}

/** MFENCE. */
export function fence(): void {}

/** PAUSE, for spin loops. */
export function pause(): void {}
