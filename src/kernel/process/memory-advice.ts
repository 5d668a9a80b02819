/** madvise, mincore and msync: what programs say and ask about pages they have mapped. */
import { Errno, err, ok, type Result, type u8, type u32, u64, userPtr } from '#dialect';
import { type AddressSpace, releasePages } from '../memory/address-space.ts';
import { type Area, AreaFlag, areaAt, coveredEnd, firstAreaAbove, Protection } from '../memory/area.ts';
import { isUserRange, lesser, PAGE_OFFSET_MASK, PAGE_SHIFT, PAGE_SIZE, pageCeiling } from '../memory/layout.ts';
import { clearPages, hasObjectPage } from '../memory/object.ts';
import { readEntry } from '../memory/page-table.ts';
import { writeUser8 } from '../memory/user-copy.ts';
import { Access, allowsAccess, populate } from '../memory/user-pages.ts';
import { changeAreaFlags } from './memory-locks.ts';

/** MADV_* of madvise(2). */
export const Advice = {
  NORMAL: 0,
  RANDOM: 1,
  SEQUENTIAL: 2,
  WILLNEED: 3,
  DONTNEED: 4,
  FREE: 8,
  REMOVE: 9,
  DONTFORK: 10,
  DOFORK: 11,
  MERGEABLE: 12,
  UNMERGEABLE: 13,
  HUGEPAGE: 14,
  NOHUGEPAGE: 15,
  DONTDUMP: 16,
  DODUMP: 17,
  WIPEONFORK: 18,
  KEEPONFORK: 19,
  COLD: 20,
  PAGEOUT: 21,
  POPULATE_READ: 22,
  POPULATE_WRITE: 23,
  DONTNEED_LOCKED: 24,
} as const;

function isKnown(advice: u32): boolean {
  return advice <= Advice.DONTNEED || (advice >= Advice.FREE && advice <= Advice.DONTNEED_LOCKED);
}

/**
 * Takes advice about a range. EINVAL: unknown, misaligned, too long, or nothing this kind of mapping can follow. ENOMEM:
 * parts are not mapped, and the rest has been dealt with. EACCES: REMOVE of what may not be written.
 */
export function adviseMemory(space: AddressSpace, start: u64, length: u64, advice: u32): Result<void> {
  if (!isKnown(advice) || (start & PAGE_OFFSET_MASK) !== 0n) return err(Errno.EINVAL);
  const end = u64(start + pageCeiling(length));
  if (end < start || (length !== 0n && end === start)) return err(Errno.EINVAL);
  let hasHole = false;
  let address = start;
  while (address < end) {
    const area = firstAreaAbove(space.areas, address);
    if (area === null || area.start >= end) return err(Errno.ENOMEM);
    if (area.start > address) {
      hasHole = true;
      address = area.start;
    }
    const part = lesser(area.end, end);
    const followed = adviseArea(space, area, address, part, advice);
    if (!followed.ok) return followed;
    address = part;
  }
  return hasHole ? err(Errno.ENOMEM) : ok();
}

function adviseArea(space: AddressSpace, area: Area, start: u64, end: u64, advice: u32): Result<void> {
  const isLocked = (area.flags & AreaFlag.LOCKED) !== 0;
  const isAnonymous = area.object === null;
  switch (advice) {
    case Advice.COLD:
    case Advice.PAGEOUT:
      return isLocked ? err(Errno.EINVAL) : ok();
    case Advice.FREE:
      if (!isAnonymous) return err(Errno.EINVAL);
      return discard(space, isLocked, start, end);
    case Advice.DONTNEED:
      return discard(space, isLocked, start, end);
    case Advice.DONTNEED_LOCKED:
      return discard(space, false, start, end);
    case Advice.REMOVE:
      return remove(area, start, end);
    case Advice.DONTFORK:
      return changeAreaFlags(space, start, end, AreaFlag.NOT_FORKED, 0);
    case Advice.DOFORK:
      return changeAreaFlags(space, start, end, 0, AreaFlag.NOT_FORKED);
    case Advice.WIPEONFORK:
      return isAnonymous ? changeAreaFlags(space, start, end, AreaFlag.WIPED_ON_FORK, 0) : err(Errno.EINVAL);
    case Advice.KEEPONFORK:
      return changeAreaFlags(space, start, end, 0, AreaFlag.WIPED_ON_FORK);
    case Advice.POPULATE_READ:
      return bringIn(space, area, start, end, Access.READ);
    case Advice.POPULATE_WRITE:
      return bringIn(space, area, start, end, Access.WRITE);
    default:
      return ok();
  }
}

