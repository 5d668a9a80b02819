import type { Context, Semantics } from './context.ts';
import { constant, extractLane, type I32, i32, i64, shuffle, type V128, vector } from './nodes.ts';

/** Interleaves lanes of `bytes` bytes from the low or high halves of two vectors, of 16 bytes or 8. */
function interleave(bytes: 1 | 2 | 4 | 8, high: boolean): Semantics {
  return (c) => {
    const first = high ? c.width(0) / 16 : 0;
    const lanes = Array.from({ length: 16 }, (_, byte) => {
      const lane = Math.floor(byte / bytes);
      return (lane % 2) * 16 + first + Math.floor(lane / 2) * bytes + (byte % bytes);
    });
    const a = c.readVector(0, false);
    c.writeVector(0, shuffle(a, c.readVector(1, true), lanes));
  };
}

/** The immediate byte, an i32. */
const immediate = (c: Context): I32 => c.let(i32.wrap_i64(c.read(2)));

/**
 * Byte numbers for `swizzle` from four two-bit fields of an immediate, each choosing one of four 32-bit lanes.
 * Multiplying by 64, 16, 4, 1 brings the fields to bits 7:6 of their lanes.
 */
function doublewordChoice(fields: I32): V128 {
  const scaled = vector(
    'i32x4.mul',
    vector('i32x4.splat', fields),
    constant('v128', 0x00000001_00000004_00000010_00000040n),
  );
  const numbers = vector('v128.and', vector('i32x4.shr_u', scaled, i32.const(6)), splat32(3n));
  return vector('i32x4.add', vector('i32x4.mul', numbers, splat32(0x04040404n)), splat32(0x03020100n));
}

function splat32(bits: bigint): V128 {
  return constant('v128', bits * 0x00000001_00000001_00000001_00000001n);
}
function splat16(bits: bigint): V128 {
  return constant('v128', bits * 0x0001_0001_0001_0001_0001_0001_0001_0001n);
}

/** The same for the four 16-bit lanes of one half; the other half stays in place. @param first 0 or 8, the half's first byte */
function wordChoice(fields: I32, first: 0 | 8): V128 {
  const scales = constant('v128', 0x0001_0004_0010_0040_0001_0004_0010_0040n);
  const scaled = vector('i16x8.mul', vector('i16x8.splat', fields), scales);
  const numbers = vector('v128.and', vector('i16x8.shr_u', scaled, i32.const(6)), splat16(3n));
  const base = splat16(0x0100n + BigInt(first) * 0x0101n);
  const chosen = vector('i16x8.add', vector('i16x8.mul', numbers, splat16(0x0202n)), base);
  const half = constant('v128', first === 0 ? 0xffffffff_ffffffffn : 0xffffffff_ffffffffn << 64n);
  const inPlace = constant('v128', 0x0f0e0d0c_0b0a0908_07060504_03020100n);
  return vector('v128.bitselect', chosen, inPlace, half);
}

const shuffled =
  (choice: (fields: I32) => V128): Semantics =>
  (c) => {
    const source = c.readVector(1, true);
    c.writeVector(0, vector('i8x16.swizzle', source, choice(immediate(c))));
  };

/** Two 32-bit lanes chosen from the destination, then two from the source. */
function shuffleFromBoth(c: Context, fields: I32): void {
  const a = c.readVector(0, false);
  const b = c.readVector(1, true);
  const choice = c.let(doublewordChoice(fields));
  const low = vector('i8x16.swizzle', a, choice);
  const high = vector('i8x16.swizzle', b, choice);
  c.writeVector(0, shuffle(low, high, [0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31]));
}

/** SHUFPD's two bits as the four fields of SHUFPS that move the same halves: 2b, 2b + 1 for each bit b. */
function quadwordFields(bits: I32): I32 {
  const low = i32.mul(i32.and(bits, i32.const(1)), i32.const(0x0a));
  const high = i32.mul(i32.and(i32.shr_u(bits, i32.const(1)), i32.const(1)), i32.const(0xa0));
  return i32.or(i32.const(0x44), i32.or(low, high));
}

const wordNumbers = constant('v128', 0x0007_0006_0005_0004_0003_0002_0001_0000n);

/** Lane number of PINSRW and PEXTRW. @param operand the vector */
const wordNumber = (c: Context, operand: number): I32 => i32.and(immediate(c), i32.const(c.width(operand) / 16 - 1));

/** Rearrangement of lanes. */
export const SSE_SHUFFLE: Record<string, Semantics> = {
  PUNPCKLBW: interleave(1, false),
  PUNPCKLWD: interleave(2, false),
  PUNPCKLDQ: interleave(4, false),
  PUNPCKLQDQ: interleave(8, false),
  PUNPCKHBW: interleave(1, true),
  PUNPCKHWD: interleave(2, true),
  PUNPCKHDQ: interleave(4, true),
  PUNPCKHQDQ: interleave(8, true),
  UNPCKLPS: interleave(4, false),
  UNPCKLPD: interleave(8, false),
  UNPCKHPS: interleave(4, true),
  UNPCKHPD: interleave(8, true),
  PSHUFD: shuffled(doublewordChoice),
  PSHUFLW: shuffled((fields) => wordChoice(fields, 0)),
  PSHUFW: shuffled((fields) => wordChoice(fields, 0)),
  PSHUFHW: shuffled((fields) => wordChoice(fields, 8)),
  SHUFPS: (c) => shuffleFromBoth(c, immediate(c)),
  SHUFPD: (c) => shuffleFromBoth(c, quadwordFields(immediate(c))),
  PINSRW: (c) => {
    const value = i32.wrap_i64(c.read(1, 16));
    const chosen = vector('i16x8.eq', vector('i16x8.splat', wordNumber(c, 0)), wordNumbers);
    const vectorBefore = c.readVector(0, false);
    c.writeVector(0, vector('v128.bitselect', vector('i16x8.splat', value), vectorBefore, chosen));
  },
  PEXTRW: (c) => {
    const source = c.readVector(1, false);
    const byte = i32.shl(wordNumber(c, 1), i32.const(1));
    const positions = vector('i8x16.add', vector('i8x16.splat', byte), constant('v128', 0x0100n));
    const moved = vector('i8x16.swizzle', source, positions);
    c.write(0, i64.extend_i32_u(extractLane('i32', 'i16x8.extract_lane_u', moved, 0)));
  },
};
