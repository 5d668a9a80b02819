/** Futexes (futex(2)): user words that threads sleep on. */
import { array, Errno, err, i32, ok, type Result, u32, u64, userPtr } from '#dialect';
import type { AddressSpace } from '../memory/address-space.ts';
import { AreaFlag, areaAt } from '../memory/area.ts';
import { isUserRange } from '../memory/layout.ts';
import { readUser32, writeUser32 } from '../memory/user-copy.ts';
import { isInterrupted } from '../process/signal-delivery.ts';
import { advanceWaiter, finishWaiting, linkWaiter, prepareToWait, unlinkWaiter } from '../process/sync.ts';
import { Restart, type Thread } from '../process/thread.ts';
import { WaitQueue } from '../process/wait-queue.ts';
import { sleep, wakeThread } from './scheduler.ts';
import { armTimer, disarmTimer } from './timer-queue.ts';

/** FUTEX_BITSET_MATCH_ANY. */
export const NO_FUTEX_MASK = 0xffff_ffff;
export const NO_DEADLINE = 0xffff_ffff_ffff_ffffn;
const WORD_BYTES = 4n;

/**
 * What a word is called, so that all who mean it meet: its address space and address, or for memory that processes share
 * the memory object and its offset there. Bit 0 of the address tells a word used by all from one used with FUTEX_PRIVATE_FLAG, which
 * never meet.
 */
class WordName {
  space: u64 = 0n;
  address: u64 = 0n;
}

const NOT_PRIVATE = 1n;

/** The words of the call in progress. */
const word = new WordName();
const otherWord = new WordName();

const BUCKETS = 64;
const buckets = array(WaitQueue, BUCKETS);

function bucketOf(name: WordName): WaitQueue {
  return buckets[u32(u64((name.address >> 2n) + name.space * 7n) % u64(BUCKETS))]!;
}

/** EINVAL: misaligned. EFAULT: no user address, or for a word that is not private, nothing that can be read. */
function nameWord(name: WordName, space: AddressSpace, address: u64, isPrivate: boolean): Result<void> {
  if ((address & (WORD_BYTES - 1n)) !== 0n) return err(Errno.EINVAL);
  if (!isUserRange(address, WORD_BYTES)) return err(Errno.EFAULT);
  name.space = space.id;
  name.address = address;
  if (isPrivate) return ok();
  const present = readUser32(userPtr<u32>(address));
  if (!present.ok) return err(present.error);
  const area = areaAt(space.areas, address);
  if (area !== null && area.object !== null && (area.flags & AreaFlag.SHARED) !== 0) {
    name.space = area.object.id;
    name.address = u64(area.offset + (address - area.start));
  }
  name.address = u64(name.address | NOT_PRIVATE);
  return ok();
}

function waitsOn(thread: Thread, name: WordName): boolean {
  return thread.futexSpace === name.space && thread.futexAddress === name.address;
}

/**
 * Sleeps while the word holds `expected`, until woken through one of the bits in `mask`. EAGAIN: it holds something else.
 * EFAULT, EINVAL: not a readable aligned word. ETIMEDOUT: `deadline` came first. EINTR: a signal did.
 */
export function futexWait(
  thread: Thread,
  space: AddressSpace,
  address: u64,
  expected: u32,
  mask: u32,
  deadline: u64,
  isPrivate: boolean,
): Result<void> {
  const named = nameWord(word, space, address, isPrivate);
  if (!named.ok) return named;
  const value = readUser32(userPtr<u32>(address));
  if (!value.ok) return err(value.error);
  if (value.value !== expected) return err(Errno.EAGAIN);
  thread.futexSpace = word.space;
  thread.futexAddress = word.address;
  thread.futexMask = mask;
  thread.timedOut = false;
  if (deadline !== NO_DEADLINE) armTimer(thread, deadline);
  prepareToWait(bucketOf(word), thread, true);
  advanceWaiter(bucketOf(word), thread);
  while (thread.waitQueue !== null && !thread.timedOut && !isInterrupted(thread)) {
    sleep();
    if (thread.waitQueue !== null) prepareToWait(thread.waitQueue, thread, true);
  }
  const wasWoken = thread.waitQueue === null;
  finishWaiting(thread);
  disarmTimer(thread);
  if (wasWoken) return ok();
  if (thread.timedOut) return err(Errno.ETIMEDOUT);
  thread.restart = deadline === NO_DEADLINE ? Restart.IF_WANTED : Restart.TO_DEADLINE;
  thread.resumedDeadline = deadline;
  return err(Errno.EINTR);
}

/**
 * Wakes threads that wait on a word through a bit of `mask`, by real-time priority, then first come first, until `limit` have been woken: one even
 * when the limit is less. Returns how many. EINVAL, EFAULT as for `nameWord`.
 */
export function futexWake(space: AddressSpace, address: u64, limit: i32, mask: u32, isPrivate: boolean): Result<u32> {
  const named = nameWord(word, space, address, isPrivate);
  return named.ok ? ok(wakeWaiters(word, limit, mask)) : err(named.error);
}

/** Wakes one waiter of a word that a thread has left behind; a bad address is nobody's. */
export function futexWakeOne(space: AddressSpace, address: u64): void {
  if (nameWord(word, space, address, false).ok) wakeWaiters(word, 1, NO_FUTEX_MASK);
}

