/** Address spaces: a page-table root and the areas it serves. The pages behind them are the business of user-pages.ts. */
import {
  addressOf,
  assert,
  constructAt,
  cpu,
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
  virt,
} from '#dialect';
import { type Area, AreaFlag, AreaList, attachObject, freeArea, linkArea, newArea, unlinkArea } from './area.ts';
import { allocateZeroedFrame, releaseFrame } from './frames.ts';
import {
  DEFAULT_STACK_LIMIT,
  directMap,
  greater,
  lesser,
  PAGE_SIZE,
  pageFloor,
  STACK_GUARD_BYTES,
  STACK_TOP,
} from './layout.ts';
import { newIdentity } from './object.ts';
import { invalidatePage, Page, releaseRange, shareRange } from './page-table.ts';
import { ObjectCache } from './slab.ts';

/** Least and most room that is kept free below the stack's end when mmap looks for addresses (arch/x86/mm/mmap.c). */
const LEAST_STACK_ROOM = 0x800_0000n;
const MOST_STACK_ROOM = u64((STACK_TOP / 6n) * 5n);

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
  /** mmap gives out addresses below this one, highest first. */
  mapTop: u64 = 0n;
  /** RLIMIT_STACK: a stack that grows stays within so many bytes. */
  stackLimit: u64 = DEFAULT_STACK_LIMIT;
  /** AreaFlag.LOCKED when mlockall(MCL_FUTURE) holds, else 0: joins the flags of every new area. */
  futureFlags: u32 = 0;
  /** Where exec put the argument strings. */
  argumentsStart: u64 = 0n;
  argumentsEnd: u64 = 0n;
  /** User pages that have a frame. */
  residentPages: u64 = 0n;
}

/** The kernel half of a PML4: bytes 2048 to 4095. */
const KERNEL_HALF = 2048n;
const ALL_BITS = 0xffff_ffff_ffff_ffffn;
/** Beyond so many pages the whole TLB is flushed instead. */
const MOST_SINGLE_FLUSHES = 32n;

const spaces = new ObjectCache(sizeOf(AddressSpace));
let kernelRoot: PhysAddr = phys(0n);

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
  space.id = newIdentity();
  space.references = 1;
  setStackLimit(space, DEFAULT_STACK_LIMIT);
  return ok(space);
}

/** Sets how far the stack may grow, and keeps mmap's addresses out of its way. */
export function setStackLimit(space: AddressSpace, limit: u64): void {
  space.stackLimit = limit;
  const room = lesser(greater(limit, LEAST_STACK_ROOM), MOST_STACK_ROOM);
  space.mapTop = pageFloor(u64(STACK_TOP - room - STACK_GUARD_BYTES));
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
    releaseRange(space.root, area.start, area.end);
    freeArea(area);
    area = next;
  }
  releaseFrame(space.root);
  spaces.release(addressOf(space));
}

export function isLoaded(space: AddressSpace): boolean {
  return cpu.readCr3() === space.root;
}

export function loadAddressSpace(space: AddressSpace): void {
  cpu.writeCr3(space.root);
}

/** Loads the kernel's own tables: nothing is mapped in the user half. */
export function loadKernelSpace(): void {
  cpu.writeCr3(kernelRoot);
}

/** Drops cached translations of [start, end), a range whose entries have lost rights or frames. */
export function flushRange(space: AddressSpace, start: u64, end: u64): void {
  if (!isLoaded(space)) return;
  if (u64(end - start) > MOST_SINGLE_FLUSHES * PAGE_SIZE) {
    loadAddressSpace(space);
    return;
  }
  for (let address = start; address < end; address = u64(address + PAGE_SIZE)) invalidatePage(address);
}

/** Takes the pages of [start, end) away. Areas are the caller's business. */
export function releasePages(space: AddressSpace, start: u64, end: u64): void {
  const released = releaseRange(space.root, start, end);
  if (released === 0) return;
  space.residentPages = u64(space.residentPages - u64(released));
  flushRange(space, start, end);
}

/** Removes an area and its pages. */
export function removeArea(space: AddressSpace, area: Area): void {
  unlinkArea(space.areas, area);
  releasePages(space, area.start, area.end);
  freeArea(area);
}

/** A copy for fork: same areas; private pages become read-only in both and are copied by whoever writes first. ENOMEM. */
export function forkAddressSpace(source: AddressSpace): Result<AddressSpace> {
  const created = createAddressSpace();
  if (!created.ok) return created;
  const copy = created.value;
  copy.heapStart = source.heapStart;
  copy.heapEnd = source.heapEnd;
  copy.argumentsStart = source.argumentsStart;
  copy.argumentsEnd = source.argumentsEnd;
  copy.mapTop = source.mapTop;
  copy.stackLimit = source.stackLimit;
  let shared: Result<void> = ok();
  let area = source.areas.first;
  while (area !== null && shared.ok) {
    if ((area.flags & AreaFlag.NOT_FORKED) === 0) shared = shareArea(source, copy, area);
    area = area.next;
  }
  if (isLoaded(source)) loadAddressSpace(source);
  if (shared.ok) return ok(copy);
  releaseAddressSpace(copy);
  return err(shared.error);
}

/** Locks are not inherited (mlock(2)). */
function shareArea(source: AddressSpace, copy: AddressSpace, area: Area): Result<void> {
  const twin = newArea(area.start, area.end, area.protection, u32(area.flags & ~AreaFlag.LOCKED));
  if (!twin.ok) return err(twin.error);
  if (area.object !== null) attachObject(twin.value, area.object, area.offset);
  linkArea(copy.areas, twin.value);
  if ((area.flags & AreaFlag.WIPED_ON_FORK) !== 0) return ok();
  const kept = (area.flags & AreaFlag.SHARED) !== 0 ? ALL_BITS : u64(~Page.WRITABLE);
  const pages = shareRange(source.root, copy.root, area.start, area.end, kept);
  if (!pages.ok) return err(pages.error);
  copy.residentPages = u64(copy.residentPages + u64(pages.value));
  return ok();
}
