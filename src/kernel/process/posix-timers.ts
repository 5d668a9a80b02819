/** Timers of a process that it makes itself (timer_create(2)). */
import { addressOf, constructAt, Errno, embed, err, ok, type Result, sizeOf, u32, u64 } from '#dialect';
import { ObjectCache } from '../memory/slab.ts';
import { monotonicTime } from '../processor/clock.ts';
import { Timer } from '../sched/timer.ts';
import { startTimer, stopTimer } from '../sched/timer-queue.ts';
import { missedPeriods, nextDeadline } from './interval-timers.ts';
import type { Process } from './pcb.ts';
import { hasQueueRoom, sendTimerSignal } from './signal-delivery.ts';
import { SignalCode } from './signal-info.ts';
import { chargeSignal, dischargeSignal, QueuedSignal, withdrawSignal } from './signal-queue.ts';
import { findThread, type Thread } from './thread.ts';

const LARGEST_OVERRUN = 0x7fff_ffffn;

export class PosixTimer {
  id: u32 = 0;
  process: Process | null = null;
  next: PosixTimer | null = null;
  /** Counts CLOCK_REALTIME: absolute times are of that clock. */
  isCalendar: boolean = false;
  /** 0 for none. */
  signal: u32 = 0;
  /** The thread that gets the signal; 0 for any of the process. */
  tid: u32 = 0;
  /** Nanoseconds; 0 for a timer that expires once. */
  interval: u64 = 0n;
  readonly timer: Timer = embed(Timer);
  readonly queued: QueuedSignal = embed(QueuedSignal);
}

const cache = new ObjectCache(sizeOf(PosixTimer));

/** A timer that is not running; EAGAIN: no memory, or as many signals and timers as the process may have. */
export function createPosixTimer(process: Process): Result<PosixTimer> {
  if (!hasQueueRoom(process)) return err(Errno.EAGAIN);
  const memory = cache.allocate();
  if (!memory.ok) return err(Errno.EAGAIN);
  const timer = constructAt(PosixTimer, memory.value);
  timer.id = process.nextTimerId;
  timer.process = process;
  timer.timer.posixTimer = timer;
  timer.queued.info.code = SignalCode.TIMER;
  timer.queued.info.source = u64(timer.id);
  timer.next = process.firstTimer;
  process.firstTimer = timer;
  process.nextTimerId = u32((process.nextTimerId + 1) & 0x7fff_ffff);
  chargeSignal(process);
  return ok(timer);
}

export function findPosixTimer(process: Process, id: u32): PosixTimer | null {
  let timer = process.firstTimer;
  while (timer !== null && timer.id !== id) timer = timer.next;
  return timer;
}

export function deletePosixTimer(process: Process, timer: PosixTimer): void {
  withdraw(timer);
  stopTimer(timer.timer);
  if (process.firstTimer === timer) {
    process.firstTimer = timer.next;
  } else {
    let previous = process.firstTimer;
    while (previous !== null && previous.next !== timer) previous = previous.next;
    if (previous !== null) previous.next = timer.next;
  }
  dischargeSignal(process);
  cache.release(addressOf(timer));
}

/** What execve and exit do with a process's timers. */
export function deletePosixTimers(process: Process): void {
  while (process.firstTimer !== null) deletePosixTimer(process, process.firstTimer);
}

/** Nanoseconds until a timer expires, at least 1 while it is running; 0 when it is not. */
export function posixTimeLeft(timer: PosixTimer): u64 {
  if (!timer.timer.isArmed) return 0n;
  const now = monotonicTime();
  return timer.timer.deadline > now ? u64(timer.timer.deadline - now) : 1n;
}

/** Starts a timer, or with deadline 0 stops it. A signal of its old setting that is still pending is taken back. */
export function setPosixTimer(timer: PosixTimer, deadline: u64, interval: u64): void {
  stopTimer(timer.timer);
  withdraw(timer);
  timer.queued.lastOverrun = 0;
  timer.interval = interval;
  if (deadline !== 0n) startTimer(timer.timer, deadline);
}

/** The thread that a timer signals; null for any, or when it is gone. */
function targetOf(timer: PosixTimer): Thread | null {
  const thread = timer.tid === 0 ? null : findThread(timer.tid);
  return thread !== null && thread.process === timer.process ? thread : null;
}

function withdraw(timer: PosixTimer): void {
  if (!timer.queued.isQueued) return;
  const thread = targetOf(timer);
  withdrawSignal(thread === null ? timer.process!.pending : thread.pending, timer.queued);
}

/** An expiration. One whose signal is still pending only counts. */
export function expirePosixTimer(timer: PosixTimer, now: u64): void {
  const deadline = timer.timer.deadline;
  const periods = timer.interval === 0n ? 0n : missedPeriods(deadline, timer.interval, now);
  if (timer.interval !== 0n) startTimer(timer.timer, nextDeadline(deadline, timer.interval, now));
  if (timer.signal === 0) return;
  if (timer.queued.isQueued) {
    timer.queued.overrun = clamp(u64(u64(timer.queued.overrun) + periods + 1n));
    return;
  }
  const thread = targetOf(timer);
  if (timer.tid !== 0 && thread === null) return;
  timer.queued.overrun = clamp(periods);
  sendTimerSignal(timer.process!, thread, timer.queued, timer.signal);
}

function clamp(overrun: u64): u32 {
  return u32(overrun < LARGEST_OVERRUN ? overrun : LARGEST_OVERRUN);
}
