/** The serial console as a terminal to programs: reading, writing, and ioctl_tty(2). */
import {
  addressOf,
  array,
  Errno,
  embed,
  err,
  f16,
  i32,
  ok,
  type Result,
  struct,
  u8,
  u32,
  u64,
  userPtr,
} from '#dialect';
import { notifyPollers } from '../ipc/poll-waiters.ts';
import { lesser } from '../memory/layout.ts';
import { copyIn, copyOut, readUser32, writeUser32 } from '../memory/user-copy.ts';
import { isPrivileged } from '../process/credentials.ts';
import {
  abandonTerminal,
  foregroundOfTerminal,
  isOrphanedGroup,
  memberOfGroup,
  sessionOfTerminal,
  setForeground,
  signalForeground,
  signalGroup,
  takeTerminal,
} from '../process/job-control.ts';
import type { Process } from '../process/pcb.ts';
import { isInterrupted, SIG_IGN, Signal, signalBit } from '../process/signal-delivery.ts';
import { finishWaiting, prepareToWait, wakeAll } from '../process/sync.ts';
import { Restart, type Thread } from '../process/thread.ts';
import { WaitQueue } from '../process/wait-queue.ts';
import { monotonicTime } from '../processor/clock.ts';
import { sleep } from '../sched/scheduler.ts';
import { armTimer, disarmTimer } from '../sched/timer-queue.ts';
import {
  availableBytes,
  flushInput,
  hasInput,
  isStopped,
  receiveInput,
  regroupInput,
  setStopped,
  takeInput,
} from './line-discipline.ts';
import { hasReceived, receiveByte } from './serial.ts';
import { putBytes } from './terminal-output.ts';
import { Control, hasLocalFlag, LocalFlag, TERMIOS_BYTES, Termios, termios } from './termios.ts';

/** As much as the terminal keeps: one piece is all that a read can take. */
const BUFFER_BYTES = 4096;
const buffer = array(u8, BUFFER_BYTES);
/** A write takes pieces of this size; one with a bad address in it does not go out. */
const WRITE_BYTES = 2048n;

/** Woken whenever a read or a write that had to wait may go on. */
export const terminalEvents: WaitQueue = embed(WaitQueue);

/** Empties the chip. Called from interrupts. */
export function collectInput(): void {
  if (!hasReceived()) return;
  while (hasReceived()) receiveInput(receiveByte());
  announceChange();
}

function announceChange(): void {
  wakeAll(terminalEvents);
  notifyPollers();
}

/** POLLIN, POLLOUT of poll(2). */
const Readiness = { INPUT: 1, OUTPUT: 4 } as const;

export function terminalReadiness(): u32 {
  const input = isReadable() ? Readiness.INPUT : 0;
  const output = isStopped() ? 0 : Readiness.OUTPUT;
  return u32(input | output);
}

/** With MIN and without TIME a read waits for more than one byte. */
function isReadable(): boolean {
  if (hasLocalFlag(LocalFlag.ICANON) || termios.characters[Control.TIME] !== 0) return hasInput();
  const least = termios.characters[Control.MIN]!;
  return availableBytes() >= (least === 0 ? 1 : least);
}

/** True when the terminal is the process's controlling terminal. */
export function hasControllingTerminal(process: Process): boolean {
  return process.hasTerminal;
}

/** What opening it does: it becomes the controlling terminal of a session leader who has none, if nobody else has it. */
export function openTerminal(process: Process, isNoctty: boolean): void {
  const isLeader = process.sid === process.pid;
  if (!isNoctty && isLeader && !process.hasTerminal && sessionOfTerminal() === 0) takeTerminal(process);
}

/**
 * Stops a group that is not in the foreground when it reads, or changes the terminal: EINTR, to be tried again once it is
 * continued. EIO: it reads, but ignores the signal or has nobody to continue it.
 */
