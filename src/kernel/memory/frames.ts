/**
 * Physical frames: who uses each, and which are free. A record per frame lives in a table at the start of RAM's first
 * usable range that holds it. Frames come from the free lists, else from the untouched rest of the ranges, so memory that
 * is never used is never written.
 */
import {
  array,
  assert,
  Errno,
  err,
  f32,
  type i32,
  mem,
  ok,
  type PhysAddr,
  phys,
  type Result,
  struct,
  u32,
  u64,
  type VirtAddr,
  virt,
} from '#dialect';
import { directMap, greater, PAGE_SHIFT, PAGE_SIZE, pageCeiling, pageFloor } from './layout.ts';

/**
 * `references` counts the mappings and owners of a used frame. `link` is the next free frame's number in a free one, and
 * the number of entries in use in one that holds a page table.
 */
const FrameRecord = struct({ references: f32, link: f32 });

const MAX_RANGES = 16;
/** Frame 0 is never handed out, so its number ends lists. */
const NO_FRAME = 0;
/** The first MiB stays with the firmware and the boot protocol. */
const LOWEST_USABLE = 0x10_0000n;

const rangeStart = array(u64, MAX_RANGES);
const rangeEnd = array(u64, MAX_RANGES);
let rangeCount: u32 = 0;
let currentRange: u32 = 0;
let memoryEnd: u64 = 0n;
let table: VirtAddr = virt(0n);
let freeList: u32 = NO_FRAME;
/** Free frames that are known to hold zeros. */
let zeroList: u32 = NO_FRAME;
let free: u64 = 0n;
let total: u64 = 0n;

function recordAddress(number: u32): VirtAddr {
  return virt(table + u64(number) * u64(FrameRecord.size));
}

function frameNumber(address: PhysAddr): u32 {
  return u32(address >> PAGE_SHIFT);
}

function frameAddress(number: u32): PhysAddr {
  return phys(u64(number) << PAGE_SHIFT);
}

/** Forgets every range; the first step of building the allocator. */
export function resetFrames(): void {
  rangeCount = 0;
  memoryEnd = 0n;
  currentRange = 0;
  freeList = NO_FRAME;
  zeroList = NO_FRAME;
  free = 0n;
  total = 0n;
}

/** Adds usable RAM [start, end), rounded inwards to whole frames. */
export function addUsableRange(start: u64, end: u64): void {
  const first = pageCeiling(greater(start, LOWEST_USABLE));
  const last = pageFloor(end);
  if (first >= last || rangeCount === MAX_RANGES) return;
  memoryEnd = greater(memoryEnd, last);
  rangeStart[rangeCount] = first;
  rangeEnd[rangeCount] = last;
  rangeCount = u32(rangeCount + 1);
}

/** Takes [start, end) out of the usable ranges: the kernel image, the initramfs, what the boot protocol left. */
export function reserveRange(start: u64, end: u64): void {
  const first = pageFloor(start);
  const last = pageCeiling(end);
  const count = rangeCount;
  for (let index: u32 = 0; index < count; index++) {
    const low = rangeStart[index]!;
    const high = rangeEnd[index]!;
    if (last <= low || first >= high) continue;
    rangeEnd[index] = greater(first, low);
    if (last < high) addUsableRange(last, high);
  }
}

/** Places the frame table and opens the allocator. ENOMEM: no range can hold the table. */
export function openFrames(): Result<void> {
  const bytes = pageCeiling(u64((usableMemoryEnd() >> PAGE_SHIFT) * u64(FrameRecord.size)));
  for (let index: u32 = 0; index < rangeCount; index++) {
    const start = rangeStart[index]!;
    if (u64(rangeEnd[index]! - start) < bytes) continue;
    table = directMap(phys(start));
    rangeStart[index] = u64(start + bytes);
    countFrames();
    return ok();
  }
  return err(Errno.ENOMEM);
}

/** The end of the highest usable range, reserved parts included. */
export function usableMemoryEnd(): u64 {
  return memoryEnd;
}

