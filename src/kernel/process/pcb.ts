/** The process control block: what a process is, apart from its threads and its memory. */
import { Atomic32, array, Errno, embed, err, ok, type Result, u8, u32, type u64 } from '#dialect';
import { NAME_LENGTH } from '../abi/process.ts';
import type { DescriptorTable } from '../ipc/descriptors.ts';
import type { OpenFile } from '../ipc/open-file.ts';
import type { FileContext } from '../ipc/process-files.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import { Timer } from '../sched/timer.ts';
import { Credentials } from './credentials.ts';
import { LIMIT_COUNT, LimitPair } from './limits.ts';
import type { PosixTimer } from './posix-timers.ts';
import { SignalQueue } from './signal-queue.ts';
import { MAX_THREADS_PER_PROCESS, SIGNAL_COUNT, type Thread } from './thread.ts';
import { TickTimer } from './tick-timer.ts';
import { WaitQueue } from './wait-queue.ts';

/** Free -> Creating -> Alive -> Zombie -> Free, by compare-and-set. A process is a zombie once its last thread is gone. */
export const ProcessState = { Free: 0, Creating: 1, Alive: 2, Zombie: 3 } as const;
export type ProcessState = (typeof ProcessState)[keyof typeof ProcessState];

/** What rt_sigaction stores for a signal. `handler` is 0 for the default, 1 to ignore, else a user address. */
export class SignalAction {
  handler: u64 = 0n;
  flags: u64 = 0n;
  restorer: u64 = 0n;
  mask: u64 = 0n;
}

export class Process {
  pid: u32 = 0;
  readonly state = new Atomic32(ProcessState.Free);
  /** Index in the process table. */
  slot: u32 = 0;
  /** Process group and session, named by their leaders' pids. */
  pgid: u32 = 0;
  sid: u32 = 0;
  /** The terminal is its controlling terminal. */
  hasTerminal: boolean = false;
  readonly credentials: Credentials = embed(Credentials);
  /** By `Limit`. */
  readonly limits = array(LimitPair, LIMIT_COUNT);

  parent: Process | null = null;
  /** Children in the order in which they became that: wait looks at them so. */
  firstChild: Process | null = null;
  lastChild: Process | null = null;
  nextSibling: Process | null = null;
  previousSibling: Process | null = null;
  nextInTable: Process | null = null;
  /** Waits of this process's threads for its children. */
  readonly childEvents: WaitQueue = embed(WaitQueue);

  firstThread: Thread | null = null;
  /** Threads in the list and threads being made. */
  threadCount: u32 = 0;
  /** Where execve waits for the other threads to go. */
  readonly threadExits: WaitQueue = embed(WaitQueue);
  /** Processor time of all its threads, and of the children that it has waited for, in ticks. */
  ticks: u64 = 0n;
  childTicks: u64 = 0n;

  /** File mode bits that new files do not get (umask(2)). */
  umask: u32 = 0o022;
  addressSpace: AddressSpace | null = null;
  files: DescriptorTable | null = null;
  fileContext: FileContext | null = null;
  /** The program's file. */
  executable: OpenFile | null = null;
  /** Calls that this process has received and not answered. */
  firstServed: Thread | null = null;
  /** The thread whose vfork waits until this process has a memory of its own, or none at all. */
  vforkParent: Thread | null = null;
  hasExecuted: boolean = false;
  /** One of the system's own: signals to everybody are not for it, and it may map the initramfs. */
  isServer: boolean = false;

  /** Set once by exit_group or a fatal signal: every thread is to go, and the status is final. */
  isExiting: boolean = false;
  /** Wait status as wait4 reports it. */
  exitStatus: u32 = 0;
  /** ITIMER_REAL, with its interval in nanoseconds, and the two interval timers of processor time. */
  readonly realTimer: Timer = embed(Timer);
  realInterval: u64 = 0n;
  readonly virtualTimer: TickTimer = embed(TickTimer);
  readonly profilingTimer: TickTimer = embed(TickTimer);
  firstTimer: PosixTimer | null = null;
  nextTimerId: u32 = 0;