function checkForeground(thread: Thread, signal: u32): Result<void> {
  const process = thread.process!;
  const foreground = foregroundOfTerminal();
  if (!process.hasTerminal || foreground === 0 || process.pgid === foreground) return ok();
  const isBlocked = (thread.signalMask & signalBit(signal)) !== 0n;
  if (isBlocked || process.signalActions[u32(signal - 1)]!.handler === SIG_IGN) {
    return signal === Signal.SIGTTIN ? err(Errno.EIO) : ok();
  }
  if (isOrphanedGroup(process.pgid, null)) return err(Errno.EIO);
  signalGroup(process.pgid, signal);
  thread.restart = Restart.IF_WANTED;
  return err(Errno.EINTR);
}

/** Reads into user memory. 0: end of file. EAGAIN: nothing is there and `isNonblocking`. EINTR, EIO, EFAULT. */
export function terminalRead(thread: Thread, destination: u64, length: u64, isNonblocking: boolean): Result<u64> {
  const allowed = checkForeground(thread, Signal.SIGTTIN);
  if (!allowed.ok) return err(allowed.error);
  if (length === 0n) return ok(0n);
  return hasLocalFlag(LocalFlag.ICANON)
    ? readLine(thread, destination, length, isNonblocking)
    : readBytes(thread, destination, length, isNonblocking);
}

/** At most what one line holds. */
function readLine(thread: Thread, destination: u64, length: u64, isNonblocking: boolean): Result<u64> {
  while (!hasInput()) {
    if (isNonblocking) return err(Errno.EAGAIN);
    if (!waitForChange(thread, NO_TIME)) return interrupted(thread);
  }
  return takeTo(destination, length);
}

const NO_TIME = 0n;
/** The unit of TIME. */
const TENTH_OF_SECOND = 100_000_000n;

/**
 * MIN and TIME (termios(3)): with MIN, waits for so many bytes, or until TIME has passed since the last one; without,
 * until TIME has passed in all.
 */
function readBytes(thread: Thread, destination: u64, length: u64, isNonblocking: boolean): Result<u64> {
  const least = u64(termios.characters[Control.MIN]!);
  const time = u64(u64(termios.characters[Control.TIME]!) * TENTH_OF_SECOND);
  const wanted = least === 0n ? 1n : lesser(least, length);
  const end = u64(monotonicTime() + time);
  let done: u64 = 0n;
  for (;;) {
    if (hasInput()) {
      const taken = takeTo(u64(destination + done), u64(length - done));
      if (!taken.ok) return taken;
      done = u64(done + taken.value);
    }
    if (done >= wanted || (least === 0n && time === 0n)) return ok(done);
    if (isNonblocking) return done > 0n ? ok(done) : err(Errno.EAGAIN);
    let deadline: u64 = NO_TIME;
    if (least === 0n) deadline = end;
    else if (time > 0n && done > 0n) deadline = u64(monotonicTime() + time);
    if (waitForChange(thread, deadline)) continue;
    if (thread.timedOut) return ok(done);
    return done > 0n ? ok(done) : interrupted(thread);
  }
}

/** EINTR, for a call that goes on unless a handler forbids it. */
function interrupted(thread: Thread): Result<u64> {
  thread.restart = Restart.IF_WANTED;
  return err(Errno.EINTR);
}

/** Sleeps until something has changed; false when a signal, or the deadline (0 for none), came first. */
function waitForChange(thread: Thread, deadline: u64): boolean {
  thread.timedOut = false;
  if (isInterrupted(thread)) return false;
  if (deadline !== NO_TIME) armTimer(thread, deadline);
  prepareToWait(terminalEvents, thread, true);
  sleep();
  finishWaiting(thread);
  disarmTimer(thread);
  return !thread.timedOut && !isInterrupted(thread);
}

function takeTo(destination: u64, length: u64): Result<u64> {
  const count = u64(takeInput(buffer, u32(lesser(length, u64(BUFFER_BYTES)))));
  const copied = copyOut(userPtr<u8>(destination), addressOf(buffer), count);
  return copied.ok ? ok(count) : err(copied.error);
}

