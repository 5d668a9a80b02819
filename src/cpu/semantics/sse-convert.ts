import type { Context, Semantics } from './context.ts';
import {
  extractLane,
  type F64,
  f32,
  f64,
  type I64,
  i32,
  i64,
  type Node,
  type V128,
  vector,
  vectorTest,
} from './nodes.ts';
import * as guard from './sse-guards.ts';
import { LANES, type Lanes } from './sse-lanes.ts';

/** The smallest normal binary32 number, as a binary64 encoding. */
const smallestSingle = 0x3810000000000000n;

/** Low 64 bits of an XMM register, or 8 bytes of memory; the upper half is of no account. */
const readLow = (c: Context): V128 =>
  c.inMemory(1) ? vector('i64x2.splat', c.readLane(1, 'i64')) : c.readVector(1, false);

/** 2^exponent as an encoding. */
const powerOfTwo = (lanes: Lanes, exponent: number): bigint =>
  lanes.precision.width === 32 ? BigInt(exponent + 127) << 23n : BigInt(exponent + 1023) << 52n;

/** binary32 to binary64, always exact. @param result the promoted operand, in which a denormal is still told by its size */
function promoted(c: Context, lanes: Lanes, result: Node): void {
  const mxcsr = c.mxcsr();
  guard.control(c, mxcsr);
  c.exactUnless(lanes.all(lanes.eq(result, result)));
  guard.denormalsAllowed(c, lanes, mxcsr, guard.denormal(lanes, result, smallestSingle));
  c.writeVector(0, result);
}

/** Guards of binary64 to binary32. @param back the result, promoted again */
function demoted(c: Context, lanes: Lanes, source: Node, back: Node): void {
  const mxcsr = c.mxcsr();
  guard.operands(c, lanes, mxcsr, source);
  guard.finite(c, lanes, back);
  guard.notTiny(c, lanes, mxcsr, back, () => lanes.eq(source, lanes.constant(0n)), smallestSingle);
  guard.inexactAllowed(c, mxcsr, () => lanes.all(lanes.eq(back, source)));
}

/**
 * Rounds to integers that must fit `bits` bits. Denormals raise no DE here (SDM vol. 2, CVTPS2DQ).
 * @returns the rounded values, still floating point
 */
function rounded(c: Context, lanes: Lanes, source: Node, truncate: boolean, bits: 32 | 64): Node {
  const mxcsr = c.mxcsr();
  const value = c.let(truncate ? lanes.trunc(source) : lanes.nearest(source));
  const limit = powerOfTwo(lanes, bits - 1);
  const sign = 1n << BigInt(lanes.precision.width - 1);
  const fits = lanes.and(lanes.le(lanes.constant(limit | sign), value), lanes.lt(value, lanes.constant(limit)));
  c.exactUnless(lanes.all(fits));
  guard.inexactAllowed(c, mxcsr, () => lanes.all(lanes.eq(value, source)));
  return value;
}

const toPackedIntegers =
  (lanes: Lanes, truncate: boolean, operator: string): Semantics =>
  (c) =>
    c.writeVector(0, vector(operator, rounded(c, lanes, c.readVector(1, true), truncate, 32)));

const toRegister =
  (type: 'f32' | 'f64', truncate: boolean): Semantics =>
  (c) => {
    const lanes = type === 'f32' ? LANES.SS : LANES.SD;
    const value = rounded(c, lanes, c.readLane(1, type), truncate, c.size === 64 ? 64 : 32);
    const convert =
      type === 'f32' ? (x: Node) => i64.trunc_sat_f32_s(x as Node<'f32'>) : (x: Node) => i64.trunc_sat_f64_s(x as F64);
    c.write(0, convert(value));
  };

/** The integer register or memory operand, sign-extended. */
const readInteger = (c: Context): I64 => c.let(c.signed(c.read(1), c.width(1)));

const integerToSingle: Semantics = (c) => {
  const value = readInteger(c);
  const mxcsr = c.mxcsr();
  const result = c.let(f32.convert_i64_s(value));
  guard.inexactAllowed(c, mxcsr, () =>
    i32.and(i64.eq(i64.trunc_sat_f32_s(result), value), f32.lt(result, f32.const(powerOfTwo(LANES.SS, 63)))),
  );
  c.writeVector(0, result);
};

