/**
 * F2XM1, FYL2X, FYL2XP1, FSIN, FCOS, FPTAN and FPATAN (SDM vol. 1 8.3.6 to 8.3.10), each computed to far more bits than a
 * register holds and then rounded once. Fixed-point numbers are bigints with a given count of fraction bits.
 */

import { integerRoot, invalid, nanOf, nanOfPair, noteDenormals } from './arithmetic.ts';
import { type Environment, Exception } from './environment.ts';
import {
  BIAS,
  bitLength,
  type Extended,
  exact,
  extended,
  INTEGER_BIT,
  infinity,
  kindOf,
  scaleOf,
  shifted,
  zero,
} from './extended.ts';

/** Fraction bits of the constants. */
const CONSTANT_BITS = 320;
/** Fraction bits beyond the leading bit of an argument: leaves over 100 bits behind a 64-bit result. */
const WORKING_BITS = 192;

/** 2 artanh(1/n) or, alternating, 2 arctan(1/n), with CONSTANT_BITS fraction bits. */
function inverseSeries(n: bigint, alternating: boolean): bigint {
  const square = n * n;
  let power = (2n << BigInt(CONSTANT_BITS)) / n;
  let sum = 0n;
  for (let k = 1n, sign = 1n; power !== 0n; k += 2n) {
    sum += (sign * power) / k;
    power /= square;
    if (alternating) sign = -sign;
  }
  return sum;
}

const LN_2 = inverseSeries(3n, false);
const LN_10 = 3n * LN_2 + inverseSeries(9n, false);
/** Machin's formula. */
const PI = 8n * inverseSeries(5n, true) - 2n * inverseSeries(239n, true);

/** Pi as argument reduction knows it: 66 bits (SDM vol. 1 8.3.8). */
const REDUCTION_PI = (PI >> BigInt(CONSTANT_BITS - 64)) << BigInt(CONSTANT_BITS - 64);

const ONE = 1n << BigInt(CONSTANT_BITS);

function ratio(a: bigint, b: bigint): bigint {
  return (a << BigInt(CONSTANT_BITS)) / b;
}

/** The constants of FLD1 and its kin, with CONSTANT_BITS fraction bits. */
export const constants = {
  FLD1: ONE,
  FLDL2T: ratio(LN_10, LN_2),
  FLDL2E: ratio(ONE, LN_2),
  FLDPI: PI,
  FLDLG2: ratio(LN_2, LN_10),
  FLDLN2: LN_2,
  FLDZ: 0n,
} as const;

/** Rounds a fixed-point constant as rounding control says. */
export function constant(env: Environment, value: bigint): Extended {
  return env.toExtended(false, value, -CONSTANT_BITS, 64);
}

/** Cuts a constant to fewer fraction bits, or extends it with zeros. */
function toBits(value: bigint, bits: number): bigint {
  return shifted(value, bits - CONSTANT_BITS);
}

/** A finite value in fixed point; bits below the last fraction bit are dropped. */
function toFixed(value: Extended, bits: number): bigint {
  const magnitude = shifted(value.significand, scaleOf(value) + bits);
  return value.negative ? -magnitude : magnitude;
}

/** Fraction bits that keep WORKING_BITS significant bits of a value below 1. */
function bitsFor(value: Extended): number {
  return WORKING_BITS + Math.max(0, -(scaleOf(value) + bitLength(value.significand)));
}

/** A little less than a magnitude that the true value lies below by less than the fixed point can tell. */
function below(value: bigint): bigint {
  if (value === 0n) return value;
  return value < 0n ? value + 1n : value - 1n;
}

/** Rounds a fixed-point result that is not exact: its lowest bit stands for the rest. */
function inexact(env: Environment, value: bigint, bits: number, factor: Extended | null = null): Extended {
  const magnitude = ((value < 0n ? -value : value) << 1n) | 1n;
  if (factor === null) return env.toExtended(value < 0n, magnitude, -bits - 1, 64);
  const negative = value < 0n !== factor.negative;
  return env.toExtended(negative, magnitude * factor.significand, scaleOf(factor) - bits - 1, 64);
}

/** e to the x, less 1, for |x| < 1. */
function expMinusOne(x: bigint, bits: number): bigint {
  let term = x;
  let sum = 0n;
  for (let k = 2n; term !== 0n && term !== -1n; k++) {
    sum += term;
    term = ((term * x) >> BigInt(bits)) / k;
  }
  return sum;
}