/** Writes user memory; whole pieces before a bad address are written. EINTR: a signal came while output was stopped. */
export function terminalWrite(thread: Thread, source: u64, length: u64): Result<u64> {
  if (hasLocalFlag(LocalFlag.TOSTOP)) {
    const allowed = checkForeground(thread, Signal.SIGTTOU);
    if (!allowed.ok) return err(allowed.error);
  }
  let done: u64 = 0n;
  while (done < length) {
    while (isStopped()) {
      if (!waitForChange(thread, NO_TIME)) return done > 0n ? ok(done) : interrupted(thread);
    }
    const part = lesser(u64(length - done), WRITE_BYTES);
    const copied = copyIn(addressOf(buffer), userPtr<u8>(source + done), part);
    if (!copied.ok) return done > 0n ? ok(done) : err(copied.error);
    putBytes(addressOf(buffer), part);
    done = u64(done + part);
  }
  return ok(done);
}

/** Requests of ioctl_tty(2). */
const Request = {
  TCGETS: 0x5401,
  TCSETS: 0x5402,
  TCSETSW: 0x5403,
  TCSETSF: 0x5404,
  TCSBRK: 0x5409,
  TCXONC: 0x540a,
  TCFLSH: 0x540b,
  TIOCSCTTY: 0x540e,
  TIOCGPGRP: 0x540f,
  TIOCSPGRP: 0x5410,
  TIOCOUTQ: 0x5411,
  TIOCGWINSZ: 0x5413,
  TIOCSWINSZ: 0x5414,
  FIONREAD: 0x541b,
  TIOCNOTTY: 0x5422,
  TIOCGSID: 0x5429,
} as const;

const WindowSize = struct({ rows: f16, columns: f16, width: f16, height: f16 });
const WINDOW_BYTES = 8n;
/** Nobody knows the size of what is at the other end of a serial line until somebody says it. */
const windowSize = embed(WindowSize);
const newWindowSize = embed(WindowSize);
const newTermios = embed(Termios);

/** ioctl of a terminal. ENOTTY: no request of one, or the terminal is not the caller's controlling terminal. */
export function terminalIoctl(thread: Thread, request: u32, argument: u64): Result<u64> {
  const process = thread.process!;
  switch (request) {
    case Request.TCGETS:
      return asCallResult(copyOut(userPtr<u8>(argument), addressOf(termios), TERMIOS_BYTES));
    case Request.TCSETS:
    case Request.TCSETSW:
      return setTermios(thread, argument, false);
    case Request.TCSETSF:
      return setTermios(thread, argument, true);
    case Request.TCSBRK:
      return asCallResult(checkForeground(thread, Signal.SIGTTOU));
    case Request.TCXONC:
      return controlFlow(thread, argument);
    case Request.TCFLSH:
      return flush(thread, argument);
    case Request.TIOCGWINSZ:
      return asCallResult(copyOut(userPtr<u8>(argument), addressOf(windowSize), WINDOW_BYTES));
    case Request.TIOCSWINSZ:
      return setWindowSize(argument);
    case Request.FIONREAD:
      return asCallResult(writeUser32(userPtr<u32>(argument), availableBytes()));
    case Request.TIOCOUTQ:
      return asCallResult(writeUser32(userPtr<u32>(argument), 0));
    case Request.TIOCSCTTY:
      return setControlling(process, argument);
    case Request.TIOCNOTTY:
      if (!process.hasTerminal) return err(Errno.ENOTTY);
      abandonTerminal(process);
      return ok(0n);
    case Request.TIOCGPGRP:
      return getOfTerminal(process, foregroundOfTerminal(), argument);
    case Request.TIOCGSID:
      return getOfTerminal(process, sessionOfTerminal(), argument);
    case Request.TIOCSPGRP:
      return chooseForeground(thread, argument);
    default:
      return err(Errno.ENOTTY);
  }
}

function asCallResult(done: Result<void>): Result<u64> {
  return done.ok ? ok(0n) : err(done.error);
}

