/** The per-CPU block: in ring 0 the GS base points at it, so it is read with one instruction and no lock. */
import { addressOf, cpu, embed, f64, struct } from '#dialect';
import { Msr } from './msr.ts';

/** `userStack` holds the user's stack pointer for the first instructions of a system call. */
export const PerCpu = struct({ kernelStack: f64, userStack: f64, currentThread: f64, number: f64 });

/** Offsets into the block, for `gs` accesses and assembly. */
export const KERNEL_STACK_OFFSET = 0;
export const USER_STACK_OFFSET = 8;
export const CURRENT_THREAD_OFFSET = 16;
export const CPU_NUMBER_OFFSET = 24;

const block = embed(PerCpu);

/** Points the GS base at the block. Until then nothing may ask for the running thread. */
export function initializePerCpu(): void {
  cpu.wrmsr(Msr.GS_BASE, addressOf(block));
  cpu.wrmsr(Msr.KERNEL_GS_BASE, 0n);
}
