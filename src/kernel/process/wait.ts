/** wait4 and waitid: children's ends, stops and continuations, each reported once. */
import { Errno, err, type i32, ok, type Result, u32, u64 } from '#dialect';
import { runningThread, sleep } from '../sched/scheduler.ts';
import { reapProcess } from './exit.ts';
import { type Process, ProcessState } from './pcb.ts';
import { isInterrupted, Signal } from './signal-delivery.ts';
import { SignalCode } from './signal-info.ts';
import { finishWaiting, prepareToWait } from './sync.ts';
import { Restart } from './thread.ts';

/** Options of wait4(2) and waitid(2). WSTOPPED is wait4's WUNTRACED. */
export const WaitOption = {
  NOHANG: 1,
  STOPPED: 2,
  EXITED: 4,
  CONTINUED: 8,
  NOWAIT: 0x100_0000,
  NO_THREADS: 0x2000_0000,
  ALL: 0x4000_0000,
  CLONE: 0x8000_0000,
} as const;

/** Which children a wait means. `id` is a pid or a process group. */
export const WaitFor = { ANY: 0, PID: 1, GROUP: 2 } as const;
export type WaitFor = (typeof WaitFor)[keyof typeof WaitFor];

/** A wait's answer. `pid` is 0 for "nothing yet". */
export class ChildEvent {
  pid: u32 = 0;
  uid: u32 = 0;
  /** SignalCode.CHILD_... */
  code: i32 = 0;
  /** The exit code, or the signal that ended, stopped or continued the child. */
  status: u32 = 0;
  /** Processor time of the child and the children that it waited for. */
  ticks: u64 = 0n;
}

const STOPPED = 0x7f;
const CONTINUED = 0xffff;

/** An event as wait4 encodes it (wait(2), WIFEXITED and its like). */
export function waitStatus(event: ChildEvent): u32 {
  switch (event.code) {
    case SignalCode.CHILD_EXITED:
      return u32(event.status << 8);
    case SignalCode.CHILD_STOPPED:
      return u32((event.status << 8) | STOPPED);
    case SignalCode.CHILD_CONTINUED:
      return CONTINUED;
    default:
      return event.status;
  }
}

/**
 * Waits for one of the events in `options` from a child that is meant, and fills in `event`. ECHILD: there is no such
 * child. EINTR: a signal came first.
 */
export function waitForChild(event: ChildEvent, kind: WaitFor, id: u32, options: u32): Result<void> {
  const thread = runningThread()!;
  const process = thread.process!;
  for (;;) {
    prepareToWait(process.childEvents, thread, true);
    const isAnyMeant = findEvent(process, event, kind, id, options);
    if (!isAnyMeant || event.pid !== 0 || (options & WaitOption.NOHANG) !== 0) {
      finishWaiting(thread);
      return isAnyMeant ? ok() : err(Errno.ECHILD);
    }
    if (isInterrupted(thread)) {
      thread.restart = Restart.IF_WANTED;
      finishWaiting(thread);
      return err(Errno.EINTR);
    }
    sleep();
    finishWaiting(thread);
  }
}

/** Fills in the first thing there is to report, and reaps what it reports dead; false when no child is meant. */
function findEvent(process: Process, event: ChildEvent, kind: WaitFor, id: u32, options: u32): boolean {
  event.pid = 0;
  let isAnyMeant = false;
  let child = process.firstChild;
  while (child !== null) {
    if (isMeant(child, kind, id, options)) {
      isAnyMeant = true;
      if (takeEvent(child, event, options)) return true;
    }
    child = child.nextSibling;
  }
  return isAnyMeant;
}

/**
 * Children made with another exit signal than SIGCHLD are waited for only with __WCLONE, or __WALL. A zombie has nothing
 * to say to who does not ask for ends.
 */
function isMeant(child: Process, kind: WaitFor, id: u32, options: u32): boolean {
  if ((options & WaitOption.EXITED) === 0 && child.state.load() === ProcessState.Zombie) return false;
  const isClone = child.exitSignal !== Signal.SIGCHLD;
  const wantsClone = (options & WaitOption.CLONE) !== 0;
  if ((options & WaitOption.ALL) === 0 && isClone !== wantsClone) return false;
  if (kind === WaitFor.ANY) return true;
  return kind === WaitFor.PID ? child.pid === id : child.pgid === id;
}

/** Takes one event of a child, or with NOWAIT only looks at it; false when there is none that `options` asks for. */
function takeEvent(child: Process, event: ChildEvent, options: u32): boolean {
  const isTaken = (options & WaitOption.NOWAIT) === 0;
  if (child.state.load() === ProcessState.Zombie) {
    describeEnd(child, event);
    if (isTaken) takeOver(child);
    return true;
  }
  if ((options & WaitOption.STOPPED) !== 0 && child.stopSignal !== 0 && !child.isStopReported) {
    child.isStopReported = isTaken;
    describe(child, event, SignalCode.CHILD_STOPPED, child.stopSignal);
    return true;
  }
  if ((options & WaitOption.CONTINUED) !== 0 && !child.isContinueReported) {
    child.isContinueReported = isTaken;
    describe(child, event, SignalCode.CHILD_CONTINUED, Signal.SIGCONT);
    return true;
  }
  return false;
}

/** Ends a zombie for good; its processor time stays with the parent. */
function takeOver(child: Process): void {
  const parent = child.parent!;
  parent.childTicks = u64(parent.childTicks + child.ticks + child.childTicks);
  reapProcess(child);
}

/** How a zombie ended. */
function describeEnd(child: Process, event: ChildEvent): void {
  const signal = u32(child.exitStatus & STOPPED);
  if (signal === 0) describe(child, event, SignalCode.CHILD_EXITED, u32(child.exitStatus >> 8));
  else describe(child, event, SignalCode.CHILD_KILLED, signal);
}

function describe(child: Process, event: ChildEvent, code: i32, status: u32): void {
  event.pid = child.pid;
  event.uid = child.credentials.user.real;
  event.code = code;
  event.status = status;
  event.ticks = u64(child.ticks + child.childTicks);
}
