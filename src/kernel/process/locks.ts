/**
 * What kernel code that sleeps shares things by. The running thread owns what it locks; nobody but the owner unlocks.
 * Signals do not cut a wait for any of these short.
 */
import { Errno, embed, err, ok, type Result, u32 } from '#dialect';
import { isReady, moveInReadyQueue, runningThread, sleep, wakeThread } from '../sched/scheduler.ts';
import { finishWaiting, prepareToWait, unlinkWaiter, wakeAll, wakeOne } from './sync.ts';
import { Attention, Priority, type Thread } from './thread.ts';
import { WaitQueue } from './wait-queue.ts';

function waitOn(queue: WaitQueue, thread: Thread): void {
  prepareToWait(queue, thread, false);
  sleep();
  finishWaiting(thread);
}

/** One owner at a time; who unlocks hands over to whoever has waited longest. */
export class Mutex {
  owner: Thread | null = null;
  readonly waiters: WaitQueue = embed(WaitQueue);

  /** EBUSY: it is taken. */
  tryLock(): Result<void> {
    if (this.owner !== null) return err(Errno.EBUSY);
    this.owner = runningThread();
    return ok();
  }

  /** EDEADLK: the caller has it already. */
  lock(): Result<void> {
    const thread = runningThread()!;
    if (this.owner === thread) return err(Errno.EDEADLK);
    if (this.owner === null) this.owner = thread;
    while (this.owner !== thread) waitOn(this.waiters, thread);
    return ok();
  }

  /** As `lock`, but EINTR once the thread is to end. */
  lockUnlessKilled(): Result<void> {
    const thread = runningThread()!;
    if (this.owner === thread) return err(Errno.EDEADLK);
    if (this.owner === null) this.owner = thread;
    while (this.owner !== thread) {
      if ((thread.attention.load() & Attention.KILLED) !== 0) return err(Errno.EINTR);
      waitOn(this.waiters, thread);
    }
    return ok();
  }

  /** EPERM: it is not the caller's. */
  unlock(): Result<void> {
    if (this.owner !== runningThread()) return err(Errno.EPERM);
    this.owner = this.waiters.first;
    wakeOne(this.waiters);
    return ok();
  }
}

/** A counter that is taken from and given to. */
export class Semaphore {
  count: u32 = 0;
  /** The count never exceeds it. */
  limit: u32 = 0xffff_ffff;
  readonly waiters: WaitQueue = embed(WaitQueue);

  /** EAGAIN: nothing is there. */
  tryWait(): Result<void> {
    if (this.count === 0) return err(Errno.EAGAIN);
    this.count = u32(this.count - 1);
    return ok();
  }

  wait(): void {
    const thread = runningThread()!;
    while (this.count === 0) waitOn(this.waiters, thread);
    this.count = u32(this.count - 1);
  }

  /** EOVERFLOW: the limit is reached. */
  signal(): Result<void> {
    if (this.count >= this.limit) return err(Errno.EOVERFLOW);
    this.count = u32(this.count + 1);
    wakeOne(this.waiters);
    return ok();
  }
}

/** Waits for news about what a mutex guards. */
export class ConditionVariable {
  readonly waiters: WaitQueue = embed(WaitQueue);

  /**
   * Lets go of the mutex and sleeps until there is news, in one step: news that comes once the mutex is free is not missed.
   * Has the mutex again when it returns; the caller looks at its condition again. EPERM: the mutex is not the caller's.
   */
  wait(mutex: Mutex): Result<void> {
    const thread = runningThread()!;
    if (mutex.owner !== thread) return err(Errno.EPERM);
    prepareToWait(this.waiters, thread, false);
    const unlocked = mutex.unlock();
    if (!unlocked.ok) return unlocked;
    sleep();
    finishWaiting(thread);
    return mutex.lock();
  }

  signal(): void {
    wakeOne(this.waiters);
  }

  broadcast(): void {
    wakeAll(this.waiters);
  }
}

