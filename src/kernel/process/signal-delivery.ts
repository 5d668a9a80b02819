/**
 * Generating signals. A signal whose default action applies takes effect when it is generated, unless every thread blocks
 * it: then it stays pending until one of them lets it through. One with a handler stays pending until a thread that lets
 * it through is on its way to user mode (`takeSignal`).
 */
import { embed, type i32, u32, u64 } from '#dialect';
import { wakeThread } from '../sched/scheduler.ts';
import { terminateProcess } from './exit.ts';
import { isOrphanedGroup } from './job-control.ts';
import { Limit, limitOf } from './limits.ts';
import { isAlive, type Process } from './pcb.ts';
import { copySignalInfo, describeFault, describeSignal, SignalCode, SignalInfo } from './signal-info.ts';
import {
  addPending,
  chargedSignals,
  discardSignals,
  newQueuedSignal,
  type QueuedSignal,
  type SignalQueue,
  takePending,
} from './signal-queue.ts';
import { wakeAll } from './sync.ts';
import { queuedSignalsOf } from './table.ts';
import { Attention, clearAttention, raiseAttention, SIGNAL_COUNT, type Thread } from './thread.ts';

/** Signal numbers of Linux on x86-64 (signal(7)). */
export const Signal = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;

export const SignalDefault = { TERMINATE: 0, CORE: 1, STOP: 2, CONTINUE: 3, IGNORE: 4 } as const;
export type SignalDefault = (typeof SignalDefault)[keyof typeof SignalDefault];

/** `handler` values of a SignalAction that are not addresses. */
export const SIG_DFL = 0n;
export const SIG_IGN = 1n;
/** SA_NOCLDSTOP and SA_NOCLDWAIT of sigaction(2). */
export const SA_NOCLDSTOP = 1n;
export const SA_NOCLDWAIT = 2n;

/** What a signal does to a process that has not said otherwise. */
export function defaultSignalAction(signal: u32): SignalDefault {
  const bit = signalBit(signal);
  if ((bit & CORE_SIGNALS) !== 0n) return SignalDefault.CORE;
  if ((bit & STOP_SIGNALS) !== 0n) return SignalDefault.STOP;
  if ((bit & IGNORED_SIGNALS) !== 0n) return SignalDefault.IGNORE;
  return signal === Signal.SIGCONT ? SignalDefault.CONTINUE : SignalDefault.TERMINATE;
}

/** A signal's bit in a mask or pending set. */
export function signalBit(signal: u32): u64 {
  return u64(1n << u64((signal - 1) & 63));
}

export function isSignalNumber(signal: u32): boolean {
  return signal >= 1 && signal <= SIGNAL_COUNT;
}

/** SIGQUIT, ILL, TRAP, ABRT, BUS, FPE, SEGV, XCPU, XFSZ, SYS. */
const CORE_SIGNALS = 0x4180_04fcn;
/** SIGCHLD, URG, WINCH. */
const IGNORED_SIGNALS = 0x841_0000n;
/** SIGSTOP, TSTP, TTIN, TTOU. */
const STOP_SIGNALS = 0x3c_0000n;
const CONTINUE_SIGNAL = 0x2_0000n;
/** SIGKILL and SIGSTOP: nobody blocks them. */
export const UNBLOCKABLE = 0x4_0100n;

function handlerOf(process: Process, signal: u32): u64 {
  return process.signalActions[u32(signal - 1)]!.handler;
}

/** True when the process would take no notice of the signal. */
export function isIgnored(process: Process, signal: u32): boolean {
  const handler = handlerOf(process, signal);
  if (handler === SIG_IGN) return true;
  return handler === SIG_DFL && defaultSignalAction(signal) === SignalDefault.IGNORE;
}

/** True when the thread takes note of the signal: it does not block it, or waits for it. */
function letsThrough(thread: Thread, bit: u64): boolean {
  return (thread.signalMask & bit) === 0n || (thread.awaitedSignals & bit) !== 0n;
}

