/** System calls about limits and use of resources. */
import {
  addressOf,
  array,
  Errno,
  embed,
  err,
  i32,
  ok,
  type Result,
  u16,
  u32,
  u64,
  userPtr,
  type VirtAddr,
} from '#dialect';
import { SystemInformation } from '../abi/system-information.ts';
import { freeFrameCount, totalFrameCount } from '../memory/frames.ts';
import { idleKernelStackCount, KERNEL_STACK_BYTES } from '../memory/kernel-stacks.ts';
import { PAGE_SIZE } from '../memory/layout.ts';
import { copyIn, copyOut } from '../memory/user-copy.ts';
import { isPrivileged } from '../process/credentials.ts';
import { LIMIT_COUNT, Limit, MOST_DESCRIPTORS } from '../process/limits.ts';
import type { Process } from '../process/pcb.ts';
import { findProcess } from '../process/table.ts';
import { threadCount } from '../process/thread.ts';
import { ticksToNanoseconds } from '../process/times.ts';
import { monotonicTime, NANOSECONDS, TICK_HZ } from '../processor/clock.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread } from '../sched/scheduler.ts';

const LIMIT_BYTES = 16n;
const limit = array(u64, 2);

/** prlimit64(pid, resource, new limit, old limit) */
export function prlimit64(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const pid = u32(registers.rdi);
  const caller = runningThread()!.process!;
  const process = pid === 0 ? caller : findProcess(pid);
  return exchangeLimit(caller, process, u32(registers.rsi), registers.rdx, registers.r10);
}

/** getrlimit(resource, limit) */
export function getrlimit(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const caller = runningThread()!.process!;
  const resource = u32(registers.rdi);
  if (resource >= LIMIT_COUNT) return err(Errno.EINVAL);
  const stored = storeLimit(caller, resource, registers.rsi);
  return stored.ok ? ok(0n) : err(stored.error);
}

/** setrlimit(resource, limit) */
export function setrlimit(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const caller = runningThread()!.process!;
  const copied = copyIn(addressOf(limit), userPtr<u64>(registers.rsi), LIMIT_BYTES);
  if (!copied.ok) return err(copied.error);
  const changed = changeLimit(caller, caller, u32(registers.rdi), limit[0]!, limit[1]!);
  return changed.ok ? ok(0n) : err(changed.error);
}

function storeLimit(process: Process, resource: u32, address: u64): Result<void> {
  const pair = process.limits[resource]!;
  limit[0] = pair.soft;
  limit[1] = pair.hard;
  return copyOut(userPtr<u64>(address), addressOf(limit), LIMIT_BYTES);
}

/** Sets a limit from user memory and stores the one before there, each unless its address is 0. */
function exchangeLimit(caller: Process, target: Process | null, resource: u32, newAt: u64, oldAt: u64): Result<u64> {
  if (newAt !== 0n) {
    const copied = copyIn(addressOf(limit), userPtr<u64>(newAt), LIMIT_BYTES);
    if (!copied.ok) return err(copied.error);
  }
  const soft = limit[0]!;
  const hard = limit[1]!;
  if (target === null) return err(Errno.ESRCH);
  if (target !== caller && !mayLimit(caller, target)) return err(Errno.EPERM);
  if (resource >= LIMIT_COUNT) return err(Errno.EINVAL);
  if (oldAt !== 0n) {
    const stored = storeLimit(target, resource, oldAt);
    if (!stored.ok) return err(stored.error);
  }
  if (newAt === 0n) return ok(0n);
  const changed = changeLimit(caller, target, resource, soft, hard);
  return changed.ok ? ok(0n) : err(changed.error);
}

/** A process of the same user throughout. */
function mayLimit(caller: Process, target: Process): boolean {
  if (isPrivileged(caller.credentials)) return true;
  const id = caller.credentials.user.real;
  const user = target.credentials.user;
  return id === user.real && id === user.effective && id === user.saved;
}