function countFrames(): void {
  total = 0n;
  for (let index: u32 = 0; index < rangeCount; index++) {
    total = u64(total + (u64(rangeEnd[index]! - rangeStart[index]!) >> PAGE_SHIFT));
  }
  free = total;
}

/** A frame with one reference and undefined contents. */
export function allocateFrame(): Result<PhysAddr> {
  let number = freeList;
  if (number !== NO_FRAME) freeList = FrameRecord.at(recordAddress(number)).link;
  else number = takeUntouched();
  return number !== NO_FRAME ? handOut(number) : takeZeroed();
}

function handOut(number: u32): Result<PhysAddr> {
  const entry = FrameRecord.at(recordAddress(number));
  entry.references = 1;
  entry.link = 0;
  free = u64(free - 1n);
  return ok(frameAddress(number));
}

function takeZeroed(): Result<PhysAddr> {
  const number = zeroList;
  if (number === NO_FRAME) return err(Errno.ENOMEM);
  zeroList = FrameRecord.at(recordAddress(number)).link;
  return handOut(number);
}

function takeUntouched(): u32 {
  while (currentRange < rangeCount) {
    const start = rangeStart[currentRange]!;
    if (start < rangeEnd[currentRange]!) {
      rangeStart[currentRange] = u64(start + PAGE_SIZE);
      return frameNumber(phys(start));
    }
    currentRange = u32(currentRange + 1);
  }
  return NO_FRAME;
}

/** A frame of zeros with one reference. */
export function allocateZeroedFrame(): Result<PhysAddr> {
  if (zeroList !== NO_FRAME) return takeZeroed();
  const frame = allocateFrame();
  if (frame.ok) mem.fill(directMap(frame.value), 0, PAGE_SIZE);
  return frame;
}

/** One more owner or mapping for a used frame. */
export function shareFrame(address: PhysAddr): void {
  const entry = FrameRecord.at(recordAddress(frameNumber(address)));
  assert(entry.references > 0, 'a free frame is shared');
  entry.references = u32(entry.references + 1);
}

/** Counts a mapping of a frame that was reserved at boot: it stays reserved when that is gone. */
export function shareReservedFrame(address: PhysAddr): void {
  const entry = FrameRecord.at(recordAddress(frameNumber(address)));
  entry.references = 2;
}

/** One owner or mapping less; the last one frees the frame. */
export function releaseFrame(address: PhysAddr): void {
  const number = frameNumber(address);
  const entry = FrameRecord.at(recordAddress(number));
  const references = entry.references;
  assert(references > 0, 'a free frame is released');
  entry.references = u32(references - 1);
  if (references > 1) return;
  entry.link = freeList;
  freeList = number;
  free = u64(free + 1n);
}

/** Frees a frame that has one owner and holds nothing but zeros. */
export function releaseZeroedFrame(address: PhysAddr): void {
  const number = frameNumber(address);
  const entry = FrameRecord.at(recordAddress(number));
  assert(entry.references === 1, 'a zeroed frame has other owners');
  entry.references = 0;
  entry.link = zeroList;
  zeroList = number;
  free = u64(free + 1n);
}

/** Entries in use in the page table that a frame holds. */
export function entriesInUse(table: PhysAddr): u32 {
  return FrameRecord.at(recordAddress(frameNumber(table))).link;
}

/** Counts more entries in use in the page table that a frame holds, or, negative, fewer. */
export function countEntries(table: PhysAddr, change: i32): void {
  const entry = FrameRecord.at(recordAddress(frameNumber(table)));
  entry.link = u32(entry.link + change);
}

export function frameReferences(address: PhysAddr): u32 {
  return FrameRecord.at(recordAddress(frameNumber(address))).references;
}

/** Frames that can still be allocated. */
export function freeFrameCount(): u64 {
  return free;
}

/** Frames managed in all, the frame table's own excluded. */
export function totalFrameCount(): u64 {
  return total;
}
