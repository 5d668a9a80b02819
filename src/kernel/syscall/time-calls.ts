/** System calls about time. */
import { addressOf, array, Errno, err, i32, ok, type Result, u32, u64, userPtr, type VirtAddr } from '#dialect';
import { copyIn, copyOut, writeUser64 } from '../memory/user-copy.ts';
import { isPrivileged } from '../process/credentials.ts';
import { isInterrupted } from '../process/signal-delivery.ts';
import { finishWaiting, prepareToSleep } from '../process/sync.ts';
import { findProcess } from '../process/table.ts';
import { findThread, Restart } from '../process/thread.ts';
import { ticksToNanoseconds } from '../process/times.ts';
import { monotonicTime, NANOSECONDS, realTime, setRealTime } from '../processor/clock.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread, sleep } from '../sched/scheduler.ts';
import { armTimer, disarmTimer } from '../sched/timer-queue.ts';

const TIMESPEC_BYTES = 16n;
const LARGEST_SECONDS = 0x7fff_ffff_ffff_ffffn;
/** Times beyond this many seconds (292 years) are as good as never. */
const NEVER_SECONDS = 9_223_372_035n;
const timespec = array(u64, 2);

/** A struct timespec of user memory in nanoseconds, saturated. EFAULT; EINVAL: negative, or a second's worth or more. */
export function readTimespec(address: u64): Result<u64> {
  const copied = copyIn(addressOf(timespec), userPtr<u64>(address), TIMESPEC_BYTES);
  if (!copied.ok) return err(copied.error);
  return nanosecondsOf(timespec[0]!, timespec[1]!);
}

/** The same of a time's two parts. */
export function nanosecondsOf(seconds: u64, nanoseconds: u64): Result<u64> {
  if (seconds > LARGEST_SECONDS || nanoseconds >= NANOSECONDS) return err(Errno.EINVAL);
  if (seconds > NEVER_SECONDS) return ok(u64(NEVER_SECONDS * NANOSECONDS));
  return ok(u64(seconds * NANOSECONDS + nanoseconds));
}

/** Stores a time as a struct timespec; EFAULT. */
export function writeTimespec(address: u64, time: u64): Result<u64> {
  timespec[0] = u64(time / NANOSECONDS);
  timespec[1] = u64(time % NANOSECONDS);
  const copied = copyOut(userPtr<u64>(address), addressOf(timespec), TIMESPEC_BYTES);
  return copied.ok ? ok(0n) : err(copied.error);
}

export function deadlineAfter(duration: u64): u64 {
  return u64(monotonicTime() + duration);
}

/** The monotonic time at which CLOCK_REALTIME shows `time`; 1 when it has already. */
export function monotonicDeadline(time: u64): u64 {
  const now = realTime();
  return time > now ? u64(monotonicTime() + u64(time - now)) : 1n;
}

/** CLOCK_* of clock_gettime(2). */
export const Clock = {
  REALTIME: 0,
  MONOTONIC: 1,
  PROCESS: 2,
  THREAD: 3,
  MONOTONIC_RAW: 4,
  REALTIME_COARSE: 5,
  MONOTONIC_COARSE: 6,
  BOOTTIME: 7,
  TAI: 11,
} as const;

/** nanosleep(duration, remainder). EINTR: the remainder is stored, if wanted. */
export function nanosleep(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const duration = readTimespec(registers.rdi);
  return duration.ok ? sleepUntil(deadlineAfter(duration.value), registers.rsi) : duration;
}

const TIMER_ABSTIME = 1n;

/** clock_nanosleep(clock, flags, time, remainder), by clocks that count real time. */
export function clockNanosleep(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const clock = u32(registers.rdi);
  const sleeps = checkSleepClock(clock);
  if (!sleeps.ok) return err(sleeps.error);
  const time = readTimespec(registers.rdx);
  if (!time.ok) return time;
  if ((registers.rsi & TIMER_ABSTIME) === 0n) return sleepUntil(deadlineAfter(time.value), registers.r10);
  const thread = runningThread()!;
  const slept = sleepUntil(clock === Clock.REALTIME ? monotonicDeadline(time.value) : time.value, 0n);
  if (!slept.ok) thread.restart = Restart.WITHOUT_HANDLER;
  return slept;
}

/** EOPNOTSUPP: a clock that nobody is woken by. EINVAL: none at all. */
function checkSleepClock(clock: u32): Result<void> {
  switch (clock) {
    case Clock.REALTIME:
    case Clock.MONOTONIC:
    case Clock.BOOTTIME:
    case Clock.TAI:
      return ok();
    case Clock.PROCESS:
    case Clock.MONOTONIC_RAW:
    case Clock.REALTIME_COARSE:
    case Clock.MONOTONIC_COARSE:
      return err(Errno.EOPNOTSUPP);
    default:
      return err(Errno.EINVAL);
  }
}

