/** One execve at a time: reading a program sleeps, and the parts of an image in the making are in one place each. */
import { assert } from '#dialect';
import { Mutex } from './locks.ts';

const lock = new Mutex();

/** Waits for its turn; false when the thread is to end instead. */
export function acquireExecLock(): boolean {
  return lock.lockUnlessKilled().ok;
}

export function releaseExecLock(): void {
  const unlocked = lock.unlock();
  assert(unlocked.ok, 'the exec lock is released by another');
}
