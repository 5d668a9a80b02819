/**
 * The scheduler of one processor: strict priorities, round robin within each. Kernel code is never preempted; a thread
 * gives the processor up on its way back to user mode, or by calling one of the functions below.
 */
import { addressOf, assert, cpu, gs, objectAt, panic, references, u32, u64, virt } from '#dialect';
import {
  Attention,
  changeState,
  clearAttention,
  freeThread,
  Priority,
  raiseAttention,
  Thread,
  ThreadState,
} from '../process/thread.ts';
import { CURRENT_THREAD_OFFSET } from '../processor/per-cpu.ts';
import { countStep, drawRank, drawReady, isExploring } from './exploration.ts';
import { switchTo } from './switch.ts';

const PRIORITIES = 5;
const readyFirst = references<Thread>(PRIORITIES);
const readyLast = references<Thread>(PRIORITIES);
let readyCount: u32 = 0;

/** Runs when nobody else can: on the boot stack, in no process, and never in the ready queue. */
const idleThread = new Thread();
/** A thread that has ended; the next thread to run frees it, on a stack that is not the dead one's. */
let ended: Thread | null = null;

/** The running thread, the idle thread included; null before the scheduler starts. Reads one per-CPU word. */
export function runningThread(): Thread | null {
  const address = gs.load64(CURRENT_THREAD_OFFSET);
  return address === 0n ? null : objectAt(Thread, virt(address));
}

/** Threads that could run and are not running. */
export function readyThreadCount(): u32 {
  return readyCount;
}

/** Puts a Runnable thread into its priority's queue, behind all that do not come after it. */
function enqueueReady(thread: Thread): void {
  const level = thread.priority;
  let previous = readyLast[level] ?? null;
  while (previous !== null && isBefore(thread, previous)) previous = previous.readyPrevious;
  const next = previous === null ? (readyFirst[level] ?? null) : previous.readyNext;
  thread.readyPrevious = previous;
  thread.readyNext = next;
  if (previous === null) readyFirst[level] = thread;
  else previous.readyNext = thread;
  if (next === null) readyLast[level] = thread;
  else next.readyPrevious = thread;
  readyCount = u32(readyCount + 1);
}

/** True when `thread` has a higher priority than `other`; real-time priorities are 0 outside their class. */
function isBefore(thread: Thread, other: Thread): boolean {
  return thread.priority < other.priority || thread.realTimePriority > other.realTimePriority;
}

/** True when the thread waits for the processor. */
export function isReady(thread: Thread): boolean {
  return thread.state.load() === ThreadState.Runnable;
}

/** Gives a ready thread another priority, and its place by that. */
export function moveInReadyQueue(thread: Thread, priority: Priority): void {
  dequeueReady(thread);
  thread.priority = priority;
  enqueueReady(thread);
  preemptFor(thread);
}

function dequeueReady(thread: Thread): void {
  const level = thread.priority;
  if (thread.readyPrevious === null) readyFirst[level] = thread.readyNext;
  else thread.readyPrevious.readyNext = thread.readyNext;
  if (thread.readyNext === null) readyLast[level] = thread.readyPrevious;
  else thread.readyNext.readyPrevious = thread.readyPrevious;
  thread.readyNext = null;
  thread.readyPrevious = null;
  readyCount = u32(readyCount - 1);
}

function firstReady(): Thread | null {
  for (const thread of readyFirst) {
    if (thread !== null) return isExploring() ? drawReady(thread) : thread;
  }
  return null;
}

/** Lets a new thread run for the first time. */
export function startThread(thread: Thread): void {
  assert(changeState(thread, ThreadState.New, ThreadState.Runnable), 'a thread is started twice');
  if (isExploring()) thread.rank = drawRank();
  enqueueReady(thread);
  preemptFor(thread);
}

/**
 * Ends a thread's wait. Does nothing to a thread that is not waiting. A thread that has prepared to wait but not slept yet
 * goes on running. The caller takes it out of its wait queue, or leaves that to the thread itself.
 */
export function wakeThread(thread: Thread): void {
  if (thread === runningThread()) {
    changeState(thread, ThreadState.Blocked, ThreadState.Running);
    return;
  }
  if (!changeState(thread, ThreadState.Blocked, ThreadState.Runnable)) return;
  enqueueReady(thread);
  preemptFor(thread);
}

