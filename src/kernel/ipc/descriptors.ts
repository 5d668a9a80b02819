/** Descriptor tables: which small number means which open file, for one process or for several that share a table. */
import { addressOf, assert, constructAt, Errno, err, ok, type Result, references, sizeOf, u32, u64 } from '#dialect';
import { ObjectCache } from '../memory/slab.ts';
import { MOST_DESCRIPTORS } from '../process/limits.ts';
import { type OpenFile, retainFile } from './open-file.ts';
import { releaseFile } from './release.ts';

const CHUNK = 64;
const CHUNKS = 16;
const ALL_USED = 0xffff_ffff_ffff_ffffn;

/** 64 descriptors. A number whose bit in `used` is set without a file is taken by an open in progress. */
class DescriptorChunk {
  used: u64 = 0n;
  closeOnExec: u64 = 0n;
  readonly files = references<OpenFile>(CHUNK);
}

export class DescriptorTable {
  /** Processes that use it. */
  count: u32 = 1;
  readonly chunks = references<DescriptorChunk>(CHUNKS);
}

const tables = new ObjectCache(sizeOf(DescriptorTable));
const chunkCache = new ObjectCache(sizeOf(DescriptorChunk));

/** Tables alive. */
export function descriptorTableCount(): u32 {
  return tables.allocated;
}

/** An empty table; ENOMEM. */
export function createDescriptorTable(): Result<DescriptorTable> {
  const memory = tables.allocate();
  return memory.ok ? ok(constructAt(DescriptorTable, memory.value)) : err(memory.error);
}

export function shareDescriptorTable(table: DescriptorTable): void {
  table.count = u32(table.count + 1);
}

/** Lets go of a table; the last process closes every file in it. */
export function releaseDescriptorTable(table: DescriptorTable): void {
  table.count = u32(table.count - 1);
  if (table.count > 0) return;
  for (let index: u32 = 0; index < CHUNKS; index++) {
    const chunk = table.chunks[index] ?? null;
    if (chunk === null) continue;
    closeFiles(chunk, ALL_USED);
    table.chunks[index] = null;
    chunkCache.release(addressOf(chunk));
  }
  tables.release(addressOf(table));
}

/** A table with the same files, for fork; ENOMEM. */
export function copyDescriptorTable(source: DescriptorTable): Result<DescriptorTable> {
  const created = createDescriptorTable();
  if (!created.ok) return created;
  const copy = created.value;
  for (let index: u32 = 0; index < CHUNKS; index++) {
    const chunk = source.chunks[index] ?? null;
    if (chunk === null || chunk.used === 0n) continue;
    const twin = chunkOf(copy, index);
    if (!twin.ok) {
      releaseDescriptorTable(copy);
      return err(twin.error);
    }
    copyFiles(chunk, twin.value);
  }
  return created;
}

/** Descriptors that an open is about to fill are free in the copy. */
function copyFiles(source: DescriptorChunk, copy: DescriptorChunk): void {
  let rest = source.used;
  while (rest !== 0n) {
    const slot = lowestBit(rest);
    rest = u64(rest & (rest - 1n));
    const file = source.files[slot] ?? null;
    if (file === null) continue;
    retainFile(file);
    copy.files[slot] = file;
    copy.used = u64(copy.used | bitOf(slot));
  }
  copy.closeOnExec = u64(source.closeOnExec & copy.used);
}

function bitOf(slot: u32): u64 {
  return u64(1n << u64(slot & 63));
}

/** The number of the lowest bit that is set; there is one. */
function lowestBit(bits: u64): u32 {
  let rest = bits;
  let number: u32 = 0;
  if ((rest & 0xffff_ffffn) === 0n) {
    rest = u64(rest >> 32n);
    number = 32;
  }
  if ((rest & 0xffffn) === 0n) {
    rest = u64(rest >> 16n);
    number = u32(number + 16);
  }
  if ((rest & 0xffn) === 0n) {
    rest = u64(rest >> 8n);
    number = u32(number + 8);
  }
  while ((rest & 1n) === 0n) {
    rest = u64(rest >> 1n);
    number = u32(number + 1);
  }
  return number;
}

function chunkOf(table: DescriptorTable, index: u32): Result<DescriptorChunk> {
  const chunk = table.chunks[index] ?? null;
  if (chunk !== null) return ok(chunk);
  const memory = chunkCache.allocate();
  if (!memory.ok) return err(memory.error);
  const made = constructAt(DescriptorChunk, memory.value);
  table.chunks[index] = made;
  return ok(made);
}

/** The file of a descriptor, or null. */
export function fileAt(table: DescriptorTable, descriptor: u32): OpenFile | null {
  if (descriptor >= MOST_DESCRIPTORS) return null;
  const chunk = table.chunks[descriptor >> 6] ?? null;
  return chunk === null ? null : (chunk.files[descriptor & 63] ?? null);
}

