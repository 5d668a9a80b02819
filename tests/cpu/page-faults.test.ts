import { describe, expect, it } from 'vitest';
import type { Cpu, CpuEvent, Engine } from '../../src/cpu/cpu.ts';
import { TR } from '../../src/cpu/layout.ts';
import { CODE, emptyBus, longModeCpu } from './long-mode.ts';

const PAGES = 300;
const PAGE_DIRECTORY = 0x3000;
const PAGE_TABLE = 0x8000;
const IDT = 0x9000;
const TSS = 0xa000;
const HANDLER = CODE + 0x800;
/** Linear pages without frames, and the frames that the handler gives them. */
const WINDOW = 0x20_0000;
const FRAMES = 0x40_0000;

const dword = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

/** mov rbx, WINDOW; mov ecx, PAGES; again: mov eax, [rbx]; add [rbx], ecx; add rbx, 4096; dec ecx; jnz again; hlt */
const TOUCH = [
  ...[0x48, 0xc7, 0xc3, ...dword(WINDOW), 0xb9, ...dword(PAGES)],
  ...[0x8b, 0x03, 0x01, 0x0b, 0x48, 0x81, 0xc3, ...dword(0x1000), 0xff, 0xc9, 0x75, 0xf1, 0xf4],
];
/**
 * mov rax, cr2; shr rax, 12; and eax, 511; mov rdx, rax; shl rdx, 12; add rdx, FRAMES | 3; mov [rax * 8 + PAGE_TABLE], rdx; inc esi;
 * add rsp, 8; iretq
 */
const MAP = [
  ...[0x0f, 0x20, 0xd0, 0x48, 0xc1, 0xe8, 12, 0x25, ...dword(511), 0x48, 0x89, 0xc2, 0x48, 0xc1, 0xe2, 12],
  ...[0x48, 0x81, 0xc2, ...dword(FRAMES | 3), 0x48, 0x89, 0x14, 0xc5, ...dword(PAGE_TABLE), 0xff, 0xc6],
  ...[0x48, 0x83, 0xc4, 8, 0x48, 0xcf],
];

/** A processor about to touch PAGES pages of which none is there, with a handler of page faults on a stack of its own. */
function machine(engine: Engine, handler: readonly number[]): Cpu {
  const cpu = longModeCpu(TOUCH, emptyBus, 8 << 20, { engine });
  const { state } = cpu;
  const words = new DataView(state.guestRam.buffer, state.guestRam.byteOffset);
  words.setBigUint64(PAGE_DIRECTORY + 8, BigInt(PAGE_TABLE) | 7n, true);
  words.setBigUint64(IDT + 14 * 16, BigInt(HANDLER & 0xffff) | (8n << 16n) | (0x8e01n << 32n) | (1n << 48n), true);
  words.setBigUint64(TSS + 0x24, BigInt(CODE - 0x2000), true);
  state.guestRam.set(handler, HANDLER);
  state.set64('gdtrBase', 0xb000n);
  state.set('gdtrLimit', 0x1f);
  words.setBigUint64(0xb008, 0x00af_9b00_0000_ffffn, true);
  words.setBigUint64(0xb010, 0x00cf_9300_0000_ffffn, true);
  state.set64('idtrBase', BigInt(IDT));
  state.set('idtrLimit', 0xfff);
  Object.assign(state.segments[TR]!, { base: BigInt(TSS), limit: 0x67, attributes: 0x8b });
  state.setGpr(6, 0n);
  cpu.refresh();
  return cpu;
}

describe.each(['interpreter', 'translator', 'auto'] as const)('page faults, %s', (engine) => {
  it('are delivered one after the other within a run, and what retires is counted exactly', () => {
    const cpu = machine(engine, MAP);
    expect(cpu.run(1_000_000).reason).toBe('halt');
    expect([cpu.state.gpr(6), cpu.instructionCount]).toEqual([BigInt(PAGES), 2 + 5 * PAGES + 10 * PAGES + 1]);
    const words = new DataView(cpu.state.guestRam.buffer, cpu.state.guestRam.byteOffset);
    for (let page = 0; page < PAGES; page++) {
      expect(words.getUint32(FRAMES + page * 4096, true)).toBe(PAGES - page);
      expect(words.getUint32(PAGE_TABLE + page * 8, true) & 0xfff).toBe(0x63);
    }
  });

  it('leave the same state when each is reported, and when the run is cut into pieces', () => {
    const whole = machine(engine, MAP);
    whole.run(1_000_000);
    const events: CpuEvent[] = [];
    const observed = machine(engine, MAP);
    observed.onEvent = (event) => events.push(event);
    observed.run(1_000_000);
    expect(observed.save()).toEqual(whole.save());
    const addresses = Array.from({ length: PAGES }, (_, page) => BigInt(WINDOW + page * 4096));
    expect(events.map(({ address }) => address)).toEqual(addresses);
    for (const { vector, errorCode, rip } of events)
      expect([vector, errorCode, rip]).toEqual([14, 0, BigInt(CODE + 12)]);
    const pieces = machine(engine, MAP);
    for (let until = 7; pieces.run(until).reason !== 'halt'; until += 7);
    expect(pieces.save()).toEqual(whole.save());
  });

  it('give the host its turn when the handler itself faults for ever', () => {
    const cpu = machine(engine, [0x8b, 0x03]); // mov eax, [rbx]
    expect(cpu.run(1_000_000).reason).toBe('stop');
    expect([cpu.instructionCount, cpu.state.rip]).toEqual([2, BigInt(HANDLER)]);
  });
});
