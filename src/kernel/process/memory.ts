/** mmap, munmap, mprotect and brk. Each checks everything, then reserves, then changes. */
import { Errno, err, ok, type Result, u32, u64 } from '#dialect';
import { type AddressSpace, removeArea } from '../memory/address-space.ts';
import {
  type Area,
  AreaFlag,
  attachObject,
  coveredEnd,
  findFreeRange,
  firstAreaAbove,
  freeArea,
  isRangeFree,
  linkArea,
  MOST_AREAS,
  mergeAround,
  newArea,
  Protection,
  splitAround,
} from '../memory/area.ts';
import {
  isUserRange,
  PAGE_OFFSET_MASK,
  PAGE_SIZE,
  pageCeiling,
  pageFloor,
  USER_END,
  USER_START,
} from '../memory/layout.ts';
import { createObject, type MemoryObject, releaseObject } from '../memory/object.ts';
import { applyProtection, isEagerArea, populateArea } from '../memory/user-pages.ts';
import { isAffordable, isData, mappedBytes, mayBecomeData, mayExpand } from './memory-limits.ts';
import { mayLock } from './memory-locks.ts';

/** MAP_* of mmap(2). */
export const MapFlag = {
  SHARED: 0x01,
  PRIVATE: 0x02,
  SHARED_VALIDATE: 0x03,
  FIXED: 0x10,
  ANONYMOUS: 0x20,
  GROWSDOWN: 0x100,
  LOCKED: 0x2000,
  NORESERVE: 0x4000,
  POPULATE: 0x8000,
  STACK: 0x2_0000,
  HUGETLB: 0x4_0000,
  FIXED_NOREPLACE: 0x10_0000,
} as const;

/** The bits of the flags that say SHARED, PRIVATE or SHARED_VALIDATE. */
export const MAP_TYPE = 0x0f;
/** PROT_* of mprotect(2) that say nothing about the pages themselves. */
const PROT_SEM = 0x8;
const PROT_GROWSDOWN = 0x100_0000;
const PROT_GROWSUP = 0x200_0000;
/** Most bytes brk(2) gives out: the seed's 8 GiB. */
const LARGEST_HEAP = 0x2_0000_0000n;

/**
 * Maps zeros and returns their address. EINVAL: no length, misaligned, or neither shared nor private. EPERM: fixed below
 * the lowest address. EEXIST: taken, with FIXED_NOREPLACE. ENOMEM.
 */
export function mapMemory(space: AddressSpace, hint: u64, length: u64, protection: u32, flags: u32): Result<u64> {
  const size = mappingSize(length);
  if (!size.ok) return size;
  if ((flags & MapFlag.HUGETLB) !== 0) return err(Errno.ENOMEM);
  const start = chooseAddress(space, hint, size.value, flags);
  if (!start.ok) return start;
  const type = u32(flags & MAP_TYPE);
  if (type === MapFlag.PRIVATE) return mapArea(space, start.value, size.value, protection, flags, null, 0n);
  if (type !== MapFlag.SHARED || (flags & MapFlag.GROWSDOWN) !== 0) return err(Errno.EINVAL);
  const object = createObject(size.value);
  if (!object.ok) return err(object.error);
  const mapped = mapArea(space, start.value, size.value, protection, flags, object.value, 0n);
  releaseObject(object.value);
  return mapped;
}

/** Bytes of whole pages for a length. EINVAL: nothing. ENOMEM: more than there are addresses. */
export function mappingSize(length: u64): Result<u64> {
  if (length === 0n) return err(Errno.EINVAL);
  const size = pageCeiling(length);
  return size === 0n || size > USER_END ? err(Errno.ENOMEM) : ok(size);
}

