/** System calls about scheduling. */
import { addressOf, array, Errno, err, i32, ok, type Result, u32, u64, userPtr, type VirtAddr } from '#dialect';
import { lesser } from '../memory/layout.ts';
import { copyIn, copyOut, readUser32, writeUser32 } from '../memory/user-copy.ts';
import { isPrivileged } from '../process/credentials.ts';
import { getThreadAffinity, setThreadAffinity } from '../process/mod.ts';
import type { Process } from '../process/pcb.ts';
import { HIGHEST_REAL_TIME, isRealTime, policyOf, setNice, setPolicy } from '../process/scheduling.ts';
import { nextProcess } from '../process/table.ts';
import { findThread, type Thread } from '../process/thread.ts';
import { ticksToNanoseconds } from '../process/times.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread, yieldProcessor } from '../sched/scheduler.ts';
import { writeTimespec } from './time-calls.ts';

export function schedYield(_frame: VirtAddr): Result<u64> {
  yieldProcessor();
  return ok(0n);
}

const MASK_BYTES = 8n;
const mask = array(u64, 1);

/** sched_setaffinity(tid, length, mask) */
export function schedSetaffinity(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  mask[0] = 0n;
  const length = lesser(registers.rsi, MASK_BYTES);
  const copied = copyIn(addressOf(mask), userPtr<u64>(registers.rdx), length);
  if (!copied.ok) return err(copied.error);
  const changed = setThreadAffinity(u32(registers.rdi), mask[0]!);
  return changed.ok ? ok(0n) : err(changed.error);
}

/** sched_getaffinity(tid, length, mask): returns the bytes stored. */
export function schedGetaffinity(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (registers.rsi < MASK_BYTES || (registers.rsi & 7n) !== 0n) return err(Errno.EINVAL);
  const affinity = getThreadAffinity(u32(registers.rdi));
  if (!affinity.ok) return affinity;
  mask[0] = affinity.value;
  const copied = copyOut(userPtr<u64>(registers.rdx), addressOf(mask), MASK_BYTES);
  return copied.ok ? ok(MASK_BYTES) : err(copied.error);
}

/** The thread meant by a tid argument, 0 being the caller; null for none. */
function threadOf(tid: i32): Thread | null {
  if (tid === 0) return runningThread();
  return findThread(u32(tid));
}

/** EPERM: another user's thread. */
function checkOwner(target: Process): Result<void> {
  const own = runningThread()!.process!.credentials;
  const effective = own.user.effective;
  const owner = target.credentials.user;
  const isOwn = isPrivileged(own) || effective === owner.real || effective === owner.effective;
  return isOwn ? ok() : err(Errno.EPERM);
}

/** sched_setscheduler(tid, policy, parameter) */
export function schedSetscheduler(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (i32(registers.rsi) < 0) return err(Errno.EINVAL);
  return setScheduling(i32(registers.rdi), u32(registers.rsi), registers.rdx);
}

const SAME_POLICY = 0xffff_ffff;

/** sched_setparam(tid, parameter) */
export function schedSetparam(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return setScheduling(i32(registers.rdi), SAME_POLICY, registers.rsi);
}

function setScheduling(tid: i32, number: u32, parameterAt: u64): Result<u64> {
  if (tid < 0 || parameterAt === 0n) return err(Errno.EINVAL);
  const parameter = readUser32(userPtr<u32>(parameterAt));
  if (!parameter.ok) return err(parameter.error);
  const thread = threadOf(tid);
  if (thread === null || thread.process === null) return err(Errno.ESRCH);
  const policy = policyOf(number === SAME_POLICY ? thread.policy : number);
  if (!policy.ok) return err(policy.error);
  const owned = checkOwner(thread.process);
  if (!owned.ok) return err(owned.error);
  const set = setPolicy(runningThread()!.process!.credentials, thread, policy.value, parameter.value);
  return set.ok ? ok(0n) : err(set.error);
}

/** sched_getscheduler(tid) */
export function schedGetscheduler(frame: VirtAddr): Result<u64> {
  const tid = i32(TrapFrame.at(frame).rdi);
  if (tid < 0) return err(Errno.EINVAL);
  const thread = threadOf(tid);
  return thread === null ? err(Errno.ESRCH) : ok(u64(thread.policy));
}

