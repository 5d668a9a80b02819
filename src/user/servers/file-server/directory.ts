/** Directories: their entries in the order of creation, found by name through one hash table for all. */
import {
  addressOf,
  constructAt,
  err,
  mem,
  mulLow32,
  ok,
  type Result,
  references,
  sizeOf,
  u32,
  u64,
  type VirtAddr,
  virt,
} from '#dialect';
import { allocate, isSameText, release } from './heap.ts';
import { isDirectory, type Node, touchModified } from './node.ts';

/** A name in a directory. */
export class Entry {
  directory: Node | null = null;
  node: Node | null = null;
  name: u64 = 0n;
  nameLength: u32 = 0;
  hash: u32 = 0;
  /** Grows along the directory's list. */
  position: u64 = 0n;
  next: Entry | null = null;
  previous: Entry | null = null;
  nextInBucket: Entry | null = null;
}

const BUCKETS = 4096;
const buckets = references<Entry>(BUCKETS);
/** FNV-1a, 32 bits. */
const HASH_START = 0x811c_9dc5;
const HASH_PRIME = 0x0100_0193;

function hashOf(directory: Node, name: VirtAddr, length: u32): u32 {
  let hash = u32(HASH_START ^ u32(directory.number));
  for (let index: u32 = 0; index < length; index++) {
    hash = mulLow32(u32(hash ^ mem.load8(virt(name + u64(index)))), HASH_PRIME);
  }
  return hash;
}

/** The entry of that name; "." and ".." have none. */
export function findEntry(directory: Node, name: VirtAddr, length: u32): Entry | null {
  const hash = hashOf(directory, name, length);
  let entry = buckets[u32(hash % BUCKETS)] ?? null;
  while (entry !== null) {
    const isCandidate = entry.hash === hash && entry.directory === directory;
    if (isCandidate && isSameText(virt(entry.name), entry.nameLength, name, length)) return entry;
    entry = entry.nextInBucket;
  }
  return null;
}

/** Gives a node a name in a directory that has no such name yet; ENOSPC. A directory is given its parent. */
export function addEntry(directory: Node, name: VirtAddr, length: u32, node: Node): Result<void> {
  const memory = allocate(u64(sizeOf(Entry)));
  if (!memory.ok) return err(memory.error);
  const text = allocate(u64(length));
  if (!text.ok) {
    release(memory.value, u64(sizeOf(Entry)));
    return err(text.error);
  }
  mem.copy(text.value, name, u64(length));
  const entry = constructAt(Entry, memory.value);
  entry.directory = directory;
  entry.name = text.value;
  entry.nameLength = length;
  entry.hash = hashOf(directory, name, length);
  entry.position = directory.nextPosition;
  directory.nextPosition = u64(directory.nextPosition + 1n);
  entry.previous = directory.lastEntry;
  if (directory.lastEntry === null) directory.firstEntry = entry;
  else directory.lastEntry.next = entry;
  directory.lastEntry = entry;
  const bucket = u32(entry.hash % BUCKETS);
  entry.nextInBucket = buckets[bucket] ?? null;
  buckets[bucket] = entry;
  attach(entry, node);
  return ok();
}

/** Lets an entry name another node; the node it named before is not dropped. */
export function replaceNode(entry: Entry, node: Node): void {
  detach(entry);
  attach(entry, node);
}

function attach(entry: Entry, node: Node): void {
  const directory = entry.directory!;
  entry.node = node;
  node.links = u32(node.links + 1);
  if (isDirectory(node)) {
    node.parent = directory;
    directory.subdirectories = u32(directory.subdirectories + 1);
  }
  touchModified(directory);
}

function detach(entry: Entry): void {
  const directory = entry.directory!;
  const node = entry.node!;
  node.links = u32(node.links - 1);
  if (isDirectory(node)) {
    node.parent = null;
    directory.subdirectories = u32(directory.subdirectories - 1);
  }
  touchModified(directory);
}

/** Takes a name away; the node is the caller's to drop. */
export function removeEntry(entry: Entry): void {
  const directory = entry.directory!;
  detach(entry);
  if (entry.previous === null) directory.firstEntry = entry.next;
  else entry.previous.next = entry.next;
  if (entry.next === null) directory.lastEntry = entry.previous;
  else entry.next.previous = entry.previous;
  removeFromBucket(entry);
  release(virt(entry.name), u64(entry.nameLength));
  release(addressOf(entry), u64(sizeOf(Entry)));
}

function removeFromBucket(entry: Entry): void {
  const bucket = u32(entry.hash % BUCKETS);
  let previous: Entry | null = null;
  let candidate = buckets[bucket] ?? null;
  while (candidate !== null && candidate !== entry) {
    previous = candidate;
    candidate = candidate.nextInBucket;
  }
  if (previous === null) buckets[bucket] = entry.nextInBucket;
  else previous.nextInBucket = entry.nextInBucket;
}

/** The entry through which a directory names a node. */
export function entryOf(directory: Node, node: Node): Entry | null {
  let entry = directory.firstEntry;
  while (entry !== null && entry.node !== node) entry = entry.next;
  return entry;
}

/** The first entry at `position` or behind it. */
export function entryFrom(directory: Node, position: u64): Entry | null {
  let entry = directory.firstEntry;
  while (entry !== null && entry.position < position) entry = entry.next;
  return entry;
}

/** True when `directory` is `ancestor` or lies below it. */
export function isWithin(directory: Node, ancestor: Node): boolean {
  let node = directory;
  while (node !== ancestor) {
    const parent = node.parent;
    if (parent === null || parent === node) return false;
    node = parent;
  }
  return true;
}
