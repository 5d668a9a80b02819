import {
  constant,
  extractLane,
  f32,
  f64,
  type I32,
  i32,
  i64,
  type Node,
  operation,
  select,
  type V128,
  type ValueType,
  vector,
  vectorTest,
} from './nodes.ts';

/** A scalar format and the constants that guards compare with, as encodings. */
interface Precision {
  readonly width: 32 | 64;
  readonly infinity: bigint;
  readonly smallestNormal: bigint;
  readonly quietBit: bigint;
  /** The upper 32 bits (single: all) shifted left by one have the biased exponent from this bit on. */
  readonly exponentShift: 21 | 24;
  /** The biased exponent of infinities and NaNs. */
  readonly exponents: number;
}

const single: Precision = {
  width: 32,
  infinity: 0x7f800000n,
  smallestNormal: 0x00800000n,
  quietBit: 0x00400000n,
  exponentShift: 24,
  exponents: 0xff,
};
const double: Precision = {
  width: 64,
  infinity: 0x7ff0000000000000n,
  smallestNormal: 0x0010000000000000n,
  quietBit: 0x0008000000000000n,
  exponentShift: 21,
  exponents: 0x7ff,
};

type Binary = (a: Node, b: Node) => Node;

/**
 * The arithmetic of one shape of operand: a scalar, or all lanes of a vector at once. Comparisons give a mask: i32 0 or 1 for a
 * scalar, all ones in each lane that holds for a vector; `any` turns a mask into an i32 that is not 0 when some lane holds.
 */
export interface Lanes {
  readonly type: ValueType;
  readonly precision: Precision;
  readonly count: 1 | 2 | 4;
  readonly add: Binary;
  readonly sub: Binary;
  readonly mul: Binary;
  readonly div: Binary;
  readonly eq: Binary;
  readonly ne: Binary;
  readonly lt: Binary;
  readonly le: Binary;
  readonly abs: (a: Node) => Node;
  readonly sqrt: (a: Node) => Node;
  readonly trunc: (a: Node) => Node;
  readonly nearest: (a: Node) => Node;
  readonly and: Binary;
  readonly or: Binary;
  /** The same mask in every lane, from i32 0 or 1. */
  readonly mask: (holds: I32) => Node;
  /** A mask as the bits that CMPPS leaves: all ones in each lane that holds. */
  readonly maskBits: (mask: Node) => Node;
  /** a where a < b, else b: also when they are unordered or both zero. */
  readonly least: Binary;
  /** a where a > b, else b. */
  readonly greatest: Binary;
  readonly any: (mask: Node) => I32;
  /** i32, not 0 when the mask holds in every lane. */
  readonly all: (mask: Node) => I32;
  /** The same encoding in every lane. */
  readonly constant: (bits: bigint) => Node;
  /** i32, not 0 when some lane is zero or a denormal. */
  readonly someSmall: (a: Node) => I32;
  /** i32, not 0 unless all lanes are ordinary: finite, and at least twice the smallest normal number in magnitude. */
  readonly someUnusual: (a: Node) => I32;
  /** Of vectors, someUnusual in two steps: a key whose 32-bit lanes are greater the more unusual a number is, and its test. */
  readonly unusualKey: ((a: Node) => V128) | undefined;
  readonly someBeyond: ((key: V128) => I32) | undefined;
  /** One lane as a scalar. */
  readonly lane: (a: Node, index: number) => Node;
  /** Mask of the lanes that hold a signalling NaN. */
  readonly signalling: (a: Node) => Node;
  /** The encodings with the quiet bit set. */
  readonly quiet: (a: Node) => Node;
  readonly not: (mask: Node) => Node;
  /** In each lane: a where the mask holds, else b. */
  readonly choose: (a: Node, b: Node, mask: Node) => Node;
}

function repeat(bits: bigint, width: number): bigint {
  let value = 0n;
  for (let at = 0; at < 128; at += width) value |= bits << BigInt(at);
  return value;
}

/** Signalling NaNs are the encodings that, with sign cleared and quiet bit flipped, exceed infinity's with quiet bit flipped. */
function scalarSignalling({ width, infinity, quietBit }: Precision): (a: Node) => Node {
  const magnitude = (1n << BigInt(width - 1)) - 1n;
  return width === 32
    ? (a) => {
        const bits = i32.reinterpret_f32(a as Node<'f32'>);
        const key = i32.xor(i32.and(bits, i32.const(Number(magnitude))), i32.const(Number(quietBit)));
        return i32.gt_u(key, i32.const(Number(infinity | quietBit)));
      }
    : (a) => {
        const bits = i64.reinterpret_f64(a as Node<'f64'>);
        const key = i64.xor(i64.and(bits, i64.const(magnitude)), i64.const(quietBit));
        return i64.gt_u(key, i64.const(infinity | quietBit));
      };
}

const LOWEST = -0x8000_0000;

/** Biased exponents of ordinary numbers begin here. */
const ORDINARY = 2;

