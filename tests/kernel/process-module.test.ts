import { beforeAll, describe, expect, it, vi } from 'vitest';
import {
  allocPid,
  allocTid,
  blockThread,
  createThread,
  getThreadAffinity,
  prepareToBlock,
  setThreadAffinity,
  terminateThread,
  wakeThreadById,
} from '../../src/kernel/process/mod.ts';
import { nextProcess } from '../../src/kernel/process/table.ts';
import { findThread, ThreadState } from '../../src/kernel/process/thread.ts';
import { type FakeMachine, startMachine, unwrap } from './fake-machine.ts';
import { makeProcess, type Running, startProcess, whileAway } from './fake-switch.ts';

vi.mock('../../src/kernel/sched/switch.ts', async () =>
  (await vi.importActual<typeof import('./fake-switch.ts')>('./fake-switch.ts')).fakeSwitch(),
);

const ESRCH = 3;
const EINVAL = 22;
const ENTRY = 0x40_0000n;

let machine: FakeMachine;
let running: Running;

beforeAll(() => {
  machine = startMachine(64);
  running = startProcess(machine);
});

const create = (): number => unwrap(createThread(ENTRY as never, 0x7000n as never, 5n as never, 0x1234n as never));

describe('the process module', () => {
  it('gives out pids and tids from one counter, each once', () => {
    const ids = [allocPid(), allocTid(), allocPid(), allocTid()] as number[];
    expect(ids).toEqual(ids.map((_, index) => ids[0]! + index));
  });

  it('creates a thread of the current process, ready to run', () => {
    const thread = findThread(create() as never)!;
    expect(thread.process).toBe(running.process);
    expect(thread.state.load()).toBe(ThreadState.Runnable);
    expect(thread.fsBase).toBe(0x1234n);
  });

  it('blocks a thread until it is woken by its tid', () => {
    let woken = false;
    prepareToBlock();
    whileAway(() => {
      expect(running.thread.state.load()).toBe(ThreadState.Blocked);
      woken = wakeThreadById(running.thread.tid).ok;
    });
    blockThread();
    expect(woken).toBe(true);
    expect(running.thread.state.load()).toBe(ThreadState.Running);
  });

  it('loses no wake-up that comes between the decision to block and the block', () => {
    prepareToBlock();
    expect(wakeThreadById(running.thread.tid).ok).toBe(true);
    whileAway(() => expect.unreachable('it blocked'));
    blockThread();
    expect(running.thread.state.load()).toBe(ThreadState.Running);
    whileAway(() => undefined);
  });

  it('terminates a thread of the process that is named with it, and no other', () => {
    const tid = create();
    expect(terminateThread(0x3f_fff0 as never, tid as never)).toMatchObject({ ok: false, error: ESRCH });
    expect(terminateThread(running.process.pid, tid as never).ok).toBe(true);
    expect(terminateThread(running.process.pid, 0x3f_fff0 as never)).toMatchObject({ ok: false, error: ESRCH });
    expect(wakeThreadById(0x3f_fff0 as never)).toMatchObject({ ok: false, error: ESRCH });
  });

  it('places threads on processors that exist', () => {
    const { tid } = running.thread;
    expect(unwrap(getThreadAffinity(tid)) & 1n).toBe(1n);
    expect(setThreadAffinity(tid, 1n as never).ok).toBe(true);
    expect(unwrap(getThreadAffinity(0 as never))).toBe(1n);
    expect(setThreadAffinity(tid, 0n as never)).toMatchObject({ ok: false, error: EINVAL });
    expect(setThreadAffinity(0x3f_fff0 as never, 1n as never)).toMatchObject({ ok: false, error: ESRCH });
  });

  it('lists processes by pid', () => {
    const other = makeProcess(machine);
    const pids: number[] = [];
    for (let process = nextProcess(0 as never); process !== null; process = nextProcess(process.pid))
      pids.push(process.pid);
    expect(pids).toEqual([running.process.pid, other.pid]);
  });
});
