/**
 * What regular files hold. A file of the archive is read where it lies there; a block that is written, or lies beyond, is a
 * page of its own. Pages hang in a tree whose inner pages hold 512 addresses; height 0 is a single page. What has neither
 * page nor archive reads as zeros.
 */
import { Errno, err, mem, ok, type Result, u32, u64, type VirtAddr, virt } from '#dialect';
import { allocate, PAGE_BYTES, release } from './heap.ts';
import type { Node } from './node.ts';

const PAGE_SHIFT = 12n;
const FANOUT = 512n;
const FANOUT_SHIFT = 9;
const ENTRY_BYTES = 8n;
/** 4 KiB x 512^3. */
export const LARGEST_FILE = 0x80_0000_0000n;

/** Blocks that a tree of that height has room for. */
function capacity(height: u32): u64 {
  return u64(1n << u64((height * FANOUT_SHIFT) & 63));
}

function slotOf(block: u64, level: u32): u64 {
  return u64((block >> u64(((level - 1) * FANOUT_SHIFT) & 63)) & (FANOUT - 1n));
}

/** The page of a block; 0 where there is none. */
function findBlock(node: Node, block: u64): u64 {
  if (block >= capacity(node.blocksHeight)) return 0n;
  let page = node.blocks;
  for (let level = node.blocksHeight; level > 0 && page !== 0n; level = u32(level - 1)) {
    page = mem.load64(virt(page + slotOf(block, level) * ENTRY_BYTES));
  }
  return page;
}

/** Makes the tree high enough for a block; ENOSPC. */
function raise(node: Node, block: u64): Result<void> {
  while (block >= capacity(node.blocksHeight)) {
    if (node.blocks !== 0n) {
      const page = allocate(PAGE_BYTES);
      if (!page.ok) return err(page.error);
      mem.store64(page.value, node.blocks);
      node.blocks = page.value;
    }
    node.blocksHeight = u32(node.blocksHeight + 1);
  }
  return ok();
}

/** A new page with what the archive has for that block. */
function createBlock(node: Node, block: u64): Result<VirtAddr> {
  const page = allocate(PAGE_BYTES);
  if (!page.ok) return page;
  const start = u64(block << PAGE_SHIFT);
  if (start < node.archiveSize) {
    const rest = u64(node.archiveSize - start);
    mem.copy(page.value, virt(node.archive + start), rest < PAGE_BYTES ? rest : PAGE_BYTES);
  }
  return page;
}

/** The page of a block, made if there is none; ENOSPC. */
function provideBlock(node: Node, block: u64): Result<VirtAddr> {
  const raised = raise(node, block);
  if (!raised.ok) return err(raised.error);
  let slot: u64 = 0n;
  for (let level = node.blocksHeight; ; level = u32(level - 1)) {
    let page = slot === 0n ? node.blocks : mem.load64(virt(slot));
    if (page === 0n) {
      const made = level === 0 ? createBlock(node, block) : allocate(PAGE_BYTES);
      if (!made.ok) return made;
      page = made.value;
      if (slot === 0n) node.blocks = page;
      else mem.store64(virt(slot), page);
    }
    if (level === 0) return ok(virt(page));
    slot = u64(page + slotOf(block, level) * ENTRY_BYTES);
  }
}

/** A piece of a file that lies together in memory; address 0 stands for zeros. */
export class Span {
  address: u64 = 0n;
  length: u64 = 0n;
}

/** The longest piece at `offset` of at most `length` bytes, for reading; the range lies in the file. */
export function readSpan(node: Node, offset: u64, length: u64, span: Span): void {
  const inPage = u64(offset & (PAGE_BYTES - 1n));
  const page = findBlock(node, u64(offset >> PAGE_SHIFT));
  let longest = u64(PAGE_BYTES - inPage);
  span.address = page === 0n ? 0n : u64(page + inPage);
  if (page === 0n && offset < node.archiveSize) {
    span.address = u64(node.archive + offset);
    const rest = u64(node.archiveSize - offset);
    if (rest < longest) longest = rest;
  }
  span.length = length < longest ? length : longest;
}

/** The longest piece at `offset` of at most `length` bytes, for writing; the file's size stays. ENOSPC, EFBIG. */
export function writeSpan(node: Node, offset: u64, length: u64, span: Span): Result<void> {
  if (offset >= LARGEST_FILE) return err(Errno.EFBIG);
  const page = provideBlock(node, u64(offset >> PAGE_SHIFT));
  if (!page.ok) return err(page.error);
  const inPage = u64(offset & (PAGE_BYTES - 1n));
  const longest = u64(PAGE_BYTES - inPage);
  span.address = u64(page.value + inPage);
  span.length = length < longest ? length : longest;
  return ok();
}

/** Gives back the pages of blocks from `first` on below a page of the tree; true when nothing is left in it. */
function releaseFrom(page: u64, height: u32, first: u64): boolean {
  if (height === 0) {
    if (first > 0n) return false;
    release(virt(page), PAGE_BYTES);
    return true;
  }
  const below = capacity(u32(height - 1));
  let isEmpty = true;
  for (let slot: u64 = 0n; slot < FANOUT; slot = u64(slot + 1n)) {
    const entry = virt(page + slot * ENTRY_BYTES);
    const child = mem.load64(entry);
    if (child === 0n) continue;
    const start = u64(slot * below);
    const keeps = first > start ? u64(first - start) : 0n;
    if (keeps < below && releaseFrom(child, u32(height - 1), keeps)) mem.store64(entry, 0n);
    else isEmpty = false;
  }
  if (!isEmpty) return false;
  release(virt(page), PAGE_BYTES);
  return true;
}

/** Makes the file `size` bytes long, at most LARGEST_FILE; what is added reads as zeros. */
export function truncateContent(node: Node, size: u64): void {
  if (size < node.size) {
    const inPage = u64(size & (PAGE_BYTES - 1n));
    const page = inPage === 0n ? 0n : findBlock(node, u64(size >> PAGE_SHIFT));
    if (page !== 0n) mem.fill(virt(page + inPage), 0, u64(PAGE_BYTES - inPage));
    const kept = u64(u64(size + PAGE_BYTES - 1n) >> PAGE_SHIFT);
    if (node.blocks !== 0n && releaseFrom(node.blocks, node.blocksHeight, kept)) {
      node.blocks = 0n;
      node.blocksHeight = 0;
    }
    if (size < node.archiveSize) node.archiveSize = size;
  }
  node.size = size;
}

const appended = new Span();

/** Appends memory of the server to a file that it makes itself; ENOSPC. */
export function appendContent(node: Node, source: VirtAddr, length: u64): Result<void> {
  let done: u64 = 0n;
  while (done < length) {
    const found = writeSpan(node, node.size, u64(length - done), appended);
    if (!found.ok) return found;
    mem.copy(virt(appended.address), virt(source + done), appended.length);
    done = u64(done + appended.length);
    node.size = u64(node.size + appended.length);
  }
  return ok();
}
