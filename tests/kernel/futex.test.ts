import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Errno, userPtr } from '../../src/compiler/library/index.ts';
import { forkAddressSpace } from '../../src/kernel/memory/address-space.ts';
import { Protection } from '../../src/kernel/memory/area.ts';
import { readUser32, writeUser32, writeUser64 } from '../../src/kernel/memory/user-copy.ts';
import { killThread } from '../../src/kernel/process/exit.ts';
import { MapFlag, mapMemory } from '../../src/kernel/process/memory.ts';
import { abandonRobustLocks } from '../../src/kernel/process/robust-list.ts';
import { Signal, sendSignal, signalBit } from '../../src/kernel/process/signal-delivery.ts';
import { SignalInfo } from '../../src/kernel/process/signal-info.ts';
import { advanceWaiter, linkWaiter } from '../../src/kernel/process/sync.ts';
import { allocateThread, Restart, ThreadState } from '../../src/kernel/process/thread.ts';
import { WaitQueue } from '../../src/kernel/process/wait-queue.ts';
import {
  futexRequeue,
  futexWait,
  futexWake,
  futexWakeOp,
  NO_DEADLINE,
  NO_FUTEX_MASK,
  Requeue,
} from '../../src/kernel/sched/futex.ts';
import { expireTimers, hasTimers } from '../../src/kernel/sched/timer-queue.ts';
import { type FakeMachine, startMachine, unwrap } from './fake-machine.ts';
import { type Running, startProcess, whileAway } from './fake-switch.ts';

vi.mock('../../src/kernel/sched/switch.ts', async () =>
  (await vi.importActual<typeof import('./fake-switch.ts')>('./fake-switch.ts')).fakeSwitch(),
);

let machine: FakeMachine;
let running: Running;
let word: bigint;

const RW = Protection.READ | Protection.WRITE;
const wait = (expected: number, deadline: bigint = NO_DEADLINE, mask: number = NO_FUTEX_MASK) =>
  futexWait(running.thread, running.space, word, expected, mask, deadline, true);
const wake = (count: number, mask: number = NO_FUTEX_MASK): number =>
  unwrap(futexWake(running.space, word, count, mask, true));

beforeAll(() => {
  machine = startMachine(16);
});
beforeEach(() => {
  running = startProcess(machine);
  word = unwrap(mapMemory(running.space, 0n, 0x1000n, RW, MapFlag.PRIVATE | MapFlag.ANONYMOUS));
  writeUser32(userPtr(word), 5);
});

describe('FUTEX_WAIT', () => {
  it('says EAGAIN at once when the word holds something else', () => {
    expect(wait(6)).toEqual({ ok: false, error: Errno.EAGAIN });
    expect(running.thread.waitQueue).toBe(null);
    expect(running.thread.state.load()).toBe(ThreadState.Running);
  });

  it('refuses a misaligned word and a word that is not there', () => {
    const at = (address: bigint) =>
      futexWait(running.thread, running.space, address, 5, NO_FUTEX_MASK, NO_DEADLINE, true);
    expect(at(word + 2n)).toEqual({ ok: false, error: Errno.EINVAL });
    expect(at(0x1000n)).toEqual({ ok: false, error: Errno.EFAULT });
  });

  it('sleeps until it is woken', () => {
    whileAway(() => {
      expect(running.thread.state.load()).toBe(ThreadState.Blocked);
      expect(wake(1)).toBe(1);
      expect(wake(1)).toBe(0);
    });
    expect(wait(5)).toEqual({ ok: true, value: undefined });
    expect(running.thread.waitQueue).toBe(null);
    expect(running.thread.state.load()).toBe(ThreadState.Running);
  });

  it('is not woken through bits that it does not wait for', () => {
    whileAway(() => {
      expect(wake(9, 0b100)).toBe(0);
      expect(wake(9, 0b010)).toBe(1);
    });
    expect(wait(5, NO_DEADLINE, 0b011).ok).toBe(true);
  });

  it('ends with ETIMEDOUT at its deadline, and a wake that comes later is not lost on it', () => {
    whileAway(() => {
      running.machine.tsc = 10n;
      expireTimers();
    });
    expect(wait(5, 3n)).toEqual({ ok: false, error: Errno.ETIMEDOUT });
    expect(hasTimers()).toBe(false);
    expect(wake(1)).toBe(0);
  });

  it('counts as woken when the wake came before the deadline was noticed', () => {
    whileAway(() => {
      expect(wake(1)).toBe(1);
      running.machine.tsc = 10n;
      expireTimers();
    });
    expect(wait(5, 3n).ok).toBe(true);
  });

  it('ends with EINTR when the thread is killed, and leaves its bucket', () => {
    whileAway(() => killThread(running.thread));
    expect(wait(5)).toEqual({ ok: false, error: Errno.EINTR });
    expect(wake(1)).toBe(0);
  });
});

