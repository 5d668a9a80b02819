/** What a floating-point exception was about, as si_code says it (sigaction(2)). */
import { cpu, type i32, mem, u32, virt } from '#dialect';
import { fpuAreaOf } from '../memory/kernel-stacks.ts';
import { MXCSR_OFFSET } from '../process/creation.ts';
import { SignalCode } from '../process/signal-info.ts';
import type { Thread } from '../process/thread.ts';

/** Exception bits, the same in the x87 status and control words and, as flags and 7 higher as masks, in MXCSR (SDM vol. 1). */
const Exception = { INVALID: 1, DENORMAL: 2, DIVISION: 4, OVERFLOW: 8, UNDERFLOW: 16, INEXACT: 32 } as const;
const EXCEPTIONS = 0x3f;
const STATUS_OFFSET = 2n;

/** The code for an x87 exception (#MF) of the running thread. */
export function x87Code(thread: Thread): i32 {
  const area = virt(fpuAreaOf(thread.kernelStack));
  cpu.fxsave(area);
  return codeOf(u32(mem.load16(virt(area + STATUS_OFFSET)) & ~mem.load16(area) & EXCEPTIONS));
}

/** The code for a SIMD exception (#XM) of the running thread. */
export function simdCode(thread: Thread): i32 {
  const area = virt(fpuAreaOf(thread.kernelStack));
  cpu.fxsave(area);
  const control = mem.load32(virt(area + MXCSR_OFFSET));
  return codeOf(u32(control & ~(control >>> 7) & EXCEPTIONS));
}

function codeOf(exceptions: u32): i32 {
  if ((exceptions & Exception.INVALID) !== 0) return SignalCode.FLOATING_INVALID;
  if ((exceptions & Exception.DIVISION) !== 0) return SignalCode.FLOATING_DIVISION;
  if ((exceptions & Exception.OVERFLOW) !== 0) return SignalCode.FLOATING_OVERFLOW;
  if ((exceptions & (Exception.DENORMAL | Exception.UNDERFLOW)) !== 0) return SignalCode.FLOATING_UNDERFLOW;
  return SignalCode.FLOATING_INEXACT;
}
