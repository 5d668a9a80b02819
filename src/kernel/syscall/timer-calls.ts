/** System calls about timers: alarm, the interval timers, and those of timer_create. */
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
import { copyIn, copyOut, writeUser32 } from '../memory/user-copy.ts';
import { realTimeLeft, setRealTimer, setTickTimer, tickInterval, tickTimeLeft } from '../process/interval-timers.ts';
import type { Process } from '../process/pcb.ts';
import {
  createPosixTimer,
  deletePosixTimer,
  findPosixTimer,
  type PosixTimer,
  posixTimeLeft,
  setPosixTimer,
} from '../process/posix-timers.ts';
import { isSignalNumber, Signal } from '../process/signal-delivery.ts';
import { findThread } from '../process/thread.ts';
import type { TickTimer } from '../process/tick-timer.ts';
import { monotonicTime, NANOSECONDS } from '../processor/clock.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread } from '../sched/scheduler.ts';
import { Clock, monotonicDeadline, nanosecondsOf } from './time-calls.ts';

function caller(): Process {
  return runningThread()!.process!;
}

const HALF_SECOND = 500_000_000n;

/** alarm(seconds): returns the seconds that were left of an earlier one, rounded but never down to 0. */
export function alarm(frame: VirtAddr): Result<u64> {
  const process = caller();
  const left = realTimeLeft(process);
  setRealTimer(process, u64(u64(u32(TrapFrame.at(frame).rdi)) * NANOSECONDS), 0n);
  const seconds = u64(left / NANOSECONDS);
  const rest = u64(left % NANOSECONDS);
  const isMore = rest >= HALF_SECOND || (seconds === 0n && rest > 0n);
  return ok(isMore ? u64(seconds + 1n) : seconds);
}

const IntervalTimer = { REAL: 0, VIRTUAL: 1, PROFILING: 2 } as const;
const MICROSECOND = 1000n;
const MICROSECONDS = 1_000_000n;
/** Words of struct itimerval and struct itimerspec: the interval, then the value. */
const SETTING_BYTES = 32n;
const setting = array(u64, 4);
let interval: u64 = 0n;
let value: u64 = 0n;

function tickTimerOf(process: Process, which: u32): TickTimer {
  return which === IntervalTimer.VIRTUAL ? process.virtualTimer : process.profilingTimer;
}

/** getitimer(which, setting) */
export function getitimer(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const which = u32(registers.rdi);
  if (which > IntervalTimer.PROFILING) return err(Errno.EINVAL);
  return storeIntervalTimer(caller(), which, registers.rsi);
}

function storeIntervalTimer(process: Process, which: u32, address: u64): Result<u64> {
  const timer = tickTimerOf(process, which);
  const isReal = which === IntervalTimer.REAL;
  return storeMicroseconds(
    address,
    isReal ? process.realInterval : tickInterval(timer),
    isReal ? realTimeLeft(process) : tickTimeLeft(timer),
  );
}

function storeMicroseconds(address: u64, every: u64, left: u64): Result<u64> {
  setting[0] = u64(every / NANOSECONDS);
  setting[1] = u64(u64(every % NANOSECONDS) / MICROSECOND);
  setting[2] = u64(left / NANOSECONDS);
  setting[3] = u64(u64(left % NANOSECONDS) / MICROSECOND);
  const copied = copyOut(userPtr<u64>(address), addressOf(setting), SETTING_BYTES);
  return copied.ok ? ok(0n) : err(copied.error);
}

/** setitimer(which, setting, old setting). No setting stops the timer. */
export function setitimer(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const which = u32(registers.rdi);
  const process = caller();
  const loaded = loadMicroseconds(registers.rsi);
  if (!loaded.ok) return err(loaded.error);
  if (which > IntervalTimer.PROFILING) return err(Errno.EINVAL);
  const newValue = value;
  const newInterval = interval;
  if (registers.rdx !== 0n) {
    const stored = storeIntervalTimer(process, which, registers.rdx);
    if (!stored.ok) return stored;
  }
  if (which === IntervalTimer.REAL) setRealTimer(process, newValue, newInterval);
  else setTickTimer(tickTimerOf(process, which), newValue, newInterval);
  return ok(0n);
}

/** Reads a struct itimerval into `interval` and `value`. EFAULT; EINVAL: no microseconds, or a negative time. */
function loadMicroseconds(address: u64): Result<void> {
  interval = 0n;
  value = 0n;
  if (address === 0n) return ok();
  const copied = copyIn(addressOf(setting), userPtr<u64>(address), SETTING_BYTES);
  if (!copied.ok) return copied;
  if (setting[1]! >= MICROSECONDS || setting[3]! >= MICROSECONDS) return err(Errno.EINVAL);
  const every = nanosecondsOf(setting[0]!, u64(setting[1]! * MICROSECOND));
  if (!every.ok) return err(every.error);
  const first = nanosecondsOf(setting[2]!, u64(setting[3]! * MICROSECOND));
  if (!first.ok) return err(first.error);
  interval = every.value;
  value = first.value;
  return ok();
}

/** struct sigevent, as far as the kernel reads it, and how it wants to be told. */
const SignalEvent = struct({ value: f64, signal: i32, notification: i32, tid: f32, _padding: f32 });
const event = embed(SignalEvent);
const Notification = { SIGNAL: 0, NONE: 1, THREAD: 2, THREAD_ID: 4 } as const;

