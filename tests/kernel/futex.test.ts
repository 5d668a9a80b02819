import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Errno, userPtr } from '../../src/compiler/library/index.ts';
import { forkAddressSpace } from '../../src/kernel/memory/address-space.ts';
import { Protection } from '../../src/kernel/memory/area.ts';
import { writeUser32 } from '../../src/kernel/memory/user-copy.ts';
import { killThread } from '../../src/kernel/process/exit.ts';
import { MapFlag, mapMemory } from '../../src/kernel/process/memory.ts';
import { ThreadState } from '../../src/kernel/process/thread.ts';
import { futexWait, futexWake, NO_DEADLINE, NO_FUTEX_MASK } from '../../src/kernel/sched/futex.ts';
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
const wake = (count: number, mask: number = NO_FUTEX_MASK): number => futexWake(running.space, word, count, mask, true);

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

describe('futex keys', () => {
  it('keep private words of two address spaces apart', () => {
    const other = unwrap(forkAddressSpace(running.space));
    whileAway(() => {
      expect(futexWake(other, word, 1, NO_FUTEX_MASK, false)).toBe(0);
      expect(wake(1)).toBe(1);
    });
    expect(wait(5).ok).toBe(true);
  });

  it('bring the two sides of shared memory together', () => {
    const shared = unwrap(mapMemory(running.space, 0n, 0x1000n, RW, MapFlag.SHARED | MapFlag.ANONYMOUS));
    const other = unwrap(forkAddressSpace(running.space));
    whileAway(() => expect(futexWake(other, shared, 1, NO_FUTEX_MASK, false)).toBe(1));
    const waited = futexWait(running.thread, running.space, shared, 0, NO_FUTEX_MASK, NO_DEADLINE, false);
    expect(waited.ok).toBe(true);
  });
});
