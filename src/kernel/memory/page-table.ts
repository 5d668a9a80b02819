/**
 * Four-level page tables (SDM vol. 3A 4.5), read and written through the direct map. Each table's frame counts its entries
 * in use; a table whose last entry goes is
 * freed, except the page-directory-pointer tables of the kernel half, whose addresses every root has a copy of.
 */
import {
  cpu,
  Errno,
  err,
  i32,
  mem,
  ok,
  type PhysAddr,
  phys,
  type Result,
  u32,
  u64,
  type VirtAddr,
  virt,
} from '#dialect';
import {
  allocateZeroedFrame,
  countEntries,
  entriesInUse,
  releaseFrame,
  releaseZeroedFrame,
  shareFrame,
} from './frames.ts';
import { directMap, directMapped, lesser, PAGE_OFFSET_MASK, PAGE_SIZE, USER_END } from './layout.ts';

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
/** Bytes of addresses that one last-level table serves. */
const TABLE_SPAN = 0x20_0000n;

export function entryFrame(entry: u64): PhysAddr {
  return phys(entry & ENTRY_FRAME_MASK);
}

function entryAddress(tableFrame: PhysAddr, address: u64, shift: u64): VirtAddr {
  return virt(directMap(tableFrame) + ((address >> (shift & 63n)) & TABLE_MASK) * ENTRY_BYTES);
}

/** The frame of the table that an entry lies in. */
function tableOf(place: VirtAddr): PhysAddr {
  return directMapped(virt(place & ~PAGE_OFFSET_MASK));
}

/**
 * Where the last-level entry of an address lies (in the direct map), or 0 when a table on the way is missing.
 * Must not be asked for addresses below a large page.
 */
export function findEntry(root: PhysAddr, address: u64): VirtAddr {
  return findEntryAt(root, address, LEAF_SHIFT);
}

function findEntryAt(root: PhysAddr, address: u64, leafShift: u64): VirtAddr {
  let tableFrame = root;
  for (let shift: u64 = TOP_SHIFT; shift > leafShift; shift = u64(shift - LEVEL_BITS)) {
    const entry = mem.load64(entryAddress(tableFrame, address, shift));
    if ((entry & Page.PRESENT) === 0n) return virt(0n);
    tableFrame = entryFrame(entry);
  }
  return entryAddress(tableFrame, address, leafShift);
}

/** As `findEntry`, but makes missing tables; the caller then puts an entry there with `setEntry`. ENOMEM leaves none made. */
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
    if (!made.ok) {
      freeEmptyTables(root, address);
      // The processor may have looked at the tables already (SDM vol. 3A 4.10.3).
      invalidatePage(address);
      return err(Errno.ENOMEM);
    }
    tableFrame = made.value;
    setEntry(place, u64(tableFrame | tableFlags | Page.PRESENT | Page.WRITABLE));
  }
  return ok(entryAddress(tableFrame, address, leafShift));
}

/** Puts something into an entry that was zero. */
export function setEntry(place: VirtAddr, entry: u64): void {
  mem.store64(place, entry);
  countEntries(tableOf(place), 1);
}

/** Frees the tables on the way to an address that have no entry, from the last level up. */
function freeEmptyTables(root: PhysAddr, address: u64): void {
  const highest = address < USER_END ? TOP_SHIFT : u64(TOP_SHIFT - LEVEL_BITS);
  for (let shift: u64 = DIRECTORY_SHIFT; shift <= highest; shift = u64(shift + LEVEL_BITS)) {
    const place = findEntryAt(root, address, shift);
    const entry = place === 0n ? 0n : mem.load64(place);
    if (entry === 0n) continue;
    if (entriesInUse(entryFrame(entry)) > 0) return;
    mem.store64(place, 0n);
    countEntries(tableOf(place), -1);
    releaseZeroedFrame(entryFrame(entry));
  }
}

/** Bytes that one entry of a table serves. */
function spanOf(shift: u64): u64 {
  return u64(1n << (shift & 63n));
}

/**
 * The lowest address in [start, end) that has a last-level table, or `end`. Where a table is missing, all the addresses it
 * would serve are passed over at once.
 */
function nextTable(root: PhysAddr, start: u64, end: u64): u64 {
  let address = start;
  while (address < end) {
    let tableFrame = root;
    let shift: u64 = TOP_SHIFT;
    let entry = mem.load64(entryAddress(tableFrame, address, shift));
    while (shift > DIRECTORY_SHIFT && (entry & Page.PRESENT) !== 0n) {
      tableFrame = entryFrame(entry);
      shift = u64(shift - LEVEL_BITS);
      entry = mem.load64(entryAddress(tableFrame, address, shift));
    }
    if ((entry & Page.PRESENT) !== 0n) return address;
    const span = spanOf(shift);
    address = u64((address & ~(span - 1n)) + span);
  }
  return end;
}

/** Where the addresses that share a table with `address` end, or `end`. */
function tableEnd(address: u64, end: u64): u64 {
  return lesser(u64((address & ~(TABLE_SPAN - 1n)) + TABLE_SPAN), end);
}

