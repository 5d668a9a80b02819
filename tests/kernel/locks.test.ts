import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Errno } from '../../src/compiler/library/index.ts';
import { killThread } from '../../src/kernel/process/exit.ts';
import {
  Barrier,
  ConditionVariable,
  InheritingMutex,
  Mutex,
  ReadWriteLock,
  Semaphore,
} from '../../src/kernel/process/locks.ts';
import { linkThread, reserveThread } from '../../src/kernel/process/pcb.ts';
import { allocateThread, Priority, type Thread } from '../../src/kernel/process/thread.ts';
import { runningThread, startThread } from '../../src/kernel/sched/scheduler.ts';
import { type FakeMachine, startMachine, unwrap } from './fake-machine.ts';
import { type Running, startProcess, switchTo, whileAway } from './fake-switch.ts';

vi.mock('../../src/kernel/sched/switch.ts', async () =>
  (await vi.importActual<typeof import('./fake-switch.ts')>('./fake-switch.ts')).fakeSwitch(),
);

let machine: FakeMachine;
let running: Running;
let other: Thread;

const OK = { ok: true, value: undefined };
const failing = (error: number) => ({ ok: false, error });
/** What another thread does, and then the first goes on. */
const as = (thread: Thread, action: () => void): void => {
  switchTo(machine, thread);
  action();
};

beforeAll(() => {
  machine = startMachine(16);
});
beforeEach(() => {
  running = startProcess(machine);
  other = unwrap(allocateThread());
  unwrap(reserveThread(running.process));
  linkThread(running.process, other);
  startThread(other);
});

describe('a mutex', () => {
  it('is its owner’s alone, and cannot be taken twice', () => {
    const mutex = new Mutex();
    expect(mutex.lock()).toEqual(OK);
    expect([mutex.lock(), mutex.tryLock()]).toEqual([failing(Errno.EDEADLK), failing(Errno.EBUSY)]);
    as(other, () => expect(mutex.unlock()).toEqual(failing(Errno.EPERM)));
    as(running.thread, () => expect(mutex.unlock()).toEqual(OK));
    expect(mutex.owner).toBe(null);
  });

  it('is handed over to who waits, who has it when lock returns', () => {
    const mutex = new Mutex();
    as(other, () => expect(mutex.tryLock()).toEqual(OK));
    switchTo(machine, running.thread);
    whileAway(() =>
      as(other, () => {
        expect(mutex.waiters.first).toBe(running.thread);
        expect(mutex.unlock()).toEqual(OK);
        expect(mutex.tryLock()).toEqual(failing(Errno.EBUSY));
      }),
    );
    expect(mutex.lock()).toEqual(OK);
    expect([mutex.owner, mutex.waiters.first]).toEqual([running.thread, null]);
  });
});

describe('a mutex whose wait can be killed', () => {
  it('is not taken, nor waited for, by a thread that is to end', () => {
    const mutex = new Mutex();
    as(other, () => expect(mutex.tryLock()).toEqual(OK));
    switchTo(machine, running.thread);
    whileAway(() => killThread(running.thread));
    expect(mutex.lockUnlessKilled()).toEqual(failing(Errno.EINTR));
    expect([mutex.owner, mutex.waiters.first]).toEqual([other, null]);
  });
});

describe('a semaphore', () => {
  it('lets as many through as were given, and holds no more than its limit', () => {
    const semaphore = Object.assign(new Semaphore(), { count: 1, limit: 2 });
    expect([semaphore.tryWait(), semaphore.tryWait()]).toEqual([OK, failing(Errno.EAGAIN)]);
    whileAway(() => as(other, () => expect(semaphore.signal()).toEqual(OK)));
    semaphore.wait();
    expect(semaphore.count).toBe(0);
    expect([semaphore.signal(), semaphore.signal(), semaphore.signal()]).toEqual([OK, OK, failing(Errno.EOVERFLOW)]);
  });
});

describe('a condition variable', () => {
  it('misses no news between letting go of the mutex and sleeping', () => {
    const mutex = new Mutex();
    const changed = new ConditionVariable();
    expect(changed.wait(mutex)).toEqual(failing(Errno.EPERM));
    unwrap(mutex.lock());
    whileAway(() =>
      as(other, () => {
        expect(mutex.tryLock()).toEqual(OK);
        changed.signal();
        expect(mutex.unlock()).toEqual(OK);
      }),
    );
    expect(changed.wait(mutex)).toEqual(OK);
    expect(mutex.owner).toBe(running.thread);
  });
});

describe('a lock for readers and writers', () => {
  it('lets readers in together, and nobody new while a writer waits', () => {
    const lock = new ReadWriteLock();
    expect([lock.lockRead(), lock.lockRead(), lock.unlockRead()]).toEqual([OK, OK, OK]);
    whileAway(() =>
      as(other, () => {
        expect([lock.waitingWriters, lock.readers]).toEqual([1, 1]);
        expect(lock.unlockRead()).toEqual(OK);
      }),
    );
    expect(lock.lockWrite()).toEqual(OK);
    expect([lock.lockRead(), lock.lockWrite()]).toEqual([failing(Errno.EDEADLK), failing(Errno.EDEADLK)]);
    as(other, () => expect(lock.unlockWrite()).toEqual(failing(Errno.EPERM)));
    as(running.thread, () => expect(lock.unlockWrite()).toEqual(OK));
    expect(lock.unlockRead()).toEqual(failing(Errno.EPERM));
  });
});

describe('a barrier', () => {
  it('opens when the last has come, each time anew', () => {
    const barrier = Object.assign(new Barrier(), { size: 2 });
    for (const generation of [1, 2]) {
      whileAway(() => as(other, () => expect(barrier.wait()).toBe(true)));
      expect(barrier.wait()).toBe(false);
      expect([barrier.generation, barrier.arrived]).toEqual([generation, 0]);
    }
  });
});

describe('a mutex with priority inheritance', () => {
  it('has its owner run with the priority of who waits, until it lets go', () => {
    const mutex = new InheritingMutex();
    as(other, () => expect(mutex.lock()).toEqual(OK));
    switchTo(machine, running.thread);
    running.thread.priority = Priority.System;
    whileAway(() => {
      expect(other.priority).toBe(Priority.System);
      as(other, () => expect(mutex.unlock()).toEqual(OK));
      expect(other.priority).toBe(Priority.Normal);
    });
    expect(mutex.lock()).toEqual(OK);
    expect([mutex.owner, runningThread()]).toEqual([running.thread, running.thread]);
  });
});
