import { add, divide, multiply, squareRoot, subtract } from './arithmetic.ts';
import { compare, maximum, minimum, type Ordering } from './compare.ts';
import { convertFormat, fromInteger, toInteger } from './convert.ts';
import { binary32, binary64, type FloatFormat } from './format.ts';
import { type FloatStatus, RoundTowardZero } from './mxcsr.ts';

/**
 * One SSE or SSE2 instruction on operand values, exactly: every element, its flags raised in `status`.
 * @param destination the destination register's 128 bits before; what the instruction leaves alone comes from here
 * @param source the source operand's bits (only as many as the instruction reads need be valid)
 * @param detail the immediate of CMPPS; the width, 32 or 64, of the integer of CVTSI2SS and CVTSS2SI
 * @returns the destination after: 128 bits; `detail` bits for an integer register; CF, PF, ZF in place for COMISS
 */
export type ExactInstruction = (status: FloatStatus, destination: bigint, source: bigint, detail: number) => bigint;

type ElementOperation = (format: FloatFormat, status: FloatStatus, a: bigint, b: bigint) => bigint;

function element(value: bigint, index: number, width: number): bigint {
  return BigInt.asUintN(width, value >> BigInt(index * width));
}

/** Replaces the low `width` bits of a register. */
function merge(destination: bigint, low: bigint, width: number): bigint {
  return ((destination >> BigInt(width)) << BigInt(width)) | low;
}

/** Applies an operation to each of the low elements; the register's other elements stay. */
function elementwise(format: FloatFormat, count: number, operate: ElementOperation): ExactInstruction {
  const { width } = format;
  return (status, destination, source) => {
    let low = 0n;
    for (let i = 0; i < count; i++) {
      const result = operate(format, status, element(destination, i, width), element(source, i, width));
      low |= result << BigInt(i * width);
    }
    return merge(destination, low, count * width);
  };
}

/** SDM vol. 2, CMPPD table 3-1: predicates 4 to 7 negate 0 to 3. LT and LE and their negations signal quiet NaNs. */
const predicates: readonly ((ordering: Ordering) => boolean)[] = [
  (ordering) => ordering === 'equal',
  (ordering) => ordering === 'less',
  (ordering) => ordering === 'less' || ordering === 'equal',
  (ordering) => ordering === 'unordered',
];

function comparePredicate(format: FloatFormat, count: number): ExactInstruction {
  return (status, destination, source, predicate) => {
    const signalling = (predicate & 3) === 1 || (predicate & 3) === 2;
    const ones = (1n << BigInt(format.width)) - 1n;
    const operate: ElementOperation = (_format, _status, a, b) => {
      const holds = predicates[predicate & 3]!(compare(format, status, a, b, signalling));
      return holds !== ((predicate & 4) !== 0) ? ones : 0n;
    };
    return elementwise(format, count, operate)(status, destination, source, 0);
  };
}

const orderingFlags: Record<Ordering, bigint> = { less: 0x01n, equal: 0x40n, greater: 0n, unordered: 0x45n };

function compareToFlags(format: FloatFormat, signalling: boolean): ExactInstruction {
  return (status, destination, source) =>
    orderingFlags[
      compare(format, status, element(destination, 0, format.width), element(source, 0, format.width), signalling)
    ];
}

/**
 * Converts each of `count` elements.
 * @param whole whether the bits above the result become zero (packed forms) or stay (scalar forms)
 */
function convertElements(
  fromWidth: number,
  toWidth: number,
  count: number,
  whole: boolean,
  convert: (status: FloatStatus, value: bigint) => bigint,
): ExactInstruction {
  return (status, destination, source) => {
    let low = 0n;
    for (let i = 0; i < count; i++) low |= convert(status, element(source, i, fromWidth)) << BigInt(i * toWidth);
    return whole ? low : merge(destination, low, count * toWidth);
  };
}

function floatToFloat(from: FloatFormat, to: FloatFormat, count: number, whole: boolean): ExactInstruction {
  return convertElements(from.width, to.width, count, whole, (status, value) => convertFormat(from, to, status, value));
}