describe('a futex wait', () => {
  it('is not ended by signals that are blocked or ignored, only by one to act on', () => {
    running.process.signalActions[Signal.SIGUSR1 - 1]!.handler = 0x40_1000n as never;
    running.thread.signalMask = signalBit(Signal.SIGUSR1);
    whileAway(() => {
      sendSignal(running.process, Signal.SIGUSR1, new SignalInfo());
      sendSignal(running.process, Signal.SIGCHLD, new SignalInfo());
      expect(running.thread.state.load()).toBe(ThreadState.Blocked);
      expect(wake(1)).toBe(1);
    });
    expect(wait(5).ok).toBe(true);
    running.thread.signalMask = 0n;
    expect(wait(5, 100n)).toEqual({ ok: false, error: Errno.EINTR });
    expect([running.thread.restart, running.thread.resumedDeadline]).toEqual([Restart.TO_DEADLINE, 100n]);
  });

  it('is ended in the order of real-time priorities, and among equals of arrival', () => {
    const threads = [0, 20, 20, 10].map((realTimePriority) => {
      const thread = unwrap(allocateThread());
      thread.realTimePriority = realTimePriority as never;
      return thread;
    });
    const queue = new WaitQueue();
    for (const thread of threads) {
      linkWaiter(queue, thread);
      advanceWaiter(queue, thread);
    }
    const order: number[] = [];
    for (let thread = queue.first; thread !== null; thread = thread.waitNext) order.push(threads.indexOf(thread));
    expect(order).toEqual([1, 2, 3, 0]);
    expect(queue.last).toBe(threads[0]);
  });
});

describe('futex keys', () => {
  it('keep private words of two address spaces apart', () => {
    const other = unwrap(forkAddressSpace(running.space));
    whileAway(() => {
      expect(futexWake(other, word, 1, NO_FUTEX_MASK, true)).toEqual({ ok: true, value: 0 });
      expect(wake(1)).toBe(1);
    });
    expect(wait(5).ok).toBe(true);
  });

  it('bring the two sides of shared memory together', () => {
    const shared = unwrap(mapMemory(running.space, 0n, 0x1000n, RW, MapFlag.SHARED | MapFlag.ANONYMOUS));
    const other = unwrap(forkAddressSpace(running.space));
    whileAway(() => expect(unwrap(futexWake(other, shared, 1, NO_FUTEX_MASK, false))).toBe(1));
    const waited = futexWait(running.thread, running.space, shared, 0, NO_FUTEX_MASK, NO_DEADLINE, false);
    expect(waited.ok).toBe(true);
  });

  it('keep private and shared use of one word apart', () => {
    whileAway(() => {
      expect(unwrap(futexWake(running.space, word, 1, NO_FUTEX_MASK, false))).toBe(0);
      expect(wake(1)).toBe(1);
    });
    expect(wait(5).ok).toBe(true);
  });
});

describe('FUTEX_REQUEUE', () => {
  const request = Object.assign(new Requeue(), { wakeLimit: 0, moveLimit: 1, isCompared: true, expected: 5 });
  const requeue = (changes: Partial<Requeue>, target = word + 8n) =>
    futexRequeue(running.space, word, target, Object.assign(new Requeue(), request, changes), true);

  it('has a waiter wait on the other word, and follows it there when it times out', () => {
    whileAway(() => {
      expect(requeue({})).toEqual({ ok: true, value: 1 });
      expect(wake(9)).toBe(0);
      expect(unwrap(futexWake(running.space, word + 8n, 9, NO_FUTEX_MASK, true))).toBe(1);
    });
    expect(wait(5).ok).toBe(true);
    whileAway(() => {
      expect(requeue({})).toEqual({ ok: true, value: 1 });
      running.machine.tsc = 10n;
      expireTimers();
    });
    expect(wait(5, 3n)).toEqual({ ok: false, error: Errno.ETIMEDOUT });
    expect(unwrap(futexWake(running.space, word + 8n, 9, NO_FUTEX_MASK, true))).toBe(0);
  });

  it('moves to the same word without end or loss', () => {
    whileAway(() => {
      expect(requeue({ moveLimit: 9 }, word)).toEqual({ ok: true, value: 1 });
      expect(wake(1)).toBe(1);
    });
    expect(wait(5).ok).toBe(true);
  });

  it('compares first, and refuses negative numbers and misaligned words', () => {
    expect(requeue({ expected: 6 })).toEqual({ ok: false, error: Errno.EAGAIN });
    expect(requeue({ expected: 6, isCompared: false })).toEqual({ ok: true, value: 0 });
    expect(requeue({ wakeLimit: -1 })).toEqual({ ok: false, error: Errno.EINVAL });
    expect(requeue({}, word + 9n)).toEqual({ ok: false, error: Errno.EINVAL });
  });
});

