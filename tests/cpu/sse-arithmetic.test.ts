import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { add, divide, multiply, squareRoot, subtract } from '../../src/cpu/floating-point/arithmetic.ts';
import { compare, maximum, minimum, type Ordering } from '../../src/cpu/floating-point/compare.ts';
import { convertFormat, fromInteger, toInteger } from '../../src/cpu/floating-point/convert.ts';
import { binary32, binary64, type FloatFormat } from '../../src/cpu/floating-point/format.ts';
import {
  DenormalFlag,
  FloatStatus,
  InvalidFlag,
  MxcsrReset,
  PrecisionFlag,
  RoundTowardZero,
  ZeroDivideFlag,
} from '../../src/cpu/floating-point/mxcsr.ts';

/** ZF, PF, CF as UCOMISS leaves them. */
const orderingFlags: Record<Ordering, bigint> = { less: 0x01n, equal: 0x40n, greater: 0n, unordered: 0x45n };

type Operation = (format: FloatFormat, status: FloatStatus, a: bigint, b: bigint) => bigint;

const operations: Record<string, Operation> = {
  add,
  subtract,
  multiply,
  divide,
  minimum,
  maximum,
  squareRoot: (format, status, a) => squareRoot(format, status, a),
  compareQuiet: (format, status, a, b) => orderingFlags[compare(format, status, a, b, false)],
  compareSignalling: (format, status, a, b) => orderingFlags[compare(format, status, a, b, true)],
  toInt32: (format, status, a) => toInteger(format, status, a, 32, status.rounding),
  toInt64: (format, status, a) => toInteger(format, status, a, 64, status.rounding),
  truncateToInt32: (format, status, a) => toInteger(format, status, a, 32, RoundTowardZero),
  truncateToInt64: (format, status, a) => toInteger(format, status, a, 64, RoundTowardZero),
  convert: (format, status, a) => convertFormat(format, format === binary32 ? binary64 : binary32, status, a),
  fromInt32: (format, status, _a, b) => fromInteger(format, status, BigInt.asIntN(32, b)),
  fromInt64: (format, status, _a, b) => fromInteger(format, status, BigInt.asIntN(64, b)),
};

const view = new DataView(new ArrayBuffer(8));

function toNumber(format: FloatFormat, bits: bigint): number {
  if (format === binary32) {
    view.setUint32(0, Number(bits));
    return view.getFloat32(0);
  }
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}

function toBits(format: FloatFormat, value: number): bigint {
  if (format === binary32) {
    view.setFloat32(0, value);
    return BigInt(view.getUint32(0));
  }
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}

/** xorshift64*: the same cases in every run. */
function randomBits(seed: bigint): () => bigint {
  let state = seed;
  return () => {
    state ^= BigInt.asUintN(64, state << 13n);
    state ^= state >> 7n;
    state ^= BigInt.asUintN(64, state << 17n);
    return BigInt.asUintN(64, state * 0x2545f4914f6cdd1dn);
  };
}

describe('arithmetic as recorded from a processor', () => {
  const lines = readFileSync(join(import.meta.dirname, 'sse-arithmetic-cases.txt'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

  it('has cases of every operation', () => {
    expect(new Set(lines.map((line) => line.split(' ')[1]))).toEqual(new Set(Object.keys(operations)));
  });

  it('gives the same result and raises the same flags, masked and unmasked, in every rounding mode', () => {
    const wrong = lines.filter((line) => {
      const [width, name, mxcsr, a, b, result, flags] = line.split(' ') as string[];
      const status = new FloatStatus(Number.parseInt(mxcsr!, 16));
      const format = width === '32' ? binary32 : binary64;
      const got = operations[name!]!(format, status, BigInt(`0x${a}`), BigInt(`0x${b}`));
      const stopped = status.unmasked !== 0;
      return (
        status.reported !== Number.parseInt(flags!, 16) ||
        stopped !== (result === '-') ||
        (!stopped && got !== BigInt(`0x${result}`))
      );
    });
    expect(wrong).toEqual([]);
  });
});

describe('arithmetic rounded to nearest agrees with the host language', () => {
  const host: [string, (a: number, b: number) => number][] = [
    ['add', (a, b) => a + b],
    ['subtract', (a, b) => a - b],
    ['multiply', (a, b) => a * b],
    ['divide', (a, b) => a / b],
    ['squareRoot', (a) => Math.sqrt(a)],
  ];
  for (const format of [binary32, binary64]) {
    for (const [name, operate] of host) {
      it(`${name} in binary${format.width}`, () => {
        const random = randomBits(0x9e3779b97f4a7c15n);
        for (let i = 0; i < 4000; i++) {
          const a = BigInt.asUintN(format.width, random());
          // Half of the pairs are near each other in magnitude, where sums cancel and round.
          const near = i % 2 === 0 ? random() & (format.fractionMask * 4n + 3n) : random();
          const b = BigInt.asUintN(format.width, a ^ near);
          const expected = operate(toNumber(format, a), toNumber(format, b));
          const got = operations[name]!(format, new FloatStatus(MxcsrReset), a, b);
          if (Number.isNaN(expected)) expect(toNumber(format, got)).toBeNaN();
          else expect(got, `${name} ${a.toString(16)} ${b.toString(16)}`).toBe(toBits(format, expected));
        }
      });
    }
  }
});

describe('exceptions', () => {
  const one = 0x3f800000n;
  const smallest = 1n;

  it('division of a denormal by zero reports the division only', () => {
    const status = new FloatStatus(MxcsrReset);
    expect(divide(binary32, status, smallest, 0n)).toBe(binary32.infinity);
    expect(status.flags).toBe(ZeroDivideFlag);
  });

  it('a denormal operand is zero under DAZ, and raises nothing', () => {
    const status = new FloatStatus(MxcsrReset | 0x40);
    expect(add(binary32, status, smallest, one)).toBe(one);
    expect(status.flags).toBe(0);
  });

  it('an unmasked exception found before computing hides the flags of the other elements', () => {
    const status = new FloatStatus(MxcsrReset & ~(DenormalFlag << 7));
    add(binary32, status, one, 0x33000000n);
    expect(status.reported).toBe(PrecisionFlag);
    add(binary32, status, one, smallest);
    expect(status.unmasked).toBe(DenormalFlag);
    expect(status.reported).toBe(DenormalFlag);
  });

  it('the first NaN operand is the result, made quiet', () => {
    const status = new FloatStatus(MxcsrReset);
    expect(add(binary32, status, 0xffc12345n, 0x7f812345n)).toBe(0xffc12345n);
    expect(status.flags).toBe(InvalidFlag);
    expect(add(binary32, status, one, 0x7f812345n)).toBe(0x7fc12345n);
  });

  it('what does not fit an integer is the integer indefinite', () => {
    const status = new FloatStatus(MxcsrReset);
    expect(toInteger(binary64, status, toBits(binary64, 2 ** 31), 32, RoundTowardZero)).toBe(0x80000000n);
    expect(status.flags).toBe(InvalidFlag);
  });
});
