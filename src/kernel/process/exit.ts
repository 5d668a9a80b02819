/** The end of threads and processes. All causes meet here: exit, exit_group, fatal signals, faults, execve. */
import { embed, u32, u64, userPtr } from '#dialect';
import { print } from '../console/print.ts';
import { releaseProcessFiles } from '../ipc/process-files.ts';
import { loadKernelSpace, releaseAddressSpace } from '../memory/address-space.ts';
import { writeUser32 } from '../memory/user-copy.ts';
import { powerOff } from '../processor/power.ts';
import { futexWakeOne } from '../sched/futex.ts';
import { exitRunningThread, runningThread, wakeThread } from '../sched/scheduler.ts';
import { disarmTimer, stopTimer } from '../sched/timer-queue.ts';
import { abandonTerminal, announceOrphan, announceOwnEnd } from './job-control.ts';
import { changeProcessState, linkChild, type Process, ProcessState, unlinkChild, unlinkThread } from './pcb.ts';
import { deletePosixTimers } from './posix-timers.ts';
import { abandonRobustLocks } from './robust-list.ts';
import { findReceivers, SA_NOCLDWAIT, SIG_IGN, Signal, sendExitSignal, sendSignal } from './signal-delivery.ts';
import { describeSignal, SignalCode, SignalInfo } from './signal-info.ts';
import { discardSignals } from './signal-queue.ts';
import { unlinkWaiter, wakeAll } from './sync.ts';
import { findProcess, freeProcess, removeProcess } from './table.ts';
import { Attention, raiseAttention, removeThread, type Thread } from './thread.ts';

const INIT_PID = 1;
const deathInfo = embed(SignalInfo);
const ALL_SIGNALS = 0xffff_ffff_ffff_ffffn;

/** Wait status of a normal exit (wait(2), WIFEXITED). */
export function exitedStatus(code: u32): u32 {
  return u32((code & 0xff) << 8);
}

/** Has every thread of a process exit, and fixes its wait status. The first cause wins. */
export function terminateProcess(process: Process, status: u32): void {
  if (process.isExiting) return;
  process.isExiting = true;
  process.exitStatus = status;
  let thread = process.firstThread;
  while (thread !== null) {
    killThread(thread);
    thread = thread.nextInProcess;
  }
}

/** Has one thread exit on its next way to user mode, and ends its wait and its stop. */
export function killThread(thread: Thread): void {
  raiseAttention(thread, Attention.KILLED);
  wakeThread(thread);
}

/**
 * Ends the running thread; with the last thread, the process. `status` is the process's wait status unless a group exit
 * has fixed it. What others wait for happens in this order: the thread's words in user memory, its place in the process,
 * the process's resources, the zombie, the news of it.
 */
export function exitThread(status: u32): never {
  const thread = runningThread()!;
  const process = thread.process!;
  disarmTimer(thread);
  unlinkWaiter(thread);
  forgetVforkChild(thread);
  leaveUserMemory(thread);
  discardSignals(thread.pending, ALL_SIGNALS);
  removeThread(thread);
  unlinkThread(process, thread);
  thread.process = null;
  if (process.firstThread === null) finishProcess(process, status);
  else leaveOthers(process, thread);
  exitRunningThread();
}

function leaveOthers(process: Process, thread: Thread): void {
  findReceivers(process, u64(~thread.signalMask));
  wakeAll(process.threadExits);
}

/** What a thread does for others when it stops using its memory, at its end or in execve. */
export function leaveUserMemory(thread: Thread): void {
  abandonRobustLocks(thread);
  clearTidAddress(thread);
}

/** CLONE_CHILD_CLEARTID: zeroes the word and wakes one waiter, if the memory has other users. A bad address is nobody's. */
function clearTidAddress(thread: Thread): void {
  const address = thread.clearTid;
  thread.clearTid = 0n;
  const process = thread.process!;
  const space = process.addressSpace;
  if (address === 0n || space === null) return;
  if (process.threadCount === 1 && space.references === 1) return;
  const cleared = writeUser32(userPtr<u32>(address), 0);
  if (cleared.ok) futexWakeOne(space, address);
}

