/** The pages of user memory: brought in when first used, copied when first written, found for the kernel. */
import { Errno, err, mem, ok, type PhysAddr, type Result, u32, u64, type VirtAddr, virt } from '#dialect';
import { type AddressSpace, flushRange, isLoaded } from './address-space.ts';
import { type Area, AreaFlag, areaAt, firstAreaAbove, mergeAround, Protection } from './area.ts';
import { allocateFrame, allocateZeroedFrame, frameReferences, releaseFrame, shareFrame } from './frames.ts';
import {
  directMap,
  greater,
  lesser,
  PAGE_OFFSET_MASK,
  PAGE_SIZE,
  pageFloor,
  STACK_GUARD_BYTES,
  USER_START,
} from './layout.ts';
import { type MemoryObject, objectPage } from './object.ts';
import {
  entryFrame,
  findEntry,
  invalidatePage,
  makeEntry,
  Page,
  readEntry,
  setEntry,
  visitEntries,
} from './page-table.ts';

/** How an instruction touched memory. */
export const Access = { READ: 1, WRITE: 2, EXECUTE: 4 } as const;

/** The page-table bits that an area's protection grants to a page it owns alone. */
function pageFlags(area: Area): u64 {
  if (area.protection === Protection.NONE) return 0n;
  let flags: u64 = u64(Page.PRESENT | Page.USER);
  if ((area.protection & Protection.WRITE) !== 0) flags = u64(flags | Page.WRITABLE);
  if ((area.protection & Protection.EXECUTE) === 0) flags = u64(flags | Page.NO_EXECUTE);
  return flags;
}

/** As `pageFlags`, without WRITABLE where the frame has other owners and must be copied first. */
function flagsFor(area: Area, frame: PhysAddr): u64 {
  const flags = pageFlags(area);
  const isCopied = (area.flags & AreaFlag.SHARED) === 0 && frameReferences(frame) > 1;
  return isCopied ? u64(flags & ~Page.WRITABLE) : flags;
}

/** Whether an area's protection allows an access. The processor cannot keep an instruction from reading what it may write or run. */
export function allowsAccess(area: Area, access: u32): boolean {
  if (access === Access.WRITE) return (area.protection & Protection.WRITE) !== 0;
  if (access === Access.EXECUTE) return (area.protection & Protection.EXECUTE) !== 0;
  return area.protection !== Protection.NONE;
}

/**
 * Makes one page ready for an access: a frame for a page not touched before, a copy of a shared one for a write. Returns
 * the frame. EFAULT: no area, or its protection forbids it. EIO: past the end of the area's object. ENOMEM: no frame.
 */
export function resolvePage(space: AddressSpace, address: u64, access: u32): Result<PhysAddr> {
  const area = areaAt(space.areas, address) ?? growStack(space, address);
  if (area === null || !allowsAccess(area, access)) return err(Errno.EFAULT);
  const place = findEntry(space.root, address);
  const entry = place === 0n ? 0n : mem.load64(place);
  if (entry === 0n) return fillPage(space, area, pageFloor(address), place, access === Access.WRITE);
  if (access !== Access.WRITE || (entry & Page.WRITABLE) !== 0n) return ok(entryFrame(entry));
  return makeWritable(space, area, place, address);
}

/** The stack above an address, made to reach it; null where there is none, it would be too long, or too close to others. */
function growStack(space: AddressSpace, address: u64): Area | null {
  const stack = firstAreaAbove(space.areas, address);
  if (stack === null || (stack.flags & AreaFlag.GROWS_DOWN) === 0) return null;
  const start = pageFloor(address);
  if (start < USER_START || u64(stack.end - start) > space.stackLimit) return null;
  const below = stack.previous;
  if (below !== null) {
    const isStack = (below.flags & AreaFlag.GROWS_DOWN) !== 0;
    if (!isStack && below.protection !== Protection.NONE && u64(start - below.end) < STACK_GUARD_BYTES) return null;
  }
  if (stack.object !== null) {
    if (stack.offset < u64(stack.start - start)) return null;
    stack.offset = u64(stack.offset - (stack.start - start));
  }
  stack.start = start;
  mergeAround(space.areas, start, start);
  return areaAt(space.areas, start);
}

/** Gives a page that has none its frame. `known` is where its entry lies, 0 when there is no table for it yet. */
function fillPage(
  space: AddressSpace,
  area: Area,
  address: u64,
  known: VirtAddr,
  isWritten: boolean,
): Result<PhysAddr> {
  const frame = frameFor(area, address, isWritten);
  if (!frame.ok) return frame;
  let place = known;
  if (place === 0n) {
    const made = makeEntry(space.root, address, Page.USER);
    if (!made.ok) {
      releaseFrame(frame.value);
      return err(made.error);
    }
    place = made.value;
  }
  setEntry(place, u64(frame.value | flagsFor(area, frame.value)));
  space.residentPages = u64(space.residentPages + 1n);
  if (area.object !== null && !isWritten) mapNeighbours(space, area, area.object, address);
  return frame;
}

/** Pages that one fault may bring in, all of one aligned stretch. */
const STRETCH = 0x1_0000n;

/**
 * Maps those pages around an address whose frames the area's object has already, as far as they share tables with it: a
 * program's text is mostly used together.
 */
