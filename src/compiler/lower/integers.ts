import type ts from 'typescript';
import {
  exactly,
  hull,
  INT32,
  INT64,
  type Interval,
  interval,
  isConstant,
  ofWidth,
  ranges,
  SAFE,
  UINT32,
  UINT64,
  within,
} from '../frontend/interval.ts';
import type { IntegerType, PlainType } from '../frontend/types.ts';
import type { BinaryOperator, Condition, Register, Type } from '../ir/module.ts';
import { bareQuotient, inexact, mixedSigns, shiftCount, unwrappedOperand } from '../rules/widths.ts';
import type { FunctionLowering } from './function.ts';
import type { IntegerExpression, IntegerValue } from './values.ts';

export const registerType = (bits: number): Type => `i${bits}` as Type;

export const constant = (value: bigint): IntegerExpression => ({ op: 'constant', range: exactly(value) });
export const held = (register: Register, bits: number, range: Interval): IntegerExpression => ({
  op: 'register',
  register,
  bits,
  range,
});

const shiftLeft = (lowering: FunctionLowering, e: IntegerExpression & { op: 'shl' }, bits: number): Register => {
  const { builder } = lowering;
  const { low, high } = e.right.range;
  const narrow = low === high && low >= 0n && low < BigInt(bits);
  const width = narrow ? bits : e.int32 ? 32 : 64;
  if (width < bits) return resized(lowering, materialise(lowering, e, width), width, bits, e.range);
  const count = materialise(lowering, e.right, width);
  const result = builder.binary('shl', materialise(lowering, e.left, width), count);
  return width > bits ? builder.convert('truncate', registerType(bits), result) : result;
};

/** Widens or narrows a register that holds a value of the given range. */
function resized(lowering: FunctionLowering, register: Register, from: number, to: number, range: Interval): Register {
  if (from === to) return register;
  const operation = from > to ? 'truncate' : range.low >= 0n ? 'zeroExtend' : 'signExtend';
  return lowering.builder.convert(operation, registerType(to), register);
}

/** Emits the expression's value modulo 2^bits into a register of that width. */
export function materialise(lowering: FunctionLowering, e: IntegerExpression, bits: number): Register {
  const { builder } = lowering;
  switch (e.op) {
    case 'constant':
      return builder.const(registerType(bits), BigInt.asUintN(bits, e.range.low));
    case 'register':
      return resized(lowering, e.register, e.bits, bits, e.range);
    case 'wrap':
      return materialiseWrap(lowering, e, bits);
    case 'quotient':
    case 'remainder': {
      const divided = divide(lowering, e.left, e.right, e.op === 'quotient' ? 'div' : 'rem', 'zero', null);
      return materialise(lowering, divided, bits);
    }
    default:
      break;
  }
  if (isConstant(e.range)) return builder.const(registerType(bits), BigInt.asUintN(bits, e.range.low));
  if (bits === 64 && (e.int32 || computedIn32(e))) {
    return resized(lowering, materialise(lowering, e, 32), 32, 64, e.range);
  }
  if ('operand' in e) return builder.unary(e.op, materialise(lowering, e.operand, bits));
  if (e.op === 'shl') return shiftLeft(lowering, e, bits);
  const left = materialise(lowering, e.left, bits);
  return builder.binary(e.op, left, materialise(lowering, e.right, bits));
}

const fits32 = (range: Interval): boolean => within(range, UINT32) || within(range, INT32);

/** Whether a 64-bit result can be had from a 32-bit operation and one extension. */
function computedIn32(e: IntegerExpression): boolean {
  if (!fits32(e.range)) return false;
  if (e.op === 'register') return e.bits <= 32;
  if (e.op === 'constant') return true;
  if (e.op === 'wrap') return e.bits <= 32;
  if (e.op === 'quotient' || e.op === 'remainder') return false;
  if ('operand' in e) return computedIn32(e.operand);
  return computedIn32(e.left) && computedIn32(e.right);
}

