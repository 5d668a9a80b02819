/** The process table: 1,024 slots, zombies included, found by pid through a hash. */
import {
  Atomic32,
  addressOf,
  assert,
  constructAt,
  Errno,
  err,
  ok,
  panic,
  type Result,
  references,
  sizeOf,
  u32,
} from '#dialect';
import { ObjectCache } from '../memory/slab.ts';
import { Process, ProcessState } from './pcb.ts';
import { findThread } from './thread.ts';

export const MAX_PROCESSES = 1024;
/** Ids lie in [1, PID_MAX). */
export const PID_MAX = 0x40_0000;

const cache = new ObjectCache(sizeOf(Process));
/** Taken slots, in no order. A slot is counted in `used` before its process exists. */
const slots = references<Process>(MAX_PROCESSES);
const used = new Atomic32(0);
const BUCKETS = 256;
const buckets = references<Process>(BUCKETS);
/** Process and thread ids are one space: a thread group's leader has its process's id. */
const nextId = new Atomic32(0);
/** Set once ids have been given out a second time: from then on an id may be in use. */
let hasWrapped = false;

/** A process in state Creating that holds a slot; EAGAIN when all are taken, ENOMEM. */
export function reserveProcess(): Result<Process> {
  if (used.fetchAdd(1) >= MAX_PROCESSES) {
    used.fetchAdd(0xffff_ffff);
    return err(Errno.EAGAIN);
  }
  const memory = cache.allocate();
  if (!memory.ok) {
    used.fetchAdd(0xffff_ffff);
    return err(memory.error);
  }
  const process = constructAt(Process, memory.value);
  process.state.store(ProcessState.Creating);
  process.slot = freeSlot();
  slots[process.slot] = process;
  return ok(process);
}

function freeSlot(): u32 {
  for (let index: u32 = 0; index < MAX_PROCESSES; index++) {
    if ((slots[index] ?? null) === null) return index;
  }
  panic('more processes than slots');
}

/** Gives a slot back: a reaped zombie's, or that of a process that could not be made. It must be in no list. */
export function freeProcess(process: Process): void {
  assert(process.firstThread === null && process.parent === null, 'a process in use is freed');
  process.state.store(ProcessState.Free);
  slots[process.slot] = null;
  cache.release(addressOf(process));
  used.fetchAdd(0xffff_ffff);
}

function bucketOf(pid: u32): u32 {
  return u32(pid % BUCKETS);
}

/** Makes a process findable under its pid. */
export function addProcess(process: Process): void {
  const bucket = bucketOf(process.pid);
  process.nextInTable = buckets[bucket] ?? null;
  buckets[bucket] = process;
}

export function removeProcess(process: Process): void {
  const bucket = bucketOf(process.pid);
  let previous: Process | null = null;
  let entry = buckets[bucket] ?? null;
  while (entry !== null && entry !== process) {
    previous = entry;
    entry = entry.nextInTable;
  }
  if (entry === null) return;
  if (previous === null) buckets[bucket] = process.nextInTable;
  else previous.nextInTable = process.nextInTable;
  process.nextInTable = null;
}

/** The process of that pid, alive or a zombie. */
export function findProcess(pid: u32): Process | null {
  let process = buckets[bucketOf(pid)] ?? null;
  while (process !== null && process.pid !== pid) process = process.nextInTable;
  return process;
}

/** Descriptions of pending signals that all processes of a user have together. */
export function queuedSignalsOf(uid: u32): u32 {
  let count: u32 = 0;
  for (const slot of slots) {
    if (slot !== null && slot.credentials.user.real === uid) count = u32(count + slot.queuedSignals);
  }
  return count;
}

/** Threads that all processes of a user have together. */
export function threadsOf(uid: u32): u32 {
  let count: u32 = 0;
  for (const slot of slots) {
    if (slot !== null && slot.credentials.user.real === uid) count = u32(count + slot.threadCount);
  }
  return count;
}

/** Processes in the table and being made. */
export function processCount(): u32 {
  return used.load();
}

/** The process in a slot, unless it is still being made; null for none. How all of them are looked at, in no order. */
export function processInSlot(slot: u32): Process | null {
  const process = slots[slot] ?? null;
  return process === null || process.state.load() === ProcessState.Creating ? null : process;
}

/** The process with the smallest pid above `pid`: how a list is walked while it changes. */
export function nextProcess(pid: u32): Process | null {
  let found: Process | null = null;
  for (const slot of slots) {
    if (slot === null || slot.state.load() === ProcessState.Creating) continue;
    if (slot.pid > pid && (found === null || slot.pid < found.pid)) found = slot;
  }
  return found;
}

/** A pid no process, thread, group or session uses, at or after the last one given. */
export function allocPid(): u32 {
  for (;;) {
    const drawn = nextId.fetchAdd(1);
    if (drawn >= PID_MAX - 1) hasWrapped = true;
    const id = u32((drawn % (PID_MAX - 1)) + 1);
    if (!hasWrapped || !isIdInUse(id)) return id;
  }
}

/** Threads draw from the same ids as processes. */
export function allocTid(): u32 {
  return allocPid();
}

function isIdInUse(id: u32): boolean {
  if (findProcess(id) !== null || findThread(id) !== null) return true;
  for (const slot of slots) {
    if (slot !== null && (slot.pgid === id || slot.sid === id)) return true;
  }
  return false;
}