/** Where a mapping goes: at the hint if it must or can, else below what is there. */
export function chooseAddress(space: AddressSpace, hint: u64, size: u64, flags: u32): Result<u64> {
  if ((flags & (MapFlag.FIXED | MapFlag.FIXED_NOREPLACE)) !== 0) {
    if (!isUserRange(hint, size)) return err(Errno.ENOMEM);
    if ((hint & PAGE_OFFSET_MASK) !== 0n) return err(Errno.EINVAL);
    if (hint < USER_START) return err(Errno.EPERM);
    const isTaken = (flags & MapFlag.FIXED_NOREPLACE) !== 0 && !isRangeFree(space.areas, hint, u64(hint + size));
    return isTaken ? err(Errno.EEXIST) : ok(hint);
  }
  const wanted = pageFloor(hint);
  const isUsable = wanted >= USER_START && isUserRange(wanted, size);
  if (isUsable && isRangeFree(space.areas, wanted, u64(wanted + size))) return ok(wanted);
  const below = findFreeRange(space.areas, space.mapTop, size);
  return below.ok ? below : findFreeRange(space.areas, USER_END, size);
}

/** Pages that may be written and are the program's own are counted against the memory there is. */
function isReserved(protection: u32, flags: u32): boolean {
  if ((flags & MapFlag.NORESERVE) !== 0) return false;
  return (flags & MAP_TYPE) !== MapFlag.PRIVATE || (protection & Protection.WRITE) !== 0;
}

function areaFlags(space: AddressSpace, flags: u32): u32 {
  let chosen = space.futureFlags;
  if ((flags & MAP_TYPE) !== MapFlag.PRIVATE) chosen = u32(chosen | AreaFlag.SHARED);
  if ((flags & MapFlag.GROWSDOWN) !== 0) chosen = u32(chosen | AreaFlag.GROWS_DOWN);
  if ((flags & MapFlag.LOCKED) !== 0) chosen = u32(chosen | AreaFlag.LOCKED);
  if ((flags & MapFlag.NORESERVE) !== 0) chosen = u32(chosen | AreaFlag.NOT_RESERVED);
  return chosen;
}

/**
 * Maps a chosen range in place of what is there; ENOMEM. EAGAIN: too much of it locked. That pages wanted at once get no frame yet is no
 * error.
 */
export function mapArea(
  space: AddressSpace,
  start: u64,
  size: u64,
  protection: u32,
  flags: u32,
  object: MemoryObject | null,
  offset: u64,
): Result<u64> {
  if (space.areas.count >= MOST_AREAS) return err(Errno.ENOMEM);
  if (isReserved(protection, flags) && !isAffordable(size)) return err(Errno.ENOMEM);
  const end = u64(start + size);
  const kind = areaFlags(space, flags);
  if ((kind & AreaFlag.LOCKED) !== 0 && !mayLock(space, size)) return err(Errno.EAGAIN);
  const added = u64(size - mappedBytes(space, start, end));
  if (!mayExpand(space, added, isData(protection, kind))) return err(Errno.ENOMEM);
  const made = newArea(start, end, u32(protection & Protection.ALL), kind);
  if (!made.ok) return err(made.error);
  const area = made.value;
  if (object !== null) attachObject(area, object, offset);
  const cleared = unmapMemory(space, start, size);
  if (!cleared.ok) {
    freeArea(area);
    return err(cleared.error);
  }
  linkArea(space.areas, area);
  const isWanted = (flags & MapFlag.POPULATE) !== 0 && area.protection !== Protection.NONE;
  if (isWanted || isEagerArea(area)) populateArea(space, area);
  mergeAround(space.areas, start, end);
  return ok(start);
}

/** Removes every mapping in a range, cutting areas at its ends. EINVAL: misaligned, empty or not in user memory. ENOMEM. */
export function unmapMemory(space: AddressSpace, start: u64, length: u64): Result<void> {
  const size = pageCeiling(length);
  if ((start & PAGE_OFFSET_MASK) !== 0n || size === 0n || !isUserRange(start, size)) return err(Errno.EINVAL);
  const end = u64(start + size);
  const split = splitAround(space.areas, start, end);
  if (!split.ok) return split;
  let area = firstAreaAbove(space.areas, start);
  while (area !== null && area.start < end) {
    const next: Area | null = area.next;
    removeArea(space, area);
    area = next;
  }
  return ok();
}

/**
 * Changes the protection of a range. EINVAL: misaligned or unknown protection, or PROT_GROWSDOWN for no stack. EACCES: a
 * shared file would be written. ENOMEM: not mapped from some address on, and changed before it; or no memory.
 */
