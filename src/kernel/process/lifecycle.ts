/** What happens between a program's birth and its end: the way back to user mode, where everything pending takes effect. */
import { runningThread, sleep, yieldProcessor } from '../sched/scheduler.ts';
import { exitThread } from './exit.ts';
import { isKilled, setSignalMask } from './signal-delivery.ts';
import { deliverSignal, restartCall } from './signal-frame.ts';
import { finishWaiting, prepareToWait } from './sync.ts';
import { Attention, clearAttention, Restart, type Thread } from './thread.ts';

/**
 * Acts on whatever keeps the running thread from going back to user mode: its death, a stop, signals, the end of its time
 * slice. Called last on every way out of the kernel; returns when nothing is left, or not at all.
 */
export function prepareForUserMode(): void {
  const thread = runningThread()!;
  actOnAttention(thread);
  if (thread.restart !== Restart.NEVER) restartCall(thread);
  if (!thread.isMaskReplaced) return;
  thread.isMaskReplaced = false;
  setSignalMask(thread, thread.replacedMask);
  actOnAttention(thread);
}

function actOnAttention(thread: Thread): void {
  let attention = thread.attention.load();
  while (attention !== 0) {
    if ((attention & Attention.KILLED) !== 0) exitThread(0);
    if ((attention & Attention.STOPPED) !== 0) waitForContinue(thread);
    if ((attention & Attention.SIGNAL) !== 0) {
      clearAttention(thread, Attention.SIGNAL);
      deliverSignal(thread);
    }
    if ((attention & Attention.RESCHEDULE) !== 0) yieldProcessor();
    attention = thread.attention.load();
  }
}

function waitForContinue(thread: Thread): void {
  const process = thread.process!;
  while (process.stopSignal !== 0 && !isKilled(thread)) {
    prepareToWait(process.continueEvents, thread, false);
    if (process.stopSignal !== 0 && !isKilled(thread)) sleep();
    finishWaiting(thread);
  }
  clearAttention(thread, Attention.STOPPED);
}