/** Takes the lowest free descriptor at or above `from`; EMFILE: none below `limit`. ENOMEM. */
export function reserveDescriptor(table: DescriptorTable, from: u32, limit: u32): Result<u32> {
  let index = u32(from >> 6);
  let below = u64(bitOf(u32(from & 63)) - 1n);
  for (; index < CHUNKS; index = u32(index + 1)) {
    const chunk = table.chunks[index] ?? null;
    const used = u64((chunk === null ? 0n : chunk.used) | below);
    below = 0n;
    if (used === ALL_USED) continue;
    const slot = lowestBit(u64(~used));
    const descriptor = u32(index * CHUNK + slot);
    return descriptor < limit ? takeDescriptor(table, descriptor) : err(Errno.EMFILE);
  }
  return err(Errno.EMFILE);
}

function takeDescriptor(table: DescriptorTable, descriptor: u32): Result<u32> {
  const chunk = chunkOf(table, u32(descriptor >> 6));
  if (!chunk.ok) return err(chunk.error);
  chunk.value.used = u64(chunk.value.used | bitOf(u32(descriptor & 63)));
  return ok(descriptor);
}

/** Gives a reserved descriptor back. */
export function unreserveDescriptor(table: DescriptorTable, descriptor: u32): void {
  const chunk = table.chunks[descriptor >> 6] ?? null;
  assert(chunk !== null, 'a descriptor that was not reserved is given back');
  chunk.used = u64(chunk.used & ~bitOf(u32(descriptor & 63)));
}

/** Puts a file under a reserved descriptor, together with the caller's reference. */
export function fillDescriptor(table: DescriptorTable, descriptor: u32, file: OpenFile, isClosedOnExec: boolean): void {
  const chunk = table.chunks[descriptor >> 6] ?? null;
  assert(chunk !== null, 'a descriptor is filled that was not reserved');
  chunk.files[descriptor & 63] = file;
  setBit(chunk, descriptor, isClosedOnExec);
}

function setBit(chunk: DescriptorChunk, descriptor: u32, isClosedOnExec: boolean): void {
  const bit = bitOf(u32(descriptor & 63));
  chunk.closeOnExec = isClosedOnExec ? u64(chunk.closeOnExec | bit) : u64(chunk.closeOnExec & ~bit);
}

/** Puts a file, with the caller's reference, under a given descriptor, and closes what was there. EBUSY: being opened. ENOMEM. */
export function replaceDescriptor(
  table: DescriptorTable,
  descriptor: u32,
  file: OpenFile,
  isClosedOnExec: boolean,
): Result<void> {
  const made = chunkOf(table, u32(descriptor >> 6));
  if (!made.ok) return err(made.error);
  const chunk = made.value;
  const old = chunk.files[descriptor & 63] ?? null;
  const bit = bitOf(u32(descriptor & 63));
  if (old === null && (chunk.used & bit) !== 0n) return err(Errno.EBUSY);
  chunk.used = u64(chunk.used | bit);
  chunk.files[descriptor & 63] = file;
  setBit(chunk, descriptor, isClosedOnExec);
  if (old !== null) releaseFile(old);
  return ok();
}

/** Closes a descriptor; EBADF. */
export function closeDescriptor(table: DescriptorTable, descriptor: u32): Result<void> {
  if (fileAt(table, descriptor) === null) return err(Errno.EBADF);
  const chunk = table.chunks[descriptor >> 6] ?? null;
  if (chunk !== null) closeFiles(chunk, bitOf(u32(descriptor & 63)));
  return ok();
}

/** Takes those of the files out of a chunk that have their bit set, and lets go of them. */
function closeFiles(chunk: DescriptorChunk, bits: u64): void {
  let rest = u64(chunk.used & bits);
  while (rest !== 0n) {
    const slot = lowestBit(rest);
    rest = u64(rest & (rest - 1n));
    const file = chunk.files[slot] ?? null;
    if (file === null) continue;
    chunk.files[slot] = null;
    chunk.used = u64(chunk.used & ~bitOf(slot));
    releaseFile(file);
  }
  chunk.closeOnExec = u64(chunk.closeOnExec & ~bits);
}

/** FD_CLOEXEC of a descriptor that is open. */
export function isClosedOnExec(table: DescriptorTable, descriptor: u32): boolean {
  const chunk = table.chunks[descriptor >> 6] ?? null;
  return chunk !== null && (chunk.closeOnExec & bitOf(u32(descriptor & 63))) !== 0n;
}

export function setClosedOnExec(table: DescriptorTable, descriptor: u32, isSet: boolean): void {
  const chunk = table.chunks[descriptor >> 6] ?? null;
  if (chunk !== null) setBit(chunk, descriptor, isSet);
}

/** Closes what exec closes. */
export function closeForExec(table: DescriptorTable): void {
  for (const chunk of table.chunks) {
    if (chunk !== null) closeFiles(chunk, chunk.closeOnExec);
  }
}
