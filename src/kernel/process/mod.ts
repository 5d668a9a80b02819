/** The process module's own operations: identity, and what the rest of the kernel does to processes and threads by id. */
import { Atomic64, Errno, err, ok, type Result, u32, u64 } from '#dialect';
import { frameBelow, initializeFrame, TrapFrame } from '../processor/trap-frame.ts';
import { runningThread, sleep, startThread, wakeThread, yieldProcessor } from '../sched/scheduler.ts';
import { prepareFirstSwitch } from '../sched/switch.ts';
import { resetFpuArea } from './creation.ts';
import { killThread } from './exit.ts';
import { linkThread, type Process, reserveThread, unreserveThread } from './pcb.ts';
import { finishWaiting, prepareToSleep } from './sync.ts';
import { allocTid, findProcess } from './table.ts';
import { ALL_PROCESSORS, allocateThread, enterThread, findThread, type Thread } from './thread.ts';

export { exitThread } from './exit.ts';
export { allocPid, allocTid, findProcess, MAX_PROCESSES } from './table.ts';
export { MAX_THREADS_PER_PROCESS } from './thread.ts';

/**
 * Who the kernel acts for while the scheduler has no current thread: pid in the low half, tid in the high half, as one
 * value so that the pair is never seen torn; 0 for nobody. Read and written without a lock.
 */
const bootCurrent = new Atomic64(0n);

/** Sets the boot identity and returns the one before, to be given to `restoreBootCurrent`. */
export function setBootCurrent(pid: u32, tid: u32): u64 {
  return bootCurrent.exchange(u64((u64(tid) << 32n) | u64(pid)));
}

/** Puts an identity back that `setBootCurrent` or `clearBootCurrent` returned. */
export function restoreBootCurrent(previous: u64): void {
  bootCurrent.store(previous);
}

/** Has the kernel act for nobody; returns the identity before. */
export function clearBootCurrent(): u64 {
  return bootCurrent.exchange(0n);
}

/** The process the kernel acts for: the running thread's, else the boot identity's, else none. Takes no lock. */
export function currentProcess(): Process | null {
  const thread = runningThread();
  if (thread !== null && thread.process !== null) return thread.process;
  const pid = u32(bootCurrent.load() & 0xffff_ffffn);
  return pid === 0 ? null : findProcess(pid);
}

/** The thread the kernel acts for, found the same way. */
export function currentThread(): Thread | null {
  const thread = runningThread();
  if (thread !== null && thread.process !== null) return thread;
  const tid = u32(bootCurrent.load() >> 32n);
  return tid === 0 ? null : findThread(tid);
}

/** The current thread's id, 0 for none. */
export function getThreadTid(): u32 {
  const thread = currentThread();
  return thread === null ? 0 : thread.tid;
}

/** Lets other threads run; returns at once when there are none. */
export function yieldThread(): void {
  yieldProcessor();
}

/** Has one thread of a process end; ESRCH. */
export function terminateThread(pid: u32, tid: u32): Result<void> {
  const thread = findThread(tid);
  if (thread === null || thread.process === null || thread.process.pid !== pid) return err(Errno.ESRCH);
  killThread(thread);
  return ok();
}

/** Sleeps until `wakeThread` names this thread, unless that has happened since `prepareToBlock`. */
export function blockThread(): void {
  const thread = runningThread();
  if (thread === null) return;
  sleep();
  finishWaiting(thread);
}

/** First half of a block: from here on a wake-up is not lost. The caller then looks at its condition again. */
export function prepareToBlock(): void {
  const thread = runningThread();
  if (thread !== null) prepareToSleep(thread, true);
}

/** Wakes a thread of any process; ESRCH. A thread that does not wait is left alone. */
export function wakeThreadById(tid: u32): Result<void> {
  const thread = findThread(tid);
  if (thread === null) return err(Errno.ESRCH);
  wakeThread(thread);
  return ok();
}

/**
 * A new thread of the current process at `entry`, with `argument` in RDI, `stack` as its stack pointer and `tls` as its FS
 * base; returns its id. EAGAIN: 256 already. ESRCH: no current process. ENOMEM.
 */
export function createThread(entry: u64, stack: u64, argument: u64, tls: u64): Result<u32> {
  const process = currentProcess();
  if (process === null) return err(Errno.ESRCH);
  const reserved = reserveThread(process);
  if (!reserved.ok) return err(reserved.error);
  const allocated = allocateThread();
  if (!allocated.ok) {
    unreserveThread(process);
    return err(allocated.error);
  }
  const thread = allocated.value;
  const tid = allocTid();
  thread.tid = tid;
  thread.fsBase = tls;
  const frame = frameBelow(thread.kernelStack);
  initializeFrame(frame, entry, stack);
  TrapFrame.at(frame).rdi = argument;
  resetFpuArea(thread);
  prepareFirstSwitch(thread);
  enterThread(thread);
  linkThread(process, thread);
  startThread(thread);
  return ok(tid);
}

/** Restricts a thread to processors that exist; EINVAL when none is left, ESRCH. */
export function setThreadAffinity(tid: u32, mask: u64): Result<void> {
  const thread = tid === 0 ? currentThread() : findThread(tid);
  if (thread === null) return err(Errno.ESRCH);
  const allowed = u64(mask & ALL_PROCESSORS);
  if (allowed === 0n) return err(Errno.EINVAL);
  thread.affinity.store(allowed);
  return ok();
}

/** Bit n: the thread (0: the current one) may run on processor n; ESRCH. */
export function getThreadAffinity(tid: u32): Result<u64> {
  const thread = tid === 0 ? currentThread() : findThread(tid);
  return thread === null ? err(Errno.ESRCH) : ok(thread.affinity.load());
}
