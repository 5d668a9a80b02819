/** System calls about threads, and futexes. */
import { cpu, Errno, err, i32, ok, type Result, u32, u64, userPtr, type VirtAddr } from '#dialect';
import type { AddressSpace } from '../memory/address-space.ts';
import { USER_END } from '../memory/layout.ts';
import { writeUser64 } from '../memory/user-copy.ts';
import { maySignal } from '../process/credentials.ts';
import { ROBUST_HEAD_BYTES } from '../process/robust-list.ts';
import { findThread } from '../process/thread.ts';
import { Msr } from '../processor/msr.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import {
  futexRequeue,
  futexWait,
  futexWake,
  futexWakeOp,
  NO_DEADLINE,
  NO_FUTEX_MASK,
  Requeue,
} from '../sched/futex.ts';
import { runningThread } from '../sched/scheduler.ts';
import { SystemCall } from './numbers.ts';
import { pollUntil } from './poll-calls.ts';
import { deadlineAfter, monotonicDeadline, readTimespec, sleepUntil } from './time-calls.ts';

export function gettid(_frame: VirtAddr): Result<u64> {
  return ok(u64(runningThread()!.tid));
}

/** set_tid_address(pointer): returns the caller's tid. */
export function setTidAddress(frame: VirtAddr): Result<u64> {
  const thread = runningThread()!;
  thread.clearTid = TrapFrame.at(frame).rdi;
  return ok(u64(thread.tid));
}

/** set_robust_list(head, length) */
export function setRobustList(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (registers.rsi !== ROBUST_HEAD_BYTES) return err(Errno.EINVAL);
  runningThread()!.robustList = registers.rdi;
  return ok(0n);
}

/** get_robust_list(tid, head, length): a thread's list (0: the caller's). EPERM: another user's. */
export function getRobustList(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const tid = u32(registers.rdi);
  const thread = tid === 0 ? runningThread() : findThread(tid);
  if (thread === null || thread.process === null) return err(Errno.ESRCH);
  const caller = runningThread()!.process!;
  if (!maySignal(caller.credentials, thread.process.credentials)) return err(Errno.EPERM);
  const length = writeUser64(userPtr<u64>(registers.rdx), ROBUST_HEAD_BYTES);
  if (!length.ok) return err(length.error);
  const stored = writeUser64(userPtr<u64>(registers.rsi), thread.robustList);
  return stored.ok ? ok(0n) : err(stored.error);
}

/** Operations of arch_prctl(2). */
const ArchOperation = { SET_GS: 0x1001, SET_FS: 0x1002, GET_FS: 0x1003, GET_GS: 0x1004 } as const;

/** arch_prctl(operation, address). EPERM: a base outside user memory. */
export function archPrctl(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const thread = runningThread()!;
  const address = registers.rsi;
  switch (u32(registers.rdi)) {
    case ArchOperation.SET_FS:
      if (address >= USER_END) return err(Errno.EPERM);
      thread.fsBase = address;
      cpu.wrmsr(Msr.FS_BASE, address);
      return ok(0n);
    case ArchOperation.SET_GS:
      if (address >= USER_END) return err(Errno.EPERM);
      thread.gsBase = address;
      cpu.wrmsr(Msr.KERNEL_GS_BASE, address);
      return ok(0n);
    case ArchOperation.GET_FS:
      return storeBase(address, thread.fsBase);
    case ArchOperation.GET_GS:
      return storeBase(address, thread.gsBase);
    default:
      return err(Errno.EINVAL);
  }
}

function storeBase(address: u64, base: u64): Result<u64> {
  const stored = writeUser64(userPtr<u64>(address), base);
  return stored.ok ? ok(0n) : err(stored.error);
}

/** Operations of futex(2), without the bits that change them. Those about priority inheritance do not exist here. */
const FutexOperation = {
  WAIT: 0,
  WAKE: 1,
  REQUEUE: 3,
  CMP_REQUEUE: 4,
  WAKE_OP: 5,
  WAIT_BITSET: 9,
  WAKE_BITSET: 10,
} as const;
const FUTEX_PRIVATE = 128;
const FUTEX_CLOCK_REALTIME = 256;
const FUTEX_COMMAND = 0xffff_fe7f;

const requeue = new Requeue();

