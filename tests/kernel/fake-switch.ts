import { addressOf } from '../../src/compiler/library/index.ts';
import { createProcessFiles, openStandardFiles } from '../../src/kernel/ipc/process-files.ts';
import type { AddressSpace } from '../../src/kernel/memory/address-space.ts';
import * as pcb from '../../src/kernel/process/pcb.ts';
import * as table from '../../src/kernel/process/table.ts';
import * as threads from '../../src/kernel/process/thread.ts';
import { CURRENT_THREAD_OFFSET } from '../../src/kernel/processor/per-cpu.ts';
import * as scheduler from '../../src/kernel/sched/scheduler.ts';
import { type FakeMachine, loadFreshSpace, unwrap } from './fake-machine.ts';

type Process = pcb.Process;
type Thread = threads.Thread;

/** Thrown where a thread that has ended gives the processor up for good. */
export class ThreadEnded extends Error {}

/** ThreadState.Zombie: the modules behind it are not loaded yet when the mock is made. */
const BLOCKED = 3;
const ENDED = 4;
const MOST_TURNS = 2000;
/** CallState.QUEUED. */
const QUEUED = 1;
/** The machine that threads were last adopted by. */
let adopter: FakeMachine | null = null;
let away: (() => void) | null = null;
let isAway = false;

/** What the rest of the system does while the running thread is switched away from, the next time it is. */
export function whileAway(action: () => void): void {
  away = action;
}

let server: (() => void) | null = null;

/** What answers the calls that threads wait in, whenever one does. */
export function playServer(action: (() => void) | null): void {
  server = action;
}

/**
 * Stands in for sched/switch.ts: `vi.mock('../../src/kernel/sched/switch.ts', () => fakeSwitch())`. Stacks cannot change in
 * Node: a thread that yields simply returns with another one running. One that blocks stays in its call, so the test's
 * action runs in there, and then the scheduler has to come back to it.
 */
export function fakeSwitch(): object {
  return {
    beginThread: () => undefined,
    returnToUser: () => undefined,
    prepareFirstSwitch: () => undefined,
    prepareKernelStart: () => undefined,
    switchTo: (from: Thread) => {
      if (from.state.load() === ENDED) {
        scheduler.finishSwitch();
        throw new ThreadEnded();
      }
      if (isAway || from.state.load() !== BLOCKED) return;
      isAway = true;
      try {
        while (away === null && server !== null && from.call.state === QUEUED) server();
        away?.();
        away = null;
        for (let turns = 0; scheduler.runningThread() !== from && turns < MOST_TURNS; turns++) giveWay();
      } finally {
        isAway = false;
      }
      if (from.process !== null) readopt(from);
    },
  };
}

/** Has the scheduler run somebody else. */
function giveWay(): void {
  if (scheduler.isIdle()) scheduler.waitForWork();
  else scheduler.yieldProcessor();
}

/** Has the scheduler run a thread that is ready. */
export function switchTo(machine: FakeMachine, thread: Thread): void {
  for (let turns = 0; scheduler.runningThread() !== thread; turns++) {
    if (turns === MOST_TURNS) throw new Error(`thread ${thread.tid} is not ready`);
    giveWay();
  }
  adopt(machine, thread);
}

export interface Running {
  readonly machine: FakeMachine;
  readonly process: Process;
  readonly thread: Thread;
  readonly space: AddressSpace;
}

/** A process of the machine whose only thread is running. */
export function startProcess(machine: FakeMachine, parent: Process | null = null): Running {
  const process = makeProcess(machine, parent);
  run(machine, process.firstThread!);
  return { machine, process, thread: process.firstThread!, space: process.addressSpace! };
}

/** A process with an empty address space and one thread in state New. */
export function makeProcess(machine: FakeMachine, parent: Process | null = null): Process {
  const process = unwrap(table.reserveProcess());
  process.addressSpace = loadFreshSpace(machine);
  process.pid = table.allocPid();
  process.pgid = process.pid;
  process.sid = process.pid;
  process.exitSignal = 17;
  unwrap(createProcessFiles(process));
  unwrap(openStandardFiles(process));
  unwrap(pcb.reserveThread(process));
  const thread = unwrap(threads.allocateThread());
  thread.tid = process.pid;
  threads.enterThread(thread);
  pcb.linkThread(process, thread);
  table.addProcess(process);
  pcb.changeProcessState(process, pcb.ProcessState.Creating, pcb.ProcessState.Alive);
  if (parent !== null) pcb.linkChild(parent, process);
  return process;
}

/** Makes a new thread the running one, as if it had been switched to. */
function run(machine: FakeMachine, thread: Thread): void {
  thread.state.store(threads.ThreadState.Running);
  machine.perCpu.set(CURRENT_THREAD_OFFSET, addressOf(thread));
  adopt(machine, thread);
}

function readopt(thread: Thread): void {
  if (adopter !== null) adopt(adopter, thread);
}

/** Has user addresses mean the thread's. */
export function adopt(machine: FakeMachine, thread: Thread): void {
  adopter = machine;
  machine.space = thread.process!.addressSpace;
  machine.cr3 = machine.space!.root;
}