/** 2 artanh(z) for |z| < 1/2. */
function twiceArtanh(z: bigint, bits: number): bigint {
  const square = (z * z) >> BigInt(bits);
  let power = 2n * z;
  let sum = 0n;
  for (let k = 1n; power !== 0n && power !== -1n; k += 2n) {
    sum += power / k;
    power = (power * square) >> BigInt(bits);
  }
  return sum;
}

/** Sine or cosine of |x| < 1. @param first the first term of the series, @param k its order plus 1 */
function circularSeries(x: bigint, bits: number, first: bigint, k: bigint): bigint {
  const square = (x * x) >> BigInt(bits);
  let term = first;
  let sum = 0n;
  for (let n = k; term !== 0n && term !== -1n; n += 2n) {
    sum += term;
    term = -((term * square) >> BigInt(bits)) / (n * (n + 1n));
  }
  return sum;
}

/** Arc tangent of 0 <= t <= 1, halving the angle three times first. */
function arcTangent(t: bigint, bits: number): bigint {
  const one = 1n << BigInt(bits);
  let x = t;
  for (let i = 0; i < 3; i++) x = (x << BigInt(bits)) / (one + integerRoot((one << BigInt(bits)) + x * x));
  const square = (x * x) >> BigInt(bits);
  let power = x;
  let sum = 0n;
  for (let k = 1n; power !== 0n && power !== -1n; k += 2n) {
    sum += power / k;
    power = -((power * square) >> BigInt(bits));
  }
  return sum << 3n;
}

/** 2 to the x, less 1. Defined for -1 <= x <= 1; beyond, the argument is given back. */
export function exponentialMinusOne(env: Environment, value: Extended): Extended {
  const kind = kindOf(value);
  const nan = nanOf(env, value, kind);
  if (nan !== undefined) return nan;
  if (kind === 'zero') return value;
  if (kind === 'infinity') return value.negative ? extended(true, BIAS, INTEGER_BIT) : value;
  noteDenormals(env, kind);
  if (value.exponent >= BIAS) {
    env.raise(Exception.PRECISION);
    if (value.exponent > BIAS || value.significand !== INTEGER_BIT) return value;
    return value.negative ? extended(true, BIAS - 1, INTEGER_BIT) : value;
  }
  const bits = bitsFor(value);
  const x = (toFixed(value, bits) * toBits(LN_2, bits)) >> BigInt(bits);
  return inexact(env, expMinusOne(x, bits), bits);
}

/** log2 of a positive finite value, with its fraction bits. */
function binaryLogarithm(value: Extended): { log: bigint; bits: number; isExact: boolean } {
  const bits = WORKING_BITS + 64;
  let power = scaleOf(value) + bitLength(value.significand) - 1;
  let mantissa = shifted(value.significand, bits - (bitLength(value.significand) - 1));
  const one = 1n << BigInt(bits);
  if (mantissa === one) return { log: BigInt(power) << BigInt(bits), bits, isExact: true };
  // 1.5 keeps the mantissa within 3/4 to 3/2, so that a value just below 1 loses nothing to cancellation.
  if (mantissa > one + (one >> 1n)) {
    mantissa >>= 1n;
    power += 1;
  }
  const z = ((mantissa - one) << BigInt(bits)) / (mantissa + one);
  const log = (twiceArtanh(z, bits) << BigInt(bits)) / toBits(LN_2, bits);
  return { log: log + (BigInt(power) << BigInt(bits)), bits, isExact: false };
}

/** y times log2 of x. */
export function logarithm(env: Environment, x: Extended, y: Extended): Extended {
  const nan = nanOfPair(env, x, y);
  if (nan !== undefined) return nan;
  const [kindX, kindY] = [kindOf(x), kindOf(y)];
  if (x.negative && kindX !== 'zero') return invalid(env);
  if (kindX === 'zero') {
    if (kindY === 'zero') return invalid(env);
    if (kindY === 'infinity') return infinity(!y.negative);
    env.raise(Exception.ZERO_DIVIDE);
    return infinity(!y.negative);
  }
  const order = compareWithOne(x, kindX === 'infinity');
  if (order === 0 && kindY === 'infinity') return invalid(env);
  if (kindX === 'infinity') {
    if (kindY === 'zero') return invalid(env);
    noteDenormals(env, kindY);
    return infinity(y.negative);
  }
  noteDenormals(env, kindX, kindY);
  const negative = y.negative !== order < 0;
  if (kindY === 'infinity') return infinity(negative);
  if (kindY === 'zero' || order === 0) return zero(negative);
  const { log, bits, isExact } = binaryLogarithm(x);
  if (!isExact) return inexact(env, log, bits, y);
  env.raise(Exception.PRECISION);
  const magnitude = log < 0n ? -log : log;
  return env.toExtended(negative, magnitude * y.significand, scaleOf(y) - bits, 64);
}

