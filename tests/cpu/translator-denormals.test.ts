import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/compiler/x64/assembler.ts';
import type { Cpu, CpuOptions } from '../../src/cpu/cpu.ts';
import { DenormalFlag, MxcsrReset, PrecisionFlag } from '../../src/cpu/floating-point/mxcsr.ts';
import { XMM } from '../../src/cpu/layout.ts';
import { emptyBus, longModeCpu } from './long-mode.ts';

const ROUNDS = 500;
const ONE = 0x3ff0000000000000n;
/** 2^1000: times a denormal, an ordinary number. */
const HUGE = 0x7e70000000000000n;
const DENORMAL = 0x0000000000000123n;

/** A loop within a loop that looks at XMM1 to XMM3 in every round, and uses XMM4 as bits only. */
const LOOP = assemble(
  `
    mov edx, 4
  outer:
    mov ecx, ${ROUNDS}
  inner:
    movapd xmm0, xmm1
    mulpd xmm0, xmm2
    addsd xmm3, xmm0
    andpd xmm0, xmm4
    pxor xmm5, xmm0
    sub ecx, 1
    jne inner
    sub edx, 1
    jne outer
    hlt`,
  64,
);

function processor(
  vectors: readonly (readonly [bigint, bigint])[],
  options: Pick<CpuOptions, 'engine' | 'translator'>,
) {
  const cpu = longModeCpu([...LOOP.bytes], emptyBus, 8 << 20, options);
  vectors.forEach(([low, high], register) => {
    cpu.state.u64[(XMM >> 3) + 2 * register] = low;
    cpu.state.u64[(XMM >> 3) + 2 * register + 1] = high;
  });
  cpu.state.set('mxcsr', MxcsrReset | PrecisionFlag);
  return cpu;
}

const stateOf = ({ state, instructionCount }: Cpu): string =>
  [instructionCount, state.rip, state.get('mxcsr'), ...state.u64.subarray(XMM >> 3, (XMM >> 3) + 12)].join(' ');

/** What both engines come to, compared every so many instructions. @returns the translator */
function compare(vectors: readonly (readonly [bigint, bigint])[]): Cpu {
  const reference = processor(vectors, { engine: 'interpreter' });
  const candidate = processor(vectors, { engine: 'translator' });
  for (let until = 0; ; until += 997) {
    const reasons = [reference, candidate].map((cpu) => cpu.run(until).reason);
    expect([reasons[1], stateOf(candidate)]).toEqual([reasons[0], stateOf(reference)]);
    if (reasons[0] !== 'budget') return candidate;
  }
}

const interpretedIn = (cpu: Cpu): number =>
  cpu
    .translator!.exits(100)
    .filter(({ kind, instruction }) => kind === 'interpreted' && instruction !== 'HLT')
    .reduce((sum, { count }) => sum + count, 0);

const zero = [0n, 0n] as const;
const ones = [ONE, ONE] as const;

describe('what a loop looks at in every round', () => {
  it('is looked at on the way in: zeros and ordinary numbers', () => {
    expect(interpretedIn(compare([zero, ones, ones, zero, ones, zero]))).toBe(0);
  });

  it.each([
    ['an operand of the loop', [zero, [DENORMAL, ONE], [HUGE, HUGE], zero, ones, zero]],
    ['its upper half', [zero, [HUGE, HUGE], [ONE, DENORMAL], zero, ones, zero]],
    ['what it adds to', [zero, zero, ones, [DENORMAL, 0n], ones, zero]],
  ] as const)('may be a denormal, which raises DE once: %s', (_what, vectors) => {
    const cpu = compare(vectors);
    expect(cpu.state.get('mxcsr') & DenormalFlag).toBe(DenormalFlag);
    expect(interpretedIn(cpu)).toBeLessThan(20);
  });

  it('is no concern where bits are all that is used', () => {
    const cpu = compare([zero, ones, ones, zero, [DENORMAL, DENORMAL], [DENORMAL, 0n]]);
    expect(cpu.state.get('mxcsr') & DenormalFlag).toBe(0);
    expect(interpretedIn(cpu)).toBe(0);
  });

  it('is no concern where nothing is computed with it', () => {
    const cpu = compare([zero, ones, ones, [0n, DENORMAL], ones, zero]);
    expect(cpu.state.get('mxcsr') & DenormalFlag).toBe(0);
    expect(interpretedIn(cpu)).toBe(0);
  });
});
