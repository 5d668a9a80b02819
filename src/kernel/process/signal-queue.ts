/**
 * Pending signals: a set of numbers, and in order of arrival what is known about each. A standard signal is in the queue
 * at most once, a real-time signal as often as it was sent. One whose description there was no room for is in the set only.
 */
import { addressOf, constructAt, embed, sizeOf, u32, u64 } from '#dialect';
import { ObjectCache } from '../memory/slab.ts';
import type { Process } from './pcb.ts';
import { copySignalInfo, describeSignal, SignalCode, SignalInfo } from './signal-info.ts';

export class QueuedSignal {
  signal: u32 = 0;
  next: QueuedSignal | null = null;
  readonly info: SignalInfo = embed(SignalInfo);
  /** Whose limit it counts against; null for a timer's, which is part of the timer. */
  process: Process | null = null;
  isQueued: boolean = false;
  /** Expirations of the timer since the one that queued the signal, and that number when it was last delivered. */
  overrun: u32 = 0;
  lastOverrun: u32 = 0;
}

export class SignalQueue {
  /** Bit n - 1 stands for signal n. */
  signals: u64 = 0n;
  first: QueuedSignal | null = null;
  last: QueuedSignal | null = null;
}

const cache = new ObjectCache(sizeOf(QueuedSignal));

/** What all processes together have on their accounts. */
let charged: u32 = 0;

export function chargedSignals(): u32 {
  return charged;
}

/** Puts a description, or a timer that may need one, on a process's account. */
export function chargeSignal(process: Process): void {
  process.queuedSignals = u32(process.queuedSignals + 1);
  charged = u32(charged + 1);
}

export function dischargeSignal(process: Process): void {
  process.queuedSignals = u32(process.queuedSignals - 1);
  charged = u32(charged - 1);
}

function bitOf(signal: u32): u64 {
  return u64(1n << u64((signal - 1) & 63));
}

/** A description in the queue, on account of `process`; null when there is no memory. */
export function newQueuedSignal(process: Process): QueuedSignal | null {
  const memory = cache.allocate();
  if (!memory.ok) return null;
  const queued = constructAt(QueuedSignal, memory.value);
  queued.process = process;
  chargeSignal(process);
  return queued;
}

function release(queued: QueuedSignal): void {
  queued.isQueued = false;
  const process = queued.process;
  if (process === null) return;
  dischargeSignal(process);
  cache.release(addressOf(queued));
}

/** Makes a signal pending, with its description if there is one. */
export function addPending(queue: SignalQueue, signal: u32, queued: QueuedSignal | null): void {
  queue.signals = u64(queue.signals | bitOf(signal));
  if (queued === null) return;
  queued.signal = signal;
  queued.next = null;
  queued.isQueued = true;
  if (queue.last === null) queue.first = queued;
  else queue.last.next = queued;
  queue.last = queued;
}

function unlink(queue: SignalQueue, queued: QueuedSignal, previous: QueuedSignal | null): void {
  if (previous === null) queue.first = queued.next;
  else previous.next = queued.next;
  if (queue.last === queued) queue.last = previous;
  queued.next = null;
}

/** Takes the oldest pending signal of one number; what nobody described says that kill sent it. */
export function takePending(queue: SignalQueue, signal: u32, info: SignalInfo): void {
  describeSignal(info, SignalCode.USER, 0, 0, 0);
  let previous: QueuedSignal | null = null;
  let queued = queue.first;
  while (queued !== null && queued.signal !== signal) {
    previous = queued;
    queued = queued.next;
  }
  let isLast = true;
  if (queued !== null) {
    isLast = !hasAnother(queued.next, signal);
    unlink(queue, queued, previous);
    describeTaken(queued, info);
    release(queued);
  }
  if (isLast) queue.signals = u64(queue.signals & ~bitOf(signal));
}

function describeTaken(queued: QueuedSignal, info: SignalInfo): void {
  copySignalInfo(info, queued.info);
  if (queued.process !== null) return;
  queued.lastOverrun = queued.overrun;
  info.source = u64(info.source | (u64(queued.overrun) << 32n));
}

function hasAnother(start: QueuedSignal | null, signal: u32): boolean {
  let queued = start;
  while (queued !== null && queued.signal !== signal) queued = queued.next;
  return queued !== null;
}

/** Forgets pending signals. */
export function discardSignals(queue: SignalQueue, signals: u64): void {
  if ((queue.signals & signals) === 0n) return;
  queue.signals = u64(queue.signals & ~signals);
  let previous: QueuedSignal | null = null;
  let queued = queue.first;
  while (queued !== null) {
    const next: QueuedSignal | null = queued.next;
    if ((signals & bitOf(queued.signal)) === 0n) {
      previous = queued;
    } else {
      unlink(queue, queued, previous);
      release(queued);
    }
    queued = next;
  }
}

/** Takes one description out of a queue that it is in; the number stays pending if it was sent otherwise too. */
export function withdrawSignal(queue: SignalQueue, withdrawn: QueuedSignal): void {
  let previous: QueuedSignal | null = null;
  let queued = queue.first;
  while (queued !== null && queued !== withdrawn) {
    previous = queued;
    queued = queued.next;
  }
  if (queued === null) return;
  unlink(queue, queued, previous);
  release(queued);
  if (!hasAnother(queue.first, withdrawn.signal)) queue.signals = u64(queue.signals & ~bitOf(withdrawn.signal));
}
