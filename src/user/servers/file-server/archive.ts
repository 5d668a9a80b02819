/**
 * Fills the file system from the initramfs: cpio archives in the "newc" format (cpio(5)), one behind another, with zeros
 * between them. A later entry of the same name replaces an earlier one. Files are not copied: they lie in the archive. Of
 * files with several names, 256 an archive stay one file.
 */
import { array, Errno, err, mem, ok, type Result, u32, u64, type VirtAddr, virt } from '#dialect';
import { CpioEntry, CpioField, readCpioEntry, readCpioField } from '../../../kernel/abi/cpio.ts';
import { FileMode, NAME_MAX } from '../../../kernel/abi/stat.ts';
import { deviceNumber } from './devices.ts';
import { addEntry, type Entry, findEntry, removeEntry } from './directory.ts';
import { allocate, isText, PAGE_BYTES } from './heap.ts';
import { createNode, dropIfUnused, isDirectory, type Node } from './node.ts';

const SLASH = 47;
const DIRECTORY_MODE = 0o755;
const NANOSECONDS = 1_000_000_000n;

const entry = new CpioEntry();

/** Zeros between archives. */
function skipPadding(archive: VirtAddr, offset: u64, length: u64): u64 {
  let next = offset;
  while (next < length && mem.load8(virt(archive + next)) === 0) next = u64(next + 1n);
  return next;
}

/** Reads all of the initramfs into the tree below `root`. EINVAL: damaged, what came before is there. ENOSPC. */
export function unpackArchives(root: Node, archive: VirtAddr, length: u64): Result<void> {
  let offset = skipPadding(archive, 0n, length);
  while (offset < length) {
    const next = unpackEntry(root, archive, offset, length);
    if (!next.ok) return err(next.error);
    offset = skipPadding(archive, next.value, length);
  }
  return ok();
}

/** Unpacks the entry at `offset` and returns the offset behind it. */
function unpackEntry(root: Node, archive: VirtAddr, offset: u64, length: u64): Result<u64> {
  const read = readCpioEntry(entry, archive, offset, length);
  if (!read.ok) return err(read.error);
  const next = entry.next;
  if (entry.isTrailer) {
    sharedCount = 0;
    return ok(next);
  }
  const made = placeEntry(root, entry.header, entry.name, entry.nameLength, entry.data, entry.size);
  return made.ok ? ok(next) : err(made.error);
}

/** Walks to the directory of a name, making what is missing on the way, and puts the entry there. */
function placeEntry(
  root: Node,
  header: VirtAddr,
  name: VirtAddr,
  length: u32,
  data: VirtAddr,
  size: u32,
): Result<void> {
  let directory = root;
  let start: u32 = 0;
  while (start < length) {
    let end = start;
    while (end < length && mem.load8(virt(name + u64(end))) !== SLASH) end = u32(end + 1);
    const component = virt(name + u64(start));
    const componentLength = u32(end - start);
    start = u32(end + 1);
    if (componentLength === 0 || isText(component, componentLength, '.')) continue;
    if (componentLength > NAME_MAX || isText(component, componentLength, '..')) return err(Errno.EINVAL);
    if (start >= length) return createEntry(directory, component, componentLength, header, data, size);
    const below = enterDirectory(directory, component, componentLength);
    if (!below.ok) return err(below.error);
    directory = below.value;
  }
  return ok();
}

function enterDirectory(directory: Node, name: VirtAddr, length: u32): Result<Node> {
  const entry = findEntry(directory, name, length);
  if (entry !== null) return isDirectory(entry.node!) ? ok(entry.node!) : err(Errno.EINVAL);
  const node = createNode(u32(FileMode.DIRECTORY | DIRECTORY_MODE), 0, 0);
  if (!node.ok) return node;
  const added = addEntry(directory, name, length, node.value);
  if (!added.ok) return err(added.error);
  return node;
}