/** Calls `visit` for every entry in use of [start, end), which may change it but not to zero. */
export function visitEntries(
  root: PhysAddr,
  start: u64,
  end: u64,
  visit: (place: VirtAddr, entry: u64, address: u64) => void,
): void {
  for (let address = nextTable(root, start, end); address < end; address = nextTable(root, address, end)) {
    const last = tableEnd(address, end);
    let place = findEntry(root, address);
    while (address < last) {
      const entry = mem.load64(place);
      if (entry !== 0n) visit(place, entry, address);
      place = virt(place + ENTRY_BYTES);
      address = u64(address + PAGE_SIZE);
    }
  }
}

/** Empties [start, end) and releases its frames; returns how many there were. The caller drops cached translations. */
export function releaseRange(root: PhysAddr, start: u64, end: u64): u32 {
  let released: u32 = 0;
  let address = nextTable(root, start, end);
  while (address < end) {
    const last = tableEnd(address, end);
    const count = releaseEntries(findEntry(root, address), u64(u64(last - address) >> LEAF_SHIFT));
    if (count > 0) freeEmptyTables(root, address);
    released = u32(released + count);
    address = nextTable(root, last, end);
  }
  return released;
}

function releaseEntries(first: VirtAddr, count: u64): u32 {
  const table = tableOf(first);
  const end = u64(first + count * ENTRY_BYTES);
  const before = entriesInUse(table);
  let left = before;
  for (let place: u64 = first; place < end && left > 0; place = u64(place + ENTRY_BYTES)) {
    const entry = mem.load64(virt(place));
    if (entry === 0n) continue;
    mem.store64(virt(place), 0n);
    releaseFrame(entryFrame(entry));
    left = u32(left - 1);
  }
  const released = u32(before - left);
  countEntries(table, i32(-released));
  return released;
}

/**
 * Gives the pages of [start, end) to a second root as well, with only those bits of each entry that `kept` has, in both.
 * Returns how many there were; ENOMEM leaves some shared. The caller drops cached translations.
 */
export function shareRange(source: PhysAddr, target: PhysAddr, start: u64, end: u64, kept: u64): Result<u32> {
  let shared: u32 = 0;
  let address = nextTable(source, start, end);
  while (address < end) {
    const last = tableEnd(address, end);
    const from = findEntry(source, address);
    const limit = virt(from + (u64(last - address) >> LEAF_SHIFT) * ENTRY_BYTES);
    const first = firstInUse(from, limit);
    if (first < limit) {
      const place = makeEntry(target, address, Page.USER);
      if (!place.ok) return err(place.error);
      const to = virt(place.value + (first - from));
      shared = u32(shared + shareEntries(first, limit, to, kept));
    }
    address = nextTable(source, last, end);
  }
  return ok(shared);
}

function firstInUse(first: VirtAddr, limit: VirtAddr): VirtAddr {
  let place = first;
  while (place < limit && mem.load64(place) === 0n) place = virt(place + ENTRY_BYTES);
  return place;
}

function shareEntries(first: VirtAddr, limit: VirtAddr, target: VirtAddr, kept: u64): u32 {
  let left = entriesInUse(tableOf(first));
  let shared: u32 = 0;
  let to = target;
  for (let place = first; place < limit && left > 0; place = virt(place + ENTRY_BYTES)) {
    const entry = mem.load64(place);
    if (entry !== 0n) {
      const both = u64(entry & kept);
      shareFrame(entryFrame(entry));
      mem.store64(to, both);
      if (both !== entry) mem.store64(place, both);
      shared = u32(shared + 1);
      left = u32(left - 1);
    }
    to = virt(to + ENTRY_BYTES);
  }
  countEntries(tableOf(target), i32(shared));
  return shared;
}

/**
 * Moves the entries of [from, from + length) to [to, to + length), a range without any. ENOMEM: nothing has moved.
 * The caller drops cached translations.
 */
export function moveRange(root: PhysAddr, from: u64, to: u64, length: u64): Result<void> {
  let failed = false;
  let copied: u64 = 0n;
  visitEntries(root, from, u64(from + length), (_place, entry, address) => {
    if (failed) return;
    const target = makeEntry(root, u64(to + (address - from)), Page.USER);
    if (target.ok) setEntry(target.value, entry);
    else failed = true;
    if (target.ok) copied = u64(address + PAGE_SIZE - from);
  });
  if (!failed) forgetRange(root, from, u64(from + length));
  else forgetRange(root, to, u64(to + copied));
  return failed ? err(Errno.ENOMEM) : ok();
}

/** Empties [start, end) without releasing the frames. */
function forgetRange(root: PhysAddr, start: u64, end: u64): void {
  visitEntries(root, start, end, (_place, entry) => shareFrame(entryFrame(entry)));
  releaseRange(root, start, end);
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
  setEntry(place.value, u64(frame | flags | Page.PRESENT | Page.GLOBAL));
  return ok();
}

/** Drops this processor's cached translation of one page. */
export function invalidatePage(address: u64): void {
  cpu.invlpg(virt(address));
}
