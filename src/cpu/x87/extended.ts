/** The double extended-precision format of the x87 registers (SDM vol. 1 4.2.2, 4.8, 8.2). */

export const BIAS = 16383;
export const MAXIMUM_EXPONENT = 0x7fff;
export const INTEGER_BIT = 1n << 63n;
const QUIET_BIT = 1n << 62n;

export type Kind = 'zero' | 'denormal' | 'normal' | 'infinity' | 'quiet' | 'signaling' | 'unsupported';

/** One value of the format, as its three fields; `significand` has the explicit integer bit on top. */
export interface Extended {
  readonly negative: boolean;
  /** Biased, 15 bits. */
  readonly exponent: number;
  /** 64 bits. */
  readonly significand: bigint;
  /** Widened from a denormal of a narrower format: normal here, but it counts as a denormal operand. */
  readonly wasDenormal?: true;
}

/** The real indefinite: what masked invalid operations give. */
export const INDEFINITE: Extended = extended(true, MAXIMUM_EXPONENT, INTEGER_BIT | QUIET_BIT);

export function extended(negative: boolean, exponent: number, significand: bigint): Extended {
  return { negative, exponent, significand };
}

export function zero(negative: boolean): Extended {
  return extended(negative, 0, 0n);
}

export function infinity(negative: boolean): Extended {
  return extended(negative, MAXIMUM_EXPONENT, INTEGER_BIT);
}

export function kindOf({ exponent, significand, wasDenormal }: Extended): Kind {
  if (wasDenormal) return 'denormal';
  const integer = (significand & INTEGER_BIT) !== 0n;
  if (exponent === 0) return significand === 0n ? 'zero' : 'denormal';
  if (!integer) return 'unsupported';
  if (exponent < MAXIMUM_EXPONENT) return 'normal';
  if (significand === INTEGER_BIT) return 'infinity';
  return (significand & QUIET_BIT) !== 0n ? 'quiet' : 'signaling';
}

export function isNan(kind: Kind): boolean {
  return kind === 'quiet' || kind === 'signaling';
}

export function quieted(value: Extended): Extended {
  return extended(value.negative, value.exponent, value.significand | QUIET_BIT);
}

export function negated(value: Extended): Extended {
  return { ...value, negative: !value.negative };
}

export function absolute(value: Extended): Extended {
  return extended(false, value.exponent, value.significand);
}

/** The magnitude of a finite value is `significand` times 2 to this power. */
export function scaleOf({ exponent }: Extended): number {
  return Math.max(exponent, 1) - BIAS - 63;
}

/** Number of bits of a positive integer; 0 for 0. */
export function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}

/** @returns an exact value of magnitude `significand` times 2 to `scale`, which must be representable */
export function exact(negative: boolean, significand: bigint, scale: number): Extended {
  if (significand === 0n) return zero(negative);
  const length = bitLength(significand);
  const exponent = scale + length - 1 + BIAS;
  if (exponent < 1) return extended(negative, 0, shifted(significand, scale + BIAS - 1 + 63));
  return extended(negative, exponent, shifted(significand, 64 - length));
}

/** Left shift; a negative count shifts right. */
export function shifted(value: bigint, count: number): bigint {
  return count >= 0 ? value << BigInt(count) : value >> BigInt(-count);
}

/** @param bytes ten bytes in memory order */
export function fromBytes(bytes: Uint8Array): Extended {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 10);
  const high = view.getUint16(8, true);
  return extended((high & 0x8000) !== 0, high & 0x7fff, view.getBigUint64(0, true));
}

export function toBytes({ negative, exponent, significand }: Extended): Uint8Array {
  const bytes = new Uint8Array(10);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, significand, true);
  view.setUint16(8, exponent | (negative ? 0x8000 : 0), true);
  return bytes;
}
