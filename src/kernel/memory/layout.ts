import { type PhysAddr, phys, u64, type VirtAddr, virt } from '#dialect';

/** Bytes in a page and in a physical frame. */
export const PAGE_SIZE = 4096n;
export const PAGE_SHIFT = 12n;
export const PAGE_OFFSET_MASK = 0xfffn;

/** The kernel image is linked at this offset from its physical address. */
export const KERNEL_BASE = 0xffff_ffff_8000_0000n;
/** All physical memory below 512 GiB is mapped here, writable and never executable. */
export const DIRECT_MAP_BASE = 0xffff_8000_0000_0000n;
/** Kernel stacks, each above unmapped guard pages. */
export const KERNEL_STACK_BASE = 0xffff_c000_0000_0000n;
/** Device registers, mapped uncached. */
export const DEVICE_BASE = 0xffff_d000_0000_0000n;

/** User addresses run from USER_START up to, not including, USER_END. The last page below 2^47 stays unused. */
export const USER_START = 0x1_0000n;
export const USER_END = 0x7fff_ffff_f000n;
/** End of the main thread's stack. */
export const STACK_TOP = 0x7fff_ffff_0000n;
/** RLIMIT_STACK of the first process. */
export const DEFAULT_STACK_LIMIT = 0x80_0000n;
/** A stack grows no closer than this to what is mapped below it (stack_guard_gap). */
export const STACK_GUARD_BYTES = 0x10_0000n;

export function pageFloor(address: u64): u64 {
  return u64(address & ~PAGE_OFFSET_MASK);
}

/** Rounds up to a page boundary; addresses in the last page of the address space wrap to zero. */
export function pageCeiling(address: u64): u64 {
  return u64((address + PAGE_OFFSET_MASK) & ~PAGE_OFFSET_MASK);
}

/** The direct map's address of a physical address. */
export function directMap(address: PhysAddr): VirtAddr {
  return virt(address + DIRECT_MAP_BASE);
}

/** The physical address behind an address in the direct map. */
export function directMapped(address: VirtAddr): PhysAddr {
  return phys(address - DIRECT_MAP_BASE);
}

/** True when [address, address + length) lies in the user half. */
export function isUserRange(address: u64, length: u64): boolean {
  return length <= USER_END && address <= u64(USER_END - length);
}

export function lesser(a: u64, b: u64): u64 {
  if (a < b) return a;
  return b;
}

export function greater(a: u64, b: u64): u64 {
  if (a > b) return a;
  return b;
}
