/** The kernel's own page tables: its image with the least rights that work, and all of RAM in the direct map. */
import { cpu, err, linkerSymbol, mem, ok, type PhysAddr, phys, type Result, u64 } from '#dialect';
import { setKernelRoot } from './address-space.ts';
import { allocateZeroedFrame, usableMemoryEnd } from './frames.ts';
import { DIRECT_MAP_BASE, KERNEL_BASE, KERNEL_STACK_BASE, PAGE_SIZE } from './layout.ts';
import { makeEntry, makeLargeEntry, mapKernelPage, Page } from './page-table.ts';

const LARGE_PAGE = 0x20_0000n;

/**
 * Builds the tables and loads them: from here on the boot loader's identity map is gone. Address spaces copy the top level's
 * upper half, so whatever the kernel will ever map has its entry there from the start. ENOMEM.
 */
export function initializeKernelSpace(): Result<void> {
  const root = allocateZeroedFrame();
  if (!root.ok) return err(root.error);
  const mapped = mapImage(root.value);
  if (!mapped.ok) return mapped;
  const direct = mapAllMemory(root.value);
  if (!direct.ok) return direct;
  const stacks = makeEntry(root.value, KERNEL_STACK_BASE, 0n);
  if (!stacks.ok) return err(stacks.error);
  setKernelRoot(root.value);
  cpu.writeCr3(root.value);
  return ok();
}

function mapImage(root: PhysAddr): Result<void> {
  const text = mapSection(root, linkerSymbol('__text_start'), linkerSymbol('__text_end'), 0n);
  if (!text.ok) return text;
  const constants = mapSection(root, linkerSymbol('__rodata_start'), linkerSymbol('__rodata_end'), Page.NO_EXECUTE);
  if (!constants.ok) return constants;
  const flags = u64(Page.WRITABLE | Page.NO_EXECUTE);
  return mapSection(root, linkerSymbol('__data_start'), linkerSymbol('__data_end'), flags);
}

function mapSection(root: PhysAddr, start: u64, end: u64, flags: u64): Result<void> {
  for (let address = start; address < end; address = u64(address + PAGE_SIZE)) {
    const mapped = mapKernelPage(root, address, phys(address - KERNEL_BASE), flags);
    if (!mapped.ok) return mapped;
  }
  return ok();
}

function mapAllMemory(root: PhysAddr): Result<void> {
  const flags = u64(Page.PRESENT | Page.WRITABLE | Page.NO_EXECUTE | Page.GLOBAL | Page.LARGE);
  const end = usableMemoryEnd();
  for (let address: u64 = 0n; address < end; address = u64(address + LARGE_PAGE)) {
    const place = makeLargeEntry(root, u64(DIRECT_MAP_BASE + address));
    if (!place.ok) return err(place.error);
    mem.store64(place.value, u64(address | flags));
  }
  return ok();
}