/** The oldest thread that lets the signal through, but rather one that waits for it; null for none. */
function receiverOf(process: Process, bit: u64): Thread | null {
  let receiver: Thread | null = null;
  let thread = process.firstThread;
  while (thread !== null) {
    if ((thread.awaitedSignals & bit) !== 0n) return thread;
    if ((thread.signalMask & bit) === 0n) receiver = thread;
    thread = thread.nextInProcess;
  }
  return receiver;
}

/**
 * Sends a signal to a process. Init takes only what it has a handler for; a zombie takes nothing. False: a real-time
 * signal found no room in the queue.
 */
export function sendSignal(process: Process, signal: u32, info: SignalInfo): boolean {
  if (!isAlive(process)) return true;
  cancelOpposites(process, signal);
  return generate(process, receiverOf(process, signalBit(signal)), process.pending, signal, info);
}

/** Sends a signal to one thread; false as for `sendSignal`. */
export function sendThreadSignal(thread: Thread, signal: u32, info: SignalInfo): boolean {
  const process = thread.process;
  if (process === null || !isAlive(process)) return true;
  cancelOpposites(process, signal);
  const receiver = letsThrough(thread, signalBit(signal)) ? thread : null;
  return generate(process, receiver, thread.pending, signal, info);
}

/** Acts at once where the default action applies, else makes the signal pending and tells `receiver`. */
function generate(
  process: Process,
  receiver: Thread | null,
  queue: SignalQueue,
  signal: u32,
  info: SignalInfo,
): boolean {
  if (receiver !== null && actsAtOnce(process, receiver, signal)) return true;
  const isQueued = makePending(process, queue, signal, info);
  if (receiver !== null) notify(receiver);
  return isQueued;
}

/**
 * Takes the default action, or none, of a signal that nobody blocks, waits for or handles. While a process is stopped only
 * SIGKILL acts; the rest is pending until it is continued.
 */
function actsAtOnce(process: Process, receiver: Thread, signal: u32): boolean {
  if ((receiver.awaitedSignals & signalBit(signal)) !== 0n || handlerOf(process, signal) > SIG_IGN) return false;
  if (isDropped(process, signal)) return true;
  if (process.stopSignal !== 0 && signal !== Signal.SIGKILL) return false;
  takeDefaultAction(process, signal);
  return true;
}

/** The first real-time signal (signal(7)): from here on every one that is sent arrives. */
const FIRST_REAL_TIME = 32;

function makePending(process: Process, queue: SignalQueue, signal: u32, info: SignalInfo): boolean {
  const isRealTime = signal >= FIRST_REAL_TIME;
  if (!isRealTime && (queue.signals & signalBit(signal)) !== 0n) return true;
  const isOwn = !isRealTime && info.code >= 0;
  const queued = isOwn || hasQueueRoom(process) ? newQueuedSignal(process) : null;
  if (queued === null && isRealTime && info.code !== SignalCode.USER) return false;
  if (queued !== null) copySignalInfo(queued.info, info);
  addPending(queue, signal, queued);
  return true;
}

/** RLIMIT_SIGPENDING, which bounds what all processes of one user have pending. */
export function hasQueueRoom(process: Process): boolean {
  const limit = limitOf(process, Limit.SIGPENDING);
  return u64(chargedSignals()) < limit || u64(queuedSignalsOf(process.credentials.user.real)) < limit;
}

/** Has a timer's signal become pending; false when nobody would take notice of it. */
export function sendTimerSignal(process: Process, thread: Thread | null, queued: QueuedSignal, signal: u32): boolean {
  const bit = signalBit(signal);
  const wanted = thread === null ? receiverOf(process, bit) : thread;
  const receiver = wanted !== null && letsThrough(wanted, bit) ? wanted : null;
  if (receiver !== null && actsAtOnce(process, receiver, signal)) return false;
  addPending(thread === null ? process.pending : thread.pending, signal, queued);
  if (receiver !== null) notify(receiver);
  return true;
}

