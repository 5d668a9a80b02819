/** The three timers of a process that getitimer(2) and alarm(2) know: real time, and two that count processor time. */
import { u64 } from '#dialect';
import { monotonicTime, NANOSECONDS, TICK_HZ } from '../processor/clock.ts';
import { startTimer, stopTimer } from '../sched/timer-queue.ts';
import type { Process } from './pcb.ts';
import { Signal } from './signal-delivery.ts';
import type { TickTimer } from './tick-timer.ts';
import { sendKernelSignal } from './times.ts';

const TICK = u64(NANOSECONDS / TICK_HZ);
/** What a running timer never shows less of. */
const SHORTEST = 1000n;

/** Nanoseconds until ITIMER_REAL expires; 0 when it is not running. */
export function realTimeLeft(process: Process): u64 {
  if (!process.realTimer.isArmed) return 0n;
  const now = monotonicTime();
  const deadline = process.realTimer.deadline;
  return deadline > u64(now + SHORTEST) ? u64(deadline - now) : SHORTEST;
}

/** Sets ITIMER_REAL to expire after `value` nanoseconds (0: never) and then each `interval` (0: no more). */
export function setRealTimer(process: Process, value: u64, interval: u64): void {
  stopTimer(process.realTimer);
  process.realInterval = value === 0n ? 0n : interval;
  if (value === 0n) return;
  process.realTimer.process = process;
  startTimer(process.realTimer, u64(monotonicTime() + value));
}

/** An expiration of ITIMER_REAL: those that were missed count as one. */
export function expireRealTimer(process: Process, now: u64): void {
  const interval = process.realInterval;
  if (interval !== 0n) startTimer(process.realTimer, nextDeadline(process.realTimer.deadline, interval, now));
  sendKernelSignal(process, Signal.SIGALRM);
}

/** The first of the times `deadline` + n `interval` that lies after `now`. */
export function nextDeadline(deadline: u64, interval: u64, now: u64): u64 {
  return u64(deadline + (missedPeriods(deadline, interval, now) + 1n) * interval);
}

/** Whole intervals between a deadline and now. */
export function missedPeriods(deadline: u64, interval: u64, now: u64): u64 {
  return u64(u64(now - deadline) / interval);
}

function ticksFor(nanoseconds: u64): u64 {
  return u64(u64(nanoseconds + TICK - 1n) / TICK);
}

export function setTickTimer(timer: TickTimer, value: u64, interval: u64): void {
  timer.left = ticksFor(value);
  timer.interval = value === 0n ? 0n : ticksFor(interval);
}

export function tickTimeLeft(timer: TickTimer): u64 {
  return u64(timer.left * TICK);
}

export function tickInterval(timer: TickTimer): u64 {
  return u64(timer.interval * TICK);
}

/** One tick of the process's time. ITIMER_PROF counts the kernel's time too, which is none (see times.ts). */
export function countIntervalTimers(process: Process): void {
  if (hasExpired(process.virtualTimer)) sendKernelSignal(process, Signal.SIGVTALRM);
  if (hasExpired(process.profilingTimer)) sendKernelSignal(process, Signal.SIGPROF);
}

function hasExpired(timer: TickTimer): boolean {
  if (timer.left === 0n) return false;
  timer.left = u64(timer.left - 1n);
  if (timer.left > 0n) return false;
  timer.left = timer.interval;
  return true;
}
