/** An IEEE-754 binary interchange format, as its field widths. Encodings are non-negative bigints of `width` bits. */
export interface FloatFormat {
  readonly width: number;
  /** Significand bits, the integer bit included: 24 for binary32, 53 for binary64. */
  readonly precision: number;
  /** Exponent of the smallest normal number; the largest is `1 - minimumExponent`. */
  readonly minimumExponent: number;
  readonly signBit: bigint;
  readonly infinity: bigint;
  /** The bit of the significand that tells a quiet NaN from a signalling one. */
  readonly quietBit: bigint;
  /** Largest finite magnitude. */
  readonly largest: bigint;
  /** The QNaN an invalid operation yields: "QNaN floating-point indefinite", SDM vol. 1 4.8.3.7. */
  readonly defaultNaN: bigint;
  readonly fractionMask: bigint;
}

function binaryFormat(width: number, precision: number): FloatFormat {
  const fractionBits = BigInt(precision - 1);
  const exponentBits = width - precision;
  const infinity = ((1n << BigInt(exponentBits)) - 1n) << fractionBits;
  const signBit = 1n << BigInt(width - 1);
  const quietBit = 1n << (fractionBits - 1n);
  return {
    width,
    precision,
    minimumExponent: 2 - 2 ** (exponentBits - 1),
    signBit,
    infinity,
    quietBit,
    largest: infinity - 1n,
    defaultNaN: signBit | infinity | quietBit,
    fractionMask: (1n << fractionBits) - 1n,
  };
}

export const binary32 = binaryFormat(32, 24);
export const binary64 = binaryFormat(64, 53);

export type FloatKind = 'zero' | 'finite' | 'infinity' | 'quiet' | 'signalling';

/** A number taken apart. A finite one is `(-1)^sign * significand * 2^exponent`, exactly. */
export interface Unpacked {
  readonly kind: FloatKind;
  readonly sign: boolean;
  readonly exponent: number;
  readonly significand: bigint;
  readonly denormal: boolean;
  /** The encoding it came from. */
  readonly bits: bigint;
}

/**
 * Takes an encoding apart.
 * @param bits `format.width` bits
 * @param denormalsAreZero MXCSR.DAZ: a denormal is read as zero of the same sign
 */
export function unpack(format: FloatFormat, bits: bigint, denormalsAreZero: boolean): Unpacked {
  const sign = (bits & format.signBit) !== 0n;
  const fraction = bits & format.fractionMask;
  const biasedExponent = Number((bits & format.infinity) >> BigInt(format.precision - 1));
  const exponent = format.minimumExponent - (format.precision - 1);
  if ((bits & format.infinity) === format.infinity) {
    const kind = fraction === 0n ? 'infinity' : (bits & format.quietBit) !== 0n ? 'quiet' : 'signalling';
    return { kind, sign, exponent: 0, significand: 0n, denormal: false, bits };
  }
  if (biasedExponent === 0) {
    if (fraction === 0n || denormalsAreZero) {
      return { kind: 'zero', sign, exponent: 0, significand: 0n, denormal: false, bits: sign ? format.signBit : 0n };
    }
    return { kind: 'finite', sign, exponent, significand: fraction, denormal: true, bits };
  }
  const significand = fraction | (format.fractionMask + 1n);
  return { kind: 'finite', sign, exponent: exponent + biasedExponent - 1, significand, denormal: false, bits };
}

export function isNaNKind(value: Unpacked): boolean {
  return value.kind === 'quiet' || value.kind === 'signalling';
}

/** Number of bits of a positive bigint. */
export function bitLength(value: bigint): number {
  const digits = value.toString(16);
  return digits.length * 4 - Math.clz32(Number.parseInt(digits.charAt(0), 16)) + 28;
}
