/**
 * Kernel stacks. Each has a slot of virtual addresses whose lower half stays unmapped, so that running off the end faults
 * instead of writing into a neighbour. Mapped stacks that no thread uses are kept for the next one.
 */
import { mem, ok, type PhysAddr, type Result, u32, u64, virt } from '#dialect';
import { getKernelRoot } from './address-space.ts';
import { allocateFrame, releaseFrame } from './frames.ts';
import { KERNEL_STACK_BASE, PAGE_SIZE } from './layout.ts';
import { invalidatePage, mapKernelPage, Page, releaseRange } from './page-table.ts';

const SLOT_BYTES = 0x8000n;
export const KERNEL_STACK_BYTES = 0x4000n;
/** FXSAVE writes 512 bytes at a 16-byte boundary; every stack has them at its very top. */
const FPU_BYTES = 512n;

/** Slots mapped since boot; the next one has never been used. */
let mappedSlots: u32 = 0;
/** Top of the first idle stack, 0 for none; the word below an idle stack's top holds the next one's. */
let idleStacks: u64 = 0n;
let idleCount: u32 = 0;

/** Stacks that are mapped and wait for a thread. */
export function idleKernelStackCount(): u32 {
  return idleCount;
}

/** A stack's usable top, 16-byte aligned; ENOMEM. */
export function allocateKernelStack(): Result<u64> {
  if (idleStacks === 0n) return mapStack();
  const top = idleStacks;
  idleStacks = mem.load64(virt(top - 8n));
  idleCount = u32(idleCount - 1);
  return ok(top);
}

export function releaseKernelStack(top: u64): void {
  mem.store64(virt(top - 8n), idleStacks);
  idleStacks = top;
  idleCount = u32(idleCount + 1);
}

/** Where a stack's thread keeps its FXSAVE image. */
export function fpuAreaOf(top: u64): u64 {
  return top;
}

function mapStack(): Result<u64> {
  const end = u64(KERNEL_STACK_BASE + u64(mappedSlots + 1) * SLOT_BYTES);
  const root = getKernelRoot();
  for (let address = u64(end - KERNEL_STACK_BYTES); address < end; address = u64(address + PAGE_SIZE)) {
    const mapped = mapFreshPage(root, address);
    if (mapped.ok) continue;
    unmapStack(root, u64(end - KERNEL_STACK_BYTES), address);
    return mapped;
  }
  mappedSlots = u32(mappedSlots + 1);
  return ok(u64(end - FPU_BYTES));
}

function mapFreshPage(root: PhysAddr, address: u64): Result<u64> {
  const frame = allocateFrame();
  if (!frame.ok) return frame;
  const mapped = mapKernelPage(root, address, frame.value, u64(Page.WRITABLE | Page.NO_EXECUTE));
  if (mapped.ok) return ok(address);
  releaseFrame(frame.value);
  return mapped;
}

function unmapStack(root: PhysAddr, start: u64, end: u64): void {
  releaseRange(root, start, end);
  for (let address = start; address < end; address = u64(address + PAGE_SIZE)) {
    invalidatePage(address);
  }
}