/** The pages are what they were at first when they are next used: zeros, or what the object shows. */
function discard(space: AddressSpace, isLocked: boolean, start: u64, end: u64): Result<void> {
  if (isLocked) return err(Errno.EINVAL);
  releasePages(space, start, end);
  return ok();
}

function remove(area: Area, start: u64, end: u64): Result<void> {
  const object = area.object;
  if (object === null || (area.flags & AreaFlag.LOCKED) !== 0) return err(Errno.EINVAL);
  const isWritableShare = (area.flags & AreaFlag.SHARED) !== 0 && (area.protection & Protection.WRITE) !== 0;
  if (!isWritableShare) return err(Errno.EACCES);
  clearPages(object, u64(area.offset + (start - area.start)), u64(area.offset + (end - area.start)));
  return ok();
}

/** EFAULT: past the end of the area's object. */
function bringIn(space: AddressSpace, area: Area, start: u64, end: u64, access: u32): Result<void> {
  if (!allowsAccess(area, access)) return err(Errno.EINVAL);
  const reached = populate(space, area, start, end, access === Access.WRITE);
  if (reached === end) return ok();
  const isPastObject = area.object !== null && u64(area.offset + (reached - area.start)) >= area.object.size;
  return err(isPastObject ? Errno.EFAULT : Errno.ENOMEM);
}

/**
 * mincore(2): one byte a page at `vector`, 1 where the page has a frame. EINVAL: misaligned. ENOMEM: not all mapped.
 * EFAULT: a bad vector.
 */
export function describeResidency(space: AddressSpace, start: u64, length: u64, vector: u64): Result<void> {
  if ((start & PAGE_OFFSET_MASK) !== 0n) return err(Errno.EINVAL);
  if (!isUserRange(start, length)) return err(Errno.ENOMEM);
  const end = u64(start + pageCeiling(length));
  if (!isUserRange(vector, u64(u64(end - start) >> PAGE_SHIFT))) return err(Errno.EFAULT);
  let place = vector;
  for (let address = start; address < end; address = u64(address + PAGE_SIZE)) {
    const area = areaAt(space.areas, address);
    if (area === null) return err(Errno.ENOMEM);
    const stored = writeUser8(userPtr<u8>(place), isResident(space, area, address) ? 1 : 0);
    if (!stored.ok) return stored;
    place = u64(place + 1n);
  }
  return ok();
}

function isResident(space: AddressSpace, area: Area, address: u64): boolean {
  if (readEntry(space.root, address) !== 0n) return true;
  return area.object !== null && hasObjectPage(area.object, u64(area.offset + (address - area.start)));
}

/** MS_* of msync(2). */
const SyncFlag = { ASYNC: 1, INVALIDATE: 2, SYNC: 4 } as const;
const KNOWN_SYNC_FLAGS = 7;

/** msync(2): no mapping has a file behind it to be written to. EINVAL. ENOMEM: not all mapped. EBUSY: INVALIDATE of locked pages. */
export function syncMemory(space: AddressSpace, start: u64, length: u64, flags: u32): Result<void> {
  const isBoth = (flags & SyncFlag.ASYNC) !== 0 && (flags & SyncFlag.SYNC) !== 0;
  if ((flags & ~KNOWN_SYNC_FLAGS) !== 0 || isBoth || (start & PAGE_OFFSET_MASK) !== 0n) return err(Errno.EINVAL);
  const end = u64(start + pageCeiling(length));
  if (end < start) return err(Errno.ENOMEM);
  let area = firstAreaAbove(space.areas, start);
  while ((flags & SyncFlag.INVALIDATE) !== 0 && area !== null && area.start < end) {
    if ((area.flags & AreaFlag.LOCKED) !== 0) return err(Errno.EBUSY);
    area = area.next;
  }
  return coveredEnd(space.areas, start, end) === end ? ok() : err(Errno.ENOMEM);
}
