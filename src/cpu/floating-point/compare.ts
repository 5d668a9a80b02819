import { type FloatFormat, isNaNKind, type Unpacked, unpack } from './format.ts';
import { DenormalFlag, type FloatStatus, InvalidFlag } from './mxcsr.ts';

export type Ordering = 'less' | 'equal' | 'greater' | 'unordered';

/** An integer that orders as the number does: encodings of one sign order as their magnitudes. */
function orderKey(format: FloatFormat, value: Unpacked): bigint {
  const magnitude = value.bits & ~format.signBit;
  return value.sign ? -magnitude : magnitude;
}

/**
 * Compares two numbers.
 * @param signalling whether a quiet NaN raises invalid too (COMISS, CMPLTPS); a signalling NaN always does
 */
export function compare(
  format: FloatFormat,
  status: FloatStatus,
  aBits: bigint,
  bBits: bigint,
  signalling: boolean,
): Ordering {
  const a = unpack(format, aBits, status.denormalsAreZero);
  const b = unpack(format, bBits, status.denormalsAreZero);
  if (isNaNKind(a) || isNaNKind(b)) {
    if (signalling || a.kind === 'signalling' || b.kind === 'signalling') status.raise(InvalidFlag);
    return 'unordered';
  }
  if (a.denormal || b.denormal) status.raise(DenormalFlag);
  const left = orderKey(format, a);
  const right = orderKey(format, b);
  return left === right ? 'equal' : left < right ? 'less' : 'greater';
}

/**
 * MINSS and kin: the second operand unless the first is less. A NaN raises invalid and yields the second operand, as do
 * two zeros (SDM vol. 2, MINSS). Not IEEE's minNum.
 */
export function minimum(format: FloatFormat, status: FloatStatus, a: bigint, b: bigint): bigint {
  const chosen = compare(format, status, a, b, true) === 'less' ? a : b;
  return unpack(format, chosen, status.denormalsAreZero).bits;
}

/** MAXSS and kin: the second operand unless the first is greater. */
export function maximum(format: FloatFormat, status: FloatStatus, a: bigint, b: bigint): bigint {
  const chosen = compare(format, status, a, b, true) === 'greater' ? a : b;
  return unpack(format, chosen, status.denormalsAreZero).bits;
}