function materialiseWrap(lowering: FunctionLowering, e: IntegerExpression & { op: 'wrap' }, bits: number): Register {
  if (bits <= e.bits || within(e.operand.range, ofWidth(e.bits, e.signed))) {
    return materialise(lowering, e.operand, bits);
  }
  const narrow = materialise(lowering, e.operand, e.bits);
  return lowering.builder.convert(e.signed ? 'signExtend' : 'zeroExtend', registerType(bits), narrow);
}

/** The conversion that a constructor makes. */
export function wrap(e: IntegerExpression, bits: number, signed: boolean): IntegerExpression {
  const target = ofWidth(bits, signed);
  if (e.op !== 'quotient' && e.op !== 'remainder' && within(e.range, target)) return e;
  if (isConstant(e.range) && e.op !== 'quotient' && e.op !== 'remainder') {
    return constant(signed ? BigInt.asIntN(bits, e.range.low) : BigInt.asUintN(bits, e.range.low));
  }
  return { op: 'wrap', operand: e, bits, signed, range: within(e.range, target) ? e.range : target };
}

/** The narrowest width, 32 or 64 bits, at which both ranges are exact; undefined when there is none. */
export function commonWidth(a: Interval, b: Interval): { bits: 32 | 64; signed: boolean } | undefined {
  const both = hull(a, b);
  if (within(both, UINT32)) return { bits: 32, signed: false };
  if (within(both, INT32)) return { bits: 32, signed: true };
  if (within(both, UINT64)) return { bits: 64, signed: false };
  if (within(both, INT64)) return { bits: 64, signed: true };
  return undefined;
}

/** Reports operands that no 64-bit register holds exactly. */
export function exactOperands(
  lowering: FunctionLowering,
  a: IntegerExpression,
  b: IntegerExpression,
  operator: string,
  node: ts.Node,
): { bits: 32 | 64; signed: boolean } {
  integral(lowering, a, node);
  integral(lowering, b, node);
  const width = commonWidth(a.range, b.range);
  if (width !== undefined) return width;
  const single = commonWidth(a.range, a.range) && commonWidth(b.range, b.range);
  lowering.report(single === undefined ? unwrappedOperand(operator) : mixedSigns(operator), node);
  return { bits: 64, signed: false };
}

/** Reports a quotient that no constructor has made an integer of. */
export function integral(lowering: FunctionLowering, e: IntegerExpression, node: ts.Node): void {
  if (e.op === 'quotient') lowering.report(bareQuotient('/'), node);
  if (e.op === 'remainder') lowering.report(bareQuotient('%'), node);
}

type RingOperator = 'add' | 'sub' | 'mul' | 'and' | 'or' | 'xor' | 'shl';

const SIGNS: Readonly<Record<string, string>> = {
  add: '+',
  sub: '-',
  mul: '*',
  and: '&',
  or: '|',
  xor: '^',
  shl: '<<',
};

/** `left operator right` for the operators that wrap alike before and after. */
export function ring(
  lowering: FunctionLowering,
  op: RingOperator,
  left: IntegerExpression,
  right: IntegerExpression,
  big: boolean,
  node: ts.Node,
): IntegerExpression {
  integral(lowering, left, node);
  integral(lowering, right, node);
  const bitwise = op === 'and' || op === 'or' || op === 'xor' || op === 'shl';
  const int32 = bitwise && !big;
  if (op === 'shl' && big && !within(right.range, interval(0n, 63n))) {
    lowering.report(shiftCount(), node);
    return constant(0n);
  }
  const range = int32 ? int32Range(op, left.range, right.range) : ranges[op](left.range, right.range);
  if (!big && !bitwise && !within(range, SAFE)) {
    lowering.report(inexact(SIGNS[op]!), node);
    return constant(0n);
  }
  if (isConstant(range)) return constant(range.low);
  const identity = simplified(op, left, right);
  if (identity !== undefined && within(identity.range, range)) return identity;
  return { op, left, right, int32, range };
}

/** x + 0, x - 0, x * 1, x << 0, x | 0. */
function simplified(
  op: RingOperator,
  left: IntegerExpression,
  right: IntegerExpression,
): IntegerExpression | undefined {
  const neutral = op === 'mul' ? 1n : 0n;
  if (op !== 'and' && isConstant(right.range) && right.range.low === neutral) return left;
  return undefined;
}

