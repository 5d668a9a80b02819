/**
 * The vector instructions of WebAssembly on bigints: 128 bits, lane 0 lowest. Float lanes go through the host's numbers, whose
 * arithmetic is the same IEEE one; the payload of a NaN result is not defined, and the semantics never keep one.
 */

type Lane = bigint;
type LaneOperation = (a: Lane, b: Lane, width: number) => Lane;

const signed = (value: Lane, width: number): bigint => BigInt.asIntN(width, value);
const mask = (condition: boolean): bigint => (condition ? -1n : 0n);

function clamp(value: bigint, low: bigint, high: bigint): bigint {
  return value < low ? low : value > high ? high : value;
}

const saturateSigned = (value: bigint, width: number): bigint =>
  clamp(value, -(1n << BigInt(width - 1)), (1n << BigInt(width - 1)) - 1n);
const saturateUnsigned = (value: bigint, width: number): bigint => clamp(value, 0n, (1n << BigInt(width)) - 1n);

/** Operations on two integer lanes; the result is truncated to the lane. */
const integerLanes: Record<string, LaneOperation> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  add_sat_s: (a, b, width) => saturateSigned(signed(a, width) + signed(b, width), width),
  add_sat_u: (a, b, width) => saturateUnsigned(a + b, width),
  sub_sat_s: (a, b, width) => saturateSigned(signed(a, width) - signed(b, width), width),
  sub_sat_u: (a, b, width) => saturateUnsigned(a - b, width),
  min_s: (a, b, width) => (signed(a, width) < signed(b, width) ? a : b),
  min_u: (a, b) => (a < b ? a : b),
  max_s: (a, b, width) => (signed(a, width) > signed(b, width) ? a : b),
  max_u: (a, b) => (a > b ? a : b),
  avgr_u: (a, b) => (a + b + 1n) >> 1n,
  eq: (a, b) => mask(a === b),
  ne: (a, b) => mask(a !== b),
  gt_s: (a, b, width) => mask(signed(a, width) > signed(b, width)),
  lt_s: (a, b, width) => mask(signed(a, width) < signed(b, width)),
  gt_u: (a, b) => mask(a > b),
  lt_u: (a, b) => mask(a < b),
};

/** Operations on one integer lane and a count, taken modulo the lane's width. */
const shiftLanes: Record<string, LaneOperation> = {
  shl: (a, count) => a << count,
  shr_u: (a, count) => a >> count,
  shr_s: (a, count, width) => signed(a, width) >> count,
};

const floatLanes: Record<string, (a: number, b: number) => number | boolean> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  gt: (a, b) => a > b,
  le: (a, b) => a <= b,
  ge: (a, b) => a >= b,
};

/** Rounds to the nearest integer, ties to even, keeping the sign of zero. */
export function nearest(value: number): number {
  if (Math.abs(value) >= 2 ** 52 || !Number.isFinite(value)) return value;
  const magic = value < 0 || Object.is(value, -0) ? -(2 ** 52) : 2 ** 52;
  const rounded = value + magic - magic;
  return rounded === 0 ? (magic < 0 ? -0 : 0) : rounded;
}

/** Whether the second operand is the result; the encoding itself is kept, that of a signalling NaN too. */
const floatChoices: Record<string, (a: number, b: number) => boolean> = {
  pmin: (a, b) => b < a,
  pmax: (a, b) => a < b,
};

const floatUnary: Record<string, (a: number) => number> = {
  abs: Math.abs,
  sqrt: Math.sqrt,
  nearest,
  trunc: Math.trunc,
};

const view = new DataView(new ArrayBuffer(8));

export function bitsToNumber(bits: bigint, width: number): number {
  if (width === 32) {
    view.setUint32(0, Number(bits));
    return view.getFloat32(0);
  }
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}

export function numberToBits(value: number, width: number): bigint {
  if (width === 32) {
    view.setFloat32(0, value);
    return BigInt(view.getUint32(0));
  }
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}

export function lanesOf(value: bigint, width: number): Lane[] {
  return Array.from({ length: 128 / width }, (_, i) => BigInt.asUintN(width, value >> BigInt(i * width)));
}