export function protectMemory(space: AddressSpace, start: u64, length: u64, protection: u32): Result<void> {
  const reaches = u32(protection & (PROT_GROWSDOWN | PROT_GROWSUP));
  const wanted = u32(protection & ~reaches);
  if (reaches === (PROT_GROWSDOWN | PROT_GROWSUP) || (start & PAGE_OFFSET_MASK) !== 0n) return err(Errno.EINVAL);
  if (length === 0n) return ok();
  const end = u64(start + pageCeiling(length));
  if (end <= start) return err(Errno.ENOMEM);
  if ((wanted & ~(Protection.ALL | PROT_SEM)) !== 0) return err(Errno.EINVAL);
  const first = firstAreaAbove(space.areas, start);
  if (first === null || first.start >= end) return err(Errno.ENOMEM);
  if (reaches === 0) return protectRange(space, start, end, u32(wanted & Protection.ALL));
  if (reaches === PROT_GROWSUP || (first.flags & AreaFlag.GROWS_DOWN) === 0) return err(Errno.EINVAL);
  return protectRange(space, first.start, end, u32(wanted & Protection.ALL));
}

function protectRange(space: AddressSpace, start: u64, end: u64, protection: u32): Result<void> {
  const covered = coveredEnd(space.areas, start, end);
  if (covered === start) return err(Errno.ENOMEM);
  const split = splitAround(space.areas, start, covered);
  if (!split.ok) return split;
  let changed: Result<void> = ok();
  let area = firstAreaAbove(space.areas, start);
  while (area !== null && area.start < covered && changed.ok) {
    changed = protectArea(space, area, protection);
    area = area.next;
  }
  mergeAround(space.areas, start, covered);
  return changed.ok && covered < end ? err(Errno.ENOMEM) : changed;
}

/** EACCES: a shared file is not written here. ENOMEM: more than there is, or than the process may have. */
function protectArea(space: AddressSpace, area: Area, protection: u32): Result<void> {
  const wasCounted = (area.flags & (AreaFlag.SHARED | AreaFlag.NOT_RESERVED)) !== 0;
  const becomesWritable = (protection & ~area.protection & Protection.WRITE) !== 0;
  if (becomesWritable && (area.flags & AreaFlag.SHARED) !== 0 && holdsFile(area)) return err(Errno.EACCES);
  const size = u64(area.end - area.start);
  if (becomesWritable && !wasCounted && !isAffordable(size)) return err(Errno.ENOMEM);
  const becomesData = isData(protection, area.flags) && !isData(area.protection, area.flags);
  if (becomesData && !mayBecomeData(space, size)) return err(Errno.ENOMEM);
  area.protection = protection;
  applyProtection(space, area);
  return ok();
}

function holdsFile(area: Area): boolean {
  return area.object !== null && area.object.file.server !== 0n;
}

/** Moves the program break and returns it; where it cannot go, the break stays and is returned unchanged (brk(2)). */
export function setBreak(space: AddressSpace, wanted: u64): u64 {
  if (wanted < space.heapStart || u64(wanted - space.heapStart) > LARGEST_HEAP) return space.heapEnd;
  const oldEnd = pageCeiling(space.heapEnd);
  const newEnd = pageCeiling(wanted);
  if (newEnd > oldEnd && !growHeap(space, oldEnd, newEnd)) return space.heapEnd;
  if (newEnd < oldEnd && !shrinkHeap(space, newEnd, oldEnd)) return space.heapEnd;
  space.heapEnd = wanted;
  return wanted;
}

/** A page stays free between the heap and what is mapped above it. */
function growHeap(space: AddressSpace, from: u64, to: u64): boolean {
  const size = u64(to - from);
  if (!isUserRange(from, u64(size + PAGE_SIZE)) || !isRangeFree(space.areas, from, u64(to + PAGE_SIZE))) return false;
  const flags = u32(MapFlag.PRIVATE | MapFlag.ANONYMOUS);
  return mapArea(space, from, size, u32(Protection.READ | Protection.WRITE), flags, null, 0n).ok;
}

/** Gives [from, to) back. What a program has mapped over parts of its heap goes with it. */
function shrinkHeap(space: AddressSpace, from: u64, to: u64): boolean {
  return unmapMemory(space, from, u64(to - from)).ok;
}
