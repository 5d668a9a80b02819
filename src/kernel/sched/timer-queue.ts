/** Threads with a deadline, soonest first. */
import type { u64 } from '#dialect';
import type { Thread } from '../process/thread.ts';
import { monotonicTime } from '../processor/clock.ts';
import { wakeThread } from './scheduler.ts';

let first: Thread | null = null;

/** Has the thread woken at `deadline` (monotonic nanoseconds) unless something else wakes it before. */
export function armTimer(thread: Thread, deadline: u64): void {
  disarmTimer(thread);
  thread.deadline = deadline;
  thread.isTimed = true;
  thread.timedOut = false;
  let previous: Thread | null = null;
  let next = first;
  while (next !== null && next.deadline <= deadline) {
    previous = next;
    next = next.timerNext;
  }
  thread.timerPrevious = previous;
  thread.timerNext = next;
  if (previous === null) first = thread;
  else previous.timerNext = thread;
  if (next !== null) next.timerPrevious = thread;
}

/** Takes a thread's deadline away, if it has one. */
export function disarmTimer(thread: Thread): void {
  if (!thread.isTimed) return;
  if (thread.timerPrevious === null) first = thread.timerNext;
  else thread.timerPrevious.timerNext = thread.timerNext;
  if (thread.timerNext !== null) thread.timerNext.timerPrevious = thread.timerPrevious;
  thread.timerNext = null;
  thread.timerPrevious = null;
  thread.isTimed = false;
}

/** Wakes every thread whose deadline has come. Called from the timer interrupt. */
export function expireTimers(): void {
  if (first === null) return;
  const now = monotonicTime();
  while (first !== null && first.deadline <= now) {
    const thread: Thread = first;
    disarmTimer(thread);
    thread.timedOut = true;
    wakeThread(thread);
  }
}

/** True when some thread waits for a deadline. */
export function hasTimers(): boolean {
  return first !== null;
}
