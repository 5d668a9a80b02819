import type { CpuBus } from '../../src/cpu/bus.ts';
import { Cpu, type CpuOptions } from '../../src/cpu/cpu.ts';
import { ENGINE } from '../engine.ts';

export const CODE = 0x10000;
export const DATA = 0x200000;
const TABLES = 0x1000;

/** A machine with nothing but RAM. */
export const emptyBus: CpuBus = {
  readPort: (_port, width) => 2 ** (8 * width) - 1,
  writePort: () => {},
  readPhysical: (_address, width) => (1n << BigInt(8 * width)) - 1n,
  writePhysical: () => {},
  readMsr: () => undefined,
  writeMsr: () => false,
  readTaskPriority: () => 0,
  writeTaskPriority: () => {},
  pendingInterrupt: () => false,
  acknowledgeInterrupt: () => 0,
  timeStampCounter: () => 0,
};

/** A processor in 64-bit mode at CPL 0 with the first GiB mapped to itself by 2 MiB pages, RIP at CODE, RSP below CODE. */
export function longModeCpu(
  code: readonly number[],
  bus: CpuBus = emptyBus,
  memoryBytes = 8 << 20,
  options: Pick<CpuOptions, 'engine' | 'translator'> = {},
): Cpu {
  const cpu = new Cpu({ memoryBytes, bus, ...ENGINE, ...options });
  enterLongMode(cpu, code);
  return cpu;
}

/** Puts any processor, used or new, into the state of `longModeCpu`. */
export function enterLongMode(cpu: Pick<Cpu, 'state' | 'reset' | 'refresh'>, code: readonly number[]): void {
  cpu.reset();
  const { state } = cpu;
  const words = new DataView(state.guestRam.buffer, state.guestRam.byteOffset);
  words.setBigUint64(TABLES, BigInt(TABLES + 0x1000) | 7n, true);
  words.setBigUint64(TABLES + 0x1000, BigInt(TABLES + 0x2000) | 7n, true);
  for (let i = 0; i < 512; i++) words.setBigUint64(TABLES + 0x2000 + 8 * i, BigInt(i << 21) | 0x87n, true);
  state.guestRam.set(code, CODE);
  state.set64('cr0', 0x80010033n);
  state.set64('cr3', BigInt(TABLES));
  state.set64('cr4', 0x620n);
  state.set64('efer', 0xd01n);
  for (const segment of state.segments) {
    segment.selector = 0x10;
    segment.attributes = 0xc093;
    segment.limit = 0xffffffff;
    segment.base = 0n;
  }
  state.cs.selector = 8;
  state.cs.attributes = 0xa09b;
  state.rflags = 2;
  state.rip = BigInt(CODE);
  state.setGpr(4, BigInt(CODE - 0x1000));
  cpu.refresh();
}
