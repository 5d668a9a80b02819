import { expect, it } from 'vitest';
import { assemble } from '../../src/compiler/x64/assembler.ts';
import { MxcsrReset, PrecisionFlag } from '../../src/cpu/floating-point/mxcsr.ts';
import { XMM } from '../../src/cpu/layout.ts';
import { emptyBus, longModeCpu } from './long-mode.ts';

/** Exact while it adds integers, so that it neither needs PE nor sets it. */
const LOOP = assemble(
  `
  again:
    addsd xmm0, xmm1
    mulsd xmm2, xmm1
    add rax, 1
    jmp again`,
  64,
);
const ONE = 0x3ff0000000000000n;
/** Enough for translated code to be looked over. */
const LONG = 12_000_000;

it('translates a loop anew once the inexact flag is set, which it stays, with the same results', () => {
  const create = (engine: 'interpreter' | 'auto') => {
    const cpu = longModeCpu([...LOOP.bytes], emptyBus, 8 << 20, { engine, translator: { batch: 1 } });
    for (const register of [1, 2]) cpu.state.u64[(XMM >> 3) + 2 * register] = ONE;
    return cpu;
  };
  const [reference, candidate] = [create('interpreter'), create('auto')];
  const { statistics } = candidate.translator!;
  const runWith = (mxcsr: number) => {
    const before = statistics.regions;
    for (const cpu of [reference, candidate]) {
      cpu.state.set('mxcsr', mxcsr);
      cpu.run(cpu.instructionCount + LONG);
    }
    const [expected, actual] = [reference, candidate].map(({ state, instructionCount }) =>
      [instructionCount, state.rip, state.gpr(0), state.get('mxcsr'), state.u64[XMM >> 3]].join(' '),
    );
    expect(actual).toBe(expected);
    return statistics.regions - before;
  };
  expect(runWith(MxcsrReset)).toBeGreaterThan(0);
  expect(runWith(MxcsrReset)).toBe(0);
  expect(runWith(MxcsrReset | PrecisionFlag)).toBe(1);
  expect(runWith(MxcsrReset | PrecisionFlag)).toBe(0);
});
