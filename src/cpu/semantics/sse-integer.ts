import type { Semantics } from './context.ts';
import {
  constant,
  extractLane,
  type I32,
  type I64,
  i32,
  i64,
  type Node,
  select,
  shuffle,
  type V128,
  vector,
} from './nodes.ts';

/** Both operands of a packed instruction: the destination, and, when in memory, 16 aligned bytes, or 8 for an MMX register. */
const packed =
  (operate: (a: V128, b: V128) => V128): Semantics =>
  (c) => {
    const a = c.readVector(0, false);
    c.writeVector(0, operate(a, c.readVector(1, true)));
  };

const operator =
  (name: string): ((a: V128, b: V128) => V128) =>
  (a, b) =>
    vector(name, a, b);

/** Upper halves of 16-bit products: bytes 2 and 3 of each of the eight 32-bit products. */
const highProducts =
  (sign: 's' | 'u') =>
  (a: V128, b: V128): V128 => {
    const upper = [2, 6, 10, 14, 18, 22, 26, 30].flatMap((byte) => [byte, byte + 1]);
    const low = vector(`i32x4.extmul_low_i16x8_${sign}`, a, b);
    return shuffle(low, vector(`i32x4.extmul_high_i16x8_${sign}`, a, b), upper);
  };

/** Products of the even 32-bit lanes, 64 bits each. */
function evenProducts(a: V128, b: V128): V128 {
  const even = (value: V128): V128 => shuffle(value, value, [0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11]);
  return vector('i64x2.extmul_low_i32x4_u', even(a), even(b));
}

const low32 = constant('v128', 0xffffffff_00000000_ffffffffn);

/** Sums of absolute byte differences, one in each half. */
function absoluteDifferences(a: V128, b: V128): V128 {
  const differences = vector('i8x16.sub', vector('i8x16.max_u', a, b), vector('i8x16.min_u', a, b));
  const words = vector('i16x8.extadd_pairwise_i8x16_u', differences);
  const doublewords = vector('i32x4.extadd_pairwise_i16x8_u', words);
  const odd = vector('i64x2.shr_u', doublewords, i32.const(32));
  return vector('i64x2.add', vector('v128.and', doublewords, low32), odd);
}

/** Packs the lanes of both operands, the destination's first; of MMX registers their low halves side by side. */
const narrowed =
  (name: string): Semantics =>
  (c) => {
    const a = c.readVector(0, false);
    const b = c.readVector(1, true);
    const operands = c.width(0) === 64 ? c.let(shuffle(a, b, LOW_HALVES)) : undefined;
    c.writeVector(0, vector(name, operands ?? a, operands ?? b));
  };
const LOW_HALVES = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];

type Shift = (value: V128, count: I64) => V128;

/** A count beyond the lane gives zero (SDM vol. 2, PSLLW); WebAssembly would take it modulo the lane's width. */
const logicalShift =
  (name: string, width: number): Shift =>
  (value, count) =>
    select(vector(name, value, i32.wrap_i64(count)), constant('v128', 0n), i64.lt_u(count, i64.const(width)));

/** A count beyond the lane fills it with the sign. */
const arithmeticShift =
  (name: string, width: number): Shift =>
  (value, count) => {
    const last = i64.const(width - 1);
    return vector(name, value, i32.wrap_i64(select(count, last, i64.lt_u(count, last))));
  };

/** Operand 1 is an immediate byte, or the low 64 bits of an aligned 16-byte operand or of an MMX one. */
const shifted =
  (shift: Shift): Semantics =>
  (c) => {
    const value = c.readVector(0, false);
    const immediate = c.variant.form.operands[1]!.method === 'I';
    const count = immediate ? c.read(1) : extractLane('i64', 'i64x2.extract_lane', c.readVector(1, true), 0);
    c.writeVector(0, shift(value, c.let(count)));
  };

const bytePositions = constant('v128', 0x0f0e0d0c_0b0a0908_07060504_03020100n);

