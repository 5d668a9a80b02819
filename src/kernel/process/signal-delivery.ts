/**
 * Signals, as far as their default actions go. A signal whose default action applies takes effect when it is generated,
 * unless every thread blocks it: then it stays pending until one of them lets it through.
 */
import { u32, u64 } from '#dialect';
import { wakeThread } from '../sched/scheduler.ts';
import { terminateProcess } from './exit.ts';
import { isAlive, type Process, SIGNAL_COUNT } from './pcb.ts';
import { wakeAll } from './sync.ts';
import { Attention, clearAttention, raiseAttention, type Thread } from './thread.ts';

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

/** A thread that lets the signal through, or null. */
function receiverOf(process: Process, signal: u32): Thread | null {
  const bit = signalBit(signal);
  let thread = process.firstThread;
  while (thread !== null && (thread.signalMask & bit) !== 0n) thread = thread.nextInProcess;
  return thread;
}

/** Sends a signal to a process. Init takes only what it has a handler for; a zombie takes nothing. */
export function sendSignal(process: Process, signal: u32): void {
  if (!isAlive(process)) return;
  cancelOpposites(process, signal);
  const receiver = receiverOf(process, signal);
  if (receiver !== null && isDropped(process, signal)) return;
  if (receiver === null || handlerOf(process, signal) > SIG_IGN) {
    process.pendingSignals = u64(process.pendingSignals | signalBit(signal));
    if (receiver !== null) notify(receiver);
    return;
  }
  takeDefaultAction(process, signal);
}

/** Sends a signal to one thread. */
export function sendThreadSignal(thread: Thread, signal: u32): void {
  const process = thread.process;
  if (process === null || !isAlive(process)) return;
  cancelOpposites(process, signal);
  const isBlocked = (thread.signalMask & signalBit(signal)) !== 0n;
  if (!isBlocked && isDropped(process, signal)) return;
  if (isBlocked || handlerOf(process, signal) > SIG_IGN) {
    thread.pendingSignals = u64(thread.pendingSignals | signalBit(signal));
    if (!isBlocked) notify(thread);
    return;
  }
  takeDefaultAction(process, signal);
}

/** A fault of the thread's own instruction: neither a mask nor SIG_IGN keeps it from taking effect. */
export function forceSignal(process: Process, signal: u32): void {
  terminateProcess(process, signal);
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
  process.pendingSignals = u64(process.pendingSignals & ~signals);
  let thread = process.firstThread;
  while (thread !== null) {
    thread.pendingSignals = u64(thread.pendingSignals & ~signals);
    thread = thread.nextInProcess;
  }
}

function takeDefaultAction(process: Process, signal: u32): void {
  switch (defaultSignalAction(signal)) {
    case SignalDefault.STOP:
      stopProcess(process, signal);
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
  notifyParent(process);
}

function continueProcess(process: Process): void {
  if (process.stopSignal === 0) return;
  resume(process);
  process.isStopReported = true;
  process.isContinueReported = false;
  notifyParent(process);
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

function notifyParent(process: Process): void {
  const parent = process.parent;
  if (parent === null) return;
  wakeAll(parent.childEvents);
  if ((parent.signalActions[Signal.SIGCHLD - 1]!.flags & SA_NOCLDSTOP) === 0n) sendSignal(parent, Signal.SIGCHLD);
}

/** Signals that this thread has to act on now. */
function deliverableTo(thread: Thread): u64 {
  const process = thread.process;
  const pending = process === null ? thread.pendingSignals : u64(thread.pendingSignals | process.pendingSignals);
  return u64(pending & ~thread.signalMask);
}

/** True when a wait should end early: the thread is to die, or has a signal to handle. */
export function isInterrupted(thread: Thread): boolean {
  return isKilled(thread) || deliverableTo(thread) !== 0n;
}

/** True when the thread must not do anything but exit. */
export function isKilled(thread: Thread): boolean {
  return (thread.attention.load() & Attention.KILLED) !== 0;
}

/** Lets signals act that have become unblocked. Called by a thread for itself, after its mask changed. */
export function releasePending(thread: Thread): void {
  const process = thread.process;
  if (process === null) return;
  for (let signal: u32 = 1; signal <= SIGNAL_COUNT; signal++) {
    const bit = signalBit(signal);
    if ((deliverableTo(thread) & bit) === 0n) continue;
    const isShared = (process.pendingSignals & bit) !== 0n;
    thread.pendingSignals = u64(thread.pendingSignals & ~bit);
    process.pendingSignals = u64(process.pendingSignals & ~bit);
    if (isShared) sendSignal(process, signal);
    else sendThreadSignal(thread, signal);
  }
}