/** The sign of log2 of a positive value. */
function compareWithOne(value: Extended, infinite: boolean): -1 | 0 | 1 {
  if (infinite || value.exponent > BIAS) return 1;
  if (value.exponent < BIAS) return -1;
  return value.significand === INTEGER_BIT ? 0 : 1;
}

/** y times log2 of x plus 1, for x near 0. */
export function logarithmPlusOne(env: Environment, x: Extended, y: Extended): Extended {
  const nan = nanOfPair(env, x, y);
  if (nan !== undefined) return nan;
  const [kindX, kindY] = [kindOf(x), kindOf(y)];
  const negative = x.negative !== y.negative;
  if (kindX === 'zero') {
    if (kindY === 'infinity') return invalid(env);
    noteDenormals(env, kindY);
    return zero(negative);
  }
  if (kindX === 'infinity') {
    if (x.negative || kindY === 'zero') return invalid(env);
    noteDenormals(env, kindY);
    return infinity(negative);
  }
  noteDenormals(env, kindX, kindY);
  if (kindY === 'infinity') return infinity(negative);
  if (kindY === 'zero') return zero(negative);
  if (x.negative && x.exponent >= BIAS) return invalid(env);
  const bits = bitsFor(x);
  const fixed = toFixed(x, bits);
  const z = (fixed << BigInt(bits)) / ((2n << BigInt(bits)) + fixed);
  const ln = x.exponent > BIAS - 2 ? naturalLogarithmOf(fixed, bits) : twiceArtanh(z, bits);
  return inexact(env, (ln << BigInt(bits)) / toBits(LN_2, bits), bits, y);
}

/** ln(1 + x) where x is not small: through the general logarithm. */
function naturalLogarithmOf(x: bigint, bits: number): bigint {
  const sum = (1n << BigInt(bits)) + x;
  const length = bitLength(sum);
  const value = extended(false, BIAS + length - 1 - bits, shifted(sum, 64 - length));
  const exactly = shifted(shifted(sum, 64 - length), length - 64) === sum;
  const { log, bits: logBits } = exactly ? binaryLogarithm(value) : wideLogarithm(sum, bits);
  return (shifted(log, bits - logBits) * toBits(LN_2, bits)) >> BigInt(bits);
}

/** log2 of a fixed-point number of any length. */
function wideLogarithm(sum: bigint, bits: number): { log: bigint; bits: number } {
  const power = bitLength(sum) - 1 - bits;
  const mantissa = shifted(sum, -power);
  const one = 1n << BigInt(bits);
  const z = ((mantissa - one) << BigInt(bits)) / (mantissa + one);
  const log = (twiceArtanh(z, bits) << BigInt(bits)) / toBits(LN_2, bits);
  return { log: log + (BigInt(power) << BigInt(bits)), bits };
}

/** Arguments of the circular functions must be below 2^63 in magnitude. */
export function outOfRange(value: Extended): boolean {
  const kind = kindOf(value);
  return (kind === 'normal' || kind === 'denormal') && value.exponent >= BIAS + 63;
}

interface Reduced {
  /** In quarter turns. */
  readonly quadrant: number;
  readonly angle: bigint;
  readonly bits: number;
}

/** Takes multiples of half pi off, to an angle of at most a quarter of pi in magnitude. */
function reduce(value: Extended): Reduced {
  const bits = bitsFor(value) + 64;
  const angle = toFixed(value, bits);
  const half = toBits(REDUCTION_PI, bits) >> 1n;
  const quotient = (2n * angle + (angle < 0n ? -half : half)) / (2n * half);
  return { quadrant: Number(BigInt.asUintN(2, quotient)), angle: angle - quotient * half, bits };
}

function sineAt({ angle, bits }: Reduced): bigint {
  return below(circularSeries(angle, bits, angle, 2n));
}

function cosineAt({ angle, bits }: Reduced): bigint {
  return below(circularSeries(angle, bits, 1n << BigInt(bits), 1n));
}

/** @returns the value when it decides the result by itself: NaN, infinity */
function circularSpecial(env: Environment, value: Extended): Extended | undefined {
  const kind = kindOf(value);
  const nan = nanOf(env, value, kind);
  if (nan !== undefined) return nan;
  if (kind === 'infinity') return invalid(env);
  noteDenormals(env, kind);
  return undefined;
}

