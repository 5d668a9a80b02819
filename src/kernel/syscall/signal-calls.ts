/** System calls about signals. */
import {
  addressOf,
  array,
  Errno,
  embed,
  err,
  f32,
  f64,
  i32,
  ok,
  type Result,
  struct,
  u32,
  u64,
  userPtr,
  type VirtAddr,
} from '#dialect';
import { copyIn, copyOut, fillOut, readUser64, writeUser64 } from '../memory/user-copy.ts';
import { maySignal } from '../process/credentials.ts';
import { isAlive, type Process } from '../process/pcb.ts';
import {
  discardPending,
  forceSignal,
  isIgnored,
  isInterrupted,
  isSignalNumber,
  pendingSignalsOf,
  Signal,
  sendSignal,
  sendThreadSignal,
  setSignalMask,
  signalBit,
  takeSignalOf,
  UNBLOCKABLE,
} from '../process/signal-delivery.ts';
import { alternateStackFlags, leaveHandler, setAlternateStack } from '../process/signal-frame.ts';
import { describeSignal, SignalCode, SignalInfo } from '../process/signal-info.ts';
import { finishWaiting, prepareToSleep } from '../process/sync.ts';
import { findProcess, nextProcess } from '../process/table.ts';
import { findThread, Restart, type Thread } from '../process/thread.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { NO_DEADLINE } from '../sched/futex.ts';
import { runningThread, sleep } from '../sched/scheduler.ts';
import { armTimer, disarmTimer } from '../sched/timer-queue.ts';
import { deadlineAfter, readTimespec } from './time-calls.ts';

const INIT_PID = 1;
const SIGNAL_SET_BYTES = 8n;
const sender = embed(SignalInfo);

/** EPERM unless the caller's ids allow it; SIGCONT goes to everybody in the caller's session. */
function checkSender(caller: Process, target: Process, signal: u32): Result<void> {
  if (maySignal(caller.credentials, target.credentials)) return ok();
  return signal === Signal.SIGCONT && caller.sid === target.sid ? ok() : err(Errno.EPERM);
}

/** Says in `sender` that the caller sent it. */
function describeSender(caller: Process, code: i32): SignalInfo {
  return describeSignal(sender, code, caller.pid, caller.credentials.user.real, 0);
}

/** kill(pid, signal): one process, a group (0: the caller's own), or with -1 all but init and the caller. */
export function kill(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const pid = i32(registers.rdi);
  const signal = u32(registers.rsi);
  if (signal !== 0 && !isSignalNumber(signal)) return err(Errno.EINVAL);
  const caller = runningThread()!.process!;
  if (pid > 0) return killOne(caller, findProcess(u32(pid)), signal);
  return killMany(caller, pid, signal);
}

function killOne(caller: Process, target: Process | null, signal: u32): Result<u64> {
  if (target === null) return err(Errno.ESRCH);
  const allowed = checkSender(caller, target, signal);
  if (!allowed.ok) return err(allowed.error);
  if (signal !== 0) sendSignal(target, signal, describeSender(caller, SignalCode.USER));
  return ok(0n);
}

function killMany(caller: Process, pid: i32, signal: u32): Result<u64> {
  const group = pid === 0 ? caller.pgid : u32(-pid);
  let isAnyMeant = false;
  let isAnySignaled = false;
  let target = nextProcess(0);
  while (target !== null) {
    const isMeant =
      pid === -1 ? target.pid !== INIT_PID && target !== caller && !target.isServer : target.pgid === group;
    const next = target.pid;
    if (isMeant) {
      isAnyMeant = true;
      if (killOne(caller, target, signal).ok) isAnySignaled = true;
    }
    target = nextProcess(next);
  }
  if (!isAnyMeant) return err(Errno.ESRCH);
  return isAnySignaled ? ok(0n) : err(Errno.EPERM);
}

/** tkill(tid, signal) */
export function tkill(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const info = describeSender(runningThread()!.process!, SignalCode.TKILL);
  return signalThread(0, i32(registers.rdi), u32(registers.rsi), info);
}

