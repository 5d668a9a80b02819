/** Threads: the scheduler's only object, and the table that finds them by id. */
import {
  Atomic32,
  Atomic64,
  addressOf,
  array,
  assert,
  constructAt,
  Errno,
  embed,
  err,
  type i32,
  ok,
  type Result,
  references,
  sizeOf,
  u8,
  u32,
  type u64,
} from '#dialect';
import { NAME_LENGTH } from '../abi/process.ts';
import { IpcCall } from '../ipc/call.ts';
import { allocateKernelStack, releaseKernelStack } from '../memory/kernel-stacks.ts';
import { ObjectCache } from '../memory/slab.ts';
import { Timer } from '../sched/timer.ts';
import type { Process } from './pcb.ts';
import { SignalQueue } from './signal-queue.ts';
import type { WaitQueue } from './wait-queue.ts';

export const MAX_THREADS_PER_PROCESS = 256;
export const SIGNAL_COUNT = 64;

/**
 * New -> Runnable -> Running -> Zombie, with Running <-> Blocked -> Runnable in between. Every change is a
 * compare-and-set from a named predecessor, so nothing leaves Zombie. A thread is in the ready queue exactly when Runnable.
 */
export const ThreadState = { New: 0, Runnable: 1, Running: 2, Blocked: 3, Zombie: 4 } as const;
export type ThreadState = (typeof ThreadState)[keyof typeof ThreadState];

/** The seed's five classes; a smaller number runs first. */
export const Priority = { RealTime: 0, System: 1, Normal: 2, Low: 3, Idle: 4 } as const;
export type Priority = (typeof Priority)[keyof typeof Priority];

/** SCHED_* of sched(7). */
export const SchedulingPolicy = { OTHER: 0, FIFO: 1, ROUND_ROBIN: 2, BATCH: 3, IDLE: 5 } as const;
export type SchedulingPolicy = (typeof SchedulingPolicy)[keyof typeof SchedulingPolicy];

/** What becomes of a system call that a signal ended early, once the signal has been dealt with (signal(7)). */
export const Restart = {
  NEVER: 0,
  /** Begun again unless a handler ran that was installed without SA_RESTART. */
  IF_WANTED: 1,
  /** Begun again unless a handler ran. */
  WITHOUT_HANDLER: 2,
  /** Gone on with, towards the same deadline, through restart_syscall(2), unless a handler ran. */
  TO_DEADLINE: 3,
} as const;
export type Restart = (typeof Restart)[keyof typeof Restart];

/** Why a thread must not go straight back to user mode. */
export const Attention = { RESCHEDULE: 1, SIGNAL: 2, KILLED: 4, STOPPED: 8 } as const;

export const TIME_SLICE = 10;
/** The processors that exist: number 0. */
export const ALL_PROCESSORS = 1n;

export class Thread {
  tid: u32 = 0;
  readonly state = new Atomic32(ThreadState.New);
  process: Process | null = null;
  nextInProcess: Thread | null = null;
  previousInProcess: Thread | null = null;
  nextInTable: Thread | null = null;

  /** Highest address of the kernel stack's usable part; 0 for the idle thread, which runs on the boot stack. */
  kernelStack: u64 = 0n;
  /** The kernel stack pointer while the thread is not running. */
  savedStack: u64 = 0n;
  fsBase: u64 = 0n;
  gsBase: u64 = 0n;
  /** Bits of `Attention`. */
  readonly attention = new Atomic32(0);

  priority: Priority = Priority.Normal;
  policy: SchedulingPolicy = SchedulingPolicy.OTHER;
  /** 1 to 99 for real-time policies, else 0; a larger number runs first. */
  realTimePriority: u32 = 0;
  /** -20 to 19; a larger number gets shorter slices. */
  nice: i32 = 0;
  /** Ticks left before a thread of the same priority gets its turn; 0 for never. */
  timeSlice: u32 = TIME_SLICE;
  /** What a slice begins with. */
  sliceTicks: u32 = TIME_SLICE;
  /** Bit n: may run on processor n. */
  readonly affinity = new Atomic64(ALL_PROCESSORS);
  readyNext: Thread | null = null;
  readyPrevious: Thread | null = null;
  /** Its place among the ready ones while a seed decides by priorities (sched/exploration.ts). */
  rank: u32 = 0;
  /** Ticks spent running. */
  processorTicks: u64 = 0n;

  waitQueue: WaitQueue | null = null;
  waitNext: Thread | null = null;
  waitPrevious: Thread | null = null;
  isInterruptible: boolean = false;

