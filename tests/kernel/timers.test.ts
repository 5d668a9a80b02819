import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Errno } from '../../src/compiler/library/index.ts';
import { realTimeLeft, setRealTimer, setTickTimer, tickTimeLeft } from '../../src/kernel/process/interval-timers.ts';
import { Limit } from '../../src/kernel/process/limits.ts';
import {
  createPosixTimer,
  deletePosixTimer,
  findPosixTimer,
  type PosixTimer,
  posixTimeLeft,
  setPosixTimer,
} from '../../src/kernel/process/posix-timers.ts';
import { Signal, setSignalMask, signalBit, takeSignal } from '../../src/kernel/process/signal-delivery.ts';
import { SignalCode, SignalInfo } from '../../src/kernel/process/signal-info.ts';
import { accountProcessTick } from '../../src/kernel/process/times.ts';
import { expireTimers, hasTimers } from '../../src/kernel/sched/timer-queue.ts';
import { type FakeMachine, startMachine, unwrap } from './fake-machine.ts';
import { type Running, startProcess } from './fake-switch.ts';

vi.mock('../../src/kernel/sched/switch.ts', async () =>
  (await vi.importActual<typeof import('./fake-switch.ts')>('./fake-switch.ts')).fakeSwitch(),
);

/** The clock is not calibrated here: one count of the TSC is a second. */
const SECOND = 1_000_000_000n;
const MILLISECOND = 1_000_000n;

let machine: FakeMachine;
let running: Running;
const info = new SignalInfo();

const pass = (seconds: bigint): void => {
  machine.tsc += seconds;
  expireTimers();
};
const taken = (): [number, number, bigint] => [
  takeSignal(running.thread, info),
  info.code,
  BigInt.asUintN(64, info.source) >> 32n,
];
const handle = (signal: number): void => {
  running.process.signalActions[signal - 1]!.handler = 0x40_1000n as never;
};

beforeAll(() => {
  machine = startMachine(16);
});
beforeEach(() => {
  const init = startProcess(machine);
  running = startProcess(machine, init.process);
});

describe('ITIMER_REAL', () => {
  it('sends SIGALRM once, or at each interval, however many of them have been missed', () => {
    handle(Signal.SIGALRM);
    setRealTimer(running.process, (3n * SECOND) as never, 0n);
    expect(realTimeLeft(running.process)).toBe(3n * SECOND);
    pass(3n);
    expect(taken()).toEqual([Signal.SIGALRM, SignalCode.KERNEL, 0n]);
    expect([realTimeLeft(running.process), hasTimers()]).toEqual([0n, false]);
    setRealTimer(running.process, SECOND as never, (2n * SECOND) as never);
    pass(10n);
    expect([taken()[0], taken()[0]]).toEqual([Signal.SIGALRM, 0]);
    expect(realTimeLeft(running.process)).toBe(SECOND);
    setRealTimer(running.process, 0n, SECOND as never);
    expect(hasTimers()).toBe(false);
  });
});

describe('the timers of processor time', () => {
  it('count ticks of the running process, and start again with their interval', () => {
    handle(Signal.SIGVTALRM);
    handle(Signal.SIGPROF);
    setTickTimer(running.process.virtualTimer, (2n * MILLISECOND) as never, (3n * MILLISECOND) as never);
    setTickTimer(running.process.profilingTimer, (1n * MILLISECOND) as never, 0n);
    const signals = Array.from({ length: 6 }, () => {
      accountProcessTick();
      return [taken()[0], taken()[0]];
    });
    expect(signals).toEqual([
      [Signal.SIGPROF, 0],
      [Signal.SIGVTALRM, 0],
      [0, 0],
      [0, 0],
      [Signal.SIGVTALRM, 0],
      [0, 0],
    ]);
    expect(tickTimeLeft(running.process.virtualTimer)).toBe(2n * MILLISECOND);
    expect(running.process.ticks).toBe(6n);
  });

  it('end a process at its hard limit, and warn it at the soft one', () => {
    handle(Signal.SIGXCPU);
    Object.assign(running.process.limits[Limit.CPU]!, { soft: 1n, hard: 2n });
    const ticks = (count: number): void => {
      for (let tick = 0; tick < count; tick++) accountProcessTick();
    };
    ticks(999);
    expect(taken()[0]).toBe(0);
    ticks(1);
    expect(taken()[0]).toBe(Signal.SIGXCPU);
    ticks(1000);
    expect(running.process.exitStatus).toBe(Signal.SIGKILL);
  });
});

describe('a POSIX timer', () => {
  const create = (signal: number): PosixTimer => {
    const timer = unwrap(createPosixTimer(running.process));
    timer.signal = signal as never;
    return timer;
  };

  it('queues one signal however often it expires, and says how often that was', () => {
    handle(Signal.SIGUSR1);
    const timer = create(Signal.SIGUSR1);
    setSignalMask(running.thread, signalBit(Signal.SIGUSR1));
    setPosixTimer(timer, (machine.tsc * SECOND + SECOND) as never, SECOND as never);
    pass(1n);
    pass(1n);
    pass(5n);
    setSignalMask(running.thread, 0n);
    expect(taken()).toEqual([Signal.SIGUSR1, SignalCode.TIMER, 6n]);
    expect([timer.queued.lastOverrun, taken()[0]]).toEqual([6, 0]);
    expect(posixTimeLeft(timer)).toBe(SECOND);
    deletePosixTimer(running.process, timer);
    expect([hasTimers(), findPosixTimer(running.process, timer.id)]).toEqual([false, null]);
  });

  it('takes its signal back when it is set anew or deleted', () => {
    handle(Signal.SIGUSR1);
    const timer = create(Signal.SIGUSR1);
    setSignalMask(running.thread, signalBit(Signal.SIGUSR1));
    setPosixTimer(timer, 1n, 0n);
    pass(1n);
    expect(running.process.pending.signals).toBe(signalBit(Signal.SIGUSR1));
    setPosixTimer(timer, 0n, 0n);
    expect(running.process.pending.signals).toBe(0n);
    setPosixTimer(timer, 1n, 0n);
    pass(1n);
    deletePosixTimer(running.process, timer);
    expect([running.process.pending.first, running.process.pending.signals]).toEqual([null, 0n]);
  });

  it('signals the thread it is for, and nobody once that thread is gone', () => {
    handle(Signal.SIGUSR2);
    const timer = create(Signal.SIGUSR2);
    timer.tid = running.thread.tid;
    setPosixTimer(timer, 1n, 0n);
    pass(1n);
    expect(running.thread.pending.signals).toBe(signalBit(Signal.SIGUSR2));
    expect(taken()[0]).toBe(Signal.SIGUSR2);
    timer.tid = 4_000_000 as never;
    setPosixTimer(timer, 1n, 0n);
    pass(1n);
    expect([running.process.pending.signals, running.thread.pending.signals]).toEqual([0n, 0n]);
    deletePosixTimer(running.process, timer);
  });

  it('counts against the limit of pending signals', () => {
    running.process.credentials.user.real = 78 as never;
    running.process.limits[Limit.SIGPENDING]!.soft = 1n as never;
    const timer = create(Signal.SIGUSR1);
    expect([timer.id, running.process.queuedSignals]).toEqual([0, 1]);
    expect(createPosixTimer(running.process)).toEqual({ ok: false, error: Errno.EAGAIN });
    deletePosixTimer(running.process, timer);
    expect(running.process.queuedSignals).toBe(0);
  });
});