/** tgkill(pid, tid, signal) */
export function tgkill(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const pid = i32(registers.rdi);
  const info = describeSender(runningThread()!.process!, SignalCode.TKILL);
  return pid <= 0 ? err(Errno.EINVAL) : signalThread(u32(pid), i32(registers.rsi), u32(registers.rdx), info);
}

/** Signals a thread, of process `pid` unless that is 0. EAGAIN: the queue is full. */
function signalThread(pid: u32, tid: i32, signal: u32, info: SignalInfo): Result<u64> {
  if (tid <= 0 || (signal !== 0 && !isSignalNumber(signal))) return err(Errno.EINVAL);
  const thread = findThread(u32(tid));
  const target = thread === null ? null : thread.process;
  if (thread === null || target === null || !isAlive(target)) return err(Errno.ESRCH);
  if (pid !== 0 && target.pid !== pid) return err(Errno.ESRCH);
  const allowed = checkSender(runningThread()!.process!, target, signal);
  if (!allowed.ok) return err(allowed.error);
  return signal === 0 || sendThreadSignal(thread, signal, info) ? ok(0n) : err(Errno.EAGAIN);
}

/** The part of siginfo_t that says anything. */
const UserSignalInfo = struct({
  signal: i32,
  error: i32,
  code: i32,
  _padding: f32,
  source: f64,
  value: f64,
  userTime: f64,
  systemTime: f64,
});
const userInfo = embed(UserSignalInfo);

function readSignalInfo(info: SignalInfo, address: u64): Result<void> {
  const copied = copyIn(addressOf(userInfo), userPtr<u64>(address), u64(UserSignalInfo.size));
  if (!copied.ok) return copied;
  info.code = userInfo.code;
  info.error = userInfo.error;
  info.source = userInfo.source;
  info.value = userInfo.value;
  info.userTime = userInfo.userTime;
  info.systemTime = userInfo.systemTime;
  return ok();
}

const SIGNAL_INFO_BYTES = 128n;

function writeSignalInfo(signal: u32, info: SignalInfo, address: u64): Result<void> {
  userInfo.signal = i32(signal);
  userInfo.code = info.code;
  userInfo.error = info.error;
  userInfo.source = info.source;
  userInfo.value = info.value;
  userInfo.userTime = info.userTime;
  userInfo.systemTime = info.systemTime;
  const copied = copyOut(userPtr<u64>(address), addressOf(userInfo), u64(UserSignalInfo.size));
  if (!copied.ok) return copied;
  const rest = u64(SIGNAL_INFO_BYTES - u64(UserSignalInfo.size));
  return fillOut(userPtr<u64>(address + u64(UserSignalInfo.size)), 0, rest);
}

/** Nobody but a process itself may claim that its signal comes from the kernel, from kill or from tkill. */
function isForged(info: SignalInfo, pid: u32): boolean {
  return (info.code >= 0 || info.code === SignalCode.TKILL) && runningThread()!.process!.pid !== pid;
}

/** rt_sigqueueinfo(pid, signal, info): a signal whose description the caller writes. EAGAIN: the queue is full. */
export function rtSigqueueinfo(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const pid = u32(registers.rdi);
  const signal = u32(registers.rsi);
  const copied = readSignalInfo(sender, registers.rdx);
  if (!copied.ok) return err(copied.error);
  if (isForged(sender, pid)) return err(Errno.EPERM);
  if (signal !== 0 && !isSignalNumber(signal)) return err(Errno.EINVAL);
  const target = findProcess(pid);
  if (target === null) return err(Errno.ESRCH);
  const allowed = checkSender(runningThread()!.process!, target, signal);
  if (!allowed.ok) return err(allowed.error);
  return signal === 0 || sendSignal(target, signal, sender) ? ok(0n) : err(Errno.EAGAIN);
}

/** rt_tgsigqueueinfo(pid, tid, signal, info) */
export function rtTgsigqueueinfo(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const pid = i32(registers.rdi);
  const tid = i32(registers.rsi);
  const copied = readSignalInfo(sender, registers.r10);
  if (!copied.ok) return err(copied.error);
  if (pid <= 0 || tid <= 0) return err(Errno.EINVAL);
  if (isForged(sender, u32(pid))) return err(Errno.EPERM);
  return signalThread(u32(pid), tid, u32(registers.rdx), sender);
}

