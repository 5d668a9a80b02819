import { describe, expect, it } from 'vitest';
import { Cpu } from '../../src/cpu/cpu.ts';
import { CODE, DATA, emptyBus, enterLongMode } from './long-mode.ts';
import { Oracle, type Processor } from './oracle.ts';

const HLT = 0xf4;
const IDT = 0x8000;
const GDT = 0x9000;
const HANDLER = 0xa000;
const STACK = CODE - 0x1000;
const TIMER = 0x40;
/** Mapped, but there is no RAM behind it. */
const HOLE = 0x2000_0000;
const PAUSE = 0x1_0000;
const [RCX, RSI, RDI] = [1, 6, 7];

const REP_STOSB = [0xf3, 0xaa];
const REP_MOVSB = [0xf3, 0xa4];
const REP_OUTSB = [0xf3, 0x6e];
const STI = 0xfb;

const processors = [
  ['interpreter', (options) => new Cpu({ ...options, engine: 'interpreter' })],
  ['translator', (options) => new Cpu({ ...options, engine: 'translator' })],
  ['oracle', (options) => new Oracle(options)],
] as const satisfies readonly (readonly [string, (options: ConstructorParameters<typeof Oracle>[0]) => Processor])[];

/** A processor at the code, followed by HLT, with an interrupt of vector TIMER, whose handler halts, from a count of instructions on. */
function prepared(
  create: (typeof processors)[number][1],
  code: readonly number[],
  alarm: number,
  registers: Record<number, number>,
) {
  let processor: Processor | undefined;
  const bus = {
    ...emptyBus,
    pendingInterrupt: () => processor!.instructionCount >= alarm,
    acknowledgeInterrupt: () => TIMER,
  };
  processor = create({ memoryBytes: 8 << 20, bus });
  enterLongMode(processor, [...code, HLT]);
  const { state } = processor;
  const words = new DataView(state.guestRam.buffer, state.guestRam.byteOffset);
  words.setBigUint64(IDT + 16 * TIMER, BigInt(HANDLER) | (8n << 16n) | (0x8e00n << 32n), true);
  words.setBigUint64(GDT + 8, 0x00af_9b00_0000_ffffn, true);
  state.guestRam[HANDLER] = HLT;
  state.set64('idtrBase', BigInt(IDT));
  state.set('idtrLimit', 0xfff);
  state.set64('gdtrBase', BigInt(GDT));
  state.set('gdtrLimit', 15);
  for (const [register, value] of Object.entries(registers)) state.setGpr(Number(register), BigInt(value));
  state.rflags = 0x202;
  return processor;
}

describe.each(processors)('a repeated string instruction in the %s', (_, create) => {
  it('counts once, and for every pause between as many instructions as elements lie between pauses', () => {
    for (const [elements, count] of [
      [0, 1],
      [1, 1],
      [PAUSE, 1],
      [PAUSE + 1, 1 + PAUSE],
    ] as const) {
      const processor = prepared(create, REP_STOSB, Number.POSITIVE_INFINITY, { [RCX]: elements, [RDI]: DATA });
      expect(processor.run(1_000_000).reason).toBe('halt');
      expect(processor.instructionCount).toBe(count + 1);
      expect(processor.state.gpr(RDI)).toBe(BigInt(DATA + elements));
    }
  });

  const endless = {
    'rep stosb over a device hole': { code: REP_STOSB, registers: { [RDI]: HOLE } },
    'rep movsb from a device hole': { code: REP_MOVSB, registers: { [RSI]: HOLE, [RDI]: DATA } },
    'rep outsb': { code: REP_OUTSB, registers: { [RSI]: HOLE } },
    'rep stosb in the shadow of STI': { code: [STI, ...REP_STOSB], registers: { [RDI]: HOLE } },
  };
  for (const [text, { code, registers }] of Object.entries(endless)) {
    it(`is interrupted by a timer between two iterations: ${text}`, () => {
      const processor = prepared(create, code, 1000, { ...registers, [RCX]: 0x1000_0003 });
      expect(processor.run(1_000_000).reason).toBe('halt');
      const { state } = processor;
      const words = new DataView(state.guestRam.buffer, state.guestRam.byteOffset);
      expect(state.rip).toBe(BigInt(HANDLER + 1));
      expect(words.getBigUint64(STACK - 40, true)).toBe(BigInt(CODE + code.length - 2));
      expect(state.gpr(RCX)).toBe(0x1000_0000n);
      expect(processor.instructionCount).toBe(PAUSE + 1 + code.length - 2);
    });
  }
});

it.each(processors.slice(0, 2))('a repeated string instruction counts the same in pieces in the %s', (_, create) => {
  const processor = prepared(create, REP_MOVSB, Number.POSITIVE_INFINITY, {
    [RCX]: 0x2_8000,
    [RSI]: DATA,
    [RDI]: DATA + 0x10_0001,
  });
  const counts = new Set<number>();
  for (let until = 1; processor.run(until).reason !== 'halt'; until += 30_000) counts.add(processor.instructionCount);
  expect([...counts]).toEqual([PAUSE, 2 * PAUSE]);
  expect(processor.instructionCount).toBe(2 * PAUSE + 2);
});

it('a watchpoint within a repeated string instruction does not change what it counts', () => {
  const cpu = prepared(processors[0][1], REP_STOSB, Number.POSITIVE_INFINITY, { [RCX]: 0x1_8000, [RDI]: DATA }) as Cpu;
  cpu.addWatchpoint(BigInt(DATA + 0x2000), 1);
  expect(cpu.run(1_000_000).reason).toBe('watchpoint');
  expect(cpu.run(1_000_000).reason).toBe('halt');
  expect(cpu.instructionCount).toBe(PAUSE + 2);
});