export function fromLanes(lanes: readonly Lane[], width: number): bigint {
  return lanes.reduce((value, lane, i) => value | (BigInt.asUintN(width, lane) << BigInt(i * width)), 0n);
}

function mapLanes(a: bigint, b: bigint, width: number, operate: LaneOperation): bigint {
  const right = lanesOf(b, width);
  return fromLanes(
    lanesOf(a, width).map((lane, i) => operate(lane, right[i]!, width)),
    width,
  );
}

/** Half of a vector's lanes, each as a signed or unsigned integer to be kept in twice the width. */
function extend(value: bigint, narrow: number, high: boolean, isSigned: boolean): bigint[] {
  const lanes = lanesOf(value, narrow);
  const half = high ? lanes.slice(lanes.length / 2) : lanes.slice(0, lanes.length / 2);
  return isSigned ? half.map((lane) => signed(lane, narrow)) : half;
}

function evaluateWidening(name: string, width: number, a: bigint, b: bigint): bigint | undefined {
  const narrow = width / 2;
  const multiply = /^extmul_(low|high)_.*_([su])$/.exec(name);
  if (multiply) {
    const left = extend(a, narrow, multiply[1] === 'high', multiply[2] === 's');
    const right = extend(b, narrow, multiply[1] === 'high', multiply[2] === 's');
    return fromLanes(
      left.map((lane, i) => lane * right[i]!),
      width,
    );
  }
  const pairwise = (lanes: bigint[]): bigint[] =>
    lanes.filter((_, i) => i % 2 === 0).map((lane, i) => lane + lanes[2 * i + 1]!);
  if (name.startsWith('extadd_pairwise')) return fromLanes(pairwise(lanesOf(a, narrow)), width);
  if (name.startsWith('dot')) {
    const right = lanesOf(b, narrow);
    const products = lanesOf(a, narrow).map((lane, i) => signed(lane, narrow) * signed(right[i]!, narrow));
    return fromLanes(pairwise(products), width);
  }
  return undefined;
}

function evaluateNarrowing(name: string, width: number, a: bigint, b: bigint): bigint | undefined {
  if (!name.startsWith('narrow')) return undefined;
  const saturate = name.endsWith('_s') ? saturateSigned : saturateUnsigned;
  const wide = [...lanesOf(a, 2 * width), ...lanesOf(b, 2 * width)];
  return fromLanes(
    wide.map((lane) => saturate(signed(lane, 2 * width), width)),
    width,
  );
}

function saturatingTruncation(value: number): bigint {
  if (Number.isNaN(value)) return 0n;
  return clamp(
    BigInt(Number.isFinite(value) ? Math.trunc(value) : value > 0 ? 2 ** 40 : -(2 ** 40)),
    -(2n ** 31n),
    2n ** 31n - 1n,
  );
}

/** Lane conversions, each from the low lanes of the operand; lanes without a source become zero. */
const conversions: Record<string, (a: bigint) => bigint> = {
  'f32x4.demote_f64x2_zero': (a) =>
    fromLanes(
      lanesOf(a, 64).map((lane) => numberToBits(bitsToNumber(lane, 64), 32)),
      32,
    ),
  'f64x2.promote_low_f32x4': (a) =>
    fromLanes(
      lanesOf(a, 32)
        .slice(0, 2)
        .map((lane) => numberToBits(bitsToNumber(lane, 32), 64)),
      64,
    ),
  'f64x2.convert_low_i32x4_s': (a) =>
    fromLanes(
      lanesOf(a, 32)
        .slice(0, 2)
        .map((lane) => numberToBits(Number(signed(lane, 32)), 64)),
      64,
    ),
  'f32x4.convert_i32x4_s': (a) =>
    fromLanes(
      lanesOf(a, 32).map((lane) => numberToBits(Number(signed(lane, 32)), 32)),
      32,
    ),
  'i32x4.trunc_sat_f32x4_s': (a) =>
    fromLanes(
      lanesOf(a, 32).map((lane) => saturatingTruncation(bitsToNumber(lane, 32))),
      32,
    ),
  'i32x4.trunc_sat_f64x2_s_zero': (a) =>
    fromLanes(
      lanesOf(a, 64).map((lane) => saturatingTruncation(bitsToNumber(lane, 64))),
      32,
    ),
};