  /** Sent to the parent at the end; 0 for none. */
  exitSignal: u32 = 0;
  /** Sent to this process when its parent ends; 0 for none. */
  parentDeathSignal: u32 = 0;
  /** Adopts the orphans among its descendants (PR_SET_CHILD_SUBREAPER). */
  isSubreaper: boolean = false;
  isDumpable: boolean = true;

  /** The signal that stopped it, while it is stopped. */
  stopSignal: u32 = 0;
  isStopReported: boolean = true;
  isContinueReported: boolean = true;
  readonly continueEvents: WaitQueue = embed(WaitQueue);

  readonly pending: SignalQueue = embed(SignalQueue);
  /** Descriptions of pending signals of this process and its threads, and its timers, which a limit bounds together. */
  queuedSignals: u32 = 0;
  readonly signalActions = array(SignalAction, SIGNAL_COUNT);
  readonly name = array(u8, NAME_LENGTH);
}

/** Changes state if the process is in `from`; false when it is in another. */
export function changeProcessState(process: Process, from: ProcessState, to: ProcessState): boolean {
  return process.state.compareExchange(from, to) === from;
}

/** True until the last thread is gone. */
export function isAlive(process: Process): boolean {
  const state = process.state.load();
  return state === ProcessState.Creating || state === ProcessState.Alive;
}

/** Names the process after text of any length, cut to fit. */
export function setName(process: Process, name: string): void {
  for (let index: u32 = 0; index < NAME_LENGTH; index++) {
    process.name[index] = index < name.length && index < NAME_LENGTH - 1 ? name.charCodeAt(index) : 0;
  }
}

/** Counts one more thread before anything is allocated for it; EAGAIN at 256 or once the process is exiting. */
export function reserveThread(process: Process): Result<void> {
  if (process.isExiting || process.threadCount >= MAX_THREADS_PER_PROCESS) return err(Errno.EAGAIN);
  process.threadCount = u32(process.threadCount + 1);
  return ok();
}

/** Takes a reservation back. */
export function unreserveThread(process: Process): void {
  process.threadCount = u32(process.threadCount - 1);
}

/** Puts a reserved thread on the process's list. */
export function linkThread(process: Process, thread: Thread): void {
  thread.process = process;
  thread.previousInProcess = null;
  thread.nextInProcess = process.firstThread;
  if (process.firstThread !== null) process.firstThread.previousInProcess = thread;
  process.firstThread = thread;
}

/** Takes a thread off the list and gives its place back. `thread.process` keeps naming the process. */
export function unlinkThread(process: Process, thread: Thread): void {
  if (thread.previousInProcess === null) process.firstThread = thread.nextInProcess;
  else thread.previousInProcess.nextInProcess = thread.nextInProcess;
  if (thread.nextInProcess !== null) thread.nextInProcess.previousInProcess = thread.previousInProcess;
  thread.nextInProcess = null;
  thread.previousInProcess = null;
  unreserveThread(process);
}

/** Makes a process a child of another. */
export function linkChild(parent: Process, child: Process): void {
  child.parent = parent;
  child.nextSibling = null;
  child.previousSibling = parent.lastChild;
  if (parent.lastChild === null) parent.firstChild = child;
  else parent.lastChild.nextSibling = child;
  parent.lastChild = child;
}

/** Takes a process off its parent's list. */
export function unlinkChild(child: Process): void {
  const parent = child.parent;
  if (parent === null) return;
  if (child.previousSibling === null) parent.firstChild = child.nextSibling;
  else child.previousSibling.nextSibling = child.nextSibling;
  if (child.nextSibling === null) parent.lastChild = child.previousSibling;
  else child.nextSibling.previousSibling = child.previousSibling;
  child.nextSibling = null;
  child.previousSibling = null;
  child.parent = null;
}
