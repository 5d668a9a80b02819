import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Errno } from '../../src/compiler/library/index.ts';
import type { Process } from '../../src/kernel/process/pcb.ts';
import { createSession, findForQuery, setProcessGroup } from '../../src/kernel/process/session.ts';
import { type FakeMachine, startMachine } from './fake-machine.ts';
import { makeProcess, startProcess } from './fake-switch.ts';

vi.mock('../../src/kernel/sched/switch.ts', async () =>
  (await vi.importActual<typeof import('./fake-switch.ts')>('./fake-switch.ts')).fakeSwitch(),
);

let machine: FakeMachine;
let shell: Process;
let job: Process;

const move = (caller: Process, pid: number, group: number) => setProcessGroup(caller, pid as never, group as never);
const failing = (error: number) => ({ ok: false, error });
const childOf = (parent: Process): Process => {
  const child = makeProcess(machine, parent);
  child.sid = parent.sid;
  child.pgid = parent.pgid;
  return child;
};

beforeAll(() => {
  machine = startMachine(16);
});
beforeEach(() => {
  shell = startProcess(machine).process;
  job = childOf(shell);
});

describe('setpgid', () => {
  it('moves the caller or its child into a group of its own, or one of the session', () => {
    expect(move(shell, job.pid, 0).ok).toBe(true);
    const second = childOf(shell);
    expect(move(shell, second.pid, job.pid).ok).toBe(true);
    expect([job.pgid, second.pgid]).toEqual([job.pid, job.pid]);
    expect(move(second, 0, 0).ok).toBe(true);
    expect(second.pgid).toBe(second.pid);
  });

  it('refuses strangers, children that have executed a program, leaders, and groups of other sessions', () => {
    expect(move(shell, job.pid, -1)).toEqual(failing(Errno.EINVAL));
    expect(move(job, shell.pid, 0)).toEqual(failing(Errno.ESRCH));
    expect(move(shell, 999_999, 0)).toEqual(failing(Errno.ESRCH));
    expect(move(shell, 0, 0)).toEqual(failing(Errno.EPERM));
    expect(move(shell, job.pid, 999_999)).toEqual(failing(Errno.EPERM));
    const foreign = startProcess(machine).process;
    expect(move(shell, job.pid, foreign.pgid)).toEqual(failing(Errno.EPERM));
    job.hasExecuted = true;
    expect(move(shell, job.pid, 0)).toEqual(failing(Errno.EACCES));
    job.hasExecuted = false;
    job.sid = job.pid;
    expect(move(shell, job.pid, 0)).toEqual(failing(Errno.EPERM));
  });
});

describe('setsid', () => {
  it('makes a session and a group without a terminal, but not for the leader of a group', () => {
    job.hasTerminal = true;
    expect(createSession(job)).toEqual({ ok: true, value: job.pid });
    expect([job.sid, job.pgid, job.hasTerminal]).toEqual([job.pid, job.pid, false]);
    expect(createSession(job)).toEqual(failing(Errno.EPERM));
    const member = childOf(shell);
    const other = childOf(shell);
    other.pgid = member.pid;
    expect(createSession(member)).toEqual(failing(Errno.EPERM));
  });
});

it('a pid of 0 asks about the caller', () => {
  expect(findForQuery(job, 0 as never)).toEqual({ ok: true, value: job });
  expect(findForQuery(job, 999_999 as never)).toEqual(failing(Errno.ESRCH));
});
