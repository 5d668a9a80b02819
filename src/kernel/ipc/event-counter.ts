/** Event counters (eventfd(2)): a 64-bit number that writers add to and readers take. */
import { addressOf, constructAt, Errno, embed, err, ok, type Result, sizeOf, type u32, u64, userPtr } from '#dialect';
import { ObjectCache } from '../memory/slab.ts';
import { readUser64, writeUser64 } from '../memory/user-copy.ts';
import { isInterrupted } from '../process/signal-delivery.ts';
import { finishWaiting, prepareToWait, wakeAll } from '../process/sync.ts';
import { Restart, type Thread } from '../process/thread.ts';
import { WaitQueue } from '../process/wait-queue.ts';
import { sleep } from '../sched/scheduler.ts';
import { FileKind, type OpenFile } from './open-file.ts';
import { notifyPollers } from './poll-waiters.ts';

const COUNTER_BYTES = 8n;
/** The counter never exceeds this. */
export const LARGEST_COUNTER = 0xffff_ffff_ffff_fffen;

export class EventCounter {
  value: u64 = 0n;
  /** Readers take 1 at a time. */
  isSemaphore: boolean = false;
  readonly changed: WaitQueue = embed(WaitQueue);
}

const cache = new ObjectCache(sizeOf(EventCounter));

/** Makes a new file a counter; ENOMEM. */
export function createCounter(file: OpenFile, value: u32, isSemaphore: boolean): Result<EventCounter> {
  const memory = cache.allocate();
  if (!memory.ok) return err(memory.error);
  const counter = constructAt(EventCounter, memory.value);
  counter.value = u64(value);
  counter.isSemaphore = isSemaphore;
  file.kind = FileKind.EVENT_COUNTER;
  file.counter = counter;
  return ok(counter);
}

export function releaseCounter(file: OpenFile): void {
  cache.release(addressOf(file.counter!));
}

function wait(counter: EventCounter, thread: Thread, mayWait: boolean): Result<void> {
  if (!mayWait) return err(Errno.EAGAIN);
  if (isInterrupted(thread)) {
    thread.restart = Restart.IF_WANTED;
    return err(Errno.EINTR);
  }
  prepareToWait(counter.changed, thread, true);
  sleep();
  finishWaiting(thread);
  return ok();
}

/** Takes the value, or 1 of a semaphore's, to user memory. EINVAL: less than eight bytes asked for. EAGAIN, EINTR, EFAULT. */
export function readCounter(
  thread: Thread,
  counter: EventCounter,
  destination: u64,
  length: u64,
  mayWait: boolean,
): Result<u64> {
  if (length < COUNTER_BYTES) return err(Errno.EINVAL);
  while (counter.value === 0n) {
    const waited = wait(counter, thread, mayWait);
    if (!waited.ok) return err(waited.error);
  }
  const taken = counter.isSemaphore ? 1n : counter.value;
  counter.value = u64(counter.value - taken);
  wakeAll(counter.changed);
  notifyPollers();
  const stored = writeUser64(userPtr<u64>(destination), taken);
  return stored.ok ? ok(COUNTER_BYTES) : err(stored.error);
}

/** Adds a number from user memory, waiting until it fits. EINVAL: less than eight bytes, or 2^64 - 1. EAGAIN, EINTR, EFAULT. */
export function writeCounter(
  thread: Thread,
  counter: EventCounter,
  source: u64,
  length: u64,
  mayWait: boolean,
): Result<u64> {
  if (length < COUNTER_BYTES) return err(Errno.EINVAL);
  const added = readUser64(userPtr<u64>(source));
  if (!added.ok) return added;
  if (added.value > LARGEST_COUNTER) return err(Errno.EINVAL);
  while (added.value > u64(LARGEST_COUNTER - counter.value)) {
    const waited = wait(counter, thread, mayWait);
    if (!waited.ok) return err(waited.error);
  }
  counter.value = u64(counter.value + added.value);
  wakeAll(counter.changed);
  notifyPollers();
  return ok(COUNTER_BYTES);
}
