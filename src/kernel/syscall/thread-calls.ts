/** System calls about threads, and futexes. */
import { addressOf, array, cpu, Errno, err, i32, ok, type Result, u32, u64, userPtr, type VirtAddr } from '#dialect';
import { lesser, USER_END } from '../memory/layout.ts';
import { copyIn, copyOut, readUser32, writeUser64 } from '../memory/user-copy.ts';
import { getThreadAffinity, setThreadAffinity } from '../process/mod.ts';
import { Msr } from '../processor/msr.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { futexWait, futexWake, NO_DEADLINE, NO_FUTEX_MASK } from '../sched/futex.ts';
import { runningThread, yieldProcessor } from '../sched/scheduler.ts';
import { deadlineAfter, readTimespec } from './time-calls.ts';

export function gettid(_frame: VirtAddr): Result<u64> {
  return ok(u64(runningThread()!.tid));
}

export function schedYield(_frame: VirtAddr): Result<u64> {
  yieldProcessor();
  return ok(0n);
}

/** set_tid_address(pointer): returns the caller's tid. */
export function setTidAddress(frame: VirtAddr): Result<u64> {
  const thread = runningThread()!;
  thread.clearTid = TrapFrame.at(frame).rdi;
  return ok(u64(thread.tid));
}

/** Bytes of struct robust_list_head. */
const ROBUST_LIST_BYTES = 24n;

/** set_robust_list(head, length) */
export function setRobustList(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (registers.rsi !== ROBUST_LIST_BYTES) return err(Errno.EINVAL);
  runningThread()!.robustList = registers.rdi;
  return ok(0n);
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

/** Operations of futex(2), without the PRIVATE and CLOCK_REALTIME bits: both clocks are one here. */
const FutexOperation = { WAIT: 0, WAKE: 1, WAIT_BITSET: 9, WAKE_BITSET: 10 } as const;
const FUTEX_PRIVATE = 128;
const FUTEX_COMMAND = 0x7f;

/** futex(word, operation, value, timeout, second word, mask) */
export function futex(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const operation = u32(registers.rsi);
  switch (operation & FUTEX_COMMAND) {
    case FutexOperation.WAIT:
      return wait(frame, operation, NO_FUTEX_MASK, false);
    case FutexOperation.WAIT_BITSET:
      return wait(frame, operation, u32(registers.r9), true);
    case FutexOperation.WAKE:
      return wake(frame, operation, NO_FUTEX_MASK);
    case FutexOperation.WAKE_BITSET:
      return wake(frame, operation, u32(registers.r9));
    default:
      return err(Errno.ENOSYS);
  }
}

/** WAIT's timeout is a duration, WAIT_BITSET's a time. */
function wait(frame: VirtAddr, operation: u32, mask: u32, isAbsolute: boolean): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (mask === 0) return err(Errno.EINVAL);
  let deadline: u64 = NO_DEADLINE;
  if (registers.r10 !== 0n) {
    const timeout = readTimespec(registers.r10);
    if (!timeout.ok) return timeout;
    deadline = isAbsolute ? timeout.value : deadlineAfter(timeout.value);
  }
  const thread = runningThread()!;
  const space = thread.process!.addressSpace!;
  const isPrivate = (operation & FUTEX_PRIVATE) !== 0;
  const waited = futexWait(thread, space, registers.rdi, u32(registers.rdx), mask, deadline, isPrivate);
  return waited.ok ? ok(0n) : err(waited.error);
}

/** A word that other processes may share is named by what is mapped there, so it must be; EFAULT. */
function wake(frame: VirtAddr, operation: u32, mask: u32): Result<u64> {
  const registers = TrapFrame.at(frame);
  if ((registers.rdi & 3n) !== 0n || mask === 0) return err(Errno.EINVAL);
  if (registers.rdi >= USER_END) return err(Errno.EFAULT);
  const isPrivate = (operation & FUTEX_PRIVATE) !== 0;
  if (!isPrivate) {
    const present = readUser32(userPtr<u32>(registers.rdi));
    if (!present.ok) return err(present.error);
  }
  const space = runningThread()!.process!.addressSpace!;
  const limit = i32(registers.rdx) < 1 ? 1 : u32(registers.rdx);
  return ok(u64(futexWake(space, registers.rdi, limit, mask, isPrivate)));
}

const MASK_BYTES = 8n;
const mask = array(u64, 1);

/** sched_setaffinity(pid, length, mask) */
export function schedSetaffinity(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  mask[0] = 0n;
  const length = lesser(registers.rsi, MASK_BYTES);
  const copied = copyIn(addressOf(mask), userPtr<u64>(registers.rdx), length);
  if (!copied.ok) return err(copied.error);
  const changed = setThreadAffinity(u32(registers.rdi), mask[0]!);
  return changed.ok ? ok(0n) : err(changed.error);
}

/** sched_getaffinity(pid, length, mask): returns the bytes stored. */
export function schedGetaffinity(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (registers.rsi < MASK_BYTES || (registers.rsi & 7n) !== 0n) return err(Errno.EINVAL);
  const affinity = getThreadAffinity(u32(registers.rdi));
  if (!affinity.ok) return affinity;
  mask[0] = affinity.value;
  const copied = copyOut(userPtr<u64>(registers.rdx), addressOf(mask), MASK_BYTES);
  return copied.ok ? ok(MASK_BYTES) : err(copied.error);
}
