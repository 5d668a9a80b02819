/** Waiting for several open files at once: poll and select. */
import {
  addressOf,
  array,
  Errno,
  embed,
  err,
  type FixedArray,
  f16,
  f32,
  i32,
  ok,
  type Result,
  struct,
  u16,
  u32,
  u64,
  userPtr,
  type ViewOf,
  type VirtAddr,
  virt,
} from '#dialect';
import { fileAt } from '../ipc/descriptors.ts';
import { pollers, readinessChanges } from '../ipc/poll-waiters.ts';
import { PollEvent, readinessOf } from '../ipc/readiness.ts';
import { copyIn, copyOut, readUser64 } from '../memory/user-copy.ts';
import { MOST_DESCRIPTORS } from '../process/limits.ts';
import { isInterrupted, setSignalMask } from '../process/signal-delivery.ts';
import { finishWaiting, prepareToWait } from '../process/sync.ts';
import { Restart, type Thread } from '../process/thread.ts';
import { monotonicTime, NANOSECONDS } from '../processor/clock.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread, sleep } from '../sched/scheduler.ts';
import { armTimer, disarmTimer } from '../sched/timer-queue.ts';
import { descriptorLimit, descriptors } from './descriptor-calls.ts';
import { deadlineAfter, readTimespec } from './time-calls.ts';

/** A time that never comes. */
export const NO_DEADLINE = 0xffff_ffff_ffff_ffffn;

/**
 * Looks until something is found, `deadline` comes or a signal does: EINTR. `look` counts what is ready.
 */
export function waitUntilReady(thread: Thread, deadline: u64, look: () => Result<u32>): Result<u32> {
  thread.timedOut = false;
  if (deadline !== NO_DEADLINE) armTimer(thread, deadline);
  let found: u32 = 0;
  let error: Errno | 0 = 0;
  for (;;) {
    const before = readinessChanges();
    const seen = look();
    if (!seen.ok) {
      error = seen.error;
      break;
    }
    found = seen.value;
    if (found > 0 || thread.timedOut || (deadline !== NO_DEADLINE && monotonicTime() >= deadline)) break;
    if (isInterrupted(thread)) {
      thread.restart = Restart.WITHOUT_HANDLER;
      error = Errno.EINTR;
      break;
    }
    prepareToWait(pollers, thread, true);
    if (readinessChanges() === before && !thread.timedOut) sleep();
    finishWaiting(thread);
  }
  disarmTimer(thread);
  return error === 0 ? ok(found) : err(error);
}

const PollDescriptor = struct({ descriptor: f32, events: f16, found: f16 });
const entry = embed(PollDescriptor);
const FOUND_OFFSET = 6n;
const FOUND_BYTES = 2n;
/** Found whether asked for or not. */
const UNASKED = PollEvent.ERROR | PollEvent.HANG_UP | PollEvent.INVALID;

/** Looks at a vector of struct pollfd once and stores what it found. EFAULT. */
function lookAtVector(address: u64, count: u32): Result<u32> {
  let ready: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const at = u64(address + u64(index) * u64(PollDescriptor.size));
    const copied = copyIn(addressOf(entry), userPtr<unknown>(at), u64(PollDescriptor.size));
    if (!copied.ok) return err(copied.error);
    const found = lookAt(entry.descriptor, u32(entry.events));
    entry.found = u16(found);
    const stored = copyOut(userPtr<unknown>(at + FOUND_OFFSET), virt(addressOf(entry) + FOUND_OFFSET), FOUND_BYTES);
    if (!stored.ok) return err(stored.error);
    if (found !== 0) ready = u32(ready + 1);
  }
  return ok(ready);
}

function lookAt(descriptor: u32, events: u32): u32 {
  if (i32(descriptor) < 0) return 0;
  const file = fileAt(descriptors(), descriptor);
  if (file === null) return PollEvent.INVALID;
  return u32(readinessOf(file) & (events | UNASKED));
}

function pollVector(address: u64, count: u64, deadline: u64): Result<u64> {
  if (u64(u32(count)) > u64(descriptorLimit())) return err(Errno.EINVAL);
  const entries = u32(count);
  const waited = waitUntilReady(runningThread()!, deadline, () => lookAtVector(address, entries));
  return waited.ok ? ok(u64(waited.value)) : err(waited.error);
}

const MILLISECOND = 1_000_000n;

/** poll(vector, count, timeout): milliseconds, negative for ever. */
export function poll(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const timeout = i32(registers.rdx);
  const deadline = timeout < 0 ? NO_DEADLINE : deadlineAfter(u64(u64(timeout) * MILLISECOND));
  return pollUntil(frame, deadline);
}

