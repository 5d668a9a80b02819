/** The local APIC in xAPIC mode (SDM vol. 3A chapter 10): end of interrupt, and the timer. */
import { cpu, mem, ok, phys, type Result, u32, u64, type VirtAddr, virt } from '#dialect';
import { getKernelRoot } from '../memory/address-space.ts';
import { DEVICE_BASE } from '../memory/layout.ts';
import { mapKernelPage, Page } from '../memory/page-table.ts';
import { Vector } from './interrupts.ts';
import { Msr } from './msr.ts';

const Register = {
  ID: 0x20n,
  TASK_PRIORITY: 0x80n,
  END_OF_INTERRUPT: 0xb0n,
  SPURIOUS_VECTOR: 0xf0n,
  LVT_TIMER: 0x320n,
  LVT_LINT0: 0x350n,
  LVT_LINT1: 0x360n,
  LVT_ERROR: 0x370n,
  INITIAL_COUNT: 0x380n,
  CURRENT_COUNT: 0x390n,
  DIVIDE: 0x3e0n,
} as const;

const MASKED = 0x1_0000;
const PERIODIC = 0x2_0000;
const SOFTWARE_ENABLE = 0x100;
const DIVIDE_BY_16 = 3;
const DIVIDE_BY_1 = 0b1011;
const GLOBAL_ENABLE = 1n << 11n;
const BASE_MASK = 0x000f_ffff_ffff_f000n;

const registers: VirtAddr = virt(DEVICE_BASE);

function write(register: u64, value: u32): void {
  mem.store32(virt(registers + register), value);
}

function read(register: u64): u32 {
  return mem.load32(virt(registers + register));
}

/** Maps the registers and enables the APIC with every source masked; ENOMEM. */
export function initializeLocalApic(): Result<void> {
  const base = cpu.rdmsr(Msr.APIC_BASE);
  cpu.wrmsr(Msr.APIC_BASE, u64(base | GLOBAL_ENABLE));
  const flags = u64(Page.WRITABLE | Page.NO_EXECUTE | Page.CACHE_DISABLED | Page.WRITE_THROUGH);
  const mapped = mapKernelPage(getKernelRoot(), DEVICE_BASE, phys(base & BASE_MASK), flags);
  if (!mapped.ok) return mapped;
  write(Register.TASK_PRIORITY, 0);
  write(Register.LVT_TIMER, MASKED);
  write(Register.LVT_LINT0, MASKED);
  write(Register.LVT_LINT1, MASKED);
  write(Register.LVT_ERROR, MASKED);
  write(Register.SPURIOUS_VECTOR, SOFTWARE_ENABLE | Vector.SPURIOUS);
  return ok();
}

export function endInterrupt(): void {
  write(Register.END_OF_INTERRUPT, 0);
}

/** Lets the masked timer run down from its highest count, to be measured. */
export function startTimerMeasurement(): void {
  write(Register.DIVIDE, DIVIDE_BY_16);
  write(Register.LVT_TIMER, MASKED | Vector.TIMER);
  write(Register.INITIAL_COUNT, 0xffff_ffff);
}

/** Counts that have passed since `startTimerMeasurement`. */
export function measuredTimerCounts(): u32 {
  return u32(0xffff_ffff - read(Register.CURRENT_COUNT));
}

/** One interrupt at Vector.TIMER after `counts` counts of the undivided clock. */
export function startSingleTimer(counts: u32): void {
  write(Register.DIVIDE, DIVIDE_BY_1);
  write(Register.LVT_TIMER, Vector.TIMER);
  write(Register.INITIAL_COUNT, counts);
}

/** Interrupts at Vector.TIMER every `counts` timer counts. */
export function startPeriodicTimer(counts: u32): void {
  write(Register.DIVIDE, DIVIDE_BY_16);
  write(Register.LVT_TIMER, PERIODIC | Vector.TIMER);
  write(Register.INITIAL_COUNT, counts);
}
