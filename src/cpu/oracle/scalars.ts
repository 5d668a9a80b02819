/** The scalar instructions of WebAssembly on bigints: values are bit patterns, unsigned, of 32 or 64 bits. */
import { bitsToNumber, nearest, numberToBits } from './vectors.ts';

type Bits = 32 | 64;
type Operation = (a: bigint, b: bigint, bits: Bits) => bigint;

const signed = (value: bigint, bits: number): bigint => BigInt.asIntN(bits, value);
const truth = (condition: boolean): bigint => (condition ? 1n : 0n);

function leadingZeros(value: bigint, bits: Bits): bigint {
  return BigInt(value === 0n ? bits : bits - value.toString(2).length);
}

function trailingZeros(value: bigint, bits: Bits): bigint {
  return value === 0n ? BigInt(bits) : BigInt((value & -value).toString(2).length - 1);
}

function rotate(value: bigint, left: bigint, bits: Bits): bigint {
  const count = left % BigInt(bits);
  return (value << count) | (value >> (BigInt(bits) - count));
}

/** On integers; results are truncated to the type, comparisons give i32. */
const integer: Record<string, Operation> = {
  eqz: (a) => truth(a === 0n),
  clz: (a, _b, bits) => leadingZeros(a, bits),
  ctz: (a, _b, bits) => trailingZeros(a, bits),
  popcnt: (a) => BigInt(a.toString(2).replaceAll('0', '').length),
  extend8_s: (a) => signed(a, 8),
  extend16_s: (a) => signed(a, 16),
  extend32_s: (a) => signed(a, 32),
  extend_i32_s: (a) => signed(a, 32),
  extend_i32_u: (a) => a,
  wrap_i64: (a) => a,
  reinterpret_f32: (a) => a,
  reinterpret_f64: (a) => a,
  eq: (a, b) => truth(a === b),
  ne: (a, b) => truth(a !== b),
  lt_u: (a, b) => truth(a < b),
  gt_u: (a, b) => truth(a > b),
  le_u: (a, b) => truth(a <= b),
  ge_u: (a, b) => truth(a >= b),
  lt_s: (a, b, bits) => truth(signed(a, bits) < signed(b, bits)),
  gt_s: (a, b, bits) => truth(signed(a, bits) > signed(b, bits)),
  le_s: (a, b, bits) => truth(signed(a, bits) <= signed(b, bits)),
  ge_s: (a, b, bits) => truth(signed(a, bits) >= signed(b, bits)),
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div_u: (a, b) => a / b,
  rem_u: (a, b) => a % b,
  div_s: (a, b, bits) => signed(a, bits) / signed(b, bits),
  rem_s: (a, b, bits) => signed(a, bits) % signed(b, bits),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b, bits) => a << (b % BigInt(bits)),
  shr_u: (a, b, bits) => a >> (b % BigInt(bits)),
  shr_s: (a, b, bits) => signed(a, bits) >> (b % BigInt(bits)),
  rotl: (a, b, bits) => rotate(a, b, bits),
  rotr: (a, b, bits) => rotate(a, BigInt(bits) - (b % BigInt(bits)), bits),
};

/** `trunc_sat`: NaN is 0, what does not fit the nearest limit. */
function saturatingTruncation(value: number, bits: Bits, isSigned: boolean): bigint {
  const low = isSigned ? -(1n << BigInt(bits - 1)) : 0n;
  const high = (1n << BigInt(isSigned ? bits - 1 : bits)) - 1n;
  if (Number.isNaN(value)) return 0n;
  if (!Number.isFinite(value)) return value > 0 ? high : low;
  const exact = BigInt(Math.trunc(value));
  return exact < low ? low : exact > high ? high : exact;
}

const floatResults: Record<string, (a: number, b: number) => number> = {
  abs: Math.abs,
  neg: (a) => -a,
  ceil: Math.ceil,
  floor: Math.floor,
  trunc: Math.trunc,
  nearest,
  sqrt: Math.sqrt,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: Math.min,
  max: Math.max,
  copysign: (a, b) => (b < 0 || Object.is(b, -0) ? -Math.abs(a) : Math.abs(a)),
};

const floatComparisons: Record<string, (a: number, b: number) => boolean> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  gt: (a, b) => a > b,
  le: (a, b) => a <= b,
  ge: (a, b) => a >= b,
};

/** A 64-bit integer rounded once to binary32: halves that the first rounding to binary64 could hide become a sticky bit. */
function toSingle(value: bigint): number {
  const magnitude = value < 0n ? -value : value;
  const shift = BigInt(Math.max(0, magnitude.toString(2).length - 50));
  const kept = magnitude >> shift;
  const sticky = kept << shift === magnitude ? kept : kept | 1n;
  const rounded = Math.fround(Number(sticky)) * 2 ** Number(shift);
  return value < 0n ? -rounded : rounded;
}

function evaluateFloat(operation: string, bits: Bits, a: bigint, b: bigint): bigint | undefined {
  const left = () => bitsToNumber(a, bits);
  const right = () => bitsToNumber(b, bits);
  const result = floatResults[operation];
  if (result) return numberToBits(result(left(), right()), bits);
  const comparison = floatComparisons[operation];
  if (comparison) return truth(comparison(left(), right()));
  if (operation.startsWith('reinterpret')) return a;
  if (operation === 'promote_f32') return numberToBits(bitsToNumber(a, 32), 64);
  if (operation === 'demote_f64') return numberToBits(bitsToNumber(a, 64), 32);
  const conversion = /^convert_i(32|64)_([su])$/.exec(operation);
  if (!conversion) return undefined;
  const value = conversion[2] === 's' ? signed(a, Number(conversion[1])) : a;
  return numberToBits(bits === 32 ? toSingle(value) : Number(value), bits);
}

/**
 * Evaluates one scalar instruction.
 * @param name its WebAssembly name, `i64.add`
 * @returns the bits of the result, of the operator's type
 */
export function evaluateScalar(name: string, operands: readonly bigint[]): bigint {
  const [a = 0n, b = 0n] = operands;
  const [type = '', operation = ''] = name.split('.');
  const bits: Bits = type.endsWith('32') ? 32 : 64;
  const truncation = /^trunc_sat_f(32|64)_([su])$/.exec(operation);
  if (truncation) {
    const value = saturatingTruncation(bitsToNumber(a, Number(truncation[1])), bits, truncation[2] === 's');
    return BigInt.asUintN(bits, value);
  }
  if (type.startsWith('i')) {
    const operate = integer[operation];
    if (operate) return BigInt.asUintN(bits, operate(a, b, bits));
  }
  const result = evaluateFloat(operation, bits, a, b);
  if (result === undefined) throw new Error(`no scalar instruction ${name}`);
  return result;
}
