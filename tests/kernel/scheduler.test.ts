import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Errno } from '../../src/compiler/library/index.ts';
import { Credentials } from '../../src/kernel/process/credentials.ts';
import { blockThread, createThread, prepareToBlock, wakeThreadById } from '../../src/kernel/process/mod.ts';
import { inheritScheduling, policyOf, setNice, setPolicy } from '../../src/kernel/process/scheduling.ts';
import {
  Attention,
  allocateThread,
  findThread,
  Priority,
  SchedulingPolicy,
  type Thread,
  ThreadState,
  TIME_SLICE,
} from '../../src/kernel/process/thread.ts';
import { frameBelow, TrapFrame } from '../../src/kernel/processor/trap-frame.ts';
import {
  accountTick,
  readyThreadCount,
  runningThread,
  sleep,
  wakeThread,
  yieldProcessor,
} from '../../src/kernel/sched/scheduler.ts';
import { type FakeMachine, startMachine, unwrap } from './fake-machine.ts';
import { type Running, startProcess, switchTo, whileAway } from './fake-switch.ts';

vi.mock('../../src/kernel/sched/switch.ts', async () =>
  (await vi.importActual<typeof import('./fake-switch.ts')>('./fake-switch.ts')).fakeSwitch(),
);

let machine: FakeMachine;
let running: Running;
const root = new Credentials();
const user = Object.assign(new Credentials(), {});
Object.assign(user.user, { real: 5, effective: 5, saved: 5 });

const made: Thread[] = [];
const newThread = (): Thread => {
  const tid = unwrap(createThread(0x40_0000n as never, 0x1000n as never, 7n as never, 0x2000n as never));
  const thread = findThread(tid)!;
  made.push(thread);
  return thread;
};
const reschedules = (): boolean => (running.thread.attention.load() & Attention.RESCHEDULE) !== 0;

beforeAll(() => {
  machine = startMachine(16);
});
beforeEach(() => {
  running = startProcess(machine);
});
/** Takes every thread of the test but the first off the ready queue, by having it sleep for good. */
afterEach(() => {
  for (const thread of [running.thread, ...made]) unwrap(setPolicy(root, thread, SchedulingPolicy.OTHER, 0 as never));
  for (const thread of made.splice(0)) {
    if (thread.state.load() !== ThreadState.Runnable && thread !== runningThread()) continue;
    switchTo(machine, thread);
    thread.state.store(ThreadState.Blocked);
    sleep();
  }
});

describe('yielding', () => {
  it('returns at once when nobody else can run', () => {
    expect(readyThreadCount()).toBe(0);
    yieldProcessor();
    expect([runningThread(), running.thread.state.load()]).toEqual([running.thread, ThreadState.Running]);
  });

  it('lets equals run first, and forgets nobody who does not get the processor', () => {
    const low = newThread();
    unwrap(setPolicy(root, low, SchedulingPolicy.IDLE, 0 as never));
    yieldProcessor();
    expect([runningThread()!.tid, readyThreadCount()]).toEqual([running.thread.tid, 1]);
    const equal = newThread();
    yieldProcessor();
    expect([runningThread()!.tid, readyThreadCount()]).toEqual([equal.tid, 2]);
    switchTo(machine, running.thread);
    expect(low.state.load()).toBe(ThreadState.Runnable);
  });
});

describe('waking', () => {
  it('does nothing to a thread that runs, is ready or has ended', () => {
    wakeThread(running.thread);
    const ready = newThread();
    wakeThread(ready);
    expect([running.thread.state.load(), readyThreadCount()]).toEqual([ThreadState.Running, 1]);
    const ended = unwrap(allocateThread());
    ended.state.store(ThreadState.Zombie);
    wakeThread(ended);
    expect([ended.state.load(), readyThreadCount()]).toEqual([ThreadState.Zombie, 1]);
  });

  it('by id reaches a thread of any process, and is not lost when it comes before the sleep', () => {
    expect(wakeThreadById(999_999 as never)).toEqual({ ok: false, error: Errno.ESRCH });
    prepareToBlock();
    expect(running.thread.state.load()).toBe(ThreadState.Blocked);
    expect(wakeThreadById(running.thread.tid).ok).toBe(true);
    blockThread();
    expect(runningThread()).toBe(running.thread);
    prepareToBlock();
    whileAway(() => expect(wakeThreadById(running.thread.tid).ok).toBe(true));
    blockThread();
    expect(running.thread.state.load()).toBe(ThreadState.Running);
  });
});

