import type { Code } from '../wasm/code.ts';
import type { Swift } from './swift.ts';

/** A span, in locals for as long as the region runs. */
export interface SpanLocals {
  /** From its TLB. */
  readonly offset: number;
  readonly base: number;
  readonly length: number;
  readonly addend: number;
}

/** The WebAssembly locals and functions that translated instructions share. */
export interface RegionFrame {
  readonly code: Code;
  /** Local of each general register in use. */
  readonly general: readonly (number | undefined)[];
  readonly vector: readonly (number | undefined)[];
  readonly flagsKind: number;
  readonly flagsA: number;
  readonly flagsB: number;
  readonly tlbRead: number;
  readonly tlbWrite: number;
  /** MXCSR, which nothing in a region changes; undefined when nothing reads it. */
  readonly mxcsr: number | undefined;
  /** The region is only entered while MXCSR has the SETTLED bits. */
  readonly isSettled: boolean;
  /** Set by an instruction that ends in a conditional branch. */
  readonly branchTaken: number;
  /** Set by an instruction that ends in a computed jump. */
  readonly jumpTarget: number;
  /** Imported functions of the interpreter: () -> i32 from the flags in memory. */
  readonly conditions: readonly number[];
  readonly statusFlags: number;
  /** (linear address i64) -> i32. */
  readonly invalidatePage: number;
  /** The span that a group of accesses uses. */
  span(group: string, write: boolean): SpanLocals;
  /** Another TLB is current. */
  reloadSpans(writes: boolean): void;
  /** Leaves the region before the instruction being emitted. */
  sideExit(): void;
  /** Of the block being emitted, if it has one and that is being emitted. */
  readonly swift: Swift;
}