function integersToFloat(to: FloatFormat, count: number, whole: boolean): ExactInstruction {
  return convertElements(32, to.width, count, whole, (status, value) =>
    fromInteger(to, status, BigInt.asIntN(32, value)),
  );
}

function floatToIntegers(from: FloatFormat, count: number, truncate: boolean): ExactInstruction {
  return convertElements(from.width, 32, count, true, (status, value) =>
    toInteger(from, status, value, 32, truncate ? RoundTowardZero : status.rounding),
  );
}

function registerToFloat(to: FloatFormat): ExactInstruction {
  return (status, destination, source, width) =>
    merge(destination, fromInteger(to, status, BigInt.asIntN(width, source)), to.width);
}

function floatToRegister(from: FloatFormat, truncate: boolean): ExactInstruction {
  return (status, _destination, source, width) =>
    toInteger(
      from,
      status,
      element(source, 0, from.width),
      width === 64 ? 64 : 32,
      truncate ? RoundTowardZero : status.rounding,
    );
}

const arithmetic: Record<string, ElementOperation> = {
  ADD: add,
  SUB: subtract,
  MUL: multiply,
  DIV: divide,
  MIN: minimum,
  MAX: maximum,
  SQRT: (format, status, _destination, source) => squareRoot(format, status, source),
};

const shapes: readonly (readonly [suffix: string, format: FloatFormat, count: number])[] = [
  ['PS', binary32, 4],
  ['PD', binary64, 2],
  ['SS', binary32, 1],
  ['SD', binary64, 1],
];

/** Every SSE and SSE2 instruction that can raise a floating-point exception, by mnemonic. */
export const exactInstructions: ReadonlyMap<string, ExactInstruction> = new Map<string, ExactInstruction>([
  ...shapes.flatMap(([suffix, format, count]): [string, ExactInstruction][] => [
    ...Object.entries(arithmetic).map(([name, operate]): [string, ExactInstruction] => [
      name + suffix,
      elementwise(format, count, operate),
    ]),
    [`CMP${suffix}`, comparePredicate(format, count)],
  ]),
  ['COMISS', compareToFlags(binary32, true)],
  ['COMISD', compareToFlags(binary64, true)],
  ['UCOMISS', compareToFlags(binary32, false)],
  ['UCOMISD', compareToFlags(binary64, false)],
  ['CVTPS2PD', floatToFloat(binary32, binary64, 2, true)],
  ['CVTPD2PS', floatToFloat(binary64, binary32, 2, true)],
  ['CVTSS2SD', floatToFloat(binary32, binary64, 1, false)],
  ['CVTSD2SS', floatToFloat(binary64, binary32, 1, false)],
  ['CVTDQ2PS', integersToFloat(binary32, 4, true)],
  ['CVTPI2PS', integersToFloat(binary32, 2, false)],
  ['CVTPS2DQ', floatToIntegers(binary32, 4, false)],
  ['CVTTPS2DQ', floatToIntegers(binary32, 4, true)],
  ['CVTPD2DQ', floatToIntegers(binary64, 2, false)],
  ['CVTTPD2DQ', floatToIntegers(binary64, 2, true)],
  ['CVTPS2PI', floatToIntegers(binary32, 2, false)],
  ['CVTTPS2PI', floatToIntegers(binary32, 2, true)],
  ['CVTPD2PI', floatToIntegers(binary64, 2, false)],
  ['CVTTPD2PI', floatToIntegers(binary64, 2, true)],
  ['CVTSI2SS', registerToFloat(binary32)],
  ['CVTSI2SD', registerToFloat(binary64)],
  ['CVTSS2SI', floatToRegister(binary32, false)],
  ['CVTTSS2SI', floatToRegister(binary32, true)],
  ['CVTSD2SI', floatToRegister(binary64, false)],
  ['CVTTSD2SI', floatToRegister(binary64, true)],
]);
