/** Addition, multiplication, division, square root and comparison in extended precision (SDM vol. 1 8.3, 8.5; tables 4-7, 4-10). */

import { type Environment, Exception, Rounding } from './environment.ts';
import {
  bitLength,
  type Extended,
  INDEFINITE,
  infinity,
  isNan,
  type Kind,
  kindOf,
  negated,
  quieted,
  scaleOf,
  zero,
} from './extended.ts';

/** Bits that a quotient or root is carried to beyond its integer part; the lowest then stands for the remainder. */
const QUOTIENT_BITS = 68;

export function invalid(env: Environment): Extended {
  env.raise(Exception.INVALID);
  return INDEFINITE;
}

/** @returns the result when an operand is unsupported or NaN, with #IA raised as the format of the operand demands */
export function nanOf(env: Environment, value: Extended, kind: Kind): Extended | undefined {
  if (kind === 'unsupported') return invalid(env);
  if (kind === 'signaling') env.raise(Exception.INVALID);
  return isNan(kind) ? quieted(value) : undefined;
}

/** The same for two operands: of two NaNs a quiet one goes before a signaling one, else the larger significand wins. */
export function nanOfPair(env: Environment, a: Extended, b: Extended): Extended | undefined {
  const [kindA, kindB] = [kindOf(a), kindOf(b)];
  if (kindA === 'unsupported' || kindB === 'unsupported') return invalid(env);
  if (kindA === 'signaling' || kindB === 'signaling') env.raise(Exception.INVALID);
  if (!isNan(kindA)) return isNan(kindB) ? quieted(b) : undefined;
  if (!isNan(kindB)) return quieted(a);
  if (kindA !== kindB) return kindA === 'quiet' ? a : b;
  if (a.significand !== b.significand) return quieted(a.significand > b.significand ? a : b);
  return quieted(a.negative ? b : a);
}

/** Raises #D when an operand that takes part in a computation is denormal. */
export function noteDenormals(env: Environment, ...kinds: readonly Kind[]): void {
  if (kinds.includes('denormal')) env.raise(Exception.DENORMAL);
}

export function add(env: Environment, a: Extended, b: Extended): Extended {
  const nan = nanOfPair(env, a, b);
  if (nan !== undefined) return nan;
  const [kindA, kindB] = [kindOf(a), kindOf(b)];
  if (kindA === 'infinity' && kindB === 'infinity' && a.negative !== b.negative) return invalid(env);
  noteDenormals(env, kindA, kindB);
  if (kindA === 'infinity') return a;
  if (kindB === 'infinity') return b;
  const scale = Math.min(scaleOf(a), scaleOf(b));
  const signed = ({ negative, significand }: Extended, shift: number): bigint =>
    (negative ? -significand : significand) << BigInt(shift);
  const sum = signed(a, scaleOf(a) - scale) + signed(b, scaleOf(b) - scale);
  if (sum !== 0n) return env.toExtended(sum < 0n, sum < 0n ? -sum : sum, scale);
  return zero(kindA === 'zero' && kindB === 'zero' && a.negative === b.negative ? a.negative : cancels(env));
}

/** The sign of a sum that cancels exactly. */
function cancels(env: Environment): boolean {
  return env.rounding === Rounding.DOWN;
}

export function subtract(env: Environment, a: Extended, b: Extended): Extended {
  return isNan(kindOf(b)) ? add(env, a, b) : add(env, a, negated(b));
}

export function multiply(env: Environment, a: Extended, b: Extended): Extended {
  const nan = nanOfPair(env, a, b);
  if (nan !== undefined) return nan;
  const [kindA, kindB] = [kindOf(a), kindOf(b)];
  const negative = a.negative !== b.negative;
  const infinite = kindA === 'infinity' || kindB === 'infinity';
  if (infinite && (kindA === 'zero' || kindB === 'zero')) return invalid(env);
  noteDenormals(env, kindA, kindB);
  if (infinite) return infinity(negative);
  return env.toExtended(negative, a.significand * b.significand, scaleOf(a) + scaleOf(b));
}

export function divide(env: Environment, a: Extended, b: Extended): Extended {
  const nan = nanOfPair(env, a, b);
  if (nan !== undefined) return nan;
  const [kindA, kindB] = [kindOf(a), kindOf(b)];
  const negative = a.negative !== b.negative;
  if (kindA === kindB && (kindA === 'infinity' || kindA === 'zero')) return invalid(env);
  if (kindB === 'zero' && kindA !== 'infinity') {
    env.raise(Exception.ZERO_DIVIDE);
    return infinity(negative);
  }
  noteDenormals(env, kindA, kindB);
  if (kindA === 'infinity') return infinity(negative);
  if (kindA === 'zero' || kindB === 'infinity') return zero(negative);
  const shift = QUOTIENT_BITS + bitLength(b.significand) - bitLength(a.significand);
  const dividend = a.significand << BigInt(shift);
  const quotient = dividend / b.significand;
  const sticky = quotient * b.significand === dividend ? 0n : 1n;
  return env.toExtended(negative, (quotient << 1n) | sticky, scaleOf(a) - scaleOf(b) - shift - 1);
}

export function squareRoot(env: Environment, value: Extended): Extended {
  const kind = kindOf(value);
  const nan = nanOf(env, value, kind);
  if (nan !== undefined) return nan;
  if (kind === 'zero') return value;
  if (value.negative) return invalid(env);
  if (kind === 'infinity') return value;
  noteDenormals(env, kind);
  let shift = 2 * QUOTIENT_BITS - bitLength(value.significand);
  if ((scaleOf(value) - shift) % 2 !== 0) shift++;
  const radicand = value.significand << BigInt(shift);
  const root = integerRoot(radicand);
  const sticky = root * root === radicand ? 0n : 1n;
  return env.toExtended(false, (root << 1n) | sticky, (scaleOf(value) - shift) / 2 - 1);
}

/** @returns the integer part of a square root, by Newton's method from above */
export function integerRoot(value: bigint): bigint {
  let root = 1n << BigInt((bitLength(value) + 1) >> 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

export type Ordering = 'less' | 'equal' | 'greater' | 'unordered';

/** @param quiet FUCOM: quiet NaNs are no invalid operation */
export function compare(env: Environment, a: Extended, b: Extended, quiet: boolean): Ordering {
  const [kindA, kindB] = [kindOf(a), kindOf(b)];
  const kinds = [kindA, kindB];
  if (kinds.includes('unsupported') || kinds.some(isNan)) {
    if (!quiet || kinds.includes('unsupported') || kinds.includes('signaling')) env.raise(Exception.INVALID);
    return 'unordered';
  }
  noteDenormals(env, kindA, kindB);
  const difference = magnitude(a) - magnitude(b);
  if (difference === 0n) return 'equal';
  return difference < 0n ? 'less' : 'greater';
}

/** An integer that orders values as they are ordered; both zeros give 0. */
function magnitude({ negative, exponent, significand }: Extended): bigint {
  const size = (BigInt(Math.max(exponent, 1)) << 64n) + significand;
  if (exponent === 0 && significand === 0n) return 0n;
  return negative ? -size : size;
}