  /** Ends a timed wait. */
  readonly timer: Timer = embed(Timer);
  /** The deadline, not an event, ended the last timed wait. */
  timedOut: boolean = false;

  /** The word this thread waits on; meaningful while it is in a futex bucket. */
  futexSpace: u64 = 0n;
  futexAddress: u64 = 0n;
  futexMask: u32 = 0;
  /** The child whose exec or exit a vfork in progress waits for. */
  vforkChild: Process | null = null;

  /** Bit n - 1 stands for signal n. */
  signalMask: u64 = 0n;
  /** Signals that rt_sigtimedwait waits for: they come to it even if masked, and act in no other way. */
  awaitedSignals: u64 = 0n;
  readonly pending: SignalQueue = embed(SignalQueue);
  /** The mask to go back to after rt_sigsuspend; meaningful while `isMaskReplaced`. */
  replacedMask: u64 = 0n;
  isMaskReplaced: boolean = false;
  /** How the system call in progress was interrupted; NEVER outside one. */
  restart: Restart = Restart.NEVER;
  /** The call that restart_syscall goes on with, and its deadline; 0 for none. */
  resumedCall: u32 = 0;
  resumedDeadline: u64 = 0n;
  /** The alternate signal stack (sigaltstack(2)); size 0 for none. */
  alternateStack: u64 = 0n;
  alternateStackSize: u64 = 0n;
  /** The last fault in user mode: vector, error code, address of the page or instruction, CR2 of the last page fault. */
  faultVector: u64 = 0n;
  faultCode: u64 = 0n;
  faultAddress: u64 = 0n;
  faultPage: u64 = 0n;

  readonly name = array(u8, NAME_LENGTH);
  /** execve no longer grants what a file would (PR_SET_NO_NEW_PRIVS). */
  hasNoNewPrivileges: boolean = false;
  /** The call on a capability that it waits in, if any. */
  readonly call: IpcCall = embed(IpcCall);

  /** User addresses; 0 for none. */
  clearTid: u64 = 0n;
  robustList: u64 = 0n;
}

const cache = new ObjectCache(sizeOf(Thread));
const TABLE_BUCKETS = 256;
const table = references<Thread>(TABLE_BUCKETS);

/** Thread objects alive, the idle thread not counted. */
export function threadCount(): u32 {
  return cache.allocated;
}

function bucketOf(tid: u32): u32 {
  return u32(tid % TABLE_BUCKETS);
}

/** A thread with a kernel stack, in state New, in no process and no table; EAGAIN or ENOMEM. */
export function allocateThread(): Result<Thread> {
  const memory = cache.allocate();
  if (!memory.ok) return err(Errno.ENOMEM);
  const stack = allocateKernelStack();
  if (!stack.ok) {
    cache.release(memory.value);
    return err(Errno.ENOMEM);
  }
  const thread = constructAt(Thread, memory.value);
  thread.kernelStack = stack.value;
  return ok(thread);
}

/** Gives back a thread that is in no table, no queue and not running. */
export function freeThread(thread: Thread): void {
  assert(thread.waitQueue === null && !thread.timer.isArmed, 'a waiting thread is freed');
  releaseKernelStack(thread.kernelStack);
  cache.release(addressOf(thread));
}

export function findThread(tid: u32): Thread | null {
  let thread = table[bucketOf(tid)] ?? null;
  while (thread !== null && thread.tid !== tid) thread = thread.nextInTable;
  return thread;
}

/** Makes a thread findable under its tid. */
export function enterThread(thread: Thread): void {
  const bucket = bucketOf(thread.tid);
  thread.nextInTable = table[bucket] ?? null;
  table[bucket] = thread;
}

export function removeThread(thread: Thread): void {
  const bucket = bucketOf(thread.tid);
  let previous: Thread | null = null;
  let entry = table[bucket] ?? null;
  while (entry !== null && entry !== thread) {
    previous = entry;
    entry = entry.nextInTable;
  }
  if (entry === null) return;
  if (previous === null) table[bucket] = thread.nextInTable;
  else previous.nextInTable = thread.nextInTable;
  thread.nextInTable = null;
}

/** Changes state if the thread is in `from`; false when it is in another. */
export function changeState(thread: Thread, from: ThreadState, to: ThreadState): boolean {
  return thread.state.compareExchange(from, to) === from;
}

export function raiseAttention(thread: Thread, bits: u32): void {
  thread.attention.fetchOr(bits);
}

export function clearAttention(thread: Thread, bits: u32): void {
  thread.attention.fetchAnd(u32(~bits));
}