/** EINVAL: no such limit, or soft above hard. EPERM: raising the hard limit without privilege, or beyond what there is. */
function changeLimit(caller: Process, target: Process, resource: u32, soft: u64, hard: u64): Result<void> {
  if (resource >= LIMIT_COUNT || soft > hard) return err(Errno.EINVAL);
  const pair = target.limits[resource]!;
  if (hard > pair.hard && !isPrivileged(caller.credentials)) return err(Errno.EPERM);
  if (resource === Limit.NOFILE && hard > u64(MOST_DESCRIPTORS)) return err(Errno.EPERM);
  pair.soft = soft;
  pair.hard = hard;
  if (resource === Limit.STACK && target.addressSpace !== null) target.addressSpace.stackLimit = soft;
  return ok();
}

/** Words of struct rusage: user and system time as seconds and microseconds, then counts that are not kept. */
const USAGE_WORDS = 18;
const usage = array(u64, USAGE_WORDS);
const MICROSECOND = 1000n;

/** Stores what a processor time makes a struct rusage, unless the address is 0. */
export function storeUsage(address: u64, ticks: u64): Result<void> {
  if (address === 0n) return ok();
  const time = ticksToNanoseconds(ticks);
  usage[0] = u64(time / NANOSECONDS);
  usage[1] = u64(u64(time % NANOSECONDS) / MICROSECOND);
  return copyOut(userPtr<u64>(address), addressOf(usage), u64(USAGE_WORDS * 8));
}

const UsageOf = { SELF: 0, CHILDREN: -1, THREAD: 1 } as const;

/** getrusage(who, usage) */
export function getrusage(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const thread = runningThread()!;
  const process = thread.process!;
  let ticks: u64 = process.ticks;
  switch (i32(registers.rdi)) {
    case UsageOf.SELF:
      break;
    case UsageOf.CHILDREN:
      ticks = process.childTicks;
      break;
    case UsageOf.THREAD:
      ticks = thread.processorTicks;
      break;
    default:
      return err(Errno.EINVAL);
  }
  if (registers.rsi === 0n) return err(Errno.EFAULT);
  const stored = storeUsage(registers.rsi, ticks);
  return stored.ok ? ok(0n) : err(stored.error);
}

/** Units of clock_t in a second (sysconf(_SC_CLK_TCK)). */
const CLOCK_HZ = 100n;
const TIMES_WORDS = 4;
const times = array(u64, TIMES_WORDS);

function clockTicks(ticks: u64): u64 {
  return u64(ticks / (TICK_HZ / CLOCK_HZ));
}

/** times(buffer): processor times of the caller and its children; returns the time since the start. */
export function timesOfProcess(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const process = runningThread()!.process!;
  times[0] = clockTicks(process.ticks);
  times[2] = clockTicks(process.childTicks);
  if (registers.rdi !== 0n) {
    const copied = copyOut(userPtr<u64>(registers.rdi), addressOf(times), u64(TIMES_WORDS * 8));
    if (!copied.ok) return err(copied.error);
  }
  return ok(u64(monotonicTime() / (NANOSECONDS / CLOCK_HZ)));
}

const information = embed(SystemInformation);

/** sysinfo(buffer). Load is not measured, and there is no swap; buffers are kernel stacks that wait for a thread. */
export function sysinfo(frame: VirtAddr): Result<u64> {
  information.uptime = u64(monotonicTime() / NANOSECONDS);
  information.totalMemory = u64(totalFrameCount() * PAGE_SIZE);
  information.freeMemory = u64(freeFrameCount() * PAGE_SIZE);
  information.bufferMemory = u64(u64(idleKernelStackCount()) * KERNEL_STACK_BYTES);
  information.threads = u32(u16(threadCount()));
  information.unit = 1n;
  const bytes = u64(SystemInformation.size);
  const copied = copyOut(userPtr<u64>(TrapFrame.at(frame).rdi), addressOf(information), bytes);
  return copied.ok ? ok(0n) : err(copied.error);
}