/** PSLLDQ and PSRLDQ: a byte whose source lies outside is zero, as `swizzle` has it for numbers above 15. */
const byteShift =
  (name: string): Semantics =>
  (c) => {
    const value = c.readVector(0, false);
    const count: I32 = i32.wrap_i64(c.read(1));
    const bounded: Node = select(count, i32.const(16), i32.lt_u(count, i32.const(16)));
    const positions = vector(name, bytePositions, vector('i8x16.splat', bounded));
    c.writeVector(0, vector('i8x16.swizzle', value, positions));
  };

const and = packed(operator('v128.and'));
const or = packed(operator('v128.or'));
const xor = packed(operator('v128.xor'));
/** x86 complements the first operand, WebAssembly the second. */
const andNot = packed((a, b) => vector('v128.andnot', b, a));

/** Packed integer arithmetic, logic (of floating-point operands too: bits are bits), comparisons and shifts. */
export const SSE_INTEGER: Record<string, Semantics> = {
  PAND: and,
  ANDPS: and,
  ANDPD: and,
  PANDN: andNot,
  ANDNPS: andNot,
  ANDNPD: andNot,
  POR: or,
  ORPS: or,
  ORPD: or,
  PXOR: xor,
  XORPS: xor,
  XORPD: xor,
  PADDB: packed(operator('i8x16.add')),
  PADDW: packed(operator('i16x8.add')),
  PADDD: packed(operator('i32x4.add')),
  PADDQ: packed(operator('i64x2.add')),
  PADDSB: packed(operator('i8x16.add_sat_s')),
  PADDSW: packed(operator('i16x8.add_sat_s')),
  PADDUSB: packed(operator('i8x16.add_sat_u')),
  PADDUSW: packed(operator('i16x8.add_sat_u')),
  PSUBB: packed(operator('i8x16.sub')),
  PSUBW: packed(operator('i16x8.sub')),
  PSUBD: packed(operator('i32x4.sub')),
  PSUBQ: packed(operator('i64x2.sub')),
  PSUBSB: packed(operator('i8x16.sub_sat_s')),
  PSUBSW: packed(operator('i16x8.sub_sat_s')),
  PSUBUSB: packed(operator('i8x16.sub_sat_u')),
  PSUBUSW: packed(operator('i16x8.sub_sat_u')),
  PMULLW: packed(operator('i16x8.mul')),
  PMULHW: packed(highProducts('s')),
  PMULHUW: packed(highProducts('u')),
  PMULUDQ: packed(evenProducts),
  PMADDWD: packed(operator('i32x4.dot_i16x8_s')),
  PSADBW: packed(absoluteDifferences),
  PAVGB: packed(operator('i8x16.avgr_u')),
  PAVGW: packed(operator('i16x8.avgr_u')),
  PMINUB: packed(operator('i8x16.min_u')),
  PMINSW: packed(operator('i16x8.min_s')),
  PMAXUB: packed(operator('i8x16.max_u')),
  PMAXSW: packed(operator('i16x8.max_s')),
  PCMPEQB: packed(operator('i8x16.eq')),
  PCMPEQW: packed(operator('i16x8.eq')),
  PCMPEQD: packed(operator('i32x4.eq')),
  PCMPGTB: packed(operator('i8x16.gt_s')),
  PCMPGTW: packed(operator('i16x8.gt_s')),
  PCMPGTD: packed(operator('i32x4.gt_s')),
  PACKSSWB: narrowed('i8x16.narrow_i16x8_s'),
  PACKSSDW: narrowed('i16x8.narrow_i32x4_s'),
  PACKUSWB: narrowed('i8x16.narrow_i16x8_u'),
  PSLLW: shifted(logicalShift('i16x8.shl', 16)),
  PSLLD: shifted(logicalShift('i32x4.shl', 32)),
  PSLLQ: shifted(logicalShift('i64x2.shl', 64)),
  PSRLW: shifted(logicalShift('i16x8.shr_u', 16)),
  PSRLD: shifted(logicalShift('i32x4.shr_u', 32)),
  PSRLQ: shifted(logicalShift('i64x2.shr_u', 64)),
  PSRAW: shifted(arithmeticShift('i16x8.shr_s', 16)),
  PSRAD: shifted(arithmeticShift('i32x4.shr_s', 32)),
  PSLLDQ: byteShift('i8x16.sub'),
  PSRLDQ: byteShift('i8x16.add'),
};
