/** Loads and stores of single, double, integer and packed decimal operands (SDM vol. 1 8.1.6, 8.3.3). */

import { DOUBLE, type Environment, Exception, type Format, SINGLE } from './environment.ts';
import {
  type Extended,
  exact,
  extended,
  INTEGER_BIT,
  infinity,
  isNan,
  kindOf,
  MAXIMUM_EXPONENT,
  quieted,
  shifted,
  zero,
} from './extended.ts';

/** Widths of the fields of a real in memory. */
interface Layout {
  readonly format: Format;
  readonly exponentBits: number;
  readonly fractionBits: number;
}

const LAYOUTS: Readonly<Record<32 | 64, Layout>> = {
  32: { format: SINGLE, exponentBits: 8, fractionBits: 23 },
  64: { format: DOUBLE, exponentBits: 11, fractionBits: 52 },
};

/** Widens a real. What it is worth as an operand (denormal, signaling NaN) is for the operation to judge. */
export function widenReal(bits: bigint, width: 32 | 64): Extended {
  const { format, exponentBits, fractionBits } = LAYOUTS[width];
  const negative = bits >> BigInt(width - 1) !== 0n;
  const exponent = Number((bits >> BigInt(fractionBits)) & ((1n << BigInt(exponentBits)) - 1n));
  const fraction = bits & ((1n << BigInt(fractionBits)) - 1n);
  if (exponent === 0) {
    if (fraction === 0n) return zero(negative);
    return { ...exact(negative, fraction, format.minimum - fractionBits), wasDenormal: true };
  }
  if (exponent < 2 ** exponentBits - 1) {
    const significand = fraction | (1n << BigInt(fractionBits));
    return exact(negative, significand, exponent - format.maximum - fractionBits);
  }
  if (fraction === 0n) return infinity(negative);
  return extended(negative, MAXIMUM_EXPONENT, INTEGER_BIT | (fraction << BigInt(63 - fractionBits)));
}

/** FLD of a real: a denormal raises #D, a signaling NaN #IA and becomes quiet. */
export function loadReal(env: Environment, bits: bigint, width: 32 | 64): Extended {
  const value = widenReal(bits, width);
  if (value.wasDenormal) env.raise(Exception.DENORMAL);
  if (kindOf(value) !== 'signaling') return extended(value.negative, value.exponent, value.significand);
  env.raise(Exception.INVALID);
  return quieted(value);
}

/** @returns the bits to store, or undefined when an unmasked exception keeps them from memory */
export function storeReal(env: Environment, value: Extended, width: 32 | 64): bigint | undefined {
  const layout = LAYOUTS[width];
  const kind = kindOf(value);
  const top = 2 ** layout.exponentBits - 1;
  if (kind === 'unsupported') {
    env.raise(Exception.INVALID);
    return encode(layout, width, true, top, 1n << BigInt(layout.fractionBits - 1));
  }
  if (isNan(kind)) {
    if (kind === 'signaling') env.raise(Exception.INVALID);
    const fraction = ((value.significand | (1n << 62n)) & (INTEGER_BIT - 1n)) >> BigInt(63 - layout.fractionBits);
    return encode(layout, width, value.negative, top, fraction);
  }
  if (kind === 'infinity') return encode(layout, width, value.negative, top, 0n);
  if (kind === 'zero') return encode(layout, width, value.negative, 0, 0n);
  const scale = Math.max(value.exponent, 1) - 16383 - 63;
  const rounded = env.toFormat(value.negative, value.significand, scale, layout.format);
  return rounded === undefined ? undefined : encodeFinite(layout, width, rounded);
}

function encodeFinite(layout: Layout, width: number, value: Extended): bigint {
  const { format, fractionBits, exponentBits } = layout;
  if (kindOf(value) === 'infinity') return encode(layout, width, value.negative, 2 ** exponentBits - 1, 0n);
  if (kindOf(value) === 'zero') return encode(layout, width, value.negative, 0, 0n);
  const unbiased = Math.max(value.exponent, 1) - 16383;
  if (unbiased >= format.minimum) {
    const fraction = (value.significand & (INTEGER_BIT - 1n)) >> BigInt(63 - fractionBits);
    return encode(layout, width, value.negative, unbiased + format.maximum, fraction);
  }
  const fraction = shifted(value.significand, unbiased - 63 - (format.minimum - fractionBits));
  return encode(layout, width, value.negative, 0, fraction);
}

function encode(layout: Layout, width: number, negative: boolean, exponent: number, fraction: bigint): bigint {
  const sign = negative ? 1n << BigInt(width - 1) : 0n;
  return sign | (BigInt(exponent) << BigInt(layout.fractionBits)) | fraction;
}

/** @param bits two's complement of `width` bits */
export function loadInteger(bits: bigint, width: 16 | 32 | 64): Extended {
  const value = BigInt.asIntN(width, bits);
  return exact(value < 0n, value < 0n ? -value : value, 0);
}

/** Integer indefinite (the most negative value) and #IA where the value does not fit. @param rounding of FIST or FISTTP */
export function storeInteger(env: Environment, value: Extended, width: 16 | 32 | 64, rounding: number): bigint {
  const kind = kindOf(value);
  const indefinite = 1n << BigInt(width - 1);
  if (kind !== 'zero' && kind !== 'normal' && kind !== 'denormal') {
    env.raise(Exception.INVALID);
    return indefinite;
  }
  if (value.exponent > 16383 + 64) {
    env.raise(Exception.INVALID);
    return indefinite;
  }
  const flags = env.flags;
  const rounded = env.toInteger(value, rounding);
  if (rounded >= indefinite || rounded < -indefinite) {
    env.flags = flags | Exception.INVALID;
    env.roundedUp = false;
    return indefinite;
  }
  return BigInt.asUintN(width, rounded);
}

const DECIMAL_DIGITS = 18;
const DECIMAL_LIMIT = 10n ** BigInt(DECIMAL_DIGITS);
/** Packed decimal indefinite. */
const DECIMAL_INDEFINITE = 0xffff_c000_0000_0000_0000n;

/** @param bits 80 bits: 18 digits and a sign. Digits above 9 are not checked, and count as they stand. */
export function loadDecimal(bits: bigint): Extended {
  let value = 0n;
  for (let i = DECIMAL_DIGITS - 1; i >= 0; i--) value = value * 10n + ((bits >> BigInt(4 * i)) & 15n);
  const negative = bits >> 79n !== 0n;
  return value === 0n ? zero(negative) : exact(negative, value, 0);
}

export function storeDecimal(env: Environment, value: Extended): bigint {
  const kind = kindOf(value);
  const finite = kind === 'zero' || kind === 'normal' || kind === 'denormal';
  const flags = env.flags;
  const rounded = finite && value.exponent <= 16383 + 64 ? env.toInteger(value) : DECIMAL_LIMIT;
  const magnitude = rounded < 0n ? -rounded : rounded;
  if (magnitude >= DECIMAL_LIMIT) {
    env.flags = flags | Exception.INVALID;
    env.roundedUp = false;
    return DECIMAL_INDEFINITE;
  }
  const digits = BigInt(`0x${magnitude.toString(10)}`);
  return digits | (value.negative ? 1n << 79n : 0n);
}
