/** The areas of an address space: which user addresses mean something, and what may be done there. */
import { addressOf, constructAt, Errno, err, ok, type Result, sizeOf, u32, u64 } from '#dialect';
import { greater, lesser, STACK_GUARD_BYTES, USER_START } from './layout.ts';
import { type MemoryObject, releaseObject, retainObject } from './object.ts';
import { ObjectCache } from './slab.ts';

/** PROT_* of mmap(2). */
export const Protection = { NONE: 0, READ: 1, WRITE: 2, EXECUTE: 4, ALL: 7 } as const;

/**
 * What an area is, beside its protection. SHARED areas show their object's own pages, the others copy on write. GROWS_DOWN:
 * the stack, which a fault below it makes longer. NOT_RESERVED: mmap did not count its pages against the memory there is. LOCKED_ON_FAULT, only with LOCKED: its pages are
 * still brought in one by one.
 */
export const AreaFlag = {
  SHARED: 1,
  GROWS_DOWN: 2,
  LOCKED: 4,
  NOT_FORKED: 8,
  WIPED_ON_FORK: 16,
  NOT_RESERVED: 32,
  LOCKED_ON_FAULT: 64,
} as const;

/** Most areas in a space (vm.max_map_count). */
export const MOST_AREAS = 65_530;

/** User addresses [start, end), whole pages. Areas of a space are linked by ascending address and never overlap. */
export class Area {
  start: u64 = 0n;
  end: u64 = 0n;
  protection: u32 = 0;
  flags: u32 = 0;
  /** What `start` shows, from `offset` on; null for private zeros. The area holds a reference. */
  object: MemoryObject | null = null;
  offset: u64 = 0n;
  next: Area | null = null;
  previous: Area | null = null;
}

/** The head of a space's areas. */
export class AreaList {
  first: Area | null = null;
  last: Area | null = null;
  /** Where the last search ended: most searches end there again. */
  recent: Area | null = null;
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

/** Has an area show an object from an offset on. */
export function attachObject(area: Area, object: MemoryObject, offset: u64): void {
  retainObject(object);
  area.object = object;
  area.offset = offset;
}

/** Gives back an area that is on no list. */
export function freeArea(area: Area): void {
  if (area.object !== null) releaseObject(area.object);
  areas.release(addressOf(area));
}

/** The first area that ends above an address, whether or not it begins below it. */
export function firstAreaAbove(list: AreaList, address: u64): Area | null {
  let area = list.recent ?? list.first;
  while (area !== null && area.end <= address) area = area.next;
  if (area === null) return null;
  while (area.previous !== null && area.previous.end > address) area = area.previous;
  list.recent = area;
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
  const next = firstAreaAbove(list, area.start);
  const previous = next === null ? list.last : next.previous;
  area.previous = previous;
  area.next = next;
  if (previous === null) list.first = area;
  else previous.next = area;
  if (next === null) list.last = area;
  else next.previous = area;
  list.count = u32(list.count + 1);
}

/** Takes an area off its list. */
export function unlinkArea(list: AreaList, area: Area): void {
  if (list.recent === area) list.recent = area.previous;
  if (area.previous === null) list.first = area.next;
  else area.previous.next = area.next;
  if (area.next === null) list.last = area.previous;
  else area.next.previous = area.previous;
  area.next = null;
  area.previous = null;
  list.count = u32(list.count - 1);
}

/** Cuts an area in two at a page boundary inside it, so that `address` begins the second; ENOMEM. */
function splitArea(list: AreaList, area: Area, address: u64): Result<void> {
  if (list.count >= MOST_AREAS) return err(Errno.ENOMEM);
  const upper = newArea(address, area.end, area.protection, area.flags);
  if (!upper.ok) return err(upper.error);
  if (area.object !== null) attachObject(upper.value, area.object, u64(area.offset + (address - area.start)));
  area.end = address;
  linkArea(list, upper.value);
  return ok();
}

/** True when `upper` goes on where `lower` ends, in every respect. */
function continues(lower: Area, upper: Area): boolean {
  if (lower.end !== upper.start || lower.protection !== upper.protection || lower.flags !== upper.flags) return false;
  if (lower.object !== upper.object) return false;
  return lower.object === null || u64(lower.offset + (lower.end - lower.start)) === upper.offset;
}

/** Makes one area of those around [start, end) that do not differ. */
export function mergeAround(list: AreaList, start: u64, end: u64): void {
  let area = firstAreaAbove(list, start);
  if (area !== null && area.previous !== null) area = area.previous;
  while (area !== null && area.start <= end) {
    const next: Area | null = area.next;
    if (next !== null && continues(area, next)) {
      unlinkArea(list, next);
      area.end = next.end;
      freeArea(next);
    } else area = next;
  }
}

/** Makes `start` and `end` area boundaries wherever an area spans them. ENOMEM: the areas are as they were. */
export function splitAround(list: AreaList, start: u64, end: u64): Result<void> {
  const first = areaAt(list, start);
  if (first !== null && first.start < start) {
    const cut = splitArea(list, first, start);
    if (!cut.ok) return cut;
  }
  const last = areaAt(list, end);
  if (last === null || last.start === end) return ok();
  const cut = splitArea(list, last, end);
  if (!cut.ok) mergeAround(list, start, start);
  return cut;
}

/** The first address of [start, end) that no area covers, or `end`. */
export function coveredEnd(list: AreaList, start: u64, end: u64): u64 {
  let area = areaAt(list, start);
  let covered = start;
  while (area !== null && area.start <= covered && covered < end) {
    covered = area.end;
    area = area.next;
  }
  return lesser(covered, end);
}

/** Where free addresses below an area end: a stack keeps a distance from what is mapped below it. */
function freeEnd(area: Area): u64 {
  if ((area.flags & AreaFlag.GROWS_DOWN) === 0) return area.start;
  return area.start > STACK_GUARD_BYTES ? u64(area.start - STACK_GUARD_BYTES) : 0n;
}

/** The highest free range of a length that ends at or below `top`; ENOMEM when there is none. */
export function findFreeRange(list: AreaList, top: u64, length: u64): Result<u64> {
  let end = top;
  let area = list.last;
  while (area !== null && area.start >= end) area = area.previous;
  for (;;) {
    const low = area === null ? USER_START : greater(area.end, USER_START);
    if (end > low && u64(end - low) >= length) return ok(u64(end - length));
    if (area === null) return err(Errno.ENOMEM);
    end = lesser(end, freeEnd(area));
    area = area.previous;
  }
}
