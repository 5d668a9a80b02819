import { describe, expect, it } from 'vitest';
import { add, divide, multiply, squareRoot } from '../../src/cpu/x87/arithmetic.ts';
import {
  loadDecimal,
  loadInteger,
  loadReal,
  storeDecimal,
  storeInteger,
  storeReal,
} from '../../src/cpu/x87/conversion.ts';
import { Environment } from '../../src/cpu/x87/environment.ts';
import { type Extended, INDEFINITE, kindOf } from '../../src/cpu/x87/extended.ts';
import { arcTangentOf, constant, constants, cosine, logarithm, sine } from '../../src/cpu/x87/transcendental.ts';
import { Place, SystemFixture } from './system-fixture.ts';

const NEAREST_64 = 0x37f;
const NEAREST_53 = 0x27f;

function fromNumber(value: number): Extended {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return loadReal(new Environment(NEAREST_64), view.getBigUint64(0), 64);
}

function toNumber(value: Extended): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, storeReal(new Environment(NEAREST_64), value, 64) as bigint);
  return view.getFloat64(0);
}

describe('80-bit arithmetic', () => {
  const numbers = [0, -0, 1, -1, 1.5, 3, 1e300, -1e-300, 2 ** -1074, Number.MAX_VALUE, 0.1, Infinity, -Infinity, NaN];

  it('with 53-bit precision gives what doubles give, where the range is no matter', () => {
    const ordinary = [1, -1, 1.5, 3, 0.1, 1 / 3, 12345.678, -9.87e20, 2 ** 52 + 1];
    for (const a of ordinary) {
      for (const b of ordinary) {
        const env = new Environment(NEAREST_53);
        expect(toNumber(add(env, fromNumber(a), fromNumber(b)))).toBe(a + b);
        expect(toNumber(multiply(env, fromNumber(a), fromNumber(b)))).toBe(a * b);
        expect(toNumber(divide(env, fromNumber(a), fromNumber(b)))).toBe(a / b);
      }
      if (a > 0) expect(toNumber(squareRoot(new Environment(NEAREST_53), fromNumber(a)))).toBe(Math.sqrt(a));
    }
  });

  it('doubles survive widening and narrowing', () => {
    for (const number of numbers) expect(toNumber(fromNumber(number))).toBe(number);
  });

  it('1/3 has 64 correct bits and C1 tells the rounding', () => {
    const env = new Environment(NEAREST_64);
    const third = divide(env, fromNumber(1), fromNumber(3));
    expect(third).toEqual({ negative: false, exponent: 16381, significand: 0xaaaa_aaaa_aaaa_aaabn });
    expect([env.flags, env.roundedUp]).toEqual([0x20, true]);
  });

  it('invalid operations give the indefinite', () => {
    for (const operation of [
      (env: Environment) => add(env, fromNumber(Infinity), fromNumber(-Infinity)),
      (env: Environment) => multiply(env, fromNumber(0), fromNumber(Infinity)),
      (env: Environment) => divide(env, fromNumber(0), fromNumber(0)),
      (env: Environment) => squareRoot(env, fromNumber(-1)),
    ]) {
      const env = new Environment(NEAREST_64);
      expect(operation(env)).toEqual(INDEFINITE);
      expect(env.flags).toBe(1);
    }
  });

  it('division by zero gives a signed infinity and #Z', () => {
    const env = new Environment(NEAREST_64);
    expect(toNumber(divide(env, fromNumber(-1), fromNumber(0)))).toBe(-Infinity);
    expect(env.flags).toBe(4);
  });
});

describe('conversions', () => {
  it('integers round as told and saturate to the indefinite', () => {
    const store = (value: number, width: 16 | 32 | 64, rounding = 0) => {
      const env = new Environment(NEAREST_64);
      return [BigInt.asIntN(width, storeInteger(env, fromNumber(value), width, rounding)), env.flags];
    };
    expect(store(2.5, 32)).toEqual([2n, 0x20]);
    expect(store(-2.5, 32, 3)).toEqual([-2n, 0x20]);
    expect(store(-32768, 16)).toEqual([-32768n, 0]);
    expect(store(32768, 16)).toEqual([-32768n, 1]);
    expect(store(2 ** 63, 64)).toEqual([-(2n ** 63n), 1]);
    expect(toNumber(loadInteger(0x8000n, 16))).toBe(-32768);
  });

  it('packed decimal has 18 digits and a sign', () => {
    const env = new Environment(NEAREST_64);
    expect(toNumber(loadDecimal((1n << 79n) | 0x1234n))).toBe(-1234);
    expect(storeDecimal(env, fromNumber(-987654))).toBe((1n << 79n) | 0x987654n);
    expect(storeDecimal(env, fromNumber(1e18)) >> 64n).toBe(0xffffn);
  });
});

