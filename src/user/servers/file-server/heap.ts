/** The server's memory: blocks of powers of two from 32 bytes to a page, kept for reuse once they are released. */
import { addressOf, array, Errno, err, mem, ok, type Result, u8, type u32, u64, type VirtAddr, virt } from '#dialect';
import { mapMemory } from '../../runtime/system-calls.ts';

export const PAGE_BYTES = 4096n;
const SMALLEST_SHIFT = 5;
const CLASSES = 8;
/** What is asked of the kernel at a time. */
const CHUNK_BYTES = 0x1_0000n;

/** The first free block of each size; a free block begins with the address of the next. */
const freeBlocks = array(u64, CLASSES);

/** The class whose blocks hold `size` bytes; sizes above a page have none. */
function classOf(size: u64): u32 {
  let index: u32 = 0;
  while (index < CLASSES - 1 && u64(32n << u64(index & 7)) < size) index++;
  return index;
}

function blockBytes(index: u32): u64 {
  return u64(1n << u64((index + SMALLEST_SHIFT) & 63));
}

function refill(index: u32): Result<void> {
  const mapped = mapMemory(CHUNK_BYTES);
  if (mapped < 0n) return err(Errno.ENOSPC);
  const size = blockBytes(index);
  for (let offset: u64 = 0n; offset < CHUNK_BYTES; offset = u64(offset + size)) {
    const block = virt(u64(mapped) + offset);
    mem.store64(block, freeBlocks[index]!);
    freeBlocks[index] = block;
  }
  return ok();
}

/** A zeroed block of at least `size` bytes, at most a page; ENOSPC. */
export function allocate(size: u64): Result<VirtAddr> {
  const index = classOf(size);
  if (freeBlocks[index] === 0n) {
    const refilled = refill(index);
    if (!refilled.ok) return err(refilled.error);
  }
  const block = virt(freeBlocks[index]!);
  freeBlocks[index] = mem.load64(block);
  mem.fill(block, 0, blockBytes(index));
  return ok(block);
}

/** Takes back a block that was allocated for `size` bytes. */
export function release(block: VirtAddr, size: u64): void {
  const index = classOf(size);
  mem.store64(block, freeBlocks[index]!);
  freeBlocks[index] = block;
}

/** True when two texts in memory are the same. */
export function isSameText(a: VirtAddr, aLength: u32, b: VirtAddr, bLength: u32): boolean {
  if (aLength !== bLength) return false;
  for (let index: u32 = 0; index < aLength; index++) {
    if (mem.load8(virt(a + u64(index))) !== mem.load8(virt(b + u64(index)))) return false;
  }
  return true;
}

/** True when a text in memory is exactly the literal. */
export function isText(address: VirtAddr, length: u32, text: string): boolean {
  if (length !== text.length) return false;
  for (let index: u32 = 0; index < text.length; index++) {
    if (mem.load8(virt(address + u64(index))) !== text.charCodeAt(index)) return false;
  }
  return true;
}

const LONGEST_LITERAL = 64;
const literal = array(u8, LONGEST_LITERAL);

/** A literal of at most 64 characters as text in memory, until the next call. */
export function staged(text: string): VirtAddr {
  for (let index: u32 = 0; index < text.length && index < LONGEST_LITERAL; index++) {
    literal[index] = text.charCodeAt(index);
  }
  return addressOf(literal);
}
