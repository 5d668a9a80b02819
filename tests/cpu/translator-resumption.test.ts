import { expect, it } from 'vitest';
import { assemble } from '../../src/compiler/x64/assembler.ts';
import type { Cpu, CpuOptions } from '../../src/cpu/cpu.ts';
import { FLAG } from '../../src/cpu/flags.ts';
import { CODE, DATA, emptyBus, longModeCpu } from './long-mode.ts';

const TARGET = CODE + 0x100;
const HANDLER = CODE + 0x180;
const IDT = DATA + 0x1000;
const VECTOR = 0x40;
/** From the jump behind two instructions at TARGET to CODE. */
const JUMP_BACK = [0xf7, 0xfe, 0xff, 0xff];
/** Far more than a slice: regions may exceed their ticks. */
const LONG = 400_000;

/** A loop through an IRETQ within ring 0 that sets RF and IF, with an interrupt handler that halts. */
function returning(options: Pick<CpuOptions, 'engine' | 'translator'>): { cpu: Cpu; request: () => void } {
  let isRequested = false;
  const bus = {
    ...emptyBus,
    pendingInterrupt: () => isRequested,
    acknowledgeInterrupt: () => {
      isRequested = false;
      return VECTOR;
    },
  };
  const code = new Uint8Array(0x200);
  const frame = `mov rax, rsp\n push 0x10\n push rax\n push 0x10202\n push 8\n push ${TARGET}\n iretq`;
  code.set(assemble(frame, 64).bytes);
  code.set([...assemble('cli\n add ebx, 1', 64).bytes, 0xe9, ...JUMP_BACK], TARGET - CODE);
  code.set(assemble('hlt', 64).bytes, HANDLER - CODE);
  const cpu = longModeCpu([...code], bus, 8 << 20, options);
  const { state } = cpu;
  state.set64('gdtrBase', BigInt(DATA));
  state.set('gdtrLimit', 0x17);
  state.set64('idtrBase', BigInt(IDT));
  state.set('idtrLimit', 0xfff);
  const words: readonly [place: number, value: bigint][] = [
    [DATA + 8, 0x00af_9b00_0000_ffffn],
    [DATA + 16, 0x00cf_9300_0000_ffffn],
    [IDT + 16 * VECTOR, 0x8e00_0008_0000n | BigInt(HANDLER & 0xffff) | (BigInt(HANDLER >> 16) << 48n)],
  ];
  for (const [place, value] of words) state.view.setBigUint64(state.ramAddress + place, value, true);
  return {
    cpu,
    request: () => {
      isRequested = true;
    },
  };
}

it.each(['interpreter', 'translator'] as const)(
  'keeps RF from an IRETQ for an interrupt right behind it: %s',
  (engine) => {
    const { cpu, request } = returning({ engine });
    const { state } = cpu;
    expect(cpu.run(LONG).reason).toBe('budget');
    while (state.rip !== BigInt(CODE)) cpu.step();
    request();
    expect(cpu.run(cpu.instructionCount + LONG).reason).toBe('halt');
    const saved = state.ramAddress + Number(state.gpr(4));
    expect(state.view.getBigUint64(saved, true)).toBe(BigInt(TARGET));
    expect(Number(state.view.getBigUint64(saved + 16, true)) & FLAG.RF).toBe(FLAG.RF);
  },
);