/** poll towards a deadline, which an interruption without a handler leaves as it is. */
export function pollUntil(frame: VirtAddr, deadline: u64): Result<u64> {
  const registers = TrapFrame.at(frame);
  const thread = runningThread()!;
  const found = pollVector(registers.rdi, registers.rsi, deadline);
  if (thread.restart === Restart.NEVER || deadline === NO_DEADLINE) return found;
  thread.restart = Restart.TO_DEADLINE;
  thread.resumedDeadline = deadline;
  return found;
}

/** ppoll(vector, count, timeout, mask, mask size) */
export function ppoll(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const deadline = deadlineOf(registers.rdx);
  if (!deadline.ok) return deadline;
  const masked = replaceMask(registers.r10, registers.r8);
  if (!masked.ok) return err(masked.error);
  const found = pollVector(registers.rdi, registers.rsi, deadline.value);
  storeTimeLeft(registers.rdx, deadline.value, 1n);
  return finishMasked(found);
}

/** The time that a struct timespec of user memory runs to; NO_DEADLINE for none. EFAULT, EINVAL. */
export function deadlineOf(address: u64): Result<u64> {
  if (address === 0n) return ok(NO_DEADLINE);
  const duration = readTimespec(address);
  return duration.ok ? ok(deadlineAfter(duration.value)) : duration;
}

const MASK_BYTES = 8n;

/** Puts the mask at `address`, if any, in force until the call returns. EINVAL: not a signal set's size. EFAULT. */
export function replaceMask(address: u64, size: u64): Result<void> {
  if (address === 0n) return ok();
  if (size !== MASK_BYTES) return err(Errno.EINVAL);
  const mask = readUser64(userPtr<u64>(address));
  if (!mask.ok) return err(mask.error);
  const thread = runningThread()!;
  thread.replacedMask = thread.signalMask;
  thread.isMaskReplaced = true;
  setSignalMask(thread, mask.value);
  return ok();
}

/** After an interruption the signal is dealt with under the call's mask, else the thread's own is back at once. */
export function finishMasked(result: Result<u64>): Result<u64> {
  const thread = runningThread()!;
  const isInterruption = !result.ok && result.error === Errno.EINTR;
  if (thread.isMaskReplaced && !isInterruption) {
    thread.isMaskReplaced = false;
    setSignalMask(thread, thread.replacedMask);
  }
  return result;
}

/** Bits of an fd_set. */
const SET_WORDS = 16;
const SET_READ = PollEvent.IN | PollEvent.READ_NORMAL | PollEvent.HANG_UP | PollEvent.ERROR;
const SET_WRITE = PollEvent.OUT | PollEvent.WRITE_NORMAL | PollEvent.ERROR;

/** The sets of one select: user addresses (0 for none), the number of descriptors to look at, and three sets in a row. */
const SelectSets = struct({
  addresses: array(u64, 3),
  count: f32,
  wanted: array(u64, SET_WORDS * 3),
  found: array(u64, SET_WORDS * 3),
});
type SelectSets = ViewOf<typeof SelectSets>;

function setBytes(sets: SelectSets): u64 {
  return u64(u64(u32((sets.count + 63) / 64)) * 8n);
}

function loadSets(sets: SelectSets): Result<void> {
  for (let index: u32 = 0; index < 3; index++) {
    const address = sets.addresses[index]!;
    const place = virt(addressOf(sets.wanted) + u64(index * SET_WORDS) * 8n);
    if (address === 0n) continue;
    const copied = copyIn(place, userPtr<unknown>(address), setBytes(sets));
    if (!copied.ok) return copied;
  }
  return ok();
}

function storeSets(sets: SelectSets): Result<void> {
  for (let index: u32 = 0; index < 3; index++) {
    const address = sets.addresses[index]!;
    const place = virt(addressOf(sets.found) + u64(index * SET_WORDS) * 8n);
    if (address === 0n) continue;
    const copied = copyOut(userPtr<unknown>(address), place, setBytes(sets));
    if (!copied.ok) return copied;
  }
  return ok();
}

function isInSet(words: FixedArray<u64>, set: u32, descriptor: u32): boolean {
  const word = words[u32(set * SET_WORDS + (descriptor >> 6))]!;
  return (word & bitOf(descriptor)) !== 0n;
}

function bitOf(descriptor: u32): u64 {
  return u64(1n << u64(descriptor & 63));
}

