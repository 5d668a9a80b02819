import { bitLength, type FloatFormat } from './format.ts';
import {
  type FloatStatus,
  OverflowFlag,
  PrecisionFlag,
  RoundDown,
  type Rounding,
  RoundNearest,
  RoundTowardZero,
  RoundUp,
  UnderflowFlag,
} from './mxcsr.ts';

/** Whether a magnitude is rounded away from zero, given the bits that are dropped. */
function roundsAway(rounding: Rounding, sign: boolean, odd: boolean, rest: bigint, half: bigint): boolean {
  if (rest === 0n) return false;
  switch (rounding) {
    case RoundNearest:
      return rest > half || (rest === half && odd);
    case RoundDown:
      return sign;
    case RoundUp:
      return !sign;
    default:
      return false;
  }
}

/**
 * Drops the low bits of a magnitude, rounding once.
 * @param shift bits to drop; negative appends zeros
 */
export function roundMagnitude(
  magnitude: bigint,
  shift: number,
  rounding: Rounding,
  sign: boolean,
): { magnitude: bigint; inexact: boolean } {
  if (shift <= 0) return { magnitude: magnitude << BigInt(-shift), inexact: false };
  const count = BigInt(shift);
  const kept = magnitude >> count;
  const rest = magnitude - (kept << count);
  const away = roundsAway(rounding, sign, (kept & 1n) !== 0n, rest, 1n << (count - 1n));
  return { magnitude: away ? kept + 1n : kept, inexact: rest !== 0n };
}

/** @param inexact whether rounding with an unbounded exponent lost bits: all that an unmasked overflow reports */
function overflow(format: FloatFormat, status: FloatStatus, sign: boolean, inexact: boolean): bigint {
  status.raise(OverflowFlag);
  if (inexact || (status.masks & OverflowFlag) !== 0) status.raise(PrecisionFlag);
  const toLargest =
    status.rounding === RoundTowardZero ||
    (status.rounding === RoundDown && !sign) ||
    (status.rounding === RoundUp && sign);
  return (sign ? format.signBit : 0n) | (toLargest ? format.largest : format.infinity);
}

/**
 * Rounds an exact non-zero magnitude to a format and encodes it, raising precision, overflow and underflow.
 * Tininess is detected after rounding to the format's precision with an unbounded exponent (SDM vol. 1 4.9.1.5).
 * @param magnitude positive; the value is `magnitude * 2^exponent`. A caller whose result goes on below (quotient, root) sets
 *   the lowest bit as a sticky one and supplies at least two bits more than the precision.
 */
export function roundAndPack(
  format: FloatFormat,
  status: FloatStatus,
  sign: boolean,
  exponent: number,
  magnitude: bigint,
): bigint {
  const { precision, minimumExponent } = format;
  const signBits = sign ? format.signBit : 0n;
  const length = bitLength(magnitude);
  const unbounded = roundMagnitude(magnitude, length - precision, status.rounding, sign);
  const carried = unbounded.magnitude >> BigInt(precision) !== 0n;
  const leading = exponent + length - 1 + (carried ? 1 : 0);

  if (leading > 1 - minimumExponent) return overflow(format, status, sign, unbounded.inexact);
  if (leading >= minimumExponent && exponent + length - 1 >= minimumExponent) {
    if (unbounded.inexact) status.raise(PrecisionFlag);
    const significand = carried ? unbounded.magnitude >> 1n : unbounded.magnitude;
    return signBits + (BigInt(leading - minimumExponent) << BigInt(precision - 1)) + significand;
  }

  const tiny = leading < minimumExponent;
  if (tiny && status.flushToZero) {
    status.raise(UnderflowFlag | PrecisionFlag);
    return signBits;
  }
  const quantum = minimumExponent - (precision - 1);
  const bounded = roundMagnitude(magnitude, quantum - exponent, status.rounding, sign);
  if (tiny && (status.masks & UnderflowFlag) === 0) {
    status.raise(UnderflowFlag | (unbounded.inexact ? PrecisionFlag : 0));
  } else if (bounded.inexact) {
    status.raise(PrecisionFlag | (tiny ? UnderflowFlag : 0));
  }
  return signBits + bounded.magnitude;
}