function wakeWaiters(name: WordName, limit: i32, mask: u32): u32 {
  let woken: u32 = 0;
  let waiter = bucketOf(name).first;
  while (waiter !== null) {
    const next: Thread | null = waiter.waitNext;
    if (waitsOn(waiter, name) && (waiter.futexMask & mask) !== 0) {
      unlinkWaiter(waiter);
      wakeThread(waiter);
      woken = u32(woken + 1);
      if (woken >= limit) break;
    }
    waiter = next;
  }
  return woken;
}

/** What a requeue is asked for: how many waiters to wake and then to move, and what the word must hold if `isCompared`. */
export class Requeue {
  wakeLimit: i32 = 0;
  moveLimit: i32 = 0;
  isCompared: boolean = false;
  expected: u32 = 0;
}

/**
 * Wakes some waiters of one word and has others wait on a second word instead; returns how many it was altogether.
 * EINVAL: a negative limit, a misaligned word. EAGAIN: the first word does not hold what it should. EFAULT.
 */
export function futexRequeue(
  space: AddressSpace,
  address: u64,
  target: u64,
  request: Requeue,
  isPrivate: boolean,
): Result<u32> {
  if (request.wakeLimit < 0 || request.moveLimit < 0) return err(Errno.EINVAL);
  const named = nameWord(word, space, address, isPrivate);
  if (!named.ok) return err(named.error);
  const targetNamed = nameWord(otherWord, space, target, isPrivate);
  if (!targetNamed.ok) return err(targetNamed.error);
  if (request.isCompared) {
    const value = readUser32(userPtr<u32>(address));
    if (!value.ok) return value;
    if (value.value !== request.expected) return err(Errno.EAGAIN);
  }
  return ok(requeueWaiters(request));
}

function requeueWaiters(request: Requeue): u32 {
  const bucket = bucketOf(word);
  const target = bucketOf(otherWord);
  let count: u32 = 0;
  let waiter = bucket.first;
  while (waiter !== null && count < request.wakeLimit + request.moveLimit) {
    const next: Thread | null = waiter.waitNext;
    if (waitsOn(waiter, word)) {
      count = u32(count + 1);
      const isWoken = count <= request.wakeLimit;
      if (isWoken || bucket !== target) unlinkWaiter(waiter);
      if (isWoken) wakeThread(waiter);
      else moveWaiter(waiter, target);
    }
    waiter = next;
  }
  return count;
}

/** Renames what a thread waits on; it keeps its place when the bucket is the same. */
function moveWaiter(thread: Thread, target: WaitQueue): void {
  thread.futexSpace = otherWord.space;
  thread.futexAddress = otherWord.address;
  if (thread.waitQueue === null) linkWaiter(target, thread);
  advanceWaiter(target, thread);
}

/** The fields of FUTEX_WAKE_OP's last argument (FUTEX_OP of futex(2)). */
const WordChange = { SET: 0, ADD: 1, OR: 2, AND_NOT: 3, XOR: 4 } as const;
const WordTest = { EQUAL: 0, NOT_EQUAL: 1, LESS: 2, LESS_OR_EQUAL: 3, GREATER: 4, GREATER_OR_EQUAL: 5 } as const;
const SHIFTED_OPERAND = 8;

/**
 * Changes the second word, wakes waiters of the first, and those of the second too if its old value passes the test that
 * `code` contains. Returns how many woke. ENOSYS: an unknown change or test. EINVAL, EFAULT.
 */
export function futexWakeOp(
  space: AddressSpace,
  address: u64,
  limit: i32,
  target: u64,
  targetLimit: i32,
  code: u32,
  isPrivate: boolean,
): Result<u32> {
  const named = nameWord(word, space, address, isPrivate);
  if (!named.ok) return err(named.error);
  const targetNamed = nameWord(otherWord, space, target, isPrivate);
  if (!targetNamed.ok) return err(targetNamed.error);
  const old = changeWord(target, code);
  if (!old.ok) return old;
  const test = u32((code >>> 24) & 15);
  if (test > WordTest.GREATER_OR_EQUAL) return err(Errno.ENOSYS);
  let woken = wakeWaiters(word, limit, NO_FUTEX_MASK);
  const argument = i32(i32(code << 20) >> 20);
  if (passes(test, i32(old.value), argument)) woken = u32(woken + wakeWaiters(otherWord, targetLimit, NO_FUTEX_MASK));
  return ok(woken);
}

/** Returns the old value. */
function changeWord(address: u64, code: u32): Result<u32> {
  const change = u32((code >>> 28) & 7);
  const field = i32(i32(code << 8) >> 20);
  const operand = code >>> 28 >= SHIFTED_OPERAND ? u32(1 << (field & 31)) : u32(field);
  if (change > WordChange.XOR) return err(Errno.ENOSYS);
  const old = readUser32(userPtr<u32>(address));
  if (!old.ok) return old;
  const stored = writeUser32(userPtr<u32>(address), changed(change, old.value, operand));
  return stored.ok ? ok(old.value) : err(stored.error);
}

function changed(change: u32, old: u32, operand: u32): u32 {
  switch (change) {
    case WordChange.SET:
      return operand;
    case WordChange.ADD:
      return u32(old + operand);
    case WordChange.OR:
      return u32(old | operand);
    case WordChange.AND_NOT:
      return u32(old & ~operand);
    default:
      return u32(old ^ operand);
  }
}

function passes(test: u32, value: i32, argument: i32): boolean {
  switch (test) {
    case WordTest.EQUAL:
      return value === argument;
    case WordTest.NOT_EQUAL:
      return value !== argument;
    case WordTest.LESS:
      return value < argument;
    case WordTest.LESS_OR_EQUAL:
      return value <= argument;
    case WordTest.GREATER:
      return value > argument;
    default:
      return value >= argument;
  }
}