/** The range after JavaScript's ToInt32 of both operands and the result. */
function int32Range(op: RingOperator, a: Interval, b: Interval): Interval {
  const left = within(a, INT32) ? a : op === 'and' && a.low >= 0n ? null : INT32;
  const right = within(b, INT32) ? b : op === 'and' && b.low >= 0n ? null : INT32;
  if (op === 'shl') {
    if (left === null || !isConstant(b)) return INT32;
    const shifted = ranges.shl(left, exactly(b.low & 31n));
    return within(shifted, INT32) ? shifted : INT32;
  }
  if (left === null || right === null) {
    const other = left ?? right;
    return other !== null && other.low >= 0n ? interval(0n, other.high) : INT32;
  }
  const range = ranges[op](left, right);
  return within(range, INT32) ? range : INT32;
}

/** `>>` (arithmetic) and, on numbers, `>>>`. */
export function shiftRight(
  lowering: FunctionLowering,
  left: IntegerExpression,
  right: IntegerExpression,
  logical: boolean,
  big: boolean,
  node: ts.Node,
): IntegerExpression {
  if (!big) return shiftRight32(lowering, left, right, logical, node);
  const { bits, signed } = exactOperands(lowering, left, left, '>>', node);
  if (!within(right.range, interval(0n, 63n))) lowering.report(shiftCount(), node);
  const range = ranges.shr(left.range, right.range);
  if (isConstant(range)) return constant(range.low);
  const width = within(right.range, interval(0n, BigInt(bits - 1))) ? bits : 64;
  const op: BinaryOperator = signed ? 'sar' : 'shr';
  const value = materialise(lowering, left, width);
  return held(lowering.builder.binary(op, value, materialise(lowering, right, width)), width, range);
}

function shiftRight32(
  lowering: FunctionLowering,
  left: IntegerExpression,
  right: IntegerExpression,
  logical: boolean,
  node: ts.Node,
): IntegerExpression {
  integral(lowering, left, node);
  integral(lowering, right, node);
  const domain = logical ? UINT32 : INT32;
  const from = within(left.range, domain) ? left.range : domain;
  const count = isConstant(right.range) ? exactly(right.range.low & 31n) : interval(0n, 31n);
  const range = ranges.shr(from, count);
  if (isConstant(range)) return constant(range.low);
  const value = materialise(lowering, left, 32);
  const register = lowering.builder.binary(logical ? 'shr' : 'sar', value, materialise(lowering, right, 32));
  return held(register, 32, range);
}

const powerOfTwo = (range: Interval): bigint | undefined => {
  if (!isConstant(range) || range.low <= 0n || (range.low & (range.low - 1n)) !== 0n) return undefined;
  return BigInt(range.low.toString(2).length - 1);
};

/**
 * Division towards zero or its remainder. A zero divisor gives zero (what a constructor makes of NaN and infinity) or
 * panics (bigints, where Node throws).
 */