function mapNeighbours(space: AddressSpace, area: Area, object: MemoryObject, address: u64): void {
  const low = greater(u64(address & ~(STRETCH - 1n)), area.start);
  const high = lesser(u64((address & ~(STRETCH - 1n)) + STRETCH), area.end);
  for (let page = low; page < high; page = u64(page + PAGE_SIZE)) {
    const place = findEntry(space.root, page);
    if (place === 0n || mem.load64(place) !== 0n) continue;
    const entry = readEntry(object.root, u64(area.offset + (page - area.start)));
    if (entry === 0n) continue;
    const frame = entryFrame(entry);
    shareFrame(frame);
    setEntry(place, u64(frame | flagsFor(area, frame)));
    space.residentPages = u64(space.residentPages + 1n);
  }
}

/** What an area shows at an address, with a reference for the mapping. A private page that is to be written is a copy. */
function frameFor(area: Area, address: u64, isWritten: boolean): Result<PhysAddr> {
  if (area.object === null) return allocateZeroedFrame();
  const page = objectPage(area.object, u64(area.offset + (address - area.start)));
  if (!page.ok) return page;
  if (isWritten && (area.flags & AreaFlag.SHARED) === 0) return copyOf(page.value);
  shareFrame(page.value);
  return page;
}

function copyOf(frame: PhysAddr): Result<PhysAddr> {
  const copy = allocateFrame();
  if (copy.ok) mem.copy(directMap(copy.value), directMap(frame), PAGE_SIZE);
  return copy;
}

function makeWritable(space: AddressSpace, area: Area, place: VirtAddr, address: u64): Result<PhysAddr> {
  const frame = entryFrame(mem.load64(place));
  const isAlone = (area.flags & AreaFlag.SHARED) !== 0 || frameReferences(frame) === 1;
  let writable = frame;
  if (!isAlone) {
    const copy = copyOf(frame);
    if (!copy.ok) return copy;
    releaseFrame(frame);
    writable = copy.value;
  }
  mem.store64(place, u64(writable | pageFlags(area)));
  if (isLoaded(space)) invalidatePage(address);
  return ok(writable);
}

/**
 * Gives every page of [start, end), a part of an area, the frame that a first use would, their own if they are to be
 * written. Returns where it had to stop, for want of memory or because the area's object has ended, or else `end`.
 */
export function populate(space: AddressSpace, area: Area, start: u64, end: u64, isWritten: boolean): u64 {
  for (let address = start; address < end; address = u64(address + PAGE_SIZE)) {
    const place = findEntry(space.root, address);
    const entry = place === 0n ? 0n : mem.load64(place);
    const isThere = entry !== 0n && (!isWritten || (entry & Page.WRITABLE) !== 0n);
    if (isThere) continue;
    const made =
      entry === 0n ? fillPage(space, area, address, place, isWritten) : makeWritable(space, area, place, address);
    if (!made.ok) return address;
  }
  return end;
}

/** Gives every page of an area its frame; false when it had to stop. */
export function populateArea(space: AddressSpace, area: Area): boolean {
  const isWritten = (area.protection & Protection.WRITE) !== 0 && (area.flags & AreaFlag.SHARED) === 0;
  return populate(space, area, area.start, area.end, isWritten) === area.end;
}

/** True when an area's pages are to be there before they are used: locked ones. */
export function isEagerArea(area: Area): boolean {
  const lock = u32(area.flags & (AreaFlag.LOCKED | AreaFlag.LOCKED_ON_FAULT));
  return lock === AreaFlag.LOCKED && area.protection !== Protection.NONE;
}

/** Brings the page-table entries of an area in line with its protection. */
export function applyProtection(space: AddressSpace, area: Area): void {
  visitEntries(space.root, area.start, area.end, (place, entry) => {
    const frame = entryFrame(entry);
    mem.store64(place, u64(frame | flagsFor(area, frame)));
  });
  flushRange(space, area.start, area.end);
}

/** Fills a part of a space that need not be loaded with zeros; errors as `writeToSpace`. */
export function clearInSpace(space: AddressSpace, address: u64, length: u64): Result<void> {
  let done: u64 = 0n;
  while (done < length) {
    const target = u64(address + done);
    const offset = u64(target & PAGE_OFFSET_MASK);
    const part = lesser(u64(length - done), u64(PAGE_SIZE - offset));
    const frame = writableFrame(space, pageFloor(target));
    if (!frame.ok) return err(frame.error);
    mem.fill(virt(directMap(frame.value) + offset), 0, part);
    done = u64(done + part);
  }
  return ok();
}

/** Writes kernel memory into a space that need not be loaded, page by page; EFAULT, EIO or ENOMEM as `resolvePage`. */
export function writeToSpace(space: AddressSpace, address: u64, source: VirtAddr, length: u64): Result<void> {
  let done: u64 = 0n;
  while (done < length) {
    const target = u64(address + done);
    const offset = u64(target & PAGE_OFFSET_MASK);
    const part = lesser(u64(length - done), u64(PAGE_SIZE - offset));
    const frame = writableFrame(space, pageFloor(target));
    if (!frame.ok) return err(frame.error);
    mem.copy(virt(directMap(frame.value) + offset), virt(source + done), part);
    done = u64(done + part);
  }
  return ok();
}

/** The frame of a page that the kernel is about to fill, whatever protection the program itself gets. */
export function writableFrame(space: AddressSpace, address: u64): Result<PhysAddr> {
  const area = areaAt(space.areas, address);
  if (area === null) return err(Errno.EFAULT);
  const place = findEntry(space.root, address);
  if (place === 0n || mem.load64(place) === 0n) return fillPage(space, area, address, place, true);
  return makeWritable(space, area, place, address);
}

/** The frame behind a user address, or 0 when none is mapped. */
export function frameAt(space: AddressSpace, address: u64): PhysAddr {
  return entryFrame(readEntry(space.root, address));
}