export function sine(env: Environment, value: Extended): Extended {
  const special = circularSpecial(env, value);
  if (special !== undefined || kindOf(value) === 'zero') return special ?? value;
  const reduced = reduce(value);
  const result = (reduced.quadrant & 1) === 0 ? sineAt(reduced) : cosineAt(reduced);
  return inexact(env, (reduced.quadrant & 2) === 0 ? result : -result, reduced.bits);
}

export function cosine(env: Environment, value: Extended): Extended {
  const special = circularSpecial(env, value);
  if (special !== undefined) return special;
  if (kindOf(value) === 'zero') return exact(false, 1n, 0);
  const reduced = reduce(value);
  const result = (reduced.quadrant & 1) === 0 ? cosineAt(reduced) : -sineAt(reduced);
  return inexact(env, (reduced.quadrant & 2) === 0 ? result : -result, reduced.bits);
}

export function tangent(env: Environment, value: Extended): Extended {
  const special = circularSpecial(env, value);
  if (special !== undefined || kindOf(value) === 'zero') return special ?? value;
  const reduced = reduce(value);
  const { angle: x, bits } = reduced;
  const [s, c] = [circularSeries(x, bits, x, 2n), circularSeries(x, bits, 1n << BigInt(bits), 1n)];
  const quotient = (reduced.quadrant & 1) === 0 ? (s << BigInt(bits)) / c : -(c << BigInt(bits)) / s;
  return inexact(env, quotient, reduced.bits);
}

/** The angle of the point (x, y), from -pi to pi (SDM vol. 2A, FPATAN). */
export function arcTangentOf(env: Environment, y: Extended, x: Extended): Extended {
  const nan = nanOfPair(env, x, y);
  if (nan !== undefined) return nan;
  const [kindX, kindY] = [kindOf(x), kindOf(y)];
  noteDenormals(env, kindX, kindY);
  if (kindX === 'infinity' || kindY === 'infinity') {
    if (kindX !== 'infinity') return angle(env, y.negative, PI >> 1n);
    if (kindY !== 'infinity') return x.negative ? angle(env, y.negative, PI) : zero(y.negative);
    return angle(env, y.negative, x.negative ? (3n * PI) >> 2n : PI >> 2n);
  }
  if (kindY === 'zero') return x.negative ? angle(env, y.negative, PI) : zero(y.negative);
  if (kindX === 'zero') return angle(env, y.negative, PI >> 1n);
  return finiteArcTangent(env, y, x);
}

function angle(env: Environment, negative: boolean, magnitude: bigint): Extended {
  return inexact(env, negative ? -magnitude : magnitude, CONSTANT_BITS);
}

function finiteArcTangent(env: Environment, y: Extended, x: Extended): Extended {
  const size = (value: Extended): number => scaleOf(value) + bitLength(value.significand);
  const distance = size(y) - size(x);
  const bits = WORKING_BITS + 64 + Math.max(0, !x.negative ? -distance : 0);
  const steep = distance > 1 || (distance >= -1 && larger(y, x));
  const [small, large] = steep ? [x, y] : [y, x];
  const shift = scaleOf(small) - scaleOf(large) + bits;
  const quotient = shift >= 0 ? (small.significand << BigInt(shift)) / large.significand : 0n;
  const exactly = shift >= 0 && quotient * large.significand === small.significand << BigInt(shift);
  let result = arcTangentOfRatio(quotient, bits);
  if (exactly) result = below(result);
  if (steep) result = (toBits(PI, bits) >> 1n) - result;
  if (x.negative) result = toBits(PI, bits) - result;
  const rounding = y.negative ? -result : result;
  return inexact(env, rounding, bits);
}

/** Arc tangent of 0 <= t <= 1; small arguments keep all their bits, which halving the angle would cost. */
function arcTangentOfRatio(t: bigint, bits: number): bigint {
  if (t >> BigInt(bits) >= 1n) return toBits(PI, bits) >> 2n;
  if (bitLength(t) > bits - 40) return arcTangent(t, bits);
  const square = (t * t) >> BigInt(bits);
  const cube = (square * t) >> BigInt(bits);
  return t - cube / 3n + ((cube * square) >> BigInt(bits)) / 5n;
}

function larger(a: Extended, b: Extended): boolean {
  const scale = Math.min(scaleOf(a), scaleOf(b));
  return a.significand << BigInt(scaleOf(a) - scale) > b.significand << BigInt(scaleOf(b) - scale);
}
