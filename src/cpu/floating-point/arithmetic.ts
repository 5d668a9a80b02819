import { bitLength, type FloatFormat, isNaNKind, type Unpacked, unpack } from './format.ts';
import { DenormalFlag, type FloatStatus, InvalidFlag, RoundDown, ZeroDivideFlag } from './mxcsr.ts';
import { roundAndPack } from './round.ts';

/** Quotients and roots carry this many bits below the precision, the last of them sticky. */
const guardBits = 3;

function zero(format: FloatFormat, sign: boolean): bigint {
  return sign ? format.signBit : 0n;
}

function infinity(format: FloatFormat, sign: boolean): bigint {
  return zero(format, sign) | format.infinity;
}

function invalid(format: FloatFormat, status: FloatStatus): bigint {
  status.raise(InvalidFlag);
  return format.defaultNaN;
}

/** The result of an operation with a NaN operand: the first NaN, made quiet (SDM vol. 1 table 4-7, SSE rows). */
function propagateNaN(format: FloatFormat, status: FloatStatus, a: Unpacked, b: Unpacked): bigint {
  if (a.kind === 'signalling' || b.kind === 'signalling') status.raise(InvalidFlag);
  return (isNaNKind(a) ? a.bits : b.bits) | format.quietBit;
}

function noteDenormals(status: FloatStatus, a: Unpacked, b: Unpacked): void {
  if (a.denormal || b.denormal) status.raise(DenormalFlag);
}

type Binary = (format: FloatFormat, status: FloatStatus, a: Unpacked, b: Unpacked) => bigint;

/** Wraps the rule of one operation on numbers with what all of them share: DAZ and NaN operands. */
function binary(operate: Binary): (format: FloatFormat, status: FloatStatus, a: bigint, b: bigint) => bigint {
  return (format, status, aBits, bBits) => {
    const a = unpack(format, aBits, status.denormalsAreZero);
    const b = unpack(format, bBits, status.denormalsAreZero);
    if (isNaNKind(a) || isNaNKind(b)) return propagateNaN(format, status, a, b);
    return operate(format, status, a, b);
  };
}

function sum(format: FloatFormat, status: FloatStatus, a: Unpacked, b: Unpacked): bigint {
  if (a.kind === 'infinity' || b.kind === 'infinity') {
    if (a.kind === b.kind && a.sign !== b.sign) return invalid(format, status);
    noteDenormals(status, a, b);
    return infinity(format, a.kind === 'infinity' ? a.sign : b.sign);
  }
  noteDenormals(status, a, b);
  if (a.kind === 'zero' && b.kind === 'zero') {
    return zero(format, a.sign === b.sign ? a.sign : status.rounding === RoundDown);
  }
  const exponent = a.kind === 'zero' ? b.exponent : b.kind === 'zero' ? a.exponent : Math.min(a.exponent, b.exponent);
  const aligned = (x: Unpacked): bigint => {
    if (x.kind === 'zero') return 0n;
    const magnitude = x.significand << BigInt(x.exponent - exponent);
    return x.sign ? -magnitude : magnitude;
  };
  const exact = aligned(a) + aligned(b);
  if (exact === 0n) return zero(format, status.rounding === RoundDown);
  return roundAndPack(format, status, exact < 0n, exponent, exact < 0n ? -exact : exact);
}

/** a + b. Operands and result are encodings in `format`; exceptions are raised in `status`. */
export const add = binary(sum);

/** a - b. */
export const subtract = binary((format, status, a, b) => sum(format, status, a, { ...b, sign: !b.sign }));

/** a * b. */
export const multiply = binary((format, status, a, b) => {
  const sign = a.sign !== b.sign;
  if (a.kind === 'infinity' || b.kind === 'infinity') {
    if (a.kind === 'zero' || b.kind === 'zero') return invalid(format, status);
    noteDenormals(status, a, b);
    return infinity(format, sign);
  }
  noteDenormals(status, a, b);
  if (a.kind === 'zero' || b.kind === 'zero') return zero(format, sign);
  return roundAndPack(format, status, sign, a.exponent + b.exponent, a.significand * b.significand);
});

/** a / b. */
export const divide = binary((format, status, a, b) => {
  const sign = a.sign !== b.sign;
  if ((a.kind === 'infinity' || a.kind === 'zero') && a.kind === b.kind) return invalid(format, status);
  if (b.kind === 'zero') {
    // An infinite dividend is exact; a finite one divides by zero, which outranks its being denormal.
    if (a.kind !== 'infinity') status.raise(ZeroDivideFlag);
    return infinity(format, sign);
  }
  noteDenormals(status, a, b);
  if (a.kind === 'infinity') return infinity(format, sign);
  if (a.kind === 'zero' || b.kind === 'infinity') return zero(format, sign);
  const wanted = format.precision + guardBits;
  const shift = Math.max(0, wanted + bitLength(b.significand) - bitLength(a.significand));
  const dividend = a.significand << BigInt(shift);
  const quotient = dividend / b.significand;
  const sticky = quotient * b.significand === dividend ? 0n : 1n;
  return roundAndPack(format, status, sign, a.exponent - b.exponent - shift - 1, (quotient << 1n) | sticky);
});

/** Largest integer whose square does not exceed `value`. */
function integerSquareRoot(value: bigint): bigint {
  let root = 1n << BigInt((bitLength(value) + 1) >> 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** Square root of a. */
export function squareRoot(format: FloatFormat, status: FloatStatus, bits: bigint): bigint {
  const a = unpack(format, bits, status.denormalsAreZero);
  if (isNaNKind(a)) return propagateNaN(format, status, a, a);
  if (a.kind === 'zero') return a.bits;
  if (a.sign) return invalid(format, status);
  if (a.kind === 'infinity') return a.bits;
  noteDenormals(status, a, a);
  // An even exponent, and enough bits that the root has `precision + guardBits` of them.
  let shift = Math.max(0, 2 * (format.precision + guardBits) - bitLength(a.significand));
  if (((a.exponent - shift) & 1) !== 0) shift++;
  const radicand = a.significand << BigInt(shift);
  const root = integerSquareRoot(radicand);
  const sticky = root * root === radicand ? 0n : 1n;
  return roundAndPack(format, status, false, (a.exponent - shift) / 2 - 1, (root << 1n) | sticky);
}
