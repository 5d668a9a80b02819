import type { Context, Semantics } from './context.ts';
import { extractLane, type V128, vector } from './nodes.ts';
import { LANES } from './sse-lanes.ts';

const { PS } = LANES;
const splat = (bits: bigint): V128 => PS.constant(bits) as V128;

const sign = splat(0x80000000n);
const one = splat(0x3f800000n);
const quietBit = splat(0x00400000n);
const defaultNaN = splat(0xffc00000n);

/** Denormals become zeros of the same sign, whatever MXCSR says. */
function flushed(value: V128): V128 {
  const large = vector('f32x4.le', splat(PS.precision.smallestNormal), PS.abs(value));
  return vector('v128.and', value, vector('v128.or', large, sign));
}

/** Keeps the twelve leading bits of the fraction, rounding to nearest: a relative error of at most 2^-13. */
function shortened(value: V128): V128 {
  const rounded = vector('i32x4.add', value, splat(0x00000400n));
  return vector('v128.and', rounded, splat(0xfffff800n));
}

function quietNaNs(source: V128, result: V128): V128 {
  const unordered = vector('f32x4.ne', source, source);
  return vector('v128.bitselect', vector('v128.or', source, quietBit), result, unordered);
}

/**
 * RCPPS and RSQRTPS are approximations to within 1.5 * 2^-12, whose digits differ between processors; no exception and no MXCSR
 * control applies (SDM vol. 2). This machine gives the exact value rounded to twelve fraction bits.
 */
function reciprocal(source: V128): V128 {
  return quietNaNs(source, flushed(shortened(vector('f32x4.div', one, flushed(source)))));
}

function reciprocalSquareRoot(source: V128): V128 {
  const operand = flushed(source);
  const result = shortened(vector('f32x4.div', one, vector('f32x4.sqrt', operand)));
  const negative = vector('f32x4.lt', operand, splat(0n));
  return quietNaNs(source, vector('v128.bitselect', defaultNaN, result, negative));
}

const packed =
  (approximate: (source: V128) => V128): Semantics =>
  (c) =>
    c.writeVector(0, approximate(c.readVector(1, true)));

const scalar =
  (approximate: (source: V128) => V128): Semantics =>
  (c: Context) => {
    const source = c.let(vector('i32x4.splat', c.readLane(1, 'i32')));
    c.writeVector(0, extractLane('i32', 'i32x4.extract_lane', approximate(source), 0));
  };

export const SSE_RECIPROCAL: Record<string, Semantics> = {
  RCPPS: packed(reciprocal),
  RCPSS: scalar(reciprocal),
  RSQRTPS: packed(reciprocalSquareRoot),
  RSQRTSS: scalar(reciprocalSquareRoot),
};
