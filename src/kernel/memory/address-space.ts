/** Address spaces: a page-table root, the areas it serves, and the pages behind them, copied on write after fork. */
import {
  addressOf,
  assert,
  constructAt,
  cpu,
  Errno,
  embed,
  err,
  mem,
  ok,
  type PhysAddr,
  phys,
  type Result,
  sizeOf,
  u32,
  u64,
  type VirtAddr,
  virt,
} from '#dialect';
import { type Area, AreaFlag, AreaList, areaAt, freeArea, linkArea, newArea, Protection, unlinkArea } from './area.ts';
import { allocateFrame, allocateZeroedFrame, frameReferences, releaseFrame, shareFrame } from './frames.ts';
import { directMap, lesser, PAGE_OFFSET_MASK, PAGE_SIZE, pageFloor } from './layout.ts';
import {
  clearEntry,
  entryFrame,
  findEntry,
  invalidatePage,
  makeEntry,
  nextMappedPage,
  Page,
  readEntry,
  releaseUserTables,
} from './page-table.ts';
import { ObjectCache } from './slab.ts';

export class AddressSpace {
  root: PhysAddr = phys(0n);
  /** Never used twice: names the space in futex keys. */
  id: u64 = 0n;
  /** Processes that run in it, and kernel code that holds on to it. The last one to let go frees it. */
  references: u32 = 0;
  areas: AreaList = embed(AreaList);
  /** The program break: [heapStart, heapEnd) is what brk(2) has given out. */
  heapStart: u64 = 0n;
  heapEnd: u64 = 0n;
  /** User pages that have a frame. */
  residentPages: u64 = 0n;
}

/** How an instruction touched memory. */
export const Access = { READ: 1, WRITE: 2, EXECUTE: 4 } as const;

/** The kernel half of a PML4: bytes 2048 to 4095. */
const KERNEL_HALF = 2048n;

const spaces = new ObjectCache(sizeOf(AddressSpace));
let kernelRoot: PhysAddr = phys(0n);
let nextId: u64 = 1n;

/** Names the page-table root whose kernel half every address space shares. */
export function setKernelRoot(root: PhysAddr): void {
  kernelRoot = root;
}

export function getKernelRoot(): PhysAddr {
  return kernelRoot;
}

/** Address spaces alive. */
export function addressSpaceCount(): u32 {
  return spaces.allocated;
}

/** An empty address space with one reference; ENOMEM. */
export function createAddressSpace(): Result<AddressSpace> {
  const memory = spaces.allocate();
  if (!memory.ok) return err(memory.error);
  const root = allocateZeroedFrame();
  if (!root.ok) {
    spaces.release(memory.value);
    return err(root.error);
  }
  const kernelHalf = virt(directMap(kernelRoot) + KERNEL_HALF);
  mem.copy(virt(directMap(root.value) + KERNEL_HALF), kernelHalf, KERNEL_HALF);
  const space = constructAt(AddressSpace, memory.value);
  space.root = root.value;
  space.id = nextId;
  nextId = u64(nextId + 1n);
  space.references = 1;
  return ok(space);
}

export function retainAddressSpace(space: AddressSpace): void {
  space.references = u32(space.references + 1);
}

/** Lets go of a space; the last reference frees its pages, tables and areas. It must not be loaded then. */
export function releaseAddressSpace(space: AddressSpace): void {
  space.references = u32(space.references - 1);
  if (space.references > 0) return;
  assert(!isLoaded(space), 'the loaded address space is freed');
  let area = space.areas.first;
  while (area !== null) {
    const next: Area | null = area.next;
    freeArea(area);
    area = next;
  }
  releaseUserTables(space.root);
  releaseFrame(space.root);
  spaces.release(addressOf(space));
}

function isLoaded(space: AddressSpace): boolean {
  return cpu.readCr3() === space.root;
}

export function loadAddressSpace(space: AddressSpace): void {
  cpu.writeCr3(space.root);
}

/** Loads the kernel's own tables: nothing is mapped in the user half. */
export function loadKernelSpace(): void {
  cpu.writeCr3(kernelRoot);
}

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

function allows(area: Area, access: u32): boolean {
  if (access === Access.WRITE) return (area.protection & Protection.WRITE) !== 0;
  if (access === Access.EXECUTE) return (area.protection & Protection.EXECUTE) !== 0;
  return area.protection !== Protection.NONE;
}

/**
 * Makes one page ready for an access: a zeroed frame for a page not touched before, a copy of a shared one for a write.
 * Returns the frame. EFAULT: no area, or its protection forbids it. ENOMEM: no frame.
 */
export function resolvePage(space: AddressSpace, address: u64, access: u32): Result<PhysAddr> {
  const area = areaAt(space.areas, address);
  if (area === null || !allows(area, access)) return err(Errno.EFAULT);
  const place = makeEntry(space.root, address, Page.USER);
  if (!place.ok) return err(place.error);
  const entry = mem.load64(place.value);
  if (entry === 0n) return fillPage(space, area, place.value);
  const frame = entryFrame(entry);
  if (access !== Access.WRITE || (entry & Page.WRITABLE) !== 0n) {
    mem.store64(place.value, u64(entry | (flagsFor(area, frame) & ~Page.WRITABLE)));
    return ok(frame);
  }
  return makeWritable(space, area, place.value, address);
}

