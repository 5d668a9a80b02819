/** Timers that are running, soonest first. */
import type { u64 } from '#dialect';
import { expireRealTimer } from '../process/interval-timers.ts';
import { expirePosixTimer } from '../process/posix-timers.ts';
import type { Thread } from '../process/thread.ts';
import { monotonicTime } from '../processor/clock.ts';
import { wakeThread } from './scheduler.ts';
import type { Timer } from './timer.ts';

let first: Timer | null = null;

/** Has a timer expire at `deadline`, and not at the time it was set to before. */
export function startTimer(timer: Timer, deadline: u64): void {
  stopTimer(timer);
  timer.deadline = deadline;
  timer.isArmed = true;
  let previous: Timer | null = null;
  let next = first;
  while (next !== null && next.deadline <= deadline) {
    previous = next;
    next = next.next;
  }
  timer.previous = previous;
  timer.next = next;
  if (previous === null) first = timer;
  else previous.next = timer;
  if (next !== null) next.previous = timer;
}

export function stopTimer(timer: Timer): void {
  if (!timer.isArmed) return;
  if (timer.previous === null) first = timer.next;
  else timer.previous.next = timer.next;
  if (timer.next !== null) timer.next.previous = timer.previous;
  timer.next = null;
  timer.previous = null;
  timer.isArmed = false;
}

/** Has the thread woken at `deadline` (monotonic nanoseconds) unless something else wakes it before. */
export function armTimer(thread: Thread, deadline: u64): void {
  thread.timedOut = false;
  thread.timer.thread = thread;
  startTimer(thread.timer, deadline);
}

/** Takes a thread's deadline away, if it has one. */
export function disarmTimer(thread: Thread): void {
  stopTimer(thread.timer);
}

/** Acts on every timer whose time has come. Called from the timer interrupt. One that starts again does so in the future. */
export function expireTimers(): void {
  if (first === null) return;
  const now = monotonicTime();
  while (first !== null && first.deadline <= now) {
    const timer: Timer = first;
    stopTimer(timer);
    expire(timer, now);
  }
}

function expire(timer: Timer, now: u64): void {
  if (timer.thread !== null) {
    timer.thread.timedOut = true;
    wakeThread(timer.thread);
  } else if (timer.process !== null) {
    expireRealTimer(timer.process, now);
  } else if (timer.posixTimer !== null) {
    expirePosixTimer(timer.posixTimer, now);
  }
}

/** True when some timer is running. */
export function hasTimers(): boolean {
  return first !== null;
}