/** Sleeps until a time of the monotonic clock. EINTR: what was left is stored at `remainderAt`, unless that is 0. */
export function sleepUntil(deadline: u64, remainderAt: u64): Result<u64> {
  const thread = runningThread()!;
  armTimer(thread, deadline);
  prepareToSleep(thread, true);
  while (!thread.timedOut && !isInterrupted(thread)) {
    sleep();
    prepareToSleep(thread, true);
  }
  finishWaiting(thread);
  disarmTimer(thread);
  if (thread.timedOut) return ok(0n);
  const now = monotonicTime();
  if (remainderAt !== 0n) {
    const stored = writeTimespec(remainderAt, now < deadline ? u64(deadline - now) : 0n);
    if (!stored.ok) return stored;
  }
  thread.restart = Restart.TO_DEADLINE;
  thread.resumedDeadline = deadline;
  return err(Errno.EINTR);
}

/** clock_gettime(clock, time) */
export function clockGettime(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const time = timeOf(u32(registers.rdi));
  return time.ok ? writeTimespec(registers.rsi, time.value) : time;
}

/** What a clock shows; EINVAL. */
function timeOf(clock: u32): Result<u64> {
  const thread = runningThread()!;
  switch (clock) {
    case Clock.PROCESS:
      return ok(ticksToNanoseconds(thread.process!.ticks));
    case Clock.THREAD:
      return ok(ticksToNanoseconds(thread.processorTicks));
    case Clock.REALTIME:
    case Clock.REALTIME_COARSE:
    case Clock.TAI:
      return ok(realTime());
    case Clock.MONOTONIC:
    case Clock.MONOTONIC_RAW:
    case Clock.MONOTONIC_COARSE:
    case Clock.BOOTTIME:
      return ok(monotonicTime());
    default:
      return i32(clock) < 0 ? processorTimeOf(clock) : err(Errno.EINVAL);
  }
}

/** Clocks of clock_getcpuclockid(3): the kind, then whether it is a thread's, then the complement of the id. */
const CLOCK_KIND = 3;
const CLOCK_OF_THREAD = 4;
const MOST_KINDS = 3;

function processorTimeOf(clock: u32): Result<u64> {
  const id = u32(~(i32(clock) >> 3));
  if ((clock & CLOCK_KIND) >= MOST_KINDS) return err(Errno.EINVAL);
  if ((clock & CLOCK_OF_THREAD) !== 0) {
    const thread = id === 0 ? runningThread() : findThread(id);
    const isOwn = thread !== null && thread.process === runningThread()!.process;
    return isOwn ? ok(ticksToNanoseconds(thread.processorTicks)) : err(Errno.EINVAL);
  }
  const process = id === 0 ? runningThread()!.process : findProcess(id);
  return process === null ? err(Errno.EINVAL) : ok(ticksToNanoseconds(process.ticks));
}

/** clock_getres(clock, resolution): processor time and coarse clocks move with the ticks. */
export function clockGetres(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const clock = u32(registers.rdi);
  const time = timeOf(clock);
  if (!time.ok) return time;
  if (registers.rsi === 0n) return ok(0n);
  const isFine =
    clock === Clock.REALTIME ||
    clock === Clock.MONOTONIC ||
    clock === Clock.MONOTONIC_RAW ||
    clock === Clock.BOOTTIME ||
    clock === Clock.TAI;
  return writeTimespec(registers.rsi, isFine ? 1n : ticksToNanoseconds(1n));
}

/** clock_settime(clock, time): the calendar, by the privileged. */
export function clockSettime(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const time = readTimespec(registers.rsi);
  if (u32(registers.rdi) !== Clock.REALTIME) return err(Errno.EINVAL);
  return time.ok ? setCalendar(time.value) : time;
}

function setCalendar(time: u64): Result<u64> {
  if (!isPrivileged(runningThread()!.process!.credentials)) return err(Errno.EPERM);
  setRealTime(time);
  return ok(0n);
}

const MICROSECOND = 1000n;
const MICROSECONDS = 1_000_000n;
const TIMEZONE_BYTES = 8n;
const timezone = array(u32, 2);

/** gettimeofday(time, timezone). The machine is in no time zone. */
export function gettimeofday(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (registers.rdi !== 0n) {
    const now = realTime();
    timespec[0] = u64(now / NANOSECONDS);
    timespec[1] = u64(u64(now % NANOSECONDS) / MICROSECOND);
    const copied = copyOut(userPtr<u64>(registers.rdi), addressOf(timespec), TIMESPEC_BYTES);
    if (!copied.ok) return err(copied.error);
  }
  if (registers.rsi === 0n) return ok(0n);
  const copied = copyOut(userPtr<u64>(registers.rsi), addressOf(timezone), TIMEZONE_BYTES);
  return copied.ok ? ok(0n) : err(copied.error);
}

/** settimeofday(time, timezone): the time, if one is given. */
export function settimeofday(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (registers.rdi === 0n) return ok(0n);
  const copied = copyIn(addressOf(timespec), userPtr<u64>(registers.rdi), TIMESPEC_BYTES);
  if (!copied.ok) return err(copied.error);
  if (timespec[1]! >= MICROSECONDS) return err(Errno.EINVAL);
  const time = nanosecondsOf(timespec[0]!, u64(timespec[1]! * MICROSECOND));
  return time.ok ? setCalendar(time.value) : time;
}

/** time(pointer): seconds since 1970, stored too unless the pointer is 0. */
export function time(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const seconds = u64(realTime() / NANOSECONDS);
  if (registers.rdi === 0n) return ok(seconds);
  const stored = writeUser64(userPtr<u64>(registers.rdi), seconds);
  return stored.ok ? ok(seconds) : err(stored.error);
}
