/** Robust futexes (get_robust_list(2)): locks whose owner died say so to whoever comes next. */
import { addressOf, array, u32, u64, userPtr } from '#dialect';
import { copyIn, readUser32, readUser64, writeUser32 } from '../memory/user-copy.ts';
import { futexWakeOne } from '../sched/futex.ts';
import type { Thread } from './thread.ts';

/** Words of struct robust_list_head: first entry, distance from an entry to its futex, the operation in progress. */
const HEAD_WORDS = 3;
export const ROBUST_HEAD_BYTES = 24n;
/** ROBUST_LIST_LIMIT: a longer list, or one that runs in a circle, is left there. */
const LONGEST_LIST = 2048;

/** Bits of a futex word that a lock keeps its owner in. */
const OWNER = 0x3fff_ffff;
const OWNER_DIED = 0x4000_0000;
const WAITERS = 0x8000_0000;

/** An entry's bit 0 marks a lock with priority inheritance, whose waiters are not woken from here. */
const INHERITING = 1n;

const head = array(u64, HEAD_WORDS);

function placeOf(entry: u64): u64 {
  return u64(entry & ~INHERITING);
}

/** Marks every lock on the thread's list as left behind and wakes one waiter of each. What cannot be read ends the list. */
export function abandonRobustLocks(thread: Thread): void {
  const headAt = thread.robustList;
  thread.robustList = 0n;
  if (headAt === 0n || !copyIn(addressOf(head), userPtr<u64>(headAt), ROBUST_HEAD_BYTES).ok) return;
  const distance = head[1]!;
  const pending = head[2]!;
  let entry = head[0]!;
  for (let count: u32 = 0; count < LONGEST_LIST && placeOf(entry) !== headAt; count++) {
    const next = readUser64(userPtr<u64>(placeOf(entry)));
    if (placeOf(entry) !== placeOf(pending) && !abandonLock(thread, entry, distance, false)) return;
    if (!next.ok) return;
    entry = next.value;
  }
  if (placeOf(pending) !== 0n) abandonLock(thread, pending, distance, true);
}

/**
 * False when the word cannot be used. `isPending`: the thread died within an operation on this lock. If it had already
 * unlocked, the wake-up that should have followed is made up for.
 */
function abandonLock(thread: Thread, entry: u64, distance: u64, isPending: boolean): boolean {
  const address = u64(placeOf(entry) + distance);
  const inherits = (entry & INHERITING) !== 0n;
  if ((address & 3n) !== 0n) return false;
  const value = readUser32(userPtr<u32>(address));
  if (!value.ok) return false;
  if (isPending && !inherits && value.value === 0) {
    wakeOne(thread, address);
    return true;
  }
  if ((value.value & OWNER) !== thread.tid) return true;
  const stored = writeUser32(userPtr<u32>(address), u32((value.value & WAITERS) | OWNER_DIED));
  if (!stored.ok) return false;
  if (!inherits && (value.value & WAITERS) !== 0) wakeOne(thread, address);
  return true;
}

function wakeOne(thread: Thread, address: u64): void {
  const space = thread.process!.addressSpace;
  if (space !== null) futexWakeOne(space, address);
}