describe('transcendental functions', () => {
  it('constants are pi, log2 10, log2 e, log10 2, ln 2', () => {
    const values = (['FLDPI', 'FLDL2T', 'FLDL2E', 'FLDLG2', 'FLDLN2'] as const).map((name) =>
      toNumber(constant(new Environment(NEAREST_64), constants[name])),
    );
    expect(values).toEqual([Math.PI, Math.log2(10), Math.LOG2E, Math.log10(2), Math.LN2]);
    expect(constant(new Environment(NEAREST_64), constants.FLDPI).significand).toBe(0xc90f_daa2_2168_c235n);
  });

  it('agree with doubles to their precision', () => {
    for (const x of [0.5, 1, 2, 10, 100.25, -3.75, 1e-8]) {
      const env = new Environment(NEAREST_64);
      expect(toNumber(sine(env, fromNumber(x)))).toBeCloseTo(Math.sin(x), 15);
      expect(toNumber(cosine(env, fromNumber(x)))).toBeCloseTo(Math.cos(x), 15);
      expect(toNumber(arcTangentOf(env, fromNumber(x), fromNumber(-2)))).toBeCloseTo(Math.atan2(x, -2), 14);
      if (x > 0) expect(toNumber(logarithm(env, fromNumber(x), fromNumber(1)))).toBeCloseTo(Math.log2(x), 14);
    }
  });
});

describe('the register stack', () => {
  const run = (fixture: SystemFixture, ...codes: number[][]) => {
    for (const code of codes) {
      fixture.state.setGpr(0, BigInt(Place.DATA));
      expect(fixture.execute(...code)).toBeUndefined();
    }
  };
  const FNINIT = [0xdb, 0xe3];
  const FLD1 = [0xd9, 0xe8];
  const FLDPI = [0xd9, 0xeb];

  it('pushes, adds and pops', () => {
    const fixture = new SystemFixture();
    run(fixture, FNINIT, FLD1, FLD1, [0xde, 0xc1], [0xdd, 0x18]); // faddp; fstp qword [rax]
    expect(fixture.read64(Place.DATA)).toBe(0x4000_0000_0000_0000n);
    expect(fixture.state.get('x87Tag')).toBe(0);
  });

  it('FNSTENV writes the full tag word and masks exceptions; FLDENV brings it back', () => {
    const fixture = new SystemFixture();
    run(fixture, FNINIT, FLDPI, [0xd9, 0xee], FLD1); // fldz
    fixture.state.set('x87Control', 0x340);
    run(fixture, [0xd9, 0x30]); // fnstenv [rax]
    expect(fixture.read32(Place.DATA)).toBe(0xffff_0340);
    expect(fixture.read32(Place.DATA + 4)).toBe(0xffff_2800);
    expect(fixture.read32(Place.DATA + 8)).toBe(0xffff_13ff);
    expect(fixture.read32(Place.DATA + 12)).toBe(Place.CODE + 6);
    expect(fixture.read32(Place.DATA + 16)).toBe(0x1e8 << 16);
    expect(fixture.state.get('x87Control')).toBe(0x37f);
    run(fixture, FNINIT, [0xd9, 0x20]); // fldenv [rax]
    expect([fixture.state.get('x87Control'), fixture.state.get('x87Status'), fixture.state.get('x87Tag')]).toEqual([
      0x340, 0x2800, 0xe0,
    ]);
  });

  it('FRSTOR brings back what FNSAVE wrote, after which the stack is empty', () => {
    const fixture = new SystemFixture();
    run(fixture, FNINIT, FLDPI, [0xdd, 0x30]); // fnsave [rax]
    expect(fixture.state.get('x87Tag')).toBe(0);
    run(fixture, [0xdd, 0x20], [0xdb, 0x38]); // frstor [rax]; fstp tbyte [rax]
    expect(fixture.read64(Place.DATA)).toBe(0xc90f_daa2_2168_c235n);
  });

  it('an unmasked exception waits for the next instruction, which raises #MF', () => {
    const fixture = new SystemFixture();
    run(fixture, FNINIT);
    fixture.state.set('x87Control', 0x37b);
    run(fixture, FLD1, [0xd9, 0xee], [0xd8, 0xf9]); // fldz; fdivr st0, st1: 1/0
    expect(fixture.state.get('x87Status') & 0x8084).toBe(0x8084);
    expect(fixture.execute(...FLD1)).toEqual({ vector: 16, errorCode: undefined });
    expect(fixture.execute(0xdf, 0xe0)).toBeUndefined(); // fnstsw ax does not wait
  });

  it('CR0.TS keeps arithmetic out', () => {
    const fixture = new SystemFixture();
    fixture.state.set('cr0', fixture.state.get('cr0') | 8);
    expect(fixture.execute(...FLD1)).toEqual({ vector: 7, errorCode: undefined });
  });

  it('classifies what it loads', () => {
    expect(kindOf(fromNumber(0))).toBe('zero');
    expect(kindOf(fromNumber(NaN))).toBe('quiet');
    expect(kindOf(fromNumber(2 ** -1074))).toBe('normal');
  });
});