function createEntry(
  directory: Node,
  name: VirtAddr,
  length: u32,
  header: VirtAddr,
  data: VirtAddr,
  size: u32,
): Result<void> {
  const mode = readCpioField(header, CpioField.MODE);
  if (!mode.ok) return err(mode.error);
  const existing = findEntry(directory, name, length);
  if (existing !== null) {
    const merges = isDirectory(existing.node!) && (mode.value & FileMode.TYPE_MASK) === FileMode.DIRECTORY;
    if (merges) return ok();
    removeTree(existing);
  }
  const node = nodeFor(header, mode.value);
  if (!node.ok) return err(node.error);
  const filled = fillNode(node.value, header, data, size);
  if (!filled.ok) return filled;
  const added = addEntry(directory, name, length, node.value);
  return added;
}

/** Takes a name away, and everything below it. */
function removeTree(entry: Entry): void {
  const node = entry.node!;
  for (;;) {
    const below = node.firstEntry;
    if (below === null) break;
    removeTree(below);
  }
  removeEntry(entry);
  dropIfUnused(node);
}

/** A file with several names, found again by the inode number that its entries share. */
class SharedNode {
  inode: u32 = 0;
  node: Node | null = null;
}
const MOST_SHARED = 256;
const shared = array(SharedNode, MOST_SHARED);
let sharedCount: u32 = 0;

/** The node that an entry means: a new one, or one that an earlier entry of the same archive has made. */
function nodeFor(header: VirtAddr, mode: u32): Result<Node> {
  const inode = readCpioField(header, CpioField.INODE);
  if (!inode.ok) return err(inode.error);
  const links = readCpioField(header, CpioField.LINKS);
  if (!links.ok) return err(links.error);
  const isShared = links.value > 1 && (mode & FileMode.TYPE_MASK) === FileMode.REGULAR;
  for (let index: u32 = 0; isShared && index < sharedCount && index < MOST_SHARED; index++) {
    const known = shared[index]!;
    if (known.inode === inode.value && known.node !== null) return ok(known.node);
  }
  const node = createNode(mode, 0, 0);
  if (node.ok && isShared && sharedCount < MOST_SHARED) {
    shared[sharedCount]!.inode = inode.value;
    shared[sharedCount]!.node = node.value;
    sharedCount = u32(sharedCount + 1);
  }
  return node;
}

function fillNode(node: Node, header: VirtAddr, data: VirtAddr, size: u32): Result<void> {
  const uid = readCpioField(header, CpioField.UID);
  if (!uid.ok) return err(uid.error);
  const gid = readCpioField(header, CpioField.GID);
  if (!gid.ok) return err(gid.error);
  const time = readCpioField(header, CpioField.TIME);
  if (!time.ok) return err(time.error);
  const major = readCpioField(header, CpioField.MAJOR);
  if (!major.ok) return err(major.error);
  const minor = readCpioField(header, CpioField.MINOR);
  if (!minor.ok) return err(minor.error);
  node.uid = uid.value;
  node.gid = gid.value;
  node.modified = u64(u64(time.value) * NANOSECONDS);
  node.changed = node.modified;
  node.accessed = node.modified;
  const type = u32(node.mode & FileMode.TYPE_MASK);
  if (type === FileMode.CHARACTER_DEVICE || type === FileMode.BLOCK_DEVICE) {
    node.device = deviceNumber(major.value, minor.value);
  } else if (type === FileMode.REGULAR && size > 0) {
    node.archive = data;
    node.archiveSize = u64(size);
    node.size = u64(size);
  } else if (type === FileMode.SYMBOLIC_LINK) {
    return setTarget(node, data, u64(size));
  }
  return ok();
}

/** Gives a symbolic link its text. ENAMETOOLONG, ENOSPC. */
export function setTarget(node: Node, text: VirtAddr, length: u64): Result<void> {
  if (length === 0n || length >= PAGE_BYTES) return err(Errno.ENAMETOOLONG);
  const memory = allocate(length);
  if (!memory.ok) return err(memory.error);
  mem.copy(memory.value, text, length);
  node.target = memory.value;
  node.size = length;
  return ok();
}