const whole: Record<string, (a: bigint, b: bigint, c: bigint) => bigint> = {
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  andnot: (a, b) => a & ~b,
  not: (a) => ~a,
  bitselect: (a, b, c) => (a & c) | (b & ~c),
  any_true: (a) => (a === 0n ? 0n : 1n),
};

function evaluateFloatLanes(operation: string, width: number, a: bigint, b: bigint): bigint | undefined {
  const unary = floatUnary[operation];
  if (unary) {
    return mapLanes(a, 0n, width, (lane) => numberToBits(unary(bitsToNumber(lane, width)), width));
  }
  const choice = floatChoices[operation];
  if (choice) {
    return mapLanes(a, b, width, (left, right) =>
      choice(bitsToNumber(left, width), bitsToNumber(right, width)) ? right : left,
    );
  }
  const binary = floatLanes[operation];
  return (
    binary &&
    mapLanes(a, b, width, (left, right) => {
      const result = binary(bitsToNumber(left, width), bitsToNumber(right, width));
      return typeof result === 'boolean' ? mask(result) : numberToBits(result, width);
    })
  );
}

/** Byte i of the result is the byte of `a` that byte i of `b` numbers, 0 when there is none. */
function swizzle(a: bigint, b: bigint): bigint {
  const bytes = lanesOf(a, 8);
  return fromLanes(
    lanesOf(b, 8).map((index) => bytes[Number(index)] ?? 0n),
    8,
  );
}

function evaluateIntegerLanes(operation: string, width: number, a: bigint, b: bigint): bigint | undefined {
  const binary = integerLanes[operation];
  if (binary) return mapLanes(a, b, width, binary);
  const shift = shiftLanes[operation];
  const count = BigInt.asUintN(32, b) % BigInt(width);
  if (shift) return mapLanes(a, 0n, width, (lane) => shift(lane, count, width));
  if (operation === 'all_true') return lanesOf(a, width).every((lane) => lane !== 0n) ? 1n : 0n;
  if (operation === 'swizzle') return swizzle(a, b);
  if (operation === 'bitmask') {
    return lanesOf(a, width).reduce((bits, lane, i) => bits | ((lane >> BigInt(width - 1)) << BigInt(i)), 0n);
  }
  return evaluateWidening(operation, width, a, b) ?? evaluateNarrowing(operation, width, a, b);
}

/**
 * Evaluates one vector instruction without immediates.
 * @param name its WebAssembly name, `i8x16.add_sat_s`
 * @param operands vectors as 128-bit bigints; a shift count as a bigint
 * @returns a vector, or the integer of `any_true`, `all_true` and `bitmask`
 */
export function evaluateVector(name: string, operands: readonly bigint[]): bigint {
  const [a = 0n, b = 0n, c = 0n] = operands;
  const conversion = conversions[name];
  if (conversion) return conversion(a);
  const [shape = '', operation = ''] = name.split('.');
  const bitwise = shape === 'v128' ? whole[operation] : undefined;
  if (bitwise) return BigInt.asUintN(128, bitwise(a, b, c));
  const width = Number(/\d+/.exec(shape)?.[0]);
  const result = shape.startsWith('f')
    ? evaluateFloatLanes(operation, width, a, b)
    : evaluateIntegerLanes(operation, width, a, b);
  if (result === undefined) throw new Error(`no vector instruction ${name}`);
  return result;
}

/** `i8x16.shuffle`: byte i of the result is byte `lanes[i]` of a (0 to 15) and b (16 to 31). */
export function shuffle(lanes: readonly number[], a: bigint, b: bigint): bigint {
  const bytes = [...lanesOf(a, 8), ...lanesOf(b, 8)];
  return fromLanes(
    lanes.map((lane) => bytes[lane]!),
    8,
  );
}
