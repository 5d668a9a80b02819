/** The areas of an address space: which user addresses mean something, and what may be done there. */
import { addressOf, constructAt, Errno, err, ok, type Result, sizeOf, u32, type u64 } from '#dialect';
import { greater, USER_END, USER_START } from './layout.ts';
import { ObjectCache } from './slab.ts';

/** PROT_* of mmap(2). */
export const Protection = { NONE: 0, READ: 1, WRITE: 2, EXECUTE: 4, ALL: 7 } as const;

/** What an area is, beside its protection. SHARED areas keep their frames across fork; the others copy on write. */
export const AreaFlag = { SHARED: 1, STACK: 2, HEAP: 4 } as const;

/** User addresses [start, end), whole pages. Areas of a space are linked by ascending address and never overlap. */
export class Area {
  start: u64 = 0n;
  end: u64 = 0n;
  protection: u32 = 0;
  flags: u32 = 0;
  next: Area | null = null;
  previous: Area | null = null;
}

/** The head of a space's areas. */
export class AreaList {
  first: Area | null = null;
  count: u32 = 0;
}

const areas = new ObjectCache(sizeOf(Area));

/** Areas alive in all address spaces. */
export function areaCount(): u32 {
  return areas.allocated;
}

/** A new area that is on no list yet; ENOMEM. */
export function newArea(start: u64, end: u64, protection: u32, flags: u32): Result<Area> {
  const memory = areas.allocate();
  if (!memory.ok) return err(memory.error);
  const area = constructAt(Area, memory.value);
  area.start = start;
  area.end = end;
  area.protection = protection;
  area.flags = flags;
  return ok(area);
}

/** Gives back an area that is on no list. */
export function freeArea(area: Area): void {
  areas.release(addressOf(area));
}

/** The first area that ends above an address, whether or not it begins below it. */
export function firstAreaAbove(list: AreaList, address: u64): Area | null {
  let area = list.first;
  while (area !== null && area.end <= address) area = area.next;
  return area;
}

/** The area that holds an address. */
export function areaAt(list: AreaList, address: u64): Area | null {
  const area = firstAreaAbove(list, address);
  return area !== null && area.start <= address ? area : null;
}

/** True when no area meets [start, end). */
export function isRangeFree(list: AreaList, start: u64, end: u64): boolean {
  const area = firstAreaAbove(list, start);
  return area === null || area.start >= end;
}

/** Links an area in; its range must be free. */
export function linkArea(list: AreaList, area: Area): void {
  let previous: Area | null = null;
  let next = list.first;
  while (next !== null && next.start < area.start) {
    previous = next;
    next = next.next;
  }
  area.previous = previous;
  area.next = next;
  if (previous === null) list.first = area;
  else previous.next = area;
  if (next !== null) next.previous = area;
  list.count = u32(list.count + 1);
}

/** Takes an area off its list. */
export function unlinkArea(list: AreaList, area: Area): void {
  if (area.previous === null) list.first = area.next;
  else area.previous.next = area.next;
  if (area.next !== null) area.next.previous = area.previous;
  area.next = null;
  area.previous = null;
  list.count = u32(list.count - 1);
}

/** Cuts an area in two at a page boundary inside it, so that `address` begins the second; ENOMEM. */
function splitArea(list: AreaList, area: Area, address: u64): Result<void> {
  const upper = newArea(address, area.end, area.protection, area.flags);
  if (!upper.ok) return err(upper.error);
  area.end = address;
  linkArea(list, upper.value);
  return ok();
}

/**
 * Makes `start` and `end` area boundaries wherever an area spans them. On ENOMEM the areas may be cut
 * but describe the same memory as before.
 */
export function splitAround(list: AreaList, start: u64, end: u64): Result<void> {
  const first = areaAt(list, start);
  if (first !== null && first.start < start) {
    const cut = splitArea(list, first, start);
    if (!cut.ok) return cut;
  }
  const last = areaAt(list, end);
  if (last !== null && last.start < end) return splitArea(list, last, end);
  return ok();
}

/** True when areas cover every address of [start, end). */
export function isRangeCovered(list: AreaList, start: u64, end: u64): boolean {
  let area = areaAt(list, start);
  let covered = start;
  while (area !== null && area.start <= covered) {
    covered = area.end;
    if (covered >= end) return true;
    area = area.next;
  }
  return false;
}

/** The lowest free address at or above `from` with `length` free bytes behind it; ENOMEM when there is none. */
export function findFreeRange(list: AreaList, from: u64, length: u64): Result<u64> {
  let start = greater(from, USER_START);
  let area = firstAreaAbove(list, start);
  while (start < USER_END && length <= USER_END - start) {
    if (area === null || area.start >= start + length) return ok(start);
    start = area.end;
    area = area.next;
  }
  return err(Errno.ENOMEM);
}
