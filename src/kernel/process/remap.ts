/** mremap: a mapping made longer, shorter or moved with its pages. */
import { Errno, err, ok, type Result, u32, u64 } from '#dialect';
import { type AddressSpace, flushRange, removeArea } from '../memory/address-space.ts';
import {
  type Area,
  AreaFlag,
  areaAt,
  attachObject,
  freeArea,
  isRangeFree,
  linkArea,
  MOST_AREAS,
  mergeAround,
  newArea,
  Protection,
  splitAround,
} from '../memory/area.ts';
import { isUserRange, PAGE_OFFSET_MASK, pageCeiling } from '../memory/layout.ts';
import { moveRange } from '../memory/page-table.ts';
import { isEagerArea, populateArea } from '../memory/user-pages.ts';
import { chooseAddress, MapFlag, unmapMemory } from './memory.ts';
import { isAffordable, isData, mayExpand } from './memory-limits.ts';

/** MREMAP_* of mremap(2). */
export const RemapFlag = { MAYMOVE: 1, FIXED: 2, DONTUNMAP: 4 } as const;
const KNOWN_FLAGS = 7;
/** Areas that a move may add: what is cut off on either side, and the new one. */
const AREAS_OF_A_MOVE = 3;

/**
 * Changes the size or place of a mapping and returns its address. EINVAL: flags that contradict each other, misaligned, no
 * new length, or a target that overlaps the source. EFAULT: not one mapping. ENOMEM: no room to grow without moving, or
 * no memory.
 */
export function remapMemory(
  space: AddressSpace,
  start: u64,
  oldLength: u64,
  newLength: u64,
  flags: u32,
  target: u64,
): Result<u64> {
  const isPlaced = (flags & (RemapFlag.FIXED | RemapFlag.DONTUNMAP)) !== 0;
  if ((flags & ~KNOWN_FLAGS) !== 0 || (isPlaced && (flags & RemapFlag.MAYMOVE) === 0)) return err(Errno.EINVAL);
  if ((flags & RemapFlag.DONTUNMAP) !== 0 && oldLength !== newLength) return err(Errno.EINVAL);
  if ((start & PAGE_OFFSET_MASK) !== 0n) return err(Errno.EINVAL);
  const oldSize = pageCeiling(oldLength);
  const newSize = pageCeiling(newLength);
  if (newSize === 0n) return err(Errno.EINVAL);
  if (areaAt(space.areas, start) === null) return err(Errno.EFAULT);
  if (isPlaced) return remapTo(space, start, oldSize, newSize, flags, target);
  if (newSize > oldSize || oldSize === 0n) return growMapping(space, start, oldSize, newSize, flags);
  if (newSize === oldSize) return ok(start);
  const cut = unmapMemory(space, u64(start + newSize), u64(oldSize - newSize));
  return cut.ok ? ok(start) : err(cut.error);
}

/** The area that [start, start + oldSize) lies in, if it may become `newSize` long; EINVAL, EFAULT, ENOMEM. */
function resizableArea(space: AddressSpace, start: u64, oldSize: u64, newSize: u64): Result<Area> {
  const area = areaAt(space.areas, start);
  if (area === null) return err(Errno.EFAULT);
  if (oldSize === 0n && (area.flags & AreaFlag.SHARED) === 0) return err(Errno.EINVAL);
  if (oldSize > u64(area.end - start)) return err(Errno.EFAULT);
  if (newSize <= oldSize) return ok(area);
  const added = u64(newSize - oldSize);
  if (!mayExpand(space, added, isData(area.protection, area.flags))) return err(Errno.ENOMEM);
  const isCounted = (area.protection & Protection.WRITE) !== 0 && (area.flags & AreaFlag.NOT_RESERVED) === 0;
  return isCounted && !isAffordable(added) ? err(Errno.ENOMEM) : ok(area);
}