/** Asks for a switch on the way to user mode if a thread should run before the running one. */
function preemptFor(thread: Thread): void {
  const running = runningThread();
  if (running !== null && isBefore(thread, running)) raiseAttention(running, Attention.RESCHEDULE);
}

/** Gives the processor up until woken; returns at once if a wake-up came since `prepareToWait`. */
export function sleep(): void {
  const thread = runningThread();
  if (thread !== null && thread.state.load() === ThreadState.Blocked) switchAway(thread);
}

/**
 * Gives the processor straight to a waiting thread that is in no queue, ahead of all who are ready, with the rest of the
 * running thread's time slice; where schedules are explored, `next` is one of them. The running thread has prepared to wait;
 * if it has been woken since, it goes on.
 */
export function switchToWaiter(next: Thread): void {
  if (isExploring()) {
    wakeThread(next);
    sleep();
    return;
  }
  const thread = runningThread();
  const isWaiting = thread !== null && thread.state.load() === ThreadState.Blocked;
  if (thread === null || !isWaiting || !changeState(next, ThreadState.Blocked, ThreadState.Running)) {
    wakeThread(next);
    return;
  }
  next.timeSlice = thread.timeSlice;
  gs.store64(CURRENT_THREAD_OFFSET, addressOf(next));
  switchTo(thread, next);
  finishSwitch();
}

/** Lets the others of the same priority run first. Returns at once when there are none. */
export function yieldProcessor(): void {
  const thread = runningThread();
  if (thread === null) return;
  clearAttention(thread, Attention.RESCHEDULE);
  thread.timeSlice = thread.sliceTicks;
  const next = firstReady();
  if (next === null || isBefore(thread, next)) return;
  assert(changeState(thread, ThreadState.Running, ThreadState.Runnable), 'a thread that is not running yields');
  enqueueReady(thread);
  switchAway(thread);
}

/** Ends the running thread for good. It must have let go of everything but its stack. */
export function exitRunningThread(): never {
  const thread = runningThread()!;
  assert(changeState(thread, ThreadState.Running, ThreadState.Zombie), 'a thread that is not running exits');
  ended = thread;
  switchAway(thread);
  panic('a thread that has ended runs');
}

function switchAway(from: Thread): void {
  if (isExploring()) countStep(from);
  const next = firstReady() ?? idleThread;
  if (next !== idleThread) {
    dequeueReady(next);
    assert(changeState(next, ThreadState.Runnable, ThreadState.Running), 'the ready queue holds a thread that is not');
    next.timeSlice = next.sliceTicks;
  }
  gs.store64(CURRENT_THREAD_OFFSET, addressOf(next));
  if (next !== from) switchTo(from, next);
  finishSwitch();
}

/** First thing a thread does when it gets the processor: frees the thread that ended just before. */
export function finishSwitch(): void {
  const thread = ended;
  if (thread === null) return;
  ended = null;
  freeThread(thread);
}

/** Turns the boot code into the idle thread: runs whoever is ready, and waits for interrupts when nobody is. */
export function runIdle(): never {
  gs.store64(CURRENT_THREAD_OFFSET, addressOf(idleThread));
  idleThread.priority = Priority.Idle;
  idleThread.state.store(ThreadState.Running);
  for (;;) waitForWork();
}

/** One round of the idle thread: waits for interrupts until a thread is ready, and gives it the processor. */
export function waitForWork(): void {
  while (readyCount === 0) {
    cpu.stiHlt();
    cpu.cli();
  }
  switchAway(idleThread);
}

/** True while no thread has anything to do. */
export function isIdle(): boolean {
  return runningThread() === idleThread;
}

/** The running thread's time slice is over. */
export function endTimeSlice(): void {
  const thread = runningThread();
  if (thread !== null && thread !== idleThread) raiseAttention(thread, Attention.RESCHEDULE);
}

/** One tick of the clock has hit the running thread. */
export function accountTick(): void {
  const thread = runningThread();
  if (thread === null || thread === idleThread) return;
  thread.processorTicks = u64(thread.processorTicks + 1n);
  if (thread.timeSlice === 0) return;
  thread.timeSlice = u32(thread.timeSlice - 1);
  if (thread.timeSlice === 0) raiseAttention(thread, Attention.RESCHEDULE);
}
