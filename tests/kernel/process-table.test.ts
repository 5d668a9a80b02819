import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Errno } from '../../src/compiler/library/index.ts';
import { freeFrameCount } from '../../src/kernel/memory/frames.ts';
import {
  changeProcessState,
  type Process,
  ProcessState,
  reserveThread,
  unreserveThread,
} from '../../src/kernel/process/pcb.ts';
import {
  addProcess,
  allocPid,
  findProcess,
  freeProcess,
  MAX_PROCESSES,
  nextProcess,
  PID_MAX,
  processCount,
  removeProcess,
  reserveProcess,
} from '../../src/kernel/process/table.ts';
import { changeState, MAX_THREADS_PER_PROCESS, Thread, ThreadState } from '../../src/kernel/process/thread.ts';
import { startMachine, unwrap } from './fake-machine.ts';

vi.mock('../../src/kernel/sched/switch.ts', async () =>
  (await vi.importActual<typeof import('./fake-switch.ts')>('./fake-switch.ts')).fakeSwitch(),
);

const made: Process[] = [];

function make(): Process {
  const process = unwrap(reserveProcess());
  process.pid = allocPid();
  changeProcessState(process, ProcessState.Creating, ProcessState.Alive);
  addProcess(process);
  made.push(process);
  return process;
}

function unmake(process: Process): void {
  removeProcess(process);
  freeProcess(process);
}

beforeAll(() => {
  startMachine(8);
});
afterEach(() => {
  for (const process of made.splice(0)) unmake(process);
});

describe('the process table', () => {
  it('holds exactly 1,024 processes, zombies included, and says EAGAIN to the next', () => {
    const free = freeFrameCount();
    for (let index = 0; index < MAX_PROCESSES; index++) make();
    const zombie = made[17]!;
    changeProcessState(zombie, ProcessState.Alive, ProcessState.Zombie);
    expect(processCount()).toBe(MAX_PROCESSES);
    expect(reserveProcess()).toEqual({ ok: false, error: Errno.EAGAIN });
    expect(processCount()).toBe(MAX_PROCESSES);
    for (const process of made.splice(0)) unmake(process);
    expect(processCount()).toBe(0);
    expect(freeFrameCount()).toBe(free);
  });

  it('finds by pid what is in it and nothing else', () => {
    const first = make();
    const second = make();
    expect(findProcess(first.pid)).toBe(first);
    expect(findProcess(second.pid)).toBe(second);
    const { pid } = made.pop()!;
    unmake(second);
    expect(findProcess(pid)).toBe(null);
    expect(findProcess(0)).toBe(null);
  });

  it('is walked in ascending order of pids while it changes', () => {
    const pids = [make().pid, make().pid, make().pid];
    const first = nextProcess(pids[0]! - 1)!;
    expect(first.pid).toBe(pids[0]);
    unmake(made.splice(made.indexOf(first), 1)[0]!);
    expect(nextProcess(pids[0]!)!.pid).toBe(pids[1]);
    expect(nextProcess(pids[2]!)).toBe(null);
  });
});

describe('ids', () => {
  it('are never given out twice while in use, not even after the counter has come around', () => {
    const holder = make();
    const leader = make();
    leader.pgid = 4321;
    leader.sid = 1234;
    const seen = new Set<number>();
    for (let index = 0; index < PID_MAX + 5000; index++) {
      const id = allocPid();
      if (index < 10_000) seen.add(id);
      if (id === holder.pid || (index >= PID_MAX && (id === 4321 || id === 1234)))
        throw new Error(`id ${id} given out twice`);
      if (id < 1 || id >= PID_MAX) throw new Error(`id ${id} is out of range`);
    }
    expect(seen.size).toBe(10_000);
  }, 120_000);
});

describe('threads of a process', () => {
  it('are at most 256, counted before anything is allocated', () => {
    const process = make();
    for (let index = 0; index < MAX_THREADS_PER_PROCESS; index++) expect(reserveThread(process).ok).toBe(true);
    expect(reserveThread(process)).toEqual({ ok: false, error: Errno.EAGAIN });
    unreserveThread(process);
    expect(reserveThread(process).ok).toBe(true);
  });

  it('are refused to a process that is exiting', () => {
    const process = make();
    process.isExiting = true;
    expect(reserveThread(process)).toEqual({ ok: false, error: Errno.EAGAIN });
  });
});

describe('states', () => {
  it('change only from the predecessor that is named', () => {
    const thread = new Thread();
    expect(changeState(thread, ThreadState.Blocked, ThreadState.Runnable)).toBe(false);
    expect(changeState(thread, ThreadState.New, ThreadState.Runnable)).toBe(true);
    expect(changeState(thread, ThreadState.Runnable, ThreadState.Running)).toBe(true);
    expect(changeState(thread, ThreadState.Running, ThreadState.Zombie)).toBe(true);
    expect(changeState(thread, ThreadState.Blocked, ThreadState.Runnable)).toBe(false);
    expect(thread.state.load()).toBe(ThreadState.Zombie);
  });
});