function setTermios(thread: Thread, argument: u64, isFlushed: boolean): Result<u64> {
  const allowed = checkForeground(thread, Signal.SIGTTOU);
  if (!allowed.ok) return err(allowed.error);
  const copied = copyIn(addressOf(newTermios), userPtr<u8>(argument), TERMIOS_BYTES);
  if (!copied.ok) return err(copied.error);
  if (isFlushed) flushInput();
  const hasRegrouped = ((termios.local ^ newTermios.local) & LocalFlag.ICANON) !== 0;
  termios.input = newTermios.input;
  termios.output = newTermios.output;
  termios.control = newTermios.control;
  termios.local = newTermios.local;
  termios.discipline = newTermios.discipline;
  for (let index: u32 = 0; index < termios.characters.length; index++) {
    termios.characters[index] = newTermios.characters[index]!;
  }
  if (hasRegrouped) regroupInput();
  announceChange();
  return ok(0n);
}

/** TCOOFF, TCOON; TCIOFF and TCION would ask the other end to stop. */
const Flow = { STOP_OUTPUT: 0n, START_OUTPUT: 1n, START_INPUT: 3n } as const;

function controlFlow(thread: Thread, action: u64): Result<u64> {
  const allowed = checkForeground(thread, Signal.SIGTTOU);
  if (!allowed.ok) return err(allowed.error);
  if (action > Flow.START_INPUT) return err(Errno.EINVAL);
  if (action === Flow.STOP_OUTPUT) setStopped(true);
  if (action === Flow.START_OUTPUT) setStopped(false);
  announceChange();
  return ok(0n);
}

/** TCIFLUSH, TCOFLUSH, TCIOFLUSH. Output does not wait anywhere. */
const Flush = { INPUT: 0n, BOTH: 2n } as const;

function flush(thread: Thread, queue: u64): Result<u64> {
  const allowed = checkForeground(thread, Signal.SIGTTOU);
  if (!allowed.ok) return err(allowed.error);
  if (queue > Flush.BOTH) return err(Errno.EINVAL);
  if (queue === Flush.INPUT || queue === Flush.BOTH) flushInput();
  return ok(0n);
}

/** A window of another size is news to the foreground. */
function setWindowSize(argument: u64): Result<u64> {
  const copied = copyIn(addressOf(newWindowSize), userPtr<u8>(argument), WINDOW_BYTES);
  if (!copied.ok) return err(copied.error);
  const isSame =
    windowSize.rows === newWindowSize.rows &&
    windowSize.columns === newWindowSize.columns &&
    windowSize.width === newWindowSize.width &&
    windowSize.height === newWindowSize.height;
  if (isSame) return ok(0n);
  windowSize.rows = newWindowSize.rows;
  windowSize.columns = newWindowSize.columns;
  windowSize.width = newWindowSize.width;
  windowSize.height = newWindowSize.height;
  signalForeground(Signal.SIGWINCH);
  return ok(0n);
}

/** EPERM: no session leader, one that has a terminal, or a terminal of another session that it may not take away. */
function setControlling(process: Process, isForced: u64): Result<u64> {
  const isLeader = process.sid === process.pid;
  if (isLeader && process.hasTerminal && sessionOfTerminal() === process.sid) return ok(0n);
  if (!isLeader || process.hasTerminal) return err(Errno.EPERM);
  const isTaken = sessionOfTerminal() !== 0;
  if (isTaken && !(isForced === 1n && isPrivileged(process.credentials))) return err(Errno.EPERM);
  takeTerminal(process);
  return ok(0n);
}

function getOfTerminal(process: Process, id: u32, argument: u64): Result<u64> {
  if (!process.hasTerminal) return err(Errno.ENOTTY);
  return asCallResult(writeUser32(userPtr<u32>(argument), id));
}

/** EPERM: a group of another session. ESRCH: no group. */
function chooseForeground(thread: Thread, argument: u64): Result<u64> {
  const process = thread.process!;
  const allowed = checkForeground(thread, Signal.SIGTTOU);
  if (!allowed.ok) return err(allowed.error);
  if (!process.hasTerminal || sessionOfTerminal() !== process.sid) return err(Errno.ENOTTY);
  const group = readUser32(userPtr<u32>(argument));
  if (!group.ok) return err(group.error);
  if (i32(group.value) < 0) return err(Errno.EINVAL);
  const member = memberOfGroup(group.value);
  if (member === null) return err(Errno.ESRCH);
  if (member.sid !== process.sid) return err(Errno.EPERM);
  setForeground(group.value);
  return ok(0n);
}