const faultInfo = embed(SignalInfo);

/**
 * A fault of the thread's own instruction: neither a mask nor SIG_IGN keeps it from taking effect. Only a handler for a
 * signal that is not blocked does; without one the process ends. True when there is such a handler.
 */
export function forceSignal(thread: Thread, signal: u32, code: i32): boolean {
  const process = thread.process!;
  const isBlocked = (thread.signalMask & signalBit(signal)) !== 0n;
  if (isBlocked || handlerOf(process, signal) <= SIG_IGN) {
    terminateProcess(process, signal);
    return false;
  }
  const address = code === SignalCode.KERNEL ? 0n : thread.faultAddress;
  makePending(process, thread.pending, signal, describeFault(faultInfo, code, address));
  raiseAttention(thread, Attention.SIGNAL);
  return true;
}

const INIT_PID = 1;

function isDropped(process: Process, signal: u32): boolean {
  if (isIgnored(process, signal)) return true;
  return process.pid === INIT_PID && handlerOf(process, signal) === SIG_DFL;
}

/** SIGCONT takes pending stop signals back and starts a stopped process again; a stop signal takes SIGCONT back. */
function cancelOpposites(process: Process, signal: u32): void {
  const bit = signalBit(signal);
  if (signal === Signal.SIGCONT) {
    discardPending(process, STOP_SIGNALS);
    continueProcess(process);
  } else if ((bit & STOP_SIGNALS) !== 0n) {
    discardPending(process, CONTINUE_SIGNAL);
  } else if (signal === Signal.SIGKILL) {
    resume(process);
  }
}

/** Forgets pending signals of a process and of all its threads. */
export function discardPending(process: Process, signals: u64): void {
  discardSignals(process.pending, signals);
  let thread = process.firstThread;
  while (thread !== null) {
    discardSignals(thread.pending, signals);
    thread = thread.nextInProcess;
  }
}

function takeDefaultAction(process: Process, signal: u32): void {
  switch (defaultSignalAction(signal)) {
    case SignalDefault.STOP:
      if (signal === Signal.SIGSTOP || !isOrphanedGroup(process.pgid, null)) stopProcess(process, signal);
      break;
    case SignalDefault.TERMINATE:
    case SignalDefault.CORE:
      terminateProcess(process, signal);
      break;
    default:
      break;
  }
}

function notify(thread: Thread): void {
  raiseAttention(thread, Attention.SIGNAL);
  if (thread.isInterruptible) wakeThread(thread);
}

/** Stops every thread on its next way to user mode. A thread that sleeps keeps its wait. */
function stopProcess(process: Process, signal: u32): void {
  process.stopSignal = signal;
  process.isStopReported = false;
  process.isContinueReported = true;
  let thread = process.firstThread;
  while (thread !== null) {
    raiseAttention(thread, Attention.STOPPED);
    thread = thread.nextInProcess;
  }
  notifyParent(process, SignalCode.CHILD_STOPPED, signal);
}

function continueProcess(process: Process): void {
  if (process.stopSignal === 0) return;
  resume(process);
  process.isStopReported = true;
  process.isContinueReported = false;
  notifyParent(process, SignalCode.CHILD_CONTINUED, Signal.SIGCONT);
}

function resume(process: Process): void {
  process.stopSignal = 0;
  let thread = process.firstThread;
  while (thread !== null) {
    clearAttention(thread, Attention.STOPPED);
    thread = thread.nextInProcess;
  }
  wakeAll(process.continueEvents);
}

const childInfo = embed(SignalInfo);

function notifyParent(process: Process, code: i32, status: u32): void {
  const parent = process.parent;
  if (parent === null) return;
  wakeAll(parent.childEvents);
  if ((parent.signalActions[Signal.SIGCHLD - 1]!.flags & SA_NOCLDSTOP) !== 0n) return;
  sendSignal(
    parent,
    Signal.SIGCHLD,
    describeSignal(childInfo, code, process.pid, process.credentials.user.real, status),
  );
}