/** futex(word, operation, value, timeout or second value, second word, third value) */
export function futex(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const operation = u32(registers.rsi);
  const command = u32(operation & FUTEX_COMMAND);
  if ((operation & FUTEX_CLOCK_REALTIME) !== 0 && command !== FutexOperation.WAIT_BITSET) return err(Errno.ENOSYS);
  switch (command) {
    case FutexOperation.WAIT:
      return wait(frame, operation, NO_FUTEX_MASK, false);
    case FutexOperation.WAIT_BITSET:
      return wait(frame, operation, u32(registers.r9), true);
    case FutexOperation.WAKE:
      return wake(frame, operation, NO_FUTEX_MASK);
    case FutexOperation.WAKE_BITSET:
      return wake(frame, operation, u32(registers.r9));
    case FutexOperation.REQUEUE:
      return moveWaiters(frame, operation, false);
    case FutexOperation.CMP_REQUEUE:
      return moveWaiters(frame, operation, true);
    case FutexOperation.WAKE_OP:
      return wakeAndChange(frame, operation);
    default:
      return err(Errno.ENOSYS);
  }
}

function callerSpace(): AddressSpace {
  return runningThread()!.process!.addressSpace!;
}

/** WAIT's timeout is a duration, WAIT_BITSET's a time of the clock that the operation names. */
function wait(frame: VirtAddr, operation: u32, mask: u32, isAbsolute: boolean): Result<u64> {
  const registers = TrapFrame.at(frame);
  let deadline: u64 = NO_DEADLINE;
  if (registers.r10 !== 0n) {
    const timeout = readTimespec(registers.r10);
    if (!timeout.ok) return timeout;
    deadline = isAbsolute ? timeout.value : deadlineAfter(timeout.value);
    if ((operation & FUTEX_CLOCK_REALTIME) !== 0) deadline = monotonicDeadline(deadline);
  }
  return waitUntil(frame, operation, mask, deadline);
}

function waitUntil(frame: VirtAddr, operation: u32, mask: u32, deadline: u64): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (mask === 0) return err(Errno.EINVAL);
  const isPrivate = (operation & FUTEX_PRIVATE) !== 0;
  const thread = runningThread()!;
  const waited = futexWait(thread, callerSpace(), registers.rdi, u32(registers.rdx), mask, deadline, isPrivate);
  return waited.ok ? ok(0n) : err(waited.error);
}

function wake(frame: VirtAddr, operation: u32, mask: u32): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (mask === 0) return err(Errno.EINVAL);
  const isPrivate = (operation & FUTEX_PRIVATE) !== 0;
  const woken = futexWake(callerSpace(), registers.rdi, i32(registers.rdx), mask, isPrivate);
  return woken.ok ? ok(u64(woken.value)) : err(woken.error);
}

function moveWaiters(frame: VirtAddr, operation: u32, isCompared: boolean): Result<u64> {
  const registers = TrapFrame.at(frame);
  requeue.wakeLimit = i32(registers.rdx);
  requeue.moveLimit = i32(registers.r10);
  requeue.isCompared = isCompared;
  requeue.expected = u32(registers.r9);
  const isPrivate = (operation & FUTEX_PRIVATE) !== 0;
  const moved = futexRequeue(callerSpace(), registers.rdi, registers.r8, requeue, isPrivate);
  return moved.ok ? ok(u64(moved.value)) : err(moved.error);
}

function wakeAndChange(frame: VirtAddr, operation: u32): Result<u64> {
  const registers = TrapFrame.at(frame);
  const limit = i32(registers.rdx);
  const secondLimit = i32(registers.r10);
  const code = u32(registers.r9);
  const isPrivate = (operation & FUTEX_PRIVATE) !== 0;
  const woken = futexWakeOp(callerSpace(), registers.rdi, limit, registers.r8, secondLimit, code, isPrivate);
  return woken.ok ? ok(u64(woken.value)) : err(woken.error);
}

/** restart_syscall(): goes on with a call that a signal without a handler ended; EINTR when there is none. */
export function restartSyscall(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const thread = runningThread()!;
  const call = thread.resumedCall;
  thread.resumedCall = 0;
  if (call === 0) return err(Errno.EINTR);
  registers.code = u64(call);
  const deadline = thread.resumedDeadline;
  if (call === SystemCall.nanosleep) return sleepUntil(deadline, registers.rsi);
  if (call === SystemCall.clock_nanosleep) return sleepUntil(deadline, registers.r10);
  if (call === SystemCall.poll) return pollUntil(frame, deadline);
  const operation = u32(registers.rsi);
  const isMasked = (operation & FUTEX_COMMAND) === FutexOperation.WAIT_BITSET;
  return waitUntil(frame, operation, isMasked ? u32(registers.r9) : NO_FUTEX_MASK, deadline);
}
