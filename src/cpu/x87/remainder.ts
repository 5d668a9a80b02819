/** FRNDINT, FSCALE, FXTRACT, FPREM and FPREM1 (SDM vol. 2A). */

import { invalid, nanOf, nanOfPair, noteDenormals } from './arithmetic.ts';
import { type Environment, Exception } from './environment.ts';
import { BIAS, bitLength, type Extended, exact, INDEFINITE, infinity, kindOf, scaleOf, zero } from './extended.ts';

export function roundToInteger(env: Environment, value: Extended): Extended {
  const kind = kindOf(value);
  const nan = nanOf(env, value, kind);
  if (nan !== undefined) return nan;
  if (kind === 'zero' || kind === 'infinity') return value;
  noteDenormals(env, kind);
  if (value.exponent >= BIAS + 63) return value;
  const integer = env.toInteger(value);
  return integer === 0n ? zero(value.negative) : exact(value.negative, integer < 0n ? -integer : integer, 0);
}

/** ST(0) times 2 to the integer part of ST(1). */
export function scaleByPower(env: Environment, value: Extended, power: Extended): Extended {
  const nan = nanOfPair(env, value, power);
  if (nan !== undefined) return nan;
  const [kind, powerKind] = [kindOf(value), kindOf(power)];
  if (powerKind === 'infinity') {
    if (power.negative ? kind === 'infinity' : kind === 'zero') return invalid(env);
    noteDenormals(env, kind);
    return power.negative ? zero(value.negative) : infinity(value.negative);
  }
  noteDenormals(env, kind, powerKind);
  if (kind === 'infinity' || kind === 'zero') return value;
  return env.toExtended(value.negative, value.significand, scaleOf(value) + integerPart(power), 64);
}

/** Truncated, and cut to a range that overflows or vanishes at either end. */
function integerPart({ negative, exponent, significand }: Extended): number {
  const shift = BIAS + 63 - exponent;
  const magnitude = shift < 0 || exponent > BIAS + 16 ? 0x2_0000 : Number(significand >> BigInt(Math.min(shift, 64)));
  return negative ? -Math.min(magnitude, 0x2_0000) : Math.min(magnitude, 0x2_0000);
}

/** @returns the exponent and the significand of a value as two values */
export function extract(env: Environment, value: Extended): { exponent: Extended; significand: Extended } {
  const kind = kindOf(value);
  const nan = nanOf(env, value, kind);
  if (nan !== undefined) return { exponent: nan, significand: nan };
  if (kind === 'infinity') return { exponent: infinity(false), significand: value };
  if (kind === 'zero') {
    env.raise(Exception.ZERO_DIVIDE);
    return { exponent: infinity(true), significand: value };
  }
  noteDenormals(env, kind);
  const power = scaleOf(value) + bitLength(value.significand) - 1;
  return {
    exponent: exact(power < 0, BigInt(Math.abs(power)), 0),
    significand: exact(value.negative, value.significand, scaleOf(value) - power),
  };
}

export interface PartialRemainder {
  readonly value: Extended;
  /**
   * The three low bits of the quotient; 'partial' when the exponents were so far apart that the instruction has to be repeated;
   * undefined when there was nothing to divide.
   */
  readonly quotient: number | 'partial' | undefined;
}

/** Largest difference of exponents that one FPREM reduces at once. */
const REDUCTION_LIMIT = 64;

/** @param nearest FPREM1: the quotient is rounded to nearest instead of toward zero */
export function partialRemainder(env: Environment, a: Extended, b: Extended, nearest: boolean): PartialRemainder {
  const done = (value: Extended): PartialRemainder => ({ value, quotient: undefined });
  const nan = nanOfPair(env, a, b);
  if (nan !== undefined) return done(nan);
  const [kindA, kindB] = [kindOf(a), kindOf(b)];
  if (kindA === 'infinity' || kindB === 'zero') {
    env.raise(Exception.INVALID);
    return done(INDEFINITE);
  }
  noteDenormals(env, kindA, kindB);
  if (kindA === 'zero') return { value: a, quotient: 0 };
  if (kindB === 'infinity') return { value: env.toExtended(a.negative, a.significand, scaleOf(a), 64), quotient: 0 };
  const [topA, topB] = [topBit(a), topBit(b)];
  const difference = topA - topB;
  if (difference >= REDUCTION_LIMIT) return reducePartly(env, a, b, difference);
  const scale = Math.min(scaleOf(a), scaleOf(b));
  const dividend = a.significand << BigInt(scaleOf(a) - scale);
  const divisor = b.significand << BigInt(scaleOf(b) - scale);
  let quotient = dividend / divisor;
  let rest = dividend - quotient * divisor;
  let negative = a.negative;
  if (nearest && (rest * 2n > divisor || (rest * 2n === divisor && (quotient & 1n) === 1n))) {
    quotient += 1n;
    rest = divisor - rest;
    negative = !negative;
  }
  const value = rest === 0n ? zero(a.negative) : env.toExtended(negative, rest, scale, 64);
  return { value, quotient: Number(quotient & 7n) };
}

function topBit(value: Extended): number {
  return scaleOf(value) + bitLength(value.significand) - 1;
}

/** Takes off a multiple of the divisor that brings the exponent down by 32 to 63. */
function reducePartly(env: Environment, a: Extended, b: Extended, difference: number): PartialRemainder {
  const step = difference - (32 + (difference % 32));
  const scale = Math.min(scaleOf(a), scaleOf(b) + step);
  const dividend = a.significand << BigInt(scaleOf(a) - scale);
  const divisor = b.significand << BigInt(scaleOf(b) + step - scale);
  const rest = dividend % divisor;
  const value = rest === 0n ? zero(a.negative) : env.toExtended(a.negative, rest, scale, 64);
  return { value, quotient: 'partial' };
}