/** Sends a parent the signal that announces a child's end. */
export function sendExitSignal(parent: Process, child: Process): void {
  const killer = u32(child.exitStatus & 0x7f);
  const code = killer === 0 ? SignalCode.CHILD_EXITED : SignalCode.CHILD_KILLED;
  const status = killer === 0 ? u32(child.exitStatus >> 8) : killer;
  sendSignal(parent, child.exitSignal, describeSignal(childInfo, code, child.pid, child.credentials.user.real, status));
}

/** Signals generated for a thread or its process that have not acted yet. */
export function pendingSignalsOf(thread: Thread): u64 {
  const process = thread.process;
  return process === null ? thread.pending.signals : u64(thread.pending.signals | process.pending.signals);
}

/** Signals that this thread has to act on now. */
function deliverableTo(thread: Thread): u64 {
  return u64(pendingSignalsOf(thread) & ~thread.signalMask);
}

/** True when a wait should end early: the thread is to die, or has a signal to handle. */
export function isInterrupted(thread: Thread): boolean {
  return isKilled(thread) || deliverableTo(thread) !== 0n;
}

/** True when the thread must not do anything but exit. */
export function isKilled(thread: Thread): boolean {
  return (thread.attention.load() & Attention.KILLED) !== 0;
}

/** Replaces a thread's mask. What it lets through now acts on its way to user mode, what it no longer does elsewhere. */
export function setSignalMask(thread: Thread, mask: u64): void {
  const old = thread.signalMask;
  thread.signalMask = u64(mask & ~UNBLOCKABLE);
  if (deliverableTo(thread) !== 0n) raiseAttention(thread, Attention.SIGNAL);
  const process = thread.process;
  if (process !== null) findReceivers(process, u64(thread.signalMask & ~old));
}

/** Hands pending signals of a process to threads that let them through, when others no longer can. */
export function findReceivers(process: Process, signals: u64): void {
  const orphans = u64(process.pending.signals & signals);
  if (orphans === 0n) return;
  for (let signal: u32 = 1; signal <= SIGNAL_COUNT; signal++) {
    if ((orphans & signalBit(signal)) === 0n) continue;
    const receiver = receiverOf(process, signalBit(signal));
    if (receiver !== null) notify(receiver);
  }
}

/** Signals that an instruction raises come before all others: SIGILL, TRAP, BUS, FPE, SEGV, SYS. */
const SYNCHRONOUS_SIGNALS = 0x4000_04d8n;

function firstSignal(signals: u64): u32 {
  const urgent = u64(signals & SYNCHRONOUS_SIGNALS);
  const candidates = urgent === 0n ? signals : urgent;
  let signal: u32 = 1;
  while (signal < SIGNAL_COUNT && (candidates & signalBit(signal)) === 0n) signal++;
  return signal;
}

/**
 * Takes one pending signal of a set, the thread's own before its process's, and fills in `info`; 0 when there is none.
 */
export function takeSignalOf(thread: Thread, set: u64, info: SignalInfo): u32 {
  const process = thread.process!;
  const own = u64(thread.pending.signals & set);
  const shared = u64(process.pending.signals & set);
  if (own === 0n && shared === 0n) return 0;
  const signal = firstSignal(own === 0n ? shared : own);
  takePending(own === 0n ? process.pending : thread.pending, signal, info);
  return signal;
}

/**
 * Takes one pending signal that the thread lets through. Returns its number and fills in `info` when the program handles
 * it; 0 when there is none, or its default action has been taken.
 */
export function takeSignal(thread: Thread, info: SignalInfo): u32 {
  const process = thread.process!;
  const signal = takeSignalOf(thread, u64(~thread.signalMask), info);
  if (signal === 0) return 0;
  if (deliverableTo(thread) !== 0n) raiseAttention(thread, Attention.SIGNAL);
  if (handlerOf(process, signal) > SIG_IGN) return signal;
  if (!isDropped(process, signal)) takeDefaultAction(process, signal);
  return 0;
}