describe('a created thread', () => {
  it('begins at its entry with its argument, stack and TLS base', () => {
    const thread = newThread();
    const { rip, rdi, rsp } = TrapFrame.at(frameBelow(thread.kernelStack));
    expect([rip, rdi, rsp, thread.fsBase]).toEqual([0x40_0000n, 7n, 0x1000n, 0x2000n]);
    expect([thread.process, thread.state.load()]).toEqual([running.process, ThreadState.Runnable]);
  });
});

describe('policies', () => {
  it('put real-time threads before others, the highest priority first', () => {
    const [normal, low, high] = [newThread(), newThread(), newThread()];
    expect(reschedules()).toBe(false);
    unwrap(setPolicy(root, low, SchedulingPolicy.ROUND_ROBIN, 10 as never));
    unwrap(setPolicy(root, high, SchedulingPolicy.FIFO, 50 as never));
    expect(reschedules()).toBe(true);
    const order: number[] = [];
    for (let turn = 0; turn < 3; turn++) {
      yieldProcessor();
      order.push(runningThread()!.tid);
      unwrap(setPolicy(root, runningThread()!, SchedulingPolicy.IDLE, 0 as never));
    }
    expect(order).toEqual([high.tid, low.tid, normal.tid]);
  });

  it('end a slice with its last tick, but never that of a FIFO thread', () => {
    for (let tick = 1; tick < TIME_SLICE; tick++) accountTick();
    expect(reschedules()).toBe(false);
    accountTick();
    expect(reschedules()).toBe(true);
    running.thread.attention.store(0);
    unwrap(setPolicy(root, running.thread, SchedulingPolicy.FIFO, 1 as never));
    yieldProcessor();
    for (let tick = 0; tick < 100; tick++) accountTick();
    expect(reschedules()).toBe(false);
  });

  it('check their priorities and who asks', () => {
    const set = (policy: SchedulingPolicy, priority: number, who = root) =>
      setPolicy(who, running.thread, policy, priority as never);
    expect(set(SchedulingPolicy.FIFO, 0)).toEqual({ ok: false, error: Errno.EINVAL });
    expect(set(SchedulingPolicy.ROUND_ROBIN, 100)).toEqual({ ok: false, error: Errno.EINVAL });
    expect(set(SchedulingPolicy.OTHER, 1)).toEqual({ ok: false, error: Errno.EINVAL });
    expect(set(SchedulingPolicy.FIFO, 1, user)).toEqual({ ok: false, error: Errno.EPERM });
    expect(policyOf(4 as never)).toEqual({ ok: false, error: Errno.EINVAL });
    expect(running.thread.priority).toBe(Priority.Normal);
  });
});

describe('nice values', () => {
  it('are lengths of slices, cut to what there is, and cost a privilege downwards', () => {
    const slices = [-99, 0, 10, 99].map((nice) => {
      unwrap(setNice(root, running.thread, nice as never));
      return [running.thread.nice, running.thread.sliceTicks];
    });
    expect(slices).toEqual([
      [-20, 20],
      [0, 10],
      [10, 5],
      [19, 1],
    ]);
    expect(setNice(user, running.thread, 18 as never)).toEqual({ ok: false, error: Errno.EACCES });
  });

  it('and policies pass to new threads', () => {
    unwrap(setPolicy(root, running.thread, SchedulingPolicy.ROUND_ROBIN, 7 as never));
    const child = unwrap(allocateThread());
    inheritScheduling(running.thread, child);
    expect([child.priority, child.policy, child.realTimePriority]).toEqual([Priority.RealTime, 2, 7]);
  });
});
