/** System calls about time. */
import { addressOf, array, Errno, err, ok, type Result, u32, u64, userPtr, type VirtAddr } from '#dialect';
import { copyIn, copyOut } from '../memory/user-copy.ts';
import { isInterrupted } from '../process/signal-delivery.ts';
import { finishWaiting, prepareToSleep } from '../process/sync.ts';
import { Restart } from '../process/thread.ts';
import { ticksToNanoseconds } from '../process/times.ts';
import { monotonicTime, NANOSECONDS } from '../processor/clock.ts';
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
  const seconds = timespec[0]!;
  const nanoseconds = timespec[1]!;
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

/** The monotonic time at which CLOCK_REALTIME shows `time`. */
export function monotonicDeadline(time: u64): u64 {
  return time;
}

/** CLOCK_* of clock_gettime(2). There is no calendar clock: CLOCK_REALTIME counts from the machine's start. */
const Clock = {
  REALTIME: 0,
  MONOTONIC: 1,
  PROCESS: 2,
  THREAD: 3,
  MONOTONIC_RAW: 4,
  REALTIME_COARSE: 5,
  MONOTONIC_COARSE: 6,
  BOOTTIME: 7,
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
  if (clock !== Clock.REALTIME && clock !== Clock.MONOTONIC && clock !== Clock.BOOTTIME) return err(Errno.EINVAL);
  const time = readTimespec(registers.rdx);
  if (!time.ok) return time;
  if ((registers.rsi & TIMER_ABSTIME) === 0n) return sleepUntil(deadlineAfter(time.value), registers.r10);
  const thread = runningThread()!;
  const slept = sleepUntil(time.value, 0n);
  if (!slept.ok) thread.restart = Restart.WITHOUT_HANDLER;
  return slept;
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
  const thread = runningThread()!;
  switch (u32(registers.rdi)) {
    case Clock.PROCESS:
      return writeTimespec(registers.rsi, ticksToNanoseconds(thread.process!.ticks));
    case Clock.THREAD:
      return writeTimespec(registers.rsi, ticksToNanoseconds(thread.processorTicks));
    case Clock.REALTIME:
    case Clock.MONOTONIC:
    case Clock.MONOTONIC_RAW:
    case Clock.REALTIME_COARSE:
    case Clock.MONOTONIC_COARSE:
    case Clock.BOOTTIME:
      return writeTimespec(registers.rsi, monotonicTime());
    default:
      return err(Errno.EINVAL);
  }
}
