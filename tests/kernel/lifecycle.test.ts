import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Protection } from '../../src/kernel/memory/area.ts';
import { readUser32, writeUser32 } from '../../src/kernel/memory/user-copy.ts';
import { resetSignalHandlers } from '../../src/kernel/process/creation.ts';
import { exitThread, terminateProcess } from '../../src/kernel/process/exit.ts';
import { CloneRequest, cloneTask, forkProcess } from '../../src/kernel/process/fork.ts';
import { Limit } from '../../src/kernel/process/limits.ts';
import { MapFlag, mapMemory } from '../../src/kernel/process/memory.ts';
import { type Process, ProcessState } from '../../src/kernel/process/pcb.ts';
import { Signal, sendSignal, setSignalMask, signalBit } from '../../src/kernel/process/signal-delivery.ts';
import { SignalInfo } from '../../src/kernel/process/signal-info.ts';
import { findProcess } from '../../src/kernel/process/table.ts';
import { findThread } from '../../src/kernel/process/thread.ts';
import { ChildEvent, WaitFor, WaitOption, waitForChild, waitStatus } from '../../src/kernel/process/wait.ts';
import { frameBelow, initializeFrame } from '../../src/kernel/processor/trap-frame.ts';
import { type FakeMachine, startMachine, unwrap } from './fake-machine.ts';
import { makeProcess, type Running, startProcess, switchTo, ThreadEnded } from './fake-switch.ts';

vi.mock('../../src/kernel/sched/switch.ts', async () =>
  (await vi.importActual<typeof import('./fake-switch.ts')>('./fake-switch.ts')).fakeSwitch(),
);

let machine: FakeMachine;
let init: Running;
let running: Running;
const request = new CloneRequest();
const event = new ChildEvent();
const HANDLER = 0x40_1000n;
const IGNORE = 1n;

const setAction = (process: Process, signal: number, handler: bigint): void => {
  Object.assign(process.signalActions[signal - 1]!, { handler, flags: 0x0400_0000n, mask: 6n });
};
const end = (process: Process, status: number): void => {
  switchTo(machine, process.firstThread!);
  expect(() => exitThread(status as never)).toThrow(ThreadEnded);
};

beforeAll(() => {
  machine = startMachine(16);
  init = startProcess(machine);
});
beforeEach(() => {
  running = startProcess(machine, init.process);
  initializeFrame(frameBelow(running.thread.kernelStack), 0x40_0000n, 0x1000n as never);
});

describe('a forked process', () => {
  it('has its parent’s ids, umask, limits, actions, mask and name, and nothing pending', () => {
    const { process, thread } = running;
    Object.assign(process.credentials.user, { real: 1, effective: 2, saved: 3, file: 4 });
    process.umask = 0o77 as never;
    process.limits[Limit.CPU]!.soft = 99n as never;
    setAction(process, Signal.SIGUSR1, HANDLER);
    setSignalMask(thread, signalBit(Signal.SIGUSR1));
    sendSignal(process, Signal.SIGUSR1, new SignalInfo());
    thread.name[0] = 65 as never;
    process.ticks = 5n as never;
    const child = findProcess(unwrap(forkProcess(request)))!;
    expect(child.credentials.user).toEqual(process.credentials.user);
    expect([child.umask, child.limits[Limit.CPU]!.soft, child.name[0]]).toEqual([0o77, 99n, 65]);
    expect([child.signalActions[Signal.SIGUSR1 - 1]!.handler, child.firstThread!.signalMask]).toEqual([
      HANDLER,
      signalBit(Signal.SIGUSR1),
    ]);
    expect([child.pending.signals, child.firstThread!.pending.signals, child.ticks]).toEqual([0n, 0n, 0n]);
    expect([child.pgid, child.sid, child.parent]).toEqual([process.pgid, process.sid, process]);
  });

  it('is refused to a user who has as many as the limit allows', () => {
    Object.assign(running.process.credentials.user, { real: 55, effective: 55 });
    running.process.limits[Limit.NPROC]!.soft = 1n as never;
    expect(forkProcess(request).ok).toBe(false);
    running.process.credentials.user.effective = 0 as never;
    expect(forkProcess(request).ok).toBe(true);
  });
});

describe('a cloned thread', () => {
  it('has its maker’s mask, policy and name, and nothing pending', () => {
    setSignalMask(running.thread, signalBit(Signal.SIGTERM));
    running.thread.name[0] = 66 as never;
    running.thread.nice = 3 as never;
    Object.assign(request, { flags: 0x1_0f00n, stack: 0x9000n });
    const thread = findThread(unwrap(cloneTask(request)))!;
    expect([thread.signalMask, thread.nice, thread.name[0]]).toEqual([signalBit(Signal.SIGTERM), 3, 66]);
    expect([thread.process, thread.pending.signals]).toEqual([running.process, 0n]);
    expect(thread.tid).not.toBe(running.process.pid);
  });
});

describe('execve', () => {
  it('sets caught signals back to their default and leaves ignored ones ignored', () => {
    setAction(running.process, Signal.SIGUSR1, HANDLER);
    setAction(running.process, Signal.SIGUSR2, IGNORE);
    resetSignalHandlers(running.process);
    const of = (signal: number) => running.process.signalActions[signal - 1]!;
    expect([of(Signal.SIGUSR1).handler, of(Signal.SIGUSR2).handler, of(Signal.SIGUSR1).flags]).toEqual([0n, 1n, 0n]);
  });
});

describe('an end', () => {
  it('clears the tid word when others use the memory, and takes no notice of a bad address', () => {
    const page = unwrap(
      mapMemory(running.space, 0n, 0x1000n, Protection.READ | Protection.WRITE, MapFlag.SHARED | 0x20),
    );
    for (const [address, expected] of [
      [page, 0],
      [8n, 7],
    ] as const) {
      unwrap(writeUser32(page as never, 7 as never));
      Object.assign(request, { flags: 0x1_0f00n, stack: 0x9000n });
      const thread = findThread(unwrap(cloneTask(request)))!;
      thread.clearTid = address as never;
      switchTo(machine, thread);
      expect(() => exitThread(0 as never)).toThrow(ThreadEnded);
      switchTo(machine, running.thread);
      expect(unwrap(readUser32(page as never))).toBe(expected);
    }
  });

  it('is one for a whole process: the first cause counts, and its last thread makes the zombie', () => {
    const child = makeProcess(machine, running.process);
    child.firstThread!.state.store(3);
    terminateProcess(child, 11 as never);
    terminateProcess(child, 0x500 as never);
    expect(child.state.load()).toBe(ProcessState.Alive);
    end(child, 0x100);
    switchTo(machine, running.thread);
    unwrap(waitForChild(event, WaitFor.PID, child.pid, WaitOption.EXITED as never));
    expect([event.pid, waitStatus(event)]).toEqual([child.pid, 11]);
  });

  it('gives orphans to the nearest ancestor that adopts them, with the signal they asked for', () => {
    running.process.isSubreaper = true;
    const middle = makeProcess(machine, running.process);
    const orphan = makeProcess(machine, middle);
    orphan.exitSignal = Signal.SIGUSR1;
    orphan.parentDeathSignal = Signal.SIGUSR2;
    setAction(orphan, Signal.SIGUSR2, HANDLER);
    middle.firstThread!.state.store(3);
    terminateProcess(middle, 0 as never);
    end(middle, 0);
    switchTo(machine, running.thread);
    expect([orphan.parent, orphan.exitSignal]).toEqual([running.process, Signal.SIGCHLD]);
    expect(orphan.pending.signals).toBe(signalBit(Signal.SIGUSR2));
  });
});
