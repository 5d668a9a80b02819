import { beforeAll, describe, expect, it, vi } from 'vitest';
import {
  clearBootCurrent,
  currentProcess,
  currentThread,
  getThreadTid,
  restoreBootCurrent,
  setBootCurrent,
} from '../../src/kernel/process/mod.ts';
import { type FakeMachine, startMachine } from './fake-machine.ts';
import { makeProcess, startProcess } from './fake-switch.ts';

vi.mock('../../src/kernel/sched/switch.ts', async () =>
  (await vi.importActual<typeof import('./fake-switch.ts')>('./fake-switch.ts')).fakeSwitch(),
);

let machine: FakeMachine;

beforeAll(() => {
  machine = startMachine(16);
});

describe('the boot-current fallback', () => {
  it('is nobody until it is set', () => {
    expect(currentProcess()).toBe(null);
    expect(currentThread()).toBe(null);
    expect(getThreadTid()).toBe(0);
  });

  it('names the program before the scheduler has a current thread', () => {
    const process = makeProcess(machine);
    const thread = process.firstThread!;
    const before = setBootCurrent(process.pid, thread.tid);
    expect(currentProcess()).toBe(process);
    expect(currentThread()).toBe(thread);
    expect(getThreadTid()).toBe(thread.tid);
    restoreBootCurrent(before);
    expect(currentProcess()).toBe(null);
  });

  it('is one value, so that nested runs give back the outer pair', () => {
    const [outer, inner] = [makeProcess(machine), makeProcess(machine)];
    const nobody = setBootCurrent(outer.pid, outer.firstThread!.tid);
    const saved = setBootCurrent(inner.pid, inner.firstThread!.tid);
    expect(currentProcess()).toBe(inner);
    restoreBootCurrent(saved);
    expect([currentProcess(), currentThread()]).toEqual([outer, outer.firstThread]);
    expect(clearBootCurrent()).toBe(saved);
    expect(currentProcess()).toBe(null);
    restoreBootCurrent(nobody);
  });

  it('names nobody when its process is gone', () => {
    const before = setBootCurrent(0x3f_ffff, 0x3f_ffff);
    expect(currentProcess()).toBe(null);
    expect(currentThread()).toBe(null);
    restoreBootCurrent(before);
  });

  it("gives way to the scheduler's current thread", () => {
    const other = makeProcess(machine);
    const before = setBootCurrent(other.pid, other.firstThread!.tid);
    const running = startProcess(machine);
    expect(currentProcess()).toBe(running.process);
    expect(currentThread()).toBe(running.thread);
    restoreBootCurrent(before);
  });
});