function scalar(precision: Precision): Lanes {
  const type = precision.width === 32 ? 'f32' : 'f64';
  const arithmetic = (name: string) => (a: Node, b: Node) => operation(type, `${type}.${name}`, [a, b]);
  const comparison = (name: string) => (a: Node, b: Node) => operation('i32', `${type}.${name}`, [a, b]);
  const unary = (name: string) => (a: Node) => operation(type, `${type}.${name}`, [a]);
  const { exponentShift, exponents } = precision;
  const upper = (a: Node): I32 =>
    type === 'f32'
      ? i32.reinterpret_f32(a as Node<'f32'>)
      : i32.wrap_i64(i64.shr_u(i64.reinterpret_f64(a as Node<'f64'>), i64.const(32)));
  return {
    type,
    precision,
    count: 1,
    add: arithmetic('add'),
    sub: arithmetic('sub'),
    mul: arithmetic('mul'),
    div: arithmetic('div'),
    eq: comparison('eq'),
    ne: comparison('ne'),
    lt: comparison('lt'),
    le: comparison('le'),
    abs: unary('abs'),
    sqrt: unary('sqrt'),
    trunc: unary('trunc'),
    nearest: unary('nearest'),
    and: (a, b) => i32.and(a as I32, b as I32),
    or: (a, b) => i32.or(a as I32, b as I32),
    mask: (holds) => holds,
    maskBits: (mask) =>
      type === 'f32' ? i32.sub(i32.const(0), mask as I32) : i64.sub(i64.const(0), i64.extend_i32_u(mask as I32)),
    least: (a, b) => select(a, b, comparison('lt')(a, b)),
    greatest: (a, b) => select(a, b, comparison('gt')(a, b)),
    any: (mask) => mask as I32,
    all: (mask) => mask as I32,
    constant: (bits) => (type === 'f32' ? f32.const(bits) : f64.const(bits)),
    someSmall: (a) => i32.eqz(i32.and(upper(a), i32.const(exponents << (exponentShift - 1)))),
    someUnusual: (a) =>
      i32.ge_u(
        i32.add(i32.shl(upper(a), i32.const(1)), i32.const(-(ORDINARY << exponentShift))),
        i32.const((exponents - ORDINARY) << exponentShift),
      ),
    unusualKey: undefined,
    someBeyond: undefined,
    lane: (a) => a,
    signalling: scalarSignalling(precision),
    quiet: (a) =>
      type === 'f32'
        ? f32.reinterpret_i32(i32.or(i32.reinterpret_f32(a as Node<'f32'>), i32.const(Number(precision.quietBit))))
        : f64.reinterpret_i64(i64.or(i64.reinterpret_f64(a as Node<'f64'>), i64.const(precision.quietBit))),
    not: (mask) => i32.eqz(mask as I32),
    choose: (a, b, mask) => select(a, b, mask as I32),
  };
}

function packed(precision: Precision): Lanes {
  const { width, infinity, quietBit, exponentShift, exponents } = precision;
  const count = width === 32 ? 4 : 2;
  const shape = `f${width}x${count}`;
  const integers = `i${width}x${count}`;
  const element = width === 32 ? 'f32' : 'f64';
  const binary = (name: string) => (a: Node, b: Node) => vector(`${shape}.${name}`, a, b);
  const unary = (name: string) => (a: Node) => vector(`${shape}.${name}`, a);
  const splat = (bits: bigint) => constant('v128', repeat(bits, width));
  const splat32 = (value: number) => constant('v128', repeat(BigInt.asUintN(32, BigInt(value)), 32));
  const bitmask = (mask: V128) => vectorTest(`${integers}.bitmask`, mask);
  /**
   * Each 32 bits without their top bit, twice, plus an offset. Where the offset has unsigned order become signed order, the lanes'
   * exponents are compared in one instruction; of doubles, `bitmask` then looks at the upper halves alone.
   */
  const magnitude = (a: Node, offset: number) => vector('i32x4.add', vector('i32x4.add', a, a), splat32(offset));
  const first = ORDINARY << exponentShift;
  const unusualKey = (a: Node) => magnitude(a, LOWEST - first);
  const someBeyond = (key: V128) => {
    const last = (((exponents << exponentShift) - first) | 0) + LOWEST - 1;
    return bitmask(vector('i32x4.gt_s', key, splat32(last)));
  };
  return {
    type: 'v128',
    precision,
    count,
    add: binary('add'),
    sub: binary('sub'),
    mul: binary('mul'),
    div: binary('div'),
    eq: binary('eq'),
    ne: binary('ne'),
    lt: binary('lt'),
    le: binary('le'),
    abs: unary('abs'),
    sqrt: unary('sqrt'),
    trunc: unary('trunc'),
    nearest: unary('nearest'),
    and: (a, b) => vector('v128.and', a, b),
    or: (a, b) => vector('v128.or', a, b),
    mask: (holds) => vector('i32x4.splat', i32.sub(i32.const(0), holds)),
    maskBits: (mask) => mask,
    // pmin(x, y) is y where y < x, else x.
    least: (a, b) => vector(`${shape}.pmin`, b, a),
    greatest: (a, b) => vector(`${shape}.pmax`, b, a),
    any: (mask) => bitmask(mask as V128),
    all: (mask) => i32.eq(bitmask(mask as V128), i32.const((1 << count) - 1)),
    constant: splat,
    someSmall: (a) => {
      const limit = splat32((1 << exponentShift) + LOWEST);
      return bitmask(vector('i32x4.gt_s', limit, magnitude(a, LOWEST)));
    },
    someUnusual: (a) => someBeyond(unusualKey(a)),
    unusualKey,
    someBeyond,
    lane: (a, index) => extractLane(element, `${shape}.extract_lane`, a as V128, index),
    signalling: (a) => {
      const magnitude = vector('v128.and', a, splat((1n << BigInt(width - 1)) - 1n));
      // The signed comparison serves: both sides are below the sign bit.
      return vector(`${integers}.gt_s`, vector('v128.xor', magnitude, splat(quietBit)), splat(infinity | quietBit));
    },
    quiet: (a) => vector('v128.or', a, splat(quietBit)),
    not: (mask) => vector('v128.not', mask),
    choose: (a, b, mask) => vector('v128.bitselect', a, b, mask),
  };
}

/** By the suffix of the mnemonic. */
export const LANES = { SS: scalar(single), SD: scalar(double), PS: packed(single), PD: packed(double) } as const;