/** Looks at every descriptor in the sets once. EBADF: one is not open. */
function lookAtSets(sets: SelectSets): Result<u32> {
  let ready: u32 = 0;
  for (let index: u32 = 0; index < SET_WORDS * 3; index++) sets.found[index] = 0n;
  for (let descriptor: u32 = 0; descriptor < sets.count; descriptor++) {
    for (let set: u32 = 0; set < 3; set++) {
      if (!isInSet(sets.wanted, set, descriptor)) continue;
      const file = fileAt(descriptors(), descriptor);
      if (file === null) return err(Errno.EBADF);
      if ((readinessOf(file) & eventsOf(set)) === 0) continue;
      const word = u32(set * SET_WORDS + (descriptor >> 6));
      sets.found[word] = u64(sets.found[word]! | bitOf(descriptor));
      ready = u32(ready + 1);
    }
  }
  return ok(ready);
}

function eventsOf(set: u32): u32 {
  if (set === 0) return SET_READ;
  return set === 1 ? SET_WRITE : PollEvent.PRIORITY;
}

/** Waits for descriptors below `count` in the sets at r, w and x, and leaves in each set what is ready. */
function selectSets(frame: VirtAddr, deadline: u64): Result<u64> {
  const registers = TrapFrame.at(frame);
  const count = i32(registers.rdi);
  if (count < 0) return err(Errno.EINVAL);
  const sets = embed(SelectSets);
  sets.count = count > MOST_DESCRIPTORS ? MOST_DESCRIPTORS : u32(count);
  sets.addresses[0] = registers.rsi;
  sets.addresses[1] = registers.rdx;
  sets.addresses[2] = registers.r10;
  const loaded = loadSets(sets);
  if (!loaded.ok) return err(loaded.error);
  const waited = waitUntilReady(runningThread()!, deadline, () => lookAtSets(sets));
  if (!waited.ok) return err(waited.error);
  const stored = storeSets(sets);
  return stored.ok ? ok(u64(waited.value)) : err(stored.error);
}

const TIMEVAL_BYTES = 16n;
const MICROSECONDS = 1_000_000n;
const time = array(u64, 2);
const LARGEST_SECONDS = 9_000_000_000n;

/** select(count, readable, writable, exceptional, timeout): what is left of the timeout is stored back (select(2)). */
export function select(frame: VirtAddr): Result<u64> {
  const at = TrapFrame.at(frame).r8;
  let deadline: u64 = NO_DEADLINE;
  if (at !== 0n) {
    const copied = copyIn(addressOf(time), userPtr<unknown>(at), TIMEVAL_BYTES);
    if (!copied.ok) return err(copied.error);
    const seconds = time[0]!;
    const microseconds = time[1]!;
    if (seconds > LARGEST_INTEGER || microseconds > LARGEST_INTEGER) return err(Errno.EINVAL);
    const whole = u64(seconds + microseconds / MICROSECONDS);
    const part = u64((microseconds % MICROSECONDS) * 1000n);
    deadline = whole > LARGEST_SECONDS ? NO_DEADLINE : deadlineAfter(u64(whole * NANOSECONDS + part));
  }
  const found = selectSets(frame, deadline);
  storeTimeLeft(at, deadline, 1000n);
  return found;
}

const LARGEST_INTEGER = 0x7fff_ffff_ffff_ffffn;

/**
 * Stores what is left until `deadline` at `address`, unless that is 0: seconds, and units of so many nanoseconds. Whether it
 * can be stored changes nothing about the call's answer (select(2)).
 */
function storeTimeLeft(address: u64, deadline: u64, unit: u64): boolean {
  if (address === 0n || deadline === NO_DEADLINE) return false;
  const now = monotonicTime();
  const left = now < deadline ? u64(deadline - now) : 0n;
  time[0] = u64(left / NANOSECONDS);
  time[1] = u64((left % NANOSECONDS) / unit);
  return copyOut(userPtr<unknown>(address), addressOf(time), TIMEVAL_BYTES).ok;
}

/** pselect6(count, readable, writable, exceptional, timeout, mask and its size) */
export function pselect6(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const deadline = deadlineOf(registers.r8);
  if (!deadline.ok) return deadline;
  if (registers.r9 !== 0n) {
    const mask = readUser64(userPtr<u64>(registers.r9));
    if (!mask.ok) return mask;
    const size = readUser64(userPtr<u64>(registers.r9 + 8n));
    if (!size.ok) return size;
    const masked = replaceMask(mask.value, size.value);
    if (!masked.ok) return err(masked.error);
  }
  const found = selectSets(frame, deadline.value);
  storeTimeLeft(registers.r8, deadline.value, 1n);
  return finishMasked(found);
}
