/** One execve at a time: reading a program sleeps, and the parts of an image in the making are in one place each. */
import { assert, embed } from '#dialect';
import { sleep } from '../sched/scheduler.ts';
import { isKilled } from './signal-delivery.ts';
import { finishWaiting, prepareToWait, wakeOne } from './sync.ts';
import type { Thread } from './thread.ts';
import { WaitQueue } from './wait-queue.ts';

let holder: Thread | null = null;
const waiters: WaitQueue = embed(WaitQueue);

/** Waits for its turn; false when the thread is to end instead. */
export function acquireExecLock(thread: Thread): boolean {
  while (holder !== null) {
    if (isKilled(thread)) return false;
    prepareToWait(waiters, thread, false);
    sleep();
    finishWaiting(thread);
  }
  holder = thread;
  return true;
}

export function releaseExecLock(thread: Thread): void {
  assert(holder === thread, 'the exec lock is released by another');
  holder = null;
  wakeOne(waiters);
}
