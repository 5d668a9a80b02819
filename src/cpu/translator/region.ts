import type { CodePage } from '../interpreter/code-page.ts';
import type { TranslatableProgram } from './programs.ts';

/** One record to translate: an instruction, or a comparison with the conditional jump fused to it. */
export interface RegionInstruction {
  readonly record: number;
  /** Instructions that retire with it: 1, or 2 when fused. */
  readonly count: number;
  readonly translatable: TranslatableProgram;
}

/** A way out of the region. */
export type Leaving =
  /** The record, in the interpreter or at the head of another region. */
  | { readonly kind: 'record'; readonly record: number }
  /** The record, which only the interpreter executes. */
  | { readonly kind: 'interpreted'; readonly record: number }
  /** Whatever the TARGET field of a branch's record holds when it is taken. */
  | { readonly kind: 'target'; readonly record: number };

/** Where control goes behind a block. */
export type Exit =
  /** Another block of the region; unless the jump cache has its record, the other way is taken. */
  { readonly kind: 'block'; readonly block: number; readonly unlessKnown?: Leaving } | Leaving;

/** A straight line of instructions with one entry. */
export interface Block {
  /** First record. */
  readonly record: number;
  readonly rip: bigint;
  readonly instructions: readonly RegionInstruction[];
  /** Instructions that retire in the whole block. */
  readonly count: number;
  /** What the last instruction does; 'next' when it only falls through. */
  readonly ending: TranslatableProgram['ending'];
  readonly lastRip: bigint;
  /** Of the last instruction. */
  readonly mnemonic: string;
  /** Behind a call: the block where its callee returns to. */
  readonly returnSite: number | undefined;
  /** Where a taken branch goes; undefined without one. */
  readonly taken: Exit | undefined;
  /** Where control goes on otherwise; undefined behind an unconditional transfer. */
  readonly next: Exit | undefined;
  /** Blocks that a computed jump may lead to, by RIP. */
  readonly candidates: readonly Candidate[];
}

export interface Candidate {
  readonly rip: bigint;
  readonly block: number;
  /** Only when the jump cache has the block's record. */
  readonly mustBeKnown: boolean;
}

/**
 * Blocks of several pages. Nothing is assumed of how other pages are mapped: every way from one page into another looks into the jump
 * cache, as the interpreter does.
 */
export interface Region {
  /** The entry's page first. */
  readonly pages: readonly CodePage[];
  readonly entry: number;
  readonly blocks: readonly Block[];
  readonly instructions: number;
}

/** Where a block's end may go, in the order in which code tests for it. */
export function successorsOf(block: Block): number[] {
  const exits = [block.taken, block.next]
    .filter((exit) => exit?.kind === 'block')
    .map((exit) => (exit as { block: number }).block);
  return [...exits, ...block.candidates.map((candidate) => candidate.block)];
}

/** How many instructions a region may have. */
export const REGION_LIMIT = 400;
/** How many more copies of its blocks may add (split.ts). */
export const COPY_LIMIT = 160;
/** How many instructions a region runs at most between two looks at its budget. */
export const REGION_REACH = REGION_LIMIT + COPY_LIMIT;
