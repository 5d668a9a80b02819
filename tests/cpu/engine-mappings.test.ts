import { describe, expect, it } from 'vitest';
import type { Engine } from '../../src/cpu/cpu.ts';
import { DATA, emptyBus, enterLongMode, longModeCpu } from './long-mode.ts';

/** Page directory of `longModeCpu`, and a page table of ours for the 2 MiB from WINDOW on. */
const PAGE_DIRECTORY = 0x3000;
const PAGE_TABLE = 0x8000;
const WINDOW = 0x40_0000;
const FRAMES = [DATA, DATA + 0x1000] as const;
const ROUNDS = 2000;

const dword = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

/**
 * mov ecx, ROUNDS; again: xor dword [PAGE_TABLE], 0x1000; invlpg [WINDOW]; then `use`, which adds to EBX; dec ecx; jnz again; hlt.
 * The frame changes before each use, to the second one first.
 */
function program(use: readonly number[]): number[] {
  const body = [
    ...[0x81, 0x34, 0x25, ...dword(PAGE_TABLE), ...dword(0x1000)],
    ...[0x0f, 0x01, 0x3c, 0x25, ...dword(WINDOW)],
    ...use,
    ...[0xff, 0xc9],
  ];
  return [0xb9, ...dword(ROUNDS), ...body, 0x75, -(body.length + 2) & 0xff, 0xf4];
}

/** @returns EBX and the count of instructions when the program has halted */
function run(engine: Engine, use: readonly number[]): { sum: bigint; instructions: number } {
  const cpu = longModeCpu([], emptyBus, 8 << 20, { engine });
  enterLongMode(cpu, program(use));
  const { state } = cpu;
  const words = new DataView(state.guestRam.buffer, state.guestRam.byteOffset);
  words.setBigUint64(PAGE_DIRECTORY + 8 * (WINDOW >> 21), BigInt(PAGE_TABLE | 7), true);
  words.setBigUint64(PAGE_TABLE, BigInt(FRAMES[0] | 7), true);
  // add ebx, 1; ret in the first frame and add ebx, 3; ret in the second
  FRAMES.forEach((frame, index) => {
    state.guestRam.set([0x83, 0xc3, 1 + 2 * index, 0xc3], frame);
  });
  state.setGpr(3, 0n);
  cpu.refresh();
  expect(cpu.run(1_000_000).reason).toBe('halt');
  return { sum: state.gpr(3), instructions: cpu.instructionCount };
}

describe.each(['interpreter', 'translator', 'auto'] as const)(
  'a page that is mapped elsewhere all the time, %s',
  (engine) => {
    it('is read where it is mapped', () => {
      // movzx eax, byte [WINDOW + 2]; add ebx, eax
      const use = [0x0f, 0xb6, 0x04, 0x25, ...dword(WINDOW + 2), 0x01, 0xc3];
      expect(run(engine, use)).toEqual({ sum: BigInt(2 * ROUNDS), instructions: 2 + 6 * ROUNDS });
    });

    it('is executed where it is mapped', () => {
      // mov eax, WINDOW; call rax
      const use = [0xb8, ...dword(WINDOW), 0xff, 0xd0];
      expect(run(engine, use)).toEqual({ sum: BigInt(2 * ROUNDS), instructions: 2 + 8 * ROUNDS });
    });

    it('is the page of the running code', () => {
      // The program runs in the window itself, whose two frames hold it with different constants.
      const cpu = longModeCpu([], emptyBus, 8 << 20, { engine });
      enterLongMode(cpu, []);
      const { state } = cpu;
      const words = new DataView(state.guestRam.buffer, state.guestRam.byteOffset);
      words.setBigUint64(PAGE_DIRECTORY + 8 * (WINDOW >> 21), BigInt(PAGE_TABLE | 7), true);
      words.setBigUint64(PAGE_TABLE, BigInt(FRAMES[0] | 7), true);
      const code = program([0x83, 0xc3, 1]);
      state.guestRam.set(code, FRAMES[0]);
      state.guestRam.set(program([0x83, 0xc3, 3]), FRAMES[1]);
      state.rip = BigInt(WINDOW);
      state.setGpr(3, 0n);
      cpu.refresh();
      expect(cpu.run(1_000_000).reason).toBe('halt');
      expect({ sum: state.gpr(3), count: cpu.instructionCount, rip: state.rip }).toEqual({
        sum: BigInt(2 * ROUNDS),
        count: 2 + 5 * ROUNDS,
        rip: BigInt(WINDOW + code.length),
      });
    });
  },
);

describe('MOV from a control register', () => {
  it.each([0, 2, 3, 4])('reads CR%i in ring 0', (number) => {
    const cpu = longModeCpu([0x0f, 0x20, 0xc3 | (number << 3), 0xf4]); // mov rbx, crN; hlt
    cpu.state.set64('cr2', 0x1234_5678_9abcn);
    expect(cpu.run(10).reason).toBe('halt');
    expect(cpu.state.gpr(3)).toBe(cpu.state.get64(`cr${number}` as 'cr0'));
  });

  it.each([1, 5, 7])('raises #UD for CR%i', (number) => {
    const events: number[] = [];
    const cpu = longModeCpu([0x0f, 0x20, 0xc3 | (number << 3)]);
    cpu.onEvent = ({ vector }) => events.push(vector);
    expect(cpu.run(10).reason).toBe('shutdown');
    expect(events[0]).toBe(6);
  });
});