function finishProcess(process: Process, status: u32): void {
  if (!process.isExiting) {
    process.isExiting = true;
    process.exitStatus = status;
  }
  completeVfork(process);
  stopTimer(process.realTimer);
  deletePosixTimers(process);
  discardSignals(process.pending, ALL_SIGNALS);
  releaseMemory(process);
  releaseProcessFiles(process);
  if (process.pid === INIT_PID) endMachine(process.exitStatus);
  if (process.sid === process.pid) abandonTerminal(process);
  orphanChildren(process);
  announceOwnEnd(process);
  changeProcessState(process, ProcessState.Alive, ProcessState.Zombie);
  announceEnd(process);
}

function releaseMemory(process: Process): void {
  const space = process.addressSpace;
  if (space === null) return;
  process.addressSpace = null;
  loadKernelSpace();
  releaseAddressSpace(space);
}

/** Gives a process's children, zombies included, to the nearest ancestor that adopts orphans, or else to init. */
function orphanChildren(process: Process): void {
  const adopter = adopterOf(process);
  let child = process.firstChild;
  while (child !== null) {
    const next: Process | null = child.nextSibling;
    unlinkChild(child);
    if (adopter !== null) linkChild(adopter, child);
    child.exitSignal = Signal.SIGCHLD;
    announceOrphan(child, process);
    if (child.parentDeathSignal !== 0) {
      const info = describeSignal(deathInfo, SignalCode.USER, process.pid, process.credentials.user.real, 0);
      sendSignal(child, child.parentDeathSignal, info);
    }
    if (adopter !== null && child.state.load() === ProcessState.Zombie) announceEnd(child);
    child = next;
  }
}

function adopterOf(process: Process): Process | null {
  let ancestor = process.parent;
  while (ancestor !== null) {
    if (ancestor.isSubreaper && !ancestor.isExiting) return ancestor;
    ancestor = ancestor.parent;
  }
  return findProcess(INIT_PID);
}

/** Tells the parent of a zombie, which reaps it; a parent that does not want to know has it reaped at once. */
function announceEnd(process: Process): void {
  const parent = process.parent;
  if (parent === null) {
    reapProcess(process);
    return;
  }
  const action = parent.signalActions[Signal.SIGCHLD - 1]!;
  const isUnwanted = action.handler === SIG_IGN || (action.flags & SA_NOCLDWAIT) !== 0n;
  if (process.exitSignal !== 0) sendExitSignal(parent, process);
  if (isUnwanted && process.exitSignal === Signal.SIGCHLD) reapProcess(process);
  wakeAll(parent.childEvents);
}

/** Removes a zombie for good. */
export function reapProcess(process: Process): void {
  unlinkChild(process);
  removeProcess(process);
  freeProcess(process);
}

/** Lets the vfork that made this process return: the memory it borrowed is the parent's again. */
export function completeVfork(process: Process): void {
  const parent = process.vforkParent;
  if (parent === null) return;
  process.vforkParent = null;
  parent.vforkChild = null;
  wakeThread(parent);
}

function forgetVforkChild(thread: Thread): void {
  if (thread.vforkChild === null) return;
  thread.vforkChild.vforkParent = null;
  thread.vforkChild = null;
}

/** The machine's status is init's: its exit code, or 128 plus the signal that killed it, as shells report it. */
function endMachine(status: u32): never {
  const signal = u32(status & 0x7f);
  const code = signal === 0 ? u32(status >> 8) : u32(128 + signal);
  if (signal !== 0) print`[PROCESS] init was killed by signal ${signal}\n`;
  print`[KERNEL] init has ended with status ${code}: powering off\n`;
  powerOff(code);
}
