/** mmap, munmap, mprotect and brk for anonymous memory. Each checks everything, then reserves, then changes. */
import { Errno, err, ok, type Result, u32, u64 } from '#dialect';
import { type AddressSpace, applyProtection, populate, releasePages, removeArea } from '../memory/address-space.ts';
import {
  type Area,
  AreaFlag,
  areaAt,
  findFreeRange,
  firstAreaAbove,
  freeArea,
  isRangeCovered,
  isRangeFree,
  linkArea,
  newArea,
  Protection,
  splitAround,
} from '../memory/area.ts';
import { isUserRange, MMAP_BASE, PAGE_OFFSET_MASK, pageCeiling, pageFloor, USER_START } from '../memory/layout.ts';

/** MAP_* of mmap(2). */
export const MapFlag = {
  SHARED: 0x01,
  PRIVATE: 0x02,
  FIXED: 0x10,
  ANONYMOUS: 0x20,
  GROWSDOWN: 0x100,
  NORESERVE: 0x4000,
  POPULATE: 0x8000,
  STACK: 0x2_0000,
  FIXED_NOREPLACE: 0x10_0000,
} as const;

const MAP_TYPE = 0x0f;
/** Most bytes brk(2) gives out: the seed's 8 GiB. */
const LARGEST_HEAP = 0x2_0000_0000n;

/**
 * Maps anonymous memory and returns its address. EINVAL: bad length, protection, alignment or type. EEXIST: taken, with
 * FIXED_NOREPLACE. ENOMEM. ENODEV: a file mapping, which this kernel has no files for.
 */
export function mapMemory(space: AddressSpace, hint: u64, length: u64, protection: u32, flags: u32): Result<u64> {
  const size = pageCeiling(length);
  if (length === 0n || size === 0n || (protection & ~Protection.ALL) !== 0) return err(Errno.EINVAL);
  const type = u32(flags & MAP_TYPE);
  if (type !== MapFlag.SHARED && type !== MapFlag.PRIVATE) return err(Errno.EINVAL);
  if ((flags & MapFlag.ANONYMOUS) === 0) return err(Errno.ENODEV);
  const start = chooseAddress(space, hint, size, flags);
  if (!start.ok) return start;
  const area = newArea(start.value, u64(start.value + size), protection, type === MapFlag.SHARED ? AreaFlag.SHARED : 0);
  if (!area.ok) return err(area.error);
  if ((flags & MapFlag.FIXED) !== 0) {
    const cleared = unmapMemory(space, start.value, size);
    if (!cleared.ok) {
      freeArea(area.value);
      return err(cleared.error);
    }
  }
  linkArea(space.areas, area.value);
  const isEager = type === MapFlag.SHARED || (flags & MapFlag.POPULATE) !== 0;
  if (!isEager) return start;
  const populated = populate(space, area.value, area.value.start, area.value.end);
  if (populated.ok || type === MapFlag.PRIVATE) return start;
  removeArea(space, area.value);
  return err(Errno.ENOMEM);
}

function chooseAddress(space: AddressSpace, hint: u64, size: u64, flags: u32): Result<u64> {
  if ((flags & (MapFlag.FIXED | MapFlag.FIXED_NOREPLACE)) !== 0) {
    if ((hint & PAGE_OFFSET_MASK) !== 0n) return err(Errno.EINVAL);
    if (hint < USER_START || !isUserRange(hint, size)) return err(Errno.ENOMEM);
    const isTaken = (flags & MapFlag.FIXED_NOREPLACE) !== 0 && !isRangeFree(space.areas, hint, u64(hint + size));
    return isTaken ? err(Errno.EEXIST) : ok(hint);
  }
  const wanted = pageFloor(hint);
  const isUsable = wanted >= USER_START && isUserRange(wanted, size);
  if (isUsable && isRangeFree(space.areas, wanted, u64(wanted + size))) return ok(wanted);
  return findFreeRange(space.areas, MMAP_BASE, size);
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

/** Changes the protection of a range. EINVAL: misaligned or unknown protection. ENOMEM: parts are not mapped, or no memory. */
export function protectMemory(space: AddressSpace, start: u64, length: u64, protection: u32): Result<void> {
  const size = pageCeiling(length);
  if ((start & PAGE_OFFSET_MASK) !== 0n || (protection & ~Protection.ALL) !== 0) return err(Errno.EINVAL);
  if (length === 0n) return ok();
  if (size === 0n || !isUserRange(start, size)) return err(Errno.ENOMEM);
  const end = u64(start + size);
  if (!isRangeCovered(space.areas, start, end)) return err(Errno.ENOMEM);
  const split = splitAround(space.areas, start, end);
  if (!split.ok) return split;
  let area = firstAreaAbove(space.areas, start);
  while (area !== null && area.start < end) {
    area.protection = protection;
    applyProtection(space, area);
    area = area.next;
  }
  return ok();
}

/** Moves the program break and returns it; where it cannot go, the break stays and is returned unchanged (brk(2)). */
export function setBreak(space: AddressSpace, wanted: u64): u64 {
  if (wanted < space.heapStart || u64(wanted - space.heapStart) > LARGEST_HEAP) return space.heapEnd;
  const oldEnd = pageCeiling(space.heapEnd);
  const newEnd = pageCeiling(wanted);
  if (newEnd > oldEnd && !growHeap(space, oldEnd, newEnd)) return space.heapEnd;
  if (newEnd < oldEnd) shrinkHeap(space, newEnd, oldEnd);
  space.heapEnd = wanted;
  return wanted;
}

function heapArea(space: AddressSpace, end: u64): Area | null {
  if (end <= pageCeiling(space.heapStart)) return null;
  const area = areaAt(space.areas, u64(end - 1n));
  return area !== null && (area.flags & AreaFlag.HEAP) !== 0 ? area : null;
}

function growHeap(space: AddressSpace, from: u64, to: u64): boolean {
  if (!isUserRange(from, u64(to - from)) || !isRangeFree(space.areas, from, to)) return false;
  const last = heapArea(space, from);
  if (last !== null && last.protection === (Protection.READ | Protection.WRITE)) {
    last.end = to;
    return true;
  }
  const area = newArea(from, to, Protection.READ | Protection.WRITE, AreaFlag.HEAP);
  if (!area.ok) return false;
  linkArea(space.areas, area.value);
  return true;
}

/** Gives [from, to) back. What a program has mapped over parts of its heap goes with it. */
function shrinkHeap(space: AddressSpace, from: u64, to: u64): void {
  const area = areaAt(space.areas, from);
  if (area !== null && area.start < from && area.end === to) {
    area.end = from;
    releasePages(space, from, to);
    return;
  }
  const removed = unmapMemory(space, from, u64(to - from));
  if (!removed.ok) releasePages(space, from, to);
}