function fillPage(space: AddressSpace, area: Area, place: VirtAddr): Result<PhysAddr> {
  const frame = allocateZeroedFrame();
  if (!frame.ok) return frame;
  mem.store64(place, u64(frame.value | pageFlags(area)));
  space.residentPages = u64(space.residentPages + 1n);
  return frame;
}

function makeWritable(space: AddressSpace, area: Area, place: VirtAddr, address: u64): Result<PhysAddr> {
  const frame = entryFrame(mem.load64(place));
  const isAlone = (area.flags & AreaFlag.SHARED) !== 0 || frameReferences(frame) === 1;
  let writable = frame;
  if (!isAlone) {
    const copy = allocateFrame();
    if (!copy.ok) return copy;
    mem.copy(directMap(copy.value), directMap(frame), PAGE_SIZE);
    releaseFrame(frame);
    writable = copy.value;
  }
  mem.store64(place, u64(writable | pageFlags(area)));
  if (isLoaded(space)) invalidatePage(address);
  return ok(writable);
}

/** Gives every page of [start, end), a part of an area, its frame now; ENOMEM leaves some without. */
export function populate(space: AddressSpace, area: Area, start: u64, end: u64): Result<void> {
  for (let address = start; address < end; address = u64(address + PAGE_SIZE)) {
    const place = makeEntry(space.root, address, Page.USER);
    if (!place.ok) return err(place.error);
    if (mem.load64(place.value) !== 0n) continue;
    const filled = fillPage(space, area, place.value);
    if (!filled.ok) return err(filled.error);
  }
  return ok();
}

/** Takes the pages of [start, end) away. Areas are the caller's business. */
export function releasePages(space: AddressSpace, start: u64, end: u64): void {
  const isCurrent = isLoaded(space);
  let address = nextMappedPage(space.root, start, end);
  while (address < end) {
    const entry = clearEntry(space.root, address);
    if (isCurrent) invalidatePage(address);
    releaseFrame(entryFrame(entry));
    space.residentPages = u64(space.residentPages - 1n);
    address = nextMappedPage(space.root, u64(address + PAGE_SIZE), end);
  }
}

/** Brings the page-table entries of an area in line with its protection. */
export function applyProtection(space: AddressSpace, area: Area): void {
  const isCurrent = isLoaded(space);
  let address = nextMappedPage(space.root, area.start, area.end);
  while (address < area.end) {
    const place = findEntry(space.root, address);
    const frame = entryFrame(mem.load64(place));
    mem.store64(place, u64(frame | flagsFor(area, frame)));
    if (isCurrent) invalidatePage(address);
    address = nextMappedPage(space.root, u64(address + PAGE_SIZE), area.end);
  }
}

/** A copy for fork: same areas; private pages become read-only in both and are copied by whoever writes first. ENOMEM. */
export function forkAddressSpace(source: AddressSpace): Result<AddressSpace> {
  const created = createAddressSpace();
  if (!created.ok) return created;
  const copy = created.value;
  copy.heapStart = source.heapStart;
  copy.heapEnd = source.heapEnd;
  let area = source.areas.first;
  while (area !== null) {
    const shared = shareArea(source, copy, area);
    if (!shared.ok) {
      flushIfLoaded(source);
      releaseAddressSpace(copy);
      return err(shared.error);
    }
    area = area.next;
  }
  flushIfLoaded(source);
  return ok(copy);
}

function flushIfLoaded(space: AddressSpace): void {
  if (isLoaded(space)) loadAddressSpace(space);
}

function shareArea(source: AddressSpace, copy: AddressSpace, area: Area): Result<void> {
  const twin = newArea(area.start, area.end, area.protection, area.flags);
  if (!twin.ok) return err(twin.error);
  linkArea(copy.areas, twin.value);
  const isShared = (area.flags & AreaFlag.SHARED) !== 0;
  let address = nextMappedPage(source.root, area.start, area.end);
  while (address < area.end) {
    const place = findEntry(source.root, address);
    const entry = mem.load64(place);
    const other = makeEntry(copy.root, address, Page.USER);
    if (!other.ok) return err(other.error);
    const mapped = isShared ? entry : u64(entry & ~Page.WRITABLE);
    shareFrame(entryFrame(entry));
    mem.store64(place, mapped);
    mem.store64(other.value, mapped);
    copy.residentPages = u64(copy.residentPages + 1n);
    address = nextMappedPage(source.root, u64(address + PAGE_SIZE), area.end);
  }
  return ok();
}

/** Writes kernel memory into a space that need not be loaded, page by page; EFAULT or ENOMEM as `resolvePage`. */
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
function writableFrame(space: AddressSpace, address: u64): Result<PhysAddr> {
  const area = areaAt(space.areas, address);
  if (area === null) return err(Errno.EFAULT);
  const place = makeEntry(space.root, address, Page.USER);
  if (!place.ok) return err(place.error);
  if (mem.load64(place.value) === 0n) return fillPage(space, area, place.value);
  return makeWritable(space, area, place.value, address);
}

/** The frame behind a user address, or 0 when none is mapped. */
export function frameAt(space: AddressSpace, address: u64): PhysAddr {
  return entryFrame(readEntry(space.root, address));
}

/** Removes an area and its pages. */
export function removeArea(space: AddressSpace, area: Area): void {
  unlinkArea(space.areas, area);
  releasePages(space, area.start, area.end);
  freeArea(area);
}
