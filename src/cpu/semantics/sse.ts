import type { Semantics } from './context.ts';
import { SSE_ARITHMETIC } from './sse-arithmetic.ts';
import { SSE_CONVERT } from './sse-convert.ts';
import { SSE_INTEGER } from './sse-integer.ts';
import { SSE_MOVES } from './sse-moves.ts';
import { SSE_RECIPROCAL } from './sse-reciprocal.ts';
import { SSE_SHUFFLE } from './sse-shuffle.ts';

/**
 * SSE and SSE2 by mnemonic. Whether they may execute at all (CR0.EM and TS, CR4.OSFXSR) is settled before, when the
 * instruction is decoded.
 */
export const SSE_SEMANTICS: Record<string, Semantics> = {
  ...SSE_MOVES,
  ...SSE_INTEGER,
  ...SSE_SHUFFLE,
  ...SSE_ARITHMETIC,
  ...SSE_CONVERT,
  ...SSE_RECIPROCAL,
};
