/**
 * Memory objects: pages that several areas may map, in one address space or in many. An object's pages are found by offset,
 * in a tree laid out as page tables are; it holds one reference to each frame, every mapping another.
 */
import {
  addressOf,
  constructAt,
  Errno,
  embed,
  err,
  f64,
  mem,
  ok,
  type PhysAddr,
  phys,
  type Result,
  sizeOf,
  struct,
  u32,
  u64,
  type ViewOf,
} from '#dialect';
import { allocateZeroedFrame, releaseFrame } from './frames.ts';
import { directMap, PAGE_SIZE, pageCeiling } from './layout.ts';
import {
  entryFrame,
  findEntry,
  makeEntry,
  Page,
  readEntry,
  releaseRange,
  setEntry,
  visitEntries,
} from './page-table.ts';
import { ObjectCache } from './slab.ts';

/** Which file's bytes an object holds, so that those who map the same file meet: a server's, its number there, its state. */
export const FileIdentity = struct({
  /** The server's endpoint; 0 for an object that is no file's. */
  server: f64,
  device: f64,
  inode: f64,
  size: f64,
  modifiedSeconds: f64,
  modifiedNanoseconds: f64,
});
export type FileIdentity = ViewOf<typeof FileIdentity>;

export class MemoryObject {
  /** Never used twice, and never an address space's: names the object in futex keys. */
  id: u64 = 0n;
  /** Areas that map it, and kernel code that holds on to it. The last one to let go frees it. */
  references: u32 = 0;
  /** Bytes. Beyond the page that holds the last one there is nothing to map. */
  size: u64 = 0n;
  root: PhysAddr = phys(0n);
  readonly file = embed(FileIdentity);
  /** In the list of objects that hold files. */
  next: MemoryObject | null = null;
  previous: MemoryObject | null = null;
}

const objects = new ObjectCache(sizeOf(MemoryObject));
let nextIdentity: u64 = 1n;
let firstFile: MemoryObject | null = null;

/** A number for an address space or a memory object, never given out twice. */
export function newIdentity(): u64 {
  const identity = nextIdentity;
  nextIdentity = u64(nextIdentity + 1n);
  return identity;
}

/** Objects alive. */
export function memoryObjectCount(): u32 {
  return objects.allocated;
}

/** An object of zeros with one reference; ENOMEM. Its pages get their frames when they are first used. */
export function createObject(size: u64): Result<MemoryObject> {
  const memory = objects.allocate();
  if (!memory.ok) return err(memory.error);
  const root = allocateZeroedFrame();
  if (!root.ok) {
    objects.release(memory.value);
    return err(root.error);
  }
  const object = constructAt(MemoryObject, memory.value);
  object.id = newIdentity();
  object.references = 1;
  object.size = size;
  object.root = root.value;
  return ok(object);
}

export function retainObject(object: MemoryObject): void {
  object.references = u32(object.references + 1);
}

/** Lets go of an object; the last reference frees its pages. */
export function releaseObject(object: MemoryObject): void {
  object.references = u32(object.references - 1);
  if (object.references > 0) return;
  if (object.file.server !== 0n) unlinkFile(object);
  releaseRange(object.root, 0n, pageCeiling(object.size));
  releaseFrame(object.root);
  objects.release(addressOf(object));
}

function isSameFile(a: FileIdentity, b: FileIdentity): boolean {
  const isSameInode = a.inode === b.inode && a.device === b.device && a.server === b.server;
  const isUnchanged = a.size === b.size && a.modifiedSeconds === b.modifiedSeconds;
  return isSameInode && isUnchanged && a.modifiedNanoseconds === b.modifiedNanoseconds;
}

/** The object that holds a file as it is now, with one reference more; null when nobody has mapped it. */
export function findFileObject(identity: FileIdentity): MemoryObject | null {
  let object = firstFile;
  while (object !== null && !isSameFile(object.file, identity)) object = object.next;
  if (object !== null) retainObject(object);
  return object;
}

/** Makes an object that has been filled with a file findable by what it holds. */
export function identifyObject(object: MemoryObject, identity: FileIdentity): void {
  object.file.server = identity.server;
  object.file.device = identity.device;
  object.file.inode = identity.inode;
  object.file.size = identity.size;
  object.file.modifiedSeconds = identity.modifiedSeconds;
  object.file.modifiedNanoseconds = identity.modifiedNanoseconds;
  object.next = firstFile;
  if (firstFile !== null) firstFile.previous = object;
  firstFile = object;
}

function unlinkFile(object: MemoryObject): void {
  if (object.previous === null) firstFile = object.next;
  else object.previous.next = object.next;
  if (object.next !== null) object.next.previous = object.previous;
}

/** The frame of the page at an offset, made if it has none yet; the caller shares it before it maps it. EIO: past the end. ENOMEM. */
export function objectPage(object: MemoryObject, offset: u64): Result<PhysAddr> {
  if (offset >= pageCeiling(object.size)) return err(Errno.EIO);
  const place = findEntry(object.root, offset);
  const entry = place === 0n ? 0n : mem.load64(place);
  if (entry !== 0n) return ok(entryFrame(entry));
  const frame = allocateZeroedFrame();
  if (!frame.ok) return frame;
  const made = makeEntry(object.root, offset, 0n);
  if (!made.ok) {
    releaseFrame(frame.value);
    return err(made.error);
  }
  setEntry(made.value, u64(frame.value | Page.PRESENT));
  return frame;
}

/** True when the page at an offset has a frame. */
export function hasObjectPage(object: MemoryObject, offset: u64): boolean {
  return readEntry(object.root, offset) !== 0n;
}

/** Fills the pages of [start, end) with zeros, for all who map them. */
export function clearPages(object: MemoryObject, start: u64, end: u64): void {
  visitEntries(object.root, start, end, (_place, entry) => mem.fill(directMap(entryFrame(entry)), 0, PAGE_SIZE));
}