/** Many readers or one writer. A writer that waits keeps new readers out, so that its turn comes. */
export class ReadWriteLock {
  readers: u32 = 0;
  writer: Thread | null = null;
  waitingWriters: u32 = 0;
  readonly readersQueue: WaitQueue = embed(WaitQueue);
  readonly writersQueue: WaitQueue = embed(WaitQueue);

  lockRead(): Result<void> {
    const thread = runningThread()!;
    if (this.writer === thread) return err(Errno.EDEADLK);
    while (this.writer !== null || this.waitingWriters > 0) waitOn(this.readersQueue, thread);
    this.readers = u32(this.readers + 1);
    return ok();
  }

  /** EPERM: nobody reads. */
  unlockRead(): Result<void> {
    if (this.readers === 0) return err(Errno.EPERM);
    this.readers = u32(this.readers - 1);
    if (this.readers === 0) wakeOne(this.writersQueue);
    return ok();
  }

  lockWrite(): Result<void> {
    const thread = runningThread()!;
    if (this.writer === thread) return err(Errno.EDEADLK);
    this.waitingWriters = u32(this.waitingWriters + 1);
    while (this.writer !== null || this.readers > 0) waitOn(this.writersQueue, thread);
    this.waitingWriters = u32(this.waitingWriters - 1);
    this.writer = thread;
    return ok();
  }

  /** EPERM: the caller does not write. */
  unlockWrite(): Result<void> {
    if (this.writer !== runningThread()) return err(Errno.EPERM);
    this.writer = null;
    if (this.waitingWriters > 0) wakeOne(this.writersQueue);
    else wakeAll(this.readersQueue);
    return ok();
  }
}

/** A point that `size` threads pass together, again and again. */
export class Barrier {
  size: u32 = 1;
  arrived: u32 = 0;
  /** How often all have passed: who comes early for the next time does not mix with who is late for this. */
  generation: u32 = 0;
  readonly waiters: WaitQueue = embed(WaitQueue);

  /** True for the one that came last. */
  wait(): boolean {
    const thread = runningThread()!;
    const generation = this.generation;
    this.arrived = u32(this.arrived + 1);
    if (this.arrived >= this.size) {
      this.arrived = 0;
      this.generation = u32(generation + 1);
      wakeAll(this.waiters);
      return true;
    }
    while (this.generation === generation) waitOn(this.waiters, thread);
    return false;
  }
}

/** A mutex whose owner runs with the highest priority among those that wait for it, and that goes to the highest. */
export class InheritingMutex {
  owner: Thread | null = null;
  /** What the owner had before it inherited. */
  ownPriority: Priority = Priority.Normal;
  readonly waiters: WaitQueue = embed(WaitQueue);

  /** EDEADLK: the caller has it already. */
  lock(): Result<void> {
    const thread = runningThread()!;
    if (this.owner === thread) return err(Errno.EDEADLK);
    if (this.owner === null) this.giveTo(thread);
    while (this.owner !== thread) {
      if (this.owner !== null && thread.priority < this.owner.priority) setPriority(this.owner, thread.priority);
      waitOn(this.waiters, thread);
    }
    return ok();
  }

  /** EPERM: it is not the caller's. */
  unlock(): Result<void> {
    const thread = runningThread()!;
    if (this.owner !== thread) return err(Errno.EPERM);
    setPriority(thread, this.ownPriority);
    this.owner = null;
    const next = highestWaiter(this.waiters);
    if (next === null) return ok();
    unlinkWaiter(next);
    this.giveTo(next);
    wakeThread(next);
    return ok();
  }

  private giveTo(thread: Thread): void {
    this.owner = thread;
    this.ownPriority = thread.priority;
  }
}

function setPriority(thread: Thread, priority: Priority): void {
  if (isReady(thread)) moveInReadyQueue(thread, priority);
  else thread.priority = priority;
}

/** Of those with the highest priority, the one that has waited longest. */
function highestWaiter(queue: WaitQueue): Thread | null {
  let highest: Thread | null = null;
  let waiter = queue.first;
  while (waiter !== null) {
    if (highest === null || waiter.priority < highest.priority) highest = waiter;
    waiter = waiter.waitNext;
  }
  return highest;
}