function growMapping(space: AddressSpace, start: u64, oldSize: u64, newSize: u64, flags: u32): Result<u64> {
  const resizable = resizableArea(space, start, oldSize, newSize);
  if (!resizable.ok) return err(resizable.error);
  const area = resizable.value;
  const end = u64(start + newSize);
  const isFree = isUserRange(start, newSize) && isRangeFree(space.areas, area.end, end);
  if (oldSize > 0n && u64(start + oldSize) === area.end && isFree) {
    area.end = end;
    if (isEagerArea(area)) populateArea(space, area);
    mergeAround(space.areas, start, end);
    return ok(start);
  }
  if ((flags & RemapFlag.MAYMOVE) === 0) return err(Errno.ENOMEM);
  const place = chooseAddress(space, 0n, newSize, 0);
  if (!place.ok) return place;
  return moveMapping(space, area, start, oldSize, newSize, place.value, false);
}

function remapTo(space: AddressSpace, start: u64, oldSize: u64, newSize: u64, flags: u32, target: u64): Result<u64> {
  if ((target & PAGE_OFFSET_MASK) !== 0n || !isUserRange(target, newSize)) return err(Errno.EINVAL);
  if (u64(start + oldSize) > target && u64(target + newSize) > start) return err(Errno.EINVAL);
  if (u32(space.areas.count + AREAS_OF_A_MOVE) > MOST_AREAS) return err(Errno.ENOMEM);
  const isFixed = (flags & RemapFlag.FIXED) !== 0;
  const place = chooseAddress(space, target, newSize, isFixed ? MapFlag.FIXED : 0);
  if (!place.ok) return place;
  if (isFixed) {
    const cleared = unmapMemory(space, target, newSize);
    if (!cleared.ok) return err(cleared.error);
  }
  let kept = oldSize;
  if (oldSize > newSize) {
    const cut = unmapMemory(space, u64(start + newSize), u64(oldSize - newSize));
    if (!cut.ok) return err(cut.error);
    kept = newSize;
  }
  const resizable = resizableArea(space, start, kept, newSize);
  if (!resizable.ok) return err(resizable.error);
  const keepsOld = (flags & RemapFlag.DONTUNMAP) !== 0;
  return moveMapping(space, resizable.value, start, kept, newSize, place.value, keepsOld);
}

/** Moves a part of an area, pages and all, to free addresses. A part of no length leaves a second mapping of the same. ENOMEM. */
function moveMapping(
  space: AddressSpace,
  area: Area,
  start: u64,
  oldSize: u64,
  newSize: u64,
  target: u64,
  keepsOld: boolean,
): Result<u64> {
  const made = newArea(target, u64(target + newSize), area.protection, area.flags);
  if (!made.ok) return err(made.error);
  const moved = made.value;
  if (area.object !== null) attachObject(moved, area.object, u64(area.offset + (start - area.start)));
  const end = u64(start + oldSize);
  const left = oldSize === 0n ? ok() : leave(space, start, target, oldSize);
  if (!left.ok) {
    freeArea(moved);
    return err(left.error);
  }
  const old = oldSize === 0n ? null : areaAt(space.areas, start);
  if (old !== null && !keepsOld) removeArea(space, old);
  if (old !== null && keepsOld) old.flags = u32(old.flags & ~(AreaFlag.LOCKED | AreaFlag.LOCKED_ON_FAULT));
  linkArea(space.areas, moved);
  if (isEagerArea(moved)) populateArea(space, moved);
  mergeAround(space.areas, start, end);
  mergeAround(space.areas, target, u64(target + newSize));
  return ok(target);
}

/** Cuts [start, start + size) out of its area and moves its pages; ENOMEM. */
function leave(space: AddressSpace, start: u64, target: u64, size: u64): Result<void> {
  const end = u64(start + size);
  const split = splitAround(space.areas, start, end);
  const moved = split.ok ? moveRange(space.root, start, target, size) : split;
  if (moved.ok) flushRange(space, start, end);
  else mergeAround(space.areas, start, end);
  return moved;
}
