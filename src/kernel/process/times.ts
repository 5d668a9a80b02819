/**
 * Processor time, in ticks of the clock. The kernel runs with interrupts off, so a tick only ever hits a program: all of a
 * process's time counts as user time.
 */
import { embed, type u32, u64 } from '#dialect';
import { NANOSECONDS, TICK_HZ } from '../processor/clock.ts';
import { runningThread } from '../sched/scheduler.ts';
import { countIntervalTimers } from './interval-timers.ts';
import { Limit, limitOf, UNLIMITED } from './limits.ts';
import type { Process } from './pcb.ts';
import { Signal, sendSignal } from './signal-delivery.ts';
import { describeKernelSignal, SignalInfo } from './signal-info.ts';

const info = embed(SignalInfo);

export function ticksToNanoseconds(ticks: u64): u64 {
  return u64(ticks * (NANOSECONDS / TICK_HZ));
}

/** One tick has hit the running thread's process. */
export function accountProcessTick(): void {
  const thread = runningThread();
  const process = thread === null ? null : thread.process;
  if (process === null) return;
  process.ticks = u64(process.ticks + 1n);
  countIntervalTimers(process);
  const limit = limitOf(process, Limit.CPU);
  if (limit !== UNLIMITED) enforceProcessorLimit(process, limit);
}

/** RLIMIT_CPU: SIGXCPU at the soft limit and each second after it, SIGKILL at the hard one. */
function enforceProcessorLimit(process: Process, limit: u64): void {
  if (u64(process.ticks % TICK_HZ) !== 0n) return;
  const seconds = u64(process.ticks / TICK_HZ);
  if (seconds >= process.limits[Limit.CPU]!.hard) sendKernelSignal(process, Signal.SIGKILL);
  else if (seconds >= limit) sendKernelSignal(process, Signal.SIGXCPU);
}

export function sendKernelSignal(process: Process, signal: u32): void {
  sendSignal(process, signal, describeKernelSignal(info));
}
