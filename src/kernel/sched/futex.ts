/**
 * Futexes (futex(2)): user words that threads sleep on. A word is named by address space and address, or, in memory that
 * processes share, by its physical address, so that both sides of the sharing meet.
 */
import { array, Errno, err, ok, type Result, u32, u64, userPtr } from '#dialect';
import { type AddressSpace, frameAt } from '../memory/address-space.ts';
import { AreaFlag, areaAt } from '../memory/area.ts';
import { PAGE_OFFSET_MASK } from '../memory/layout.ts';
import { readUser32 } from '../memory/user-copy.ts';
import { isInterrupted } from '../process/signal-delivery.ts';
import { finishWaiting, prepareToWait, unlinkWaiter, WaitQueue } from '../process/sync.ts';
import { Restart, type Thread } from '../process/thread.ts';
import { sleep, wakeThread } from './scheduler.ts';
import { armTimer, disarmTimer } from './timer-queue.ts';

/** FUTEX_BITSET_MATCH_ANY. */
export const NO_FUTEX_MASK = 0xffff_ffff;
export const NO_DEADLINE = 0xffff_ffff_ffff_ffffn;

const BUCKETS = 64;
const buckets = array(WaitQueue, BUCKETS);

function isSharedWord(space: AddressSpace, address: u64): boolean {
  const area = areaAt(space.areas, address);
  return area !== null && (area.flags & AreaFlag.SHARED) !== 0;
}

/** The two halves of a word's name. Space 0 stands for physical addresses. */
function keySpace(space: AddressSpace, address: u64, isPrivate: boolean): u64 {
  return !isPrivate && isSharedWord(space, address) ? 0n : space.id;
}

function keyAddress(space: AddressSpace, address: u64, isPrivate: boolean): u64 {
  if (isPrivate || !isSharedWord(space, address)) return address;
  return u64(frameAt(space, address) | (address & PAGE_OFFSET_MASK));
}

function bucketOf(space: u64, address: u64): WaitQueue {
  return buckets[u32(u64((address >> 2n) + space * 7n) % u64(BUCKETS))]!;
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
  if ((address & 3n) !== 0n) return err(Errno.EINVAL);
  const value = readUser32(userPtr<u32>(address));
  if (!value.ok) return err(value.error);
  if (value.value !== expected) return err(Errno.EAGAIN);
  thread.futexSpace = keySpace(space, address, isPrivate);
  thread.futexAddress = keyAddress(space, address, isPrivate);
  thread.futexMask = mask;
  thread.timedOut = false;
  if (deadline !== NO_DEADLINE) armTimer(thread, deadline);
  prepareToWait(bucketOf(thread.futexSpace, thread.futexAddress), thread, true);
  while (thread.waitQueue !== null && !thread.timedOut && !isInterrupted(thread)) {
    sleep();
    if (thread.waitQueue !== null) prepareToWait(thread.waitQueue, thread, true);
  }
  const wasWoken = thread.waitQueue === null;
  finishWaiting(thread);
  disarmTimer(thread);
  if (wasWoken) return ok();
  if (thread.timedOut) return err(Errno.ETIMEDOUT);
  if (deadline === NO_DEADLINE) thread.restart = Restart.IF_WANTED;
  return err(Errno.EINTR);
}

/** Wakes up to `limit` threads that wait on a word through a bit of `mask`, first come first. Returns how many. */
export function futexWake(space: AddressSpace, address: u64, limit: u32, mask: u32, isPrivate: boolean): u32 {
  const wantedSpace = keySpace(space, address, isPrivate);
  const wantedAddress = keyAddress(space, address, isPrivate);
  let woken: u32 = 0;
  let waiter = bucketOf(wantedSpace, wantedAddress).first;
  while (waiter !== null && woken < limit) {
    const next: Thread | null = waiter.waitNext;
    const isMeant = waiter.futexSpace === wantedSpace && waiter.futexAddress === wantedAddress;
    if (isMeant && (waiter.futexMask & mask) !== 0) {
      unlinkWaiter(waiter);
      wakeThread(waiter);
      woken = u32(woken + 1);
    }
    waiter = next;
  }
  return woken;
}