const taken = embed(SignalInfo);

/**
 * rt_sigtimedwait(set, info, timeout, set size): takes one pending signal of the set, or waits for it; returns its number.
 * EAGAIN: the time is up. EINTR: a handler is to run for another.
 */
export function rtSigtimedwait(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (registers.r10 !== SIGNAL_SET_BYTES) return err(Errno.EINVAL);
  const set = readUser64(userPtr<u64>(registers.rdi));
  if (!set.ok) return set;
  let timeout: u64 = NO_DEADLINE;
  if (registers.rdx !== 0n) {
    const duration = readTimespec(registers.rdx);
    if (!duration.ok) return duration;
    timeout = duration.value;
  }
  const thread = runningThread()!;
  const wanted = u64(set.value & ~UNBLOCKABLE);
  let signal = takeSignalOf(thread, wanted, taken);
  if (signal === 0 && timeout !== 0n) {
    waitForSignals(thread, wanted, timeout);
    signal = takeSignalOf(thread, wanted, taken);
    if (signal === 0 && !thread.timedOut) return err(Errno.EINTR);
  }
  if (signal === 0) return err(Errno.EAGAIN);
  if (registers.rsi === 0n) return ok(u64(signal));
  const stored = writeSignalInfo(signal, taken, registers.rsi);
  return stored.ok ? ok(u64(signal)) : err(stored.error);
}

/** Sleeps until one of the signals is pending, another interrupts, or the time is up. */
function waitForSignals(thread: Thread, wanted: u64, timeout: u64): void {
  thread.awaitedSignals = wanted;
  thread.timedOut = false;
  if (timeout !== NO_DEADLINE) armTimer(thread, deadlineAfter(timeout));
  while (!thread.timedOut && !isInterrupted(thread) && (pendingSignalsOf(thread) & wanted) === 0n) {
    prepareToSleep(thread, true);
    sleep();
    finishWaiting(thread);
  }
  disarmTimer(thread);
  thread.awaitedSignals = 0n;
}

/** Words of the kernel's struct sigaction: handler, flags, restorer, mask. */
const ACTION_WORDS = 4;
const ACTION_BYTES = 32n;
const action = array(u64, ACTION_WORDS);

/** rt_sigaction(signal, action, old action, set size). EINVAL: not a signal, or a change for SIGKILL or SIGSTOP. */
export function rtSigaction(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const signal = u32(registers.rdi);
  if (!isSignalNumber(signal) || registers.r10 !== SIGNAL_SET_BYTES) return err(Errno.EINVAL);
  const isChange = registers.rsi !== 0n;
  if (isChange && (signalBit(signal) & UNBLOCKABLE) !== 0n) return err(Errno.EINVAL);
  if (isChange) {
    const copied = copyIn(addressOf(action), userPtr<u64>(registers.rsi), ACTION_BYTES);
    if (!copied.ok) return err(copied.error);
  }
  const exchanged = exchangeAction(runningThread()!.process!, signal, isChange, registers.rdx);
  return exchanged.ok ? ok(0n) : err(exchanged.error);
}

/** Stores the old action at `oldAt` unless that is 0, then the new one from `action`. */
function exchangeAction(process: Process, signal: u32, isChange: boolean, oldAt: u64): Result<void> {
  const stored = process.signalActions[u32(signal - 1)]!;
  const handler = action[0]!;
  const flags = action[1]!;
  const restorer = action[2]!;
  const mask = action[3]!;
  if (oldAt !== 0n) {
    action[0] = stored.handler;
    action[1] = stored.flags;
    action[2] = stored.restorer;
    action[3] = stored.mask;
    const copied = copyOut(userPtr<u64>(oldAt), addressOf(action), ACTION_BYTES);
    if (!copied.ok) return copied;
  }
  if (!isChange) return ok();
  stored.handler = handler;
  stored.flags = flags;
  stored.restorer = restorer;
  stored.mask = u64(mask & ~UNBLOCKABLE);
  if (isIgnored(process, signal)) discardPending(process, signalBit(signal));
  return ok();
}