export function divide(
  lowering: FunctionLowering,
  left: IntegerExpression,
  right: IntegerExpression,
  kind: 'div' | 'rem',
  onZero: 'zero' | 'panic',
  node: ts.Node | null,
): IntegerExpression {
  const { builder } = lowering;
  const operator = kind === 'div' ? '/' : '%';
  const width =
    node === null ? commonWidth(left.range, right.range) : exactOperands(lowering, left, right, operator, node);
  let { bits, signed } = width ?? { bits: 64 as const, signed: true };
  const range = kind === 'div' ? ranges.div(left.range, right.range) : ranges.rem(left.range, right.range);
  const mayOverflow = (size: number): boolean =>
    signed && right.range.low <= -1n && right.range.high >= -1n && left.range.low <= ofWidth(size, true).low;
  if (bits === 32 && mayOverflow(32)) bits = 64;
  const shift = powerOfTwo(right.range);
  const dividend = materialise(lowering, left, bits);
  if (!signed && shift !== undefined) {
    const operand = builder.const(registerType(bits), kind === 'div' ? shift : right.range.low - 1n);
    return held(builder.binary(kind === 'div' ? 'shr' : 'and', dividend, operand), bits, range);
  }
  const divisor = materialise(lowering, right, bits);
  const result = builder.register(registerType(bits));
  const done = builder.block();
  const zero = right.range.low <= 0n && right.range.high >= 0n;
  if (zero)
    whenEqual(lowering, divisor, 0n, bits, done, onZero, () => {
      builder.copy(result, builder.const(registerType(bits), 0n));
    });
  if (mayOverflow(bits))
    whenEqual(lowering, divisor, -1n, bits, done, 'zero', () => {
      builder.copy(result, kind === 'div' ? builder.unary('neg', dividend) : builder.const(registerType(bits), 0n));
    });
  const name = `${kind}${signed ? 'Signed' : 'Unsigned'}` as BinaryOperator;
  builder.copy(result, builder.binary(name, dividend, divisor));
  builder.jump(done);
  builder.enter(done);
  return held(result, bits, zero && onZero === 'zero' ? hull(range, exactly(0n)) : range);
}

/** Branches off the case in which the divisor has the given value; continues with the others. */
function whenEqual(
  lowering: FunctionLowering,
  divisor: Register,
  value: bigint,
  bits: number,
  done: number,
  action: 'zero' | 'panic',
  emitCase: () => void,
): void {
  const { builder } = lowering;
  const special = builder.block(action === 'panic');
  const normal = builder.block();
  builder.branchCompare('eq', divisor, builder.const(registerType(bits), BigInt.asUintN(bits, value)), special, normal);
  builder.enter(special);
  if (action === 'panic') lowering.panic('division by zero');
  else {
    emitCase();
    builder.jump(done);
  }
  builder.enter(normal);
}

/** Operands of a comparison in registers of one width, with the condition for their signedness. */
export function comparable(
  lowering: FunctionLowering,
  sign: '<' | '<=' | '>' | '>=' | '===' | '!==',
  a: IntegerExpression,
  b: IntegerExpression,
  node: ts.Node,
): { condition: Condition; left: Register; right: Register } {
  const { bits, signed } = exactOperands(lowering, a, b, sign, node);
  const narrow = signed ? undefined : narrowWidth(a, b);
  const width = narrow ?? bits;
  const prefix = signed ? 's' : 'u';
  const conditions: Readonly<Record<string, string>> = { '<': 'lt', '<=': 'le', '>': 'gt', '>=': 'ge' };
  const condition = (sign === '===' ? 'eq' : sign === '!==' ? 'ne' : prefix + conditions[sign]!) as Condition;
  const left = materialise(lowering, a, width);
  return { condition, left, right: materialise(lowering, b, width) };
}

/** Bytes and words in registers of their own width are compared as they are. */
function narrowWidth(a: IntegerExpression, b: IntegerExpression): number | undefined {
  const width = a.op === 'register' ? a.bits : b.op === 'register' ? b.bits : 64;
  if (width >= 32) return undefined;
  const fits = (e: IntegerExpression): boolean =>
    (e.op === 'register' && e.bits === width) || (e.op === 'constant' && within(e.range, ofWidth(width, false)));
  return fits(a) && fits(b) ? width : undefined;
}

export const integerValue = (type: IntegerType | PlainType, expression: IntegerExpression): IntegerValue => ({
  kind: 'integer',
  type,
  expression,
  literal: false,
});

/** The same expression with every variable it reads copied, for use after the variables may have changed. */
export function detached(lowering: FunctionLowering, e: IntegerExpression): IntegerExpression {
  switch (e.op) {
    case 'constant':
      return e;
    case 'register': {
      if (e.variable === undefined) return e;
      const copy = lowering.builder.register(registerType(e.bits));
      lowering.builder.copy(copy, e.register);
      return held(copy, e.bits, e.range);
    }
    case 'neg':
    case 'not':
    case 'wrap':
      return { ...e, operand: detached(lowering, e.operand) };
    default:
      return { ...e, left: detached(lowering, e.left), right: detached(lowering, e.right) };
  }
}
