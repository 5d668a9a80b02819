/** mlock and its family. Nothing is ever paged out here, so a lock means that the pages are there, and stay. */
import { Errno, err, ok, type Result, u32, u64 } from '#dialect';
import type { AddressSpace } from '../memory/address-space.ts';
import { AreaFlag, coveredEnd, firstAreaAbove, mergeAround, splitAround } from '../memory/area.ts';
import { greater, lesser, PAGE_OFFSET_MASK, pageCeiling, pageFloor, USER_END, USER_START } from '../memory/layout.ts';
import { isEagerArea, populateArea } from '../memory/user-pages.ts';
import { runningThread } from '../sched/scheduler.ts';
import { isPrivileged } from './credentials.ts';
import { Limit, limitOf, UNLIMITED } from './limits.ts';
import { mappedBytes } from './memory-limits.ts';

/** MCL_* of mlockall(2). */
const LockAll = { CURRENT: 1, FUTURE: 2, ONFAULT: 4 } as const;
const KNOWN_LOCK_ALL = 7;
const LOCK_FLAGS = AreaFlag.LOCKED | AreaFlag.LOCKED_ON_FAULT;

/** Sets and clears flags of every area in a range that areas cover, cutting them at its ends; ENOMEM. */
export function changeAreaFlags(space: AddressSpace, start: u64, end: u64, set: u32, cleared: u32): Result<void> {
  const split = splitAround(space.areas, start, end);
  if (!split.ok) return split;
  let area = firstAreaAbove(space.areas, start);
  while (area !== null && area.start < end) {
    area.flags = u32((area.flags & ~cleared) | set);
    area = area.next;
  }
  mergeAround(space.areas, start, end);
  return ok();
}

/** Bytes that the running process may lock (RLIMIT_MEMLOCK), without end for a privileged one. */
function lockLimit(): u64 {
  const thread = runningThread();
  const process = thread === null ? null : thread.process;
  if (process === null || isPrivileged(process.credentials)) return UNLIMITED;
  return limitOf(process, Limit.MEMLOCK);
}

/** Bytes of [start, end) that are locked. */
function lockedBytes(space: AddressSpace, start: u64, end: u64): u64 {
  let bytes: u64 = 0n;
  let area = firstAreaAbove(space.areas, start);
  while (area !== null && area.start < end) {
    const part = u64(lesser(area.end, end) - greater(area.start, start));
    if ((area.flags & AreaFlag.LOCKED) !== 0) bytes = u64(bytes + part);
    area = area.next;
  }
  return bytes;
}

/** True when the running process may lock so many bytes besides those that are locked. */
export function mayLock(space: AddressSpace, bytes: u64): boolean {
  const limit = lockLimit();
  return limit === UNLIMITED || u64(lockedBytes(space, USER_START, USER_END) + bytes) <= pageFloor(limit);
}

/**
 * Locks the pages that [start, start + length) touches. EPERM: nothing may be locked. EINVAL: the range wraps. ENOMEM: not
 * all mapped, or too much. EAGAIN: no memory.
 */
export function lockMemory(space: AddressSpace, start: u64, length: u64, isOnFault: boolean): Result<void> {
  if (lockLimit() === 0n) return err(Errno.EPERM);
  const size = pageCeiling(u64(length + (start & PAGE_OFFSET_MASK)));
  const first = pageFloor(start);
  if (!mayLock(space, u64(size - lockedBytes(space, first, u64(first + size))))) return err(Errno.ENOMEM);
  const flags = u32(isOnFault ? LOCK_FLAGS : AreaFlag.LOCKED);
  const changed = changeLocks(space, start, length, flags);
  if (!changed.ok || isOnFault) return changed;
  const end = pageCeiling(u64(start + length));
  let area = firstAreaAbove(space.areas, pageFloor(start));
  while (area !== null && area.start < end) {
    if (!isEagerArea(area)) return err(Errno.ENOMEM);
    if (!populateArea(space, area)) return err(Errno.EAGAIN);
    area = area.next;
  }
  return ok();
}

export function unlockMemory(space: AddressSpace, start: u64, length: u64): Result<void> {
  return changeLocks(space, start, length, 0);
}

function changeLocks(space: AddressSpace, start: u64, length: u64, flags: u32): Result<void> {
  const first = pageFloor(start);
  const end = u64(first + pageCeiling(u64(length + (start & PAGE_OFFSET_MASK))));
  if (end < first) return err(Errno.EINVAL);
  if (end === first) return ok();
  const covered = coveredEnd(space.areas, first, end);
  const changed = covered === first ? ok() : changeAreaFlags(space, first, covered, flags, LOCK_FLAGS);
  if (!changed.ok) return changed;
  return covered === end ? ok() : err(Errno.ENOMEM);
}

/** mlockall(2): everything mapped now, everything mapped later, or both. EINVAL. EPERM, ENOMEM: not so much. */
export function lockAllMemory(space: AddressSpace, how: u32): Result<void> {
  if (how === 0 || how === LockAll.ONFAULT || (how & ~KNOWN_LOCK_ALL) !== 0) return err(Errno.EINVAL);
  const limit = lockLimit();
  if (limit === 0n) return err(Errno.EPERM);
  const isCurrent = (how & LockAll.CURRENT) !== 0;
  if (isCurrent && mappedBytes(space, USER_START, USER_END) > limit) return err(Errno.ENOMEM);
  const flags = u32((how & LockAll.ONFAULT) !== 0 ? LOCK_FLAGS : AreaFlag.LOCKED);
  space.futureFlags = (how & LockAll.FUTURE) !== 0 ? flags : 0;
  if (!isCurrent) return ok();
  const changed = changeAreaFlags(space, USER_START, USER_END, flags, LOCK_FLAGS);
  if (!changed.ok) return changed;
  let area = space.areas.first;
  while (area !== null) {
    if (isEagerArea(area)) populateArea(space, area);
    area = area.next;
  }
  return ok();
}

/** munlockall(2). */
export function unlockAllMemory(space: AddressSpace): Result<void> {
  space.futureFlags = 0;
  return changeAreaFlags(space, USER_START, USER_END, 0, LOCK_FLAGS);
}