/** How rt_sigprocmask changes the mask. */
const MaskChange = { BLOCK: 0, UNBLOCK: 1, SET: 2 } as const;

/** rt_sigprocmask(how, set, old set, set size): the calling thread's mask. */
export function rtSigprocmask(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (registers.r10 !== SIGNAL_SET_BYTES) return err(Errno.EINVAL);
  const thread = runningThread()!;
  const old = thread.signalMask;
  let mask = old;
  if (registers.rsi !== 0n) {
    const set = readUser64(userPtr<u64>(registers.rsi));
    if (!set.ok) return set;
    const how = u32(registers.rdi);
    if (how > MaskChange.SET) return err(Errno.EINVAL);
    mask = changedMask(old, how, set.value);
  }
  if (registers.rdx !== 0n) {
    const stored = writeUser64(userPtr<u64>(registers.rdx), old);
    if (!stored.ok) return err(stored.error);
  }
  setSignalMask(thread, mask);
  return ok(0n);
}

function changedMask(old: u64, how: u32, set: u64): u64 {
  if (how === MaskChange.BLOCK) return u64(old | set);
  return how === MaskChange.UNBLOCK ? u64(old & ~set) : set;
}

/** rt_sigpending(set, set size) */
export function rtSigpending(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (registers.rsi > SIGNAL_SET_BYTES) return err(Errno.EINVAL);
  const thread = runningThread()!;
  const stored = writeUser64(userPtr<u64>(registers.rdi), u64(pendingSignalsOf(thread) & thread.signalMask));
  return stored.ok ? ok(0n) : err(stored.error);
}

/** rt_sigsuspend(mask, set size): EINTR once a handler has run or the process is to end. */
export function rtSigsuspend(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (registers.rsi !== SIGNAL_SET_BYTES) return err(Errno.EINVAL);
  const mask = readUser64(userPtr<u64>(registers.rdi));
  if (!mask.ok) return mask;
  const thread = runningThread()!;
  thread.replacedMask = thread.signalMask;
  thread.isMaskReplaced = true;
  setSignalMask(thread, mask.value);
  return pause(frame);
}

/** pause(): EINTR, as rt_sigsuspend with the mask in force. */
export function pause(_frame: VirtAddr): Result<u64> {
  const thread = runningThread()!;
  while (!isInterrupted(thread)) {
    prepareToSleep(thread, true);
    sleep();
    finishWaiting(thread);
  }
  thread.restart = Restart.WITHOUT_HANDLER;
  return err(Errno.EINTR);
}

/** rt_sigreturn(): the end of a handler. A frame that cannot be loaded is a SIGSEGV. */
export function rtSigreturn(frame: VirtAddr): Result<u64> {
  const thread = runningThread()!;
  const left = leaveHandler(thread);
  if (!left.ok) forceSignal(thread, Signal.SIGSEGV, SignalCode.KERNEL);
  return ok(TrapFrame.at(frame).rax);
}

/** `stack_t` of sigaltstack(2). */
const StackDescription = struct({ base: f64, flags: f32, _padding: f32, size: f64 });
const STACK_BYTES = 24n;
const stack = embed(StackDescription);

/** sigaltstack(new stack, old stack) */
export function sigaltstack(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const thread = runningThread()!;
  const base = thread.alternateStack;
  const size = thread.alternateStackSize;
  const flags = alternateStackFlags(thread, registers.rsp);
  if (registers.rdi !== 0n) {
    const copied = copyIn(addressOf(stack), userPtr<u64>(registers.rdi), STACK_BYTES);
    if (!copied.ok) return err(copied.error);
    const set = setAlternateStack(thread, registers.rsp, stack.base, stack.flags, stack.size);
    if (!set.ok) return err(set.error);
  }
  if (registers.rsi === 0n) return ok(0n);
  stack.base = base;
  stack.flags = flags;
  stack._padding = 0;
  stack.size = size;
  const stored = copyOut(userPtr<u64>(registers.rsi), addressOf(stack), STACK_BYTES);
  return stored.ok ? ok(0n) : err(stored.error);
}
