/** wait4: children's ends, stops and continuations, each reported once. */
import { Errno, err, type i32, ok, type Result, u32, u64 } from '#dialect';
import { runningThread, sleep } from '../sched/scheduler.ts';
import { reapProcess } from './exit.ts';
import { type Process, ProcessState } from './pcb.ts';
import { isInterrupted, Signal } from './signal-delivery.ts';
import { finishWaiting, prepareToWait } from './sync.ts';
import { Restart } from './thread.ts';

/** Options of wait4(2). */
export const WaitOption = {
  NOHANG: 1,
  UNTRACED: 2,
  CONTINUED: 8,
  NO_THREADS: 0x2000_0000,
  ALL: 0x4000_0000,
  CLONE: 0x8000_0000,
} as const;
const KNOWN_OPTIONS = 0xe000_000b;

const STOPPED = 0x7f;
const CONTINUED = 0xffff;

/** A wait's answer: the child's pid in the low half, its status in the high half; 0 for "none yet" with NOHANG. */
function answer(pid: u32, status: u32): u64 {
  return u64((u64(status) << 32n) | u64(pid));
}

export function answeredPid(value: u64): u32 {
  return u32(value & 0xffff_ffffn);
}

export function answeredStatus(value: u64): u32 {
  return u32(value >> 32n);
}

/**
 * Waits for a child that `selector` means: -1 any, 0 the caller's group, a pid, or minus a group.
 * ECHILD: there is none. EINVAL: unknown options. EINTR: a signal came first. See `answer` for the value.
 */
export function waitForChild(selector: i32, options: u32): Result<u64> {
  if ((options & ~KNOWN_OPTIONS) !== 0) return err(Errno.EINVAL);
  const thread = runningThread()!;
  const process = thread.process!;
  for (;;) {
    prepareToWait(process.childEvents, thread, true);
    const found = findEvent(process, selector, options);
    const isOver = !found.ok || found.value !== 0n || (options & WaitOption.NOHANG) !== 0;
    if (isOver) {
      finishWaiting(thread);
      return found;
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

/** The first thing there is to report, 0 for nothing yet, ECHILD when no child is meant. Reaps what it reports dead. */
function findEvent(process: Process, selector: i32, options: u32): Result<u64> {
  let isAnyMeant = false;
  let child = process.firstChild;
  while (child !== null) {
    if (isMeant(process, child, selector, options)) {
      isAnyMeant = true;
      const event = eventOf(child, options);
      if (event !== 0n) return ok(event);
    }
    child = child.nextSibling;
  }
  return isAnyMeant ? ok(0n) : err(Errno.ECHILD);
}

/** Children made with another exit signal than SIGCHLD are waited for only with __WCLONE, or __WALL. */
function isMeant(process: Process, child: Process, selector: i32, options: u32): boolean {
  const isClone = child.exitSignal !== Signal.SIGCHLD;
  const wantsClone = (options & WaitOption.CLONE) !== 0;
  if ((options & WaitOption.ALL) === 0 && isClone !== wantsClone) return false;
  if (selector === -1) return true;
  if (selector === 0) return child.pgid === process.pgid;
  return selector > 0 ? child.pid === u32(selector) : child.pgid === u32(-selector);
}

function eventOf(child: Process, options: u32): u64 {
  if (child.state.load() === ProcessState.Zombie) {
    const event = answer(child.pid, child.exitStatus);
    reapProcess(child);
    return event;
  }
  if ((options & WaitOption.UNTRACED) !== 0 && child.stopSignal !== 0 && !child.isStopReported) {
    child.isStopReported = true;
    return answer(child.pid, u32((child.stopSignal << 8) | STOPPED));
  }
  if ((options & WaitOption.CONTINUED) !== 0 && !child.isContinueReported) {
    child.isContinueReported = true;
    return answer(child.pid, CONTINUED);
  }
  return 0n;
}
