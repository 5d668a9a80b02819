import { LDTR, TR } from '../cpu/layout.ts';
import type { CpuState } from '../cpu/state.ts';
import type { KernelEntry } from './boot/kernel-entry.ts';

const RAX = 0;
const RBX = 3;
const RSI = 6;

const CR0_PE = 0x01n;
const CR0_ET = 0x10n;

/** Access rights (SDM vol. 3C, 24.4.1): present, 4 GiB granular, 32-bit, accessed. */
const FLAT_CODE = 0xc09b;
const FLAT_DATA = 0xc093;
const BUSY_TSS_32 = 0x008b;
const UNUSABLE = 0x1_0000;

/** Linux's __BOOT_CS and __BOOT_DS; the other protocols leave the selectors open. No descriptor table stands behind them. */
const CODE_SELECTOR = 0x10;
const DATA_SELECTOR = 0x18;
const TASK_SELECTOR = 0x20;
/** The smallest 32-bit TSS. */
const TSS_LIMIT = 0x67;

/** Puts a freshly reset processor into the state in which PVH, Multiboot and Linux start a kernel; `refresh` completes it. */
export function enterKernel(state: CpuState, entry: KernelEntry): void {
  for (let register = 0; register < 16; register++) state.setGpr(register, 0n);
  state.setGpr(RAX, BigInt(entry.eax));
  state.setGpr(RBX, BigInt(entry.ebx));
  state.setGpr(RSI, BigInt(entry.esi));
  state.rip = BigInt(entry.eip);
  state.set64('cr0', CR0_PE | CR0_ET);
  state.set64('cr4', 0n);
  state.set64('efer', 0n);
  for (const segment of state.segments.slice(0, LDTR)) {
    segment.selector = DATA_SELECTOR;
    segment.base = 0n;
    segment.limit = 0xffff_ffff;
    segment.attributes = FLAT_DATA;
  }
  state.cs.selector = CODE_SELECTOR;
  state.cs.attributes = FLAT_CODE;
  const ldtr = state.segments[LDTR]!;
  ldtr.selector = 0;
  ldtr.attributes = UNUSABLE;
  const task = state.segments[TR]!;
  task.selector = TASK_SELECTOR;
  task.base = 0n;
  task.limit = TSS_LIMIT;
  task.attributes = BUSY_TSS_32;
  state.set('gdtrLimit', 0);
  state.set('idtrLimit', 0);
  state.rflags = 0;
}