/** sched_getparam(tid, parameter) */
export function schedGetparam(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const tid = i32(registers.rdi);
  if (tid < 0 || registers.rsi === 0n) return err(Errno.EINVAL);
  const thread = threadOf(tid);
  if (thread === null) return err(Errno.ESRCH);
  const stored = writeUser32(userPtr<u32>(registers.rsi), thread.realTimePriority);
  return stored.ok ? ok(0n) : err(stored.error);
}

/** sched_get_priority_max(policy) */
export function schedGetPriorityMax(frame: VirtAddr): Result<u64> {
  const policy = policyOf(u32(TrapFrame.at(frame).rdi));
  if (!policy.ok) return err(policy.error);
  return ok(isRealTime(policy.value) ? u64(HIGHEST_REAL_TIME) : 0n);
}

/** sched_get_priority_min(policy) */
export function schedGetPriorityMin(frame: VirtAddr): Result<u64> {
  const policy = policyOf(u32(TrapFrame.at(frame).rdi));
  if (!policy.ok) return err(policy.error);
  return ok(isRealTime(policy.value) ? 1n : 0n);
}

/** sched_rr_get_interval(tid, interval) */
export function schedRrGetInterval(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const tid = i32(registers.rdi);
  if (tid < 0) return err(Errno.EINVAL);
  const thread = threadOf(tid);
  if (thread === null) return err(Errno.ESRCH);
  return writeTimespec(registers.rsi, ticksToNanoseconds(u64(thread.sliceTicks)));
}

/** Whom getpriority and setpriority mean. */
const PriorityOf = { PROCESS: 0, GROUP: 1, USER: 2 } as const;
/** The system call answers 20 minus the nice value, so that no answer is negative. */
const NICE_OFFSET = 20;

/** True when `which` and `who` (0: the caller's own) mean this process. */
function isMeant(process: Process, which: u32, who: u32): boolean {
  const caller = runningThread()!.process!;
  if (which === PriorityOf.GROUP) return process.pgid === (who === 0 ? caller.pgid : who);
  return process.credentials.user.real === (who === 0 ? caller.credentials.user.real : who);
}

/** getpriority(which, who): the highest priority among those meant, as 20 minus a nice value. */
export function getpriority(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const which = u32(registers.rdi);
  const who = u32(registers.rsi);
  if (which > PriorityOf.USER) return err(Errno.EINVAL);
  if (which === PriorityOf.PROCESS) {
    const thread = threadOf(i32(who));
    return thread === null ? err(Errno.ESRCH) : ok(u64(NICE_OFFSET - thread.nice));
  }
  let highest: i32 = -1;
  let process = nextProcess(0);
  while (process !== null) {
    let thread = isMeant(process, which, who) ? process.firstThread : null;
    while (thread !== null) {
      if (NICE_OFFSET - thread.nice > highest) highest = i32(NICE_OFFSET - thread.nice);
      thread = thread.nextInProcess;
    }
    process = nextProcess(process.pid);
  }
  return highest < 0 ? err(Errno.ESRCH) : ok(u64(u32(highest)));
}

/** setpriority(which, who, nice). The last refusal is the answer. */
export function setpriority(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const which = u32(registers.rdi);
  const who = u32(registers.rsi);
  const nice = i32(registers.rdx);
  if (which > PriorityOf.USER) return err(Errno.EINVAL);
  if (which === PriorityOf.PROCESS) {
    const thread = threadOf(i32(who));
    return thread === null ? err(Errno.ESRCH) : renice(thread, nice);
  }
  let answer: Result<u64> = err(Errno.ESRCH);
  let process = nextProcess(0);
  while (process !== null) {
    let thread = isMeant(process, which, who) ? process.firstThread : null;
    while (thread !== null) {
      answer = renice(thread, nice);
      thread = thread.nextInProcess;
    }
    process = nextProcess(process.pid);
  }
  return answer;
}

function renice(thread: Thread, nice: i32): Result<u64> {
  const process = thread.process;
  if (process === null) return err(Errno.ESRCH);
  const owned = checkOwner(process);
  if (!owned.ok) return err(owned.error);
  const set = setNice(runningThread()!.process!.credentials, thread, nice);
  return set.ok ? ok(0n) : err(set.error);
}

/** getcpu(processor, node): both 0, for there is one of each. */
export function getcpu(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  for (let index: u32 = 0; index < 2; index++) {
    const address = index === 0 ? registers.rdi : registers.rsi;
    if (address === 0n) continue;
    const stored = writeUser32(userPtr<u32>(address), 0);
    if (!stored.ok) return err(stored.error);
  }
  return ok(0n);
}
