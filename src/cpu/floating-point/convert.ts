import { type FloatFormat, isNaNKind, unpack } from './format.ts';
import { DenormalFlag, type FloatStatus, InvalidFlag, PrecisionFlag, type Rounding } from './mxcsr.ts';
import { roundAndPack, roundMagnitude } from './round.ts';

/**
 * Integer to floating point.
 * @param value a signed integer of any width
 */
export function fromInteger(format: FloatFormat, status: FloatStatus, value: bigint): bigint {
  if (value === 0n) return 0n;
  return roundAndPack(format, status, value < 0n, 0, value < 0n ? -value : value);
}

/**
 * Floating point to a signed integer of `width` bits.
 * NaN, infinity and what does not fit raise invalid and yield the integer indefinite, -2^(width-1) (SDM vol. 1 table 4-1).
 * @param rounding the MXCSR mode for CVTSS2SI, RoundTowardZero for CVTTSS2SI
 * @returns two's complement in `width` bits
 */
export function toInteger(
  format: FloatFormat,
  status: FloatStatus,
  bits: bigint,
  width: 32 | 64,
  rounding: Rounding,
): bigint {
  const a = unpack(format, bits, status.denormalsAreZero);
  if (a.kind === 'zero') return 0n;
  const limit = 1n << BigInt(width - 1);
  if (a.kind === 'finite' && a.exponent <= width) {
    const rounded = roundMagnitude(a.significand, -a.exponent, rounding, a.sign);
    if (rounded.magnitude < limit || (a.sign && rounded.magnitude === limit)) {
      if (rounded.inexact) status.raise(PrecisionFlag);
      return BigInt.asUintN(width, a.sign ? -rounded.magnitude : rounded.magnitude);
    }
  }
  status.raise(InvalidFlag);
  return limit;
}

/** One format to another. A NaN keeps its sign and the top of its payload, and becomes quiet. */
export function convertFormat(from: FloatFormat, to: FloatFormat, status: FloatStatus, bits: bigint): bigint {
  const a = unpack(from, bits, status.denormalsAreZero);
  const sign = a.sign ? to.signBit : 0n;
  if (a.kind === 'zero') return sign;
  if (a.kind === 'infinity') return sign | to.infinity;
  if (isNaNKind(a)) {
    if (a.kind === 'signalling') status.raise(InvalidFlag);
    const shift = BigInt(to.precision - from.precision);
    const payload = bits & from.fractionMask;
    return sign | to.infinity | to.quietBit | (shift >= 0n ? payload << shift : payload >> -shift);
  }
  if (a.denormal) status.raise(DenormalFlag);
  return roundAndPack(to, status, a.sign, a.exponent, a.significand);
}
