/** Four-level page tables (SDM vol. 3A 4.5), read and written through the direct map. */
import { cpu, Errno, err, mem, ok, type PhysAddr, phys, type Result, u64, type VirtAddr, virt } from '#dialect';
import { allocateZeroedFrame, releaseFrame } from './frames.ts';
import { directMap, PAGE_SIZE } from './layout.ts';

/** Bits of a page-table entry. */
export const Page = {
  PRESENT: 1n,
  WRITABLE: 1n << 1n,
  USER: 1n << 2n,
  WRITE_THROUGH: 1n << 3n,
  CACHE_DISABLED: 1n << 4n,
  ACCESSED: 1n << 5n,
  DIRTY: 1n << 6n,
  LARGE: 1n << 7n,
  GLOBAL: 1n << 8n,
  NO_EXECUTE: 1n << 63n,
} as const;

export const ENTRY_FRAME_MASK = 0x000f_ffff_ffff_f000n;
const ENTRY_BYTES = 8n;
const TABLE_MASK = 0x1ffn;
/** Bit of the linear address where a table's index starts: 39 for the PML4, 12 for the page table. */
const TOP_SHIFT = 39n;
const LEVEL_BITS = 9n;
const DIRECTORY_SHIFT = 21n;
const LEAF_SHIFT = 12n;
/** Entries 0 to 255 of a PML4 are the user half. */
const USER_TOP_ENTRIES = 256n;

export function entryFrame(entry: u64): PhysAddr {
  return phys(entry & ENTRY_FRAME_MASK);
}

function entryAddress(tableFrame: PhysAddr, address: u64, shift: u64): VirtAddr {
  return virt(directMap(tableFrame) + ((address >> (shift & 63n)) & TABLE_MASK) * ENTRY_BYTES);
}

/**
 * Where the last-level entry of an address lies (in the direct map), or 0 when a table on the way is missing.
 * Must not be asked for addresses below a large page.
 */
export function findEntry(root: PhysAddr, address: u64): VirtAddr {
  let tableFrame = root;
  for (let shift: u64 = TOP_SHIFT; shift > LEAF_SHIFT; shift = u64(shift - LEVEL_BITS)) {
    const entry = mem.load64(entryAddress(tableFrame, address, shift));
    if ((entry & Page.PRESENT) === 0n) return virt(0n);
    tableFrame = entryFrame(entry);
  }
  return entryAddress(tableFrame, address, LEAF_SHIFT);
}

/** As `findEntry`, but makes missing tables. Tables made before an ENOMEM stay; freeing the space frees them. */
export function makeEntry(root: PhysAddr, address: u64, tableFlags: u64): Result<VirtAddr> {
  return makeEntryAt(root, address, tableFlags, LEAF_SHIFT);
}

/** Where the page-directory entry of a 2 MiB kernel page lies; ENOMEM. */
export function makeLargeEntry(root: PhysAddr, address: u64): Result<VirtAddr> {
  return makeEntryAt(root, address, 0n, DIRECTORY_SHIFT);
}

function makeEntryAt(root: PhysAddr, address: u64, tableFlags: u64, leafShift: u64): Result<VirtAddr> {
  let tableFrame = root;
  for (let shift: u64 = TOP_SHIFT; shift > leafShift; shift = u64(shift - LEVEL_BITS)) {
    const place = entryAddress(tableFrame, address, shift);
    const entry = mem.load64(place);
    if ((entry & Page.PRESENT) !== 0n) {
      tableFrame = entryFrame(entry);
      continue;
    }
    const made = allocateZeroedFrame();
    if (!made.ok) return err(Errno.ENOMEM);
    tableFrame = made.value;
    mem.store64(place, u64(tableFrame | tableFlags | Page.PRESENT | Page.WRITABLE));
  }
  return ok(entryAddress(tableFrame, address, leafShift));
}

/**
 * The lowest page in [start, end) whose last-level entry is not zero, or `end`. Where a table is missing,
 * all the addresses it would serve are passed over at once.
 */
export function nextMappedPage(root: PhysAddr, start: u64, end: u64): u64 {
  let address = start;
  while (address < end) {
    let tableFrame = root;
    let shift: u64 = TOP_SHIFT;
    let entry = mem.load64(entryAddress(tableFrame, address, shift));
    while (shift > LEAF_SHIFT && (entry & Page.PRESENT) !== 0n) {
      tableFrame = entryFrame(entry);
      shift = u64(shift - LEVEL_BITS);
      entry = mem.load64(entryAddress(tableFrame, address, shift));
    }
    if (shift === LEAF_SHIFT && entry !== 0n) return address;
    const span = spanOf(shift);
    address = u64((address & ~(span - 1n)) + span);
  }
  return end;
}

/** Bytes that one entry of a table serves. */
function spanOf(shift: u64): u64 {
  if (shift === LEAF_SHIFT) return PAGE_SIZE;
  if (shift === DIRECTORY_SHIFT) return 0x20_0000n;
  if (shift === 30n) return 0x4000_0000n;
  return 0x80_0000_0000n;
}

/** The last-level entry of an address, 0 when nothing is mapped there. */
export function readEntry(root: PhysAddr, address: u64): u64 {
  const place = findEntry(root, address);
  return place === 0n ? 0n : mem.load64(place);
}

/** Maps one page for the kernel. Returns ENOMEM when a table cannot be made. */
export function mapKernelPage(root: PhysAddr, address: u64, frame: PhysAddr, flags: u64): Result<void> {
  const place = makeEntry(root, address, 0n);
  if (!place.ok) return err(place.error);
  mem.store64(place.value, u64(frame | flags | Page.PRESENT | Page.GLOBAL));
  return ok();
}

/** Removes one page's entry and returns what it held. The caller invalidates the TLB and releases the frame. */
export function clearEntry(root: PhysAddr, address: u64): u64 {
  const place = findEntry(root, address);
  if (place === 0n) return 0n;
  const entry = mem.load64(place);
  mem.store64(place, 0n);
  return entry;
}

/** Drops this processor's cached translation of one page. */
export function invalidatePage(address: u64): void {
  cpu.invlpg(virt(address));
}

/**
 * Releases every user page and user table below a root, and empties the user half.
 * The root must not be loaded, or the caller flushes the TLB before any freed frame is used again.
 */
export function releaseUserTables(root: PhysAddr): void {
  for (let index: u64 = 0n; index < USER_TOP_ENTRIES; index = u64(index + 1n)) {
    const place = virt(directMap(root) + index * ENTRY_BYTES);
    const entry = mem.load64(place);
    if ((entry & Page.PRESENT) === 0n) continue;
    releaseTable(entryFrame(entry), TOP_SHIFT - LEVEL_BITS);
    mem.store64(place, 0n);
  }
}

function releaseTable(tableFrame: PhysAddr, shift: u64): void {
  const start = directMap(tableFrame);
  for (let offset: u64 = 0n; offset < PAGE_SIZE; offset = u64(offset + ENTRY_BYTES)) {
    const entry = mem.load64(virt(start + offset));
    if ((entry & Page.PRESENT) === 0n) continue;
    if (shift === LEAF_SHIFT) releaseFrame(entryFrame(entry));
    else releaseTable(entryFrame(entry), u64(shift - LEVEL_BITS));
  }
  releaseFrame(tableFrame);
}
