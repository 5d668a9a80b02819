/**
 * Waiting. A thread that waits prepares (it is queued and marked Blocked), looks at its condition again, and only then
 * sleeps; a wake-up between those steps finds it queued and is not lost.
 *
 * The kernel runs on one processor with interrupts off, and gives the processor up only in `sleep`, `yieldProcessor` and
 * `exitCurrentThread` (sched/scheduler.ts): between those, what it reads stays true.
 */
import { assert } from '#dialect';
import { drawWaiter, isExploring } from '../sched/exploration.ts';
import { wakeThread } from '../sched/scheduler.ts';
import { type Thread, ThreadState } from './thread.ts';
import type { WaitQueue } from './wait-queue.ts';

/** Marks the running thread Blocked without queueing it: a deadline or a wake-up by name ends the wait. */
export function prepareToSleep(thread: Thread, interruptible: boolean): void {
  thread.isInterruptible = interruptible;
  thread.state.compareExchange(ThreadState.Running, ThreadState.Blocked);
}

/** Queues the running thread and marks it Blocked. Signals wake it early when `interruptible`; SIGKILL always does. */
export function prepareToWait(queue: WaitQueue, thread: Thread, interruptible: boolean): void {
  if (thread.waitQueue === null) linkWaiter(queue, thread);
  assert(thread.waitQueue === queue, 'a thread waits in two queues');
  prepareToSleep(thread, interruptible);
}

/** Ends a wait, however it ended: the thread is in no queue and Running again. */
export function finishWaiting(thread: Thread): void {
  unlinkWaiter(thread);
  thread.state.compareExchange(ThreadState.Blocked, ThreadState.Running);
}

/** Appends a thread to a queue. It must be in none. */
export function linkWaiter(queue: WaitQueue, thread: Thread): void {
  assert(thread.waitQueue === null, 'a waiting thread is queued again');
  thread.waitQueue = queue;
  thread.waitNext = null;
  thread.waitPrevious = queue.last;
  if (queue.last === null) queue.first = thread;
  else queue.last.waitNext = thread;
  queue.last = thread;
}

/** Moves a thread that waits ahead of those with a lower real-time priority. */
export function advanceWaiter(queue: WaitQueue, thread: Thread): void {
  if (thread.realTimePriority === 0) return;
  let next = queue.first;
  while (next !== null && next.realTimePriority >= thread.realTimePriority) next = next.waitNext;
  if (next === null || next === thread) return;
  unlinkWaiter(thread);
  thread.waitQueue = queue;
  thread.waitNext = next;
  thread.waitPrevious = next.waitPrevious;
  if (next.waitPrevious === null) queue.first = thread;
  else next.waitPrevious.waitNext = thread;
  next.waitPrevious = thread;
}

/** Takes a thread out of whatever queue it waits in. */
export function unlinkWaiter(thread: Thread): void {
  const queue = thread.waitQueue;
  if (queue === null) return;
  if (thread.waitPrevious === null) queue.first = thread.waitNext;
  else thread.waitPrevious.waitNext = thread.waitNext;
  if (thread.waitNext === null) queue.last = thread.waitPrevious;
  else thread.waitNext.waitPrevious = thread.waitPrevious;
  thread.waitQueue = null;
  thread.waitNext = null;
  thread.waitPrevious = null;
}

/** Wakes the first waiter, or the one that a seed draws; false when there is none. */
export function wakeOne(queue: WaitQueue): boolean {
  const first = queue.first;
  if (first === null) return false;
  const thread = isExploring() ? drawWaiter(first) : first;
  unlinkWaiter(thread);
  wakeThread(thread);
  return true;
}

export function wakeAll(queue: WaitQueue): void {
  while (wakeOne(queue));
}