/** timer_create(clock, event, timer). EOPNOTSUPP: a clock that does not drive timers. */
export function timerCreate(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const clock = u32(registers.rdi);
  const process = caller();
  if (registers.rsi !== 0n) {
    const copied = copyIn(addressOf(event), userPtr<u64>(registers.rsi), u64(SignalEvent.size));
    if (!copied.ok) return err(copied.error);
    const checked = checkEvent(process);
    if (!checked.ok) return err(checked.error);
  }
  const drives = checkTimerClock(clock);
  if (!drives.ok) return err(drives.error);
  const created = createPosixTimer(process);
  if (!created.ok) return err(created.error);
  const timer = created.value;
  timer.isCalendar = clock === Clock.REALTIME;
  describeTimer(timer, registers.rsi !== 0n);
  const stored = writeUser32(userPtr<u32>(registers.rdx), timer.id);
  if (stored.ok) return ok(0n);
  deletePosixTimer(process, timer);
  return err(stored.error);
}

function checkTimerClock(clock: u32): Result<void> {
  switch (clock) {
    case Clock.REALTIME:
    case Clock.MONOTONIC:
    case Clock.BOOTTIME:
      return ok();
    case Clock.PROCESS:
    case Clock.THREAD:
    case Clock.MONOTONIC_RAW:
    case Clock.REALTIME_COARSE:
    case Clock.MONOTONIC_COARSE:
      return err(Errno.EOPNOTSUPP);
    default:
      return err(Errno.EINVAL);
  }
}

/** EINVAL: no such notification, signal, or thread of the process. */
function checkEvent(process: Process): Result<void> {
  if (event.notification === Notification.NONE) return ok();
  if (event.notification === Notification.THREAD_ID) {
    const thread = findThread(event.tid);
    if (thread === null || thread.process !== process) return err(Errno.EINVAL);
  } else if (event.notification !== Notification.SIGNAL && event.notification !== Notification.THREAD) {
    return err(Errno.EINVAL);
  }
  return event.signal > 0 && isSignalNumber(u32(event.signal)) ? ok() : err(Errno.EINVAL);
}

/** Without an event it is SIGALRM with the timer's id. */
function describeTimer(timer: PosixTimer, hasEvent: boolean): void {
  timer.signal = Signal.SIGALRM;
  timer.queued.info.value = u64(timer.id);
  if (!hasEvent) return;
  timer.signal = event.notification === Notification.NONE ? 0 : u32(event.signal);
  timer.tid = event.notification === Notification.THREAD_ID ? event.tid : 0;
  timer.queued.info.value = event.value;
}

const TIMER_ABSTIME = 1;

/** timer_settime(timer, flags, setting, old setting) */
export function timerSettime(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (registers.rdx === 0n) return err(Errno.EINVAL);
  const loaded = loadNanoseconds(registers.rdx);
  if (!loaded.ok) return err(loaded.error);
  const timer = findPosixTimer(caller(), u32(registers.rdi));
  if (timer === null) return err(Errno.EINVAL);
  const every = interval;
  let deadline = value;
  const left = posixTimeLeft(timer);
  const before = timer.interval;
  if (deadline !== 0n) {
    const isAbsolute = (i32(registers.rsi) & TIMER_ABSTIME) !== 0;
    if (!isAbsolute) deadline = u64(monotonicTime() + deadline);
    else if (timer.isCalendar) deadline = monotonicDeadline(deadline);
  }
  setPosixTimer(timer, deadline, every);
  return registers.r10 === 0n ? ok(0n) : storeNanoseconds(registers.r10, before, left);
}

/** Reads a struct itimerspec into `interval` and `value`. EFAULT, EINVAL. */
function loadNanoseconds(address: u64): Result<void> {
  const copied = copyIn(addressOf(setting), userPtr<u64>(address), SETTING_BYTES);
  if (!copied.ok) return copied;
  const every = nanosecondsOf(setting[0]!, setting[1]!);
  if (!every.ok) return err(every.error);
  const first = nanosecondsOf(setting[2]!, setting[3]!);
  if (!first.ok) return err(first.error);
  interval = every.value;
  value = first.value;
  return ok();
}

function storeNanoseconds(address: u64, every: u64, left: u64): Result<u64> {
  setting[0] = u64(every / NANOSECONDS);
  setting[1] = u64(every % NANOSECONDS);
  setting[2] = u64(left / NANOSECONDS);
  setting[3] = u64(left % NANOSECONDS);
  const copied = copyOut(userPtr<u64>(address), addressOf(setting), SETTING_BYTES);
  return copied.ok ? ok(0n) : err(copied.error);
}

/** timer_gettime(timer, setting) */
export function timerGettime(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const timer = findPosixTimer(caller(), u32(registers.rdi));
  if (timer === null) return err(Errno.EINVAL);
  return storeNanoseconds(registers.rsi, timer.interval, posixTimeLeft(timer));
}

/** timer_getoverrun(timer): expirations that the last signal stood for besides its own. */
export function timerGetoverrun(frame: VirtAddr): Result<u64> {
  const timer = findPosixTimer(caller(), u32(TrapFrame.at(frame).rdi));
  return timer === null ? err(Errno.EINVAL) : ok(u64(timer.queued.lastOverrun));
}

/** timer_delete(timer) */
export function timerDelete(frame: VirtAddr): Result<u64> {
  const process = caller();
  const timer = findPosixTimer(process, u32(TrapFrame.at(frame).rdi));
  if (timer === null) return err(Errno.EINVAL);
  deletePosixTimer(process, timer);
  return ok(0n);
}