describe('FUTEX_WAKE_OP', () => {
  const code = (change: number, operand: number, test: number, argument: number): number =>
    ((change << 28) | (test << 24) | ((operand & 0xfff) << 12) | (argument & 0xfff)) >>> 0;
  const apply = (operation: number) => futexWakeOp(running.space, word + 8n, 1, word, 1, operation, true);
  const value = (): number => unwrap(readUser32(userPtr(word)));

  it.each([
    ['sets', code(0, 7, 0, 0), 7],
    ['adds', code(1, -2, 0, 0), 3],
    ['ors', code(2, 8, 0, 0), 13],
    ['masks', code(3, 4, 0, 0), 1],
    ['exclusive-ors', code(4, 1, 0, 0), 4],
    ['shifts its operand', code(8, 4, 0, 0), 16],
  ])('%s', (_name, operation, expected) => {
    expect(apply(operation)).toEqual({ ok: true, value: 0 });
    expect(value()).toBe(expected);
  });

  it('wakes the second word only if the old value passes its signed test', () => {
    whileAway(() => {
      expect(apply(code(1, 0, 2, 5))).toEqual({ ok: true, value: 0 });
      expect(apply(code(1, 0, 4, -1))).toEqual({ ok: true, value: 1 });
    });
    expect(wait(5).ok).toBe(true);
  });

  it('answers ENOSYS to changes and tests that do not exist', () => {
    expect(apply(code(5, 0, 0, 0))).toEqual({ ok: false, error: Errno.ENOSYS });
    expect(apply(code(0, 0, 6, 0))).toEqual({ ok: false, error: Errno.ENOSYS });
  });
});

describe('a robust list', () => {
  const OWNER_DIED = 0x4000_0000;
  const WAITERS = 0x8000_0000;
  const DISTANCE = 16n;
  const put = (address: bigint, ...words: bigint[]): void => {
    for (const [index, each] of words.entries()) unwrap(writeUser64(userPtr(address + BigInt(index) * 8n), each));
  };
  const lockAt = (entry: bigint): number => unwrap(readUser32(userPtr(entry + DISTANCE)));
  const setLock = (entry: bigint, content: number): unknown =>
    unwrap(writeUser32(userPtr(entry + DISTANCE), content >>> 0));

  it('marks what the thread held, wakes a waiter, and leaves other locks alone', () => {
    const [head, first, second, pending] = [word + 0x100n, word + 0x200n, word + 0x300n, word + 0x400n];
    put(head, first, DISTANCE, pending);
    put(first, second);
    put(second, head);
    setLock(first, running.thread.tid | WAITERS);
    setLock(second, 12345);
    setLock(pending, running.thread.tid);
    running.thread.robustList = head;
    abandonRobustLocks(running.thread);
    expect(lockAt(first)).toBe((WAITERS | OWNER_DIED) >>> 0);
    expect(lockAt(second)).toBe(12345);
    expect(lockAt(pending)).toBe(OWNER_DIED);
    expect(running.thread.robustList).toBe(0n);
  });

  it('that runs in a circle or leads nowhere ends', () => {
    const [head, first] = [word + 0x100n, word + 0x200n];
    put(head, first, DISTANCE, 0n);
    put(first, first);
    running.thread.robustList = head;
    abandonRobustLocks(running.thread);
    put(first, 0x1234_5678_0000n);
    setLock(first, running.thread.tid);
    running.thread.robustList = head;
    abandonRobustLocks(running.thread);
    expect(lockAt(first)).toBe(OWNER_DIED);
    running.thread.robustList = 8n;
    abandonRobustLocks(running.thread);
  });
});