const integerToDouble: Semantics = (c) => {
  const value = readInteger(c);
  const result = c.let(f64.convert_i64_s(value));
  if (c.width(1) === 64) {
    const mxcsr = c.mxcsr();
    guard.inexactAllowed(c, mxcsr, () =>
      i32.and(i64.eq(i64.trunc_sat_f64_s(result), value), f64.lt(result, f64.const(powerOfTwo(LANES.SD, 63)))),
    );
  }
  c.writeVector(0, result);
};

/** Converts the integers of operand 1. @returns the singles */
function singlesOf(c: Context): V128 {
  const value = c.readVector(1, true);
  const mxcsr = c.mxcsr();
  const result = c.let(vector('f32x4.convert_i32x4_s', value));
  guard.inexactAllowed(c, mxcsr, () => {
    const below = vector('f32x4.lt', result, LANES.PS.constant(powerOfTwo(LANES.PS, 31)));
    const same = vector('i32x4.eq', vector('i32x4.trunc_sat_f32x4_s', result), value);
    return vectorTest('i32x4.all_true', vector('v128.and', below, same));
  });
  return result;
}

/** Two singles to integers in an MMX register. */
const singlesToMmx =
  (truncate: boolean): Semantics =>
  (c) => {
    const source = c.let(vector('i64x2.splat', c.readLane(1, 'i64')));
    c.writeVector(0, vector('i32x4.trunc_sat_f32x4_s', rounded(c, LANES.PS, source, truncate, 32)));
  };

/** Conversions between integers, binary32 and binary64. */
export const SSE_CONVERT: Record<string, Semantics> = {
  CVTPS2PD: (c) => promoted(c, LANES.PD, c.let(vector('f64x2.promote_low_f32x4', readLow(c)))),
  CVTSS2SD: (c) => promoted(c, LANES.SD, c.let(f64.promote_f32(c.readLane(1, 'f32')))),
  CVTPD2PS: (c) => {
    const source = c.readVector(1, true);
    const result = c.let(vector('f32x4.demote_f64x2_zero', source));
    demoted(c, LANES.PD, source, c.let(vector('f64x2.promote_low_f32x4', result)));
    c.writeVector(0, result);
  },
  CVTSD2SS: (c) => {
    const source = c.readLane(1, 'f64');
    const result = c.let(f32.demote_f64(source));
    demoted(c, LANES.SD, source, c.let(f64.promote_f32(result)));
    c.writeVector(0, result);
  },
  CVTDQ2PS: (c) => c.writeVector(0, singlesOf(c)),
  CVTPI2PS: (c) => c.writeVector(0, extractLane('i64', 'i64x2.extract_lane', singlesOf(c), 0)),
  CVTDQ2PD: (c) => c.writeVector(0, vector('f64x2.convert_low_i32x4_s', readLow(c))),
  CVTPI2PD: (c) => c.writeVector(0, vector('f64x2.convert_low_i32x4_s', c.readVector(1, false))),
  CVTPS2DQ: toPackedIntegers(LANES.PS, false, 'i32x4.trunc_sat_f32x4_s'),
  CVTTPS2DQ: toPackedIntegers(LANES.PS, true, 'i32x4.trunc_sat_f32x4_s'),
  CVTPS2PI: singlesToMmx(false),
  CVTTPS2PI: singlesToMmx(true),
  CVTPD2PI: toPackedIntegers(LANES.PD, false, 'i32x4.trunc_sat_f64x2_s_zero'),
  CVTTPD2PI: toPackedIntegers(LANES.PD, true, 'i32x4.trunc_sat_f64x2_s_zero'),
  CVTPD2DQ: toPackedIntegers(LANES.PD, false, 'i32x4.trunc_sat_f64x2_s_zero'),
  CVTTPD2DQ: toPackedIntegers(LANES.PD, true, 'i32x4.trunc_sat_f64x2_s_zero'),
  CVTSI2SS: integerToSingle,
  CVTSI2SD: integerToDouble,
  CVTSS2SI: toRegister('f32', false),
  CVTTSS2SI: toRegister('f32', true),
  CVTSD2SI: toRegister('f64', false),
  CVTTSD2SI: toRegister('f64', true),
};
