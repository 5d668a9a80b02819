/** mkdir(2), mknod(2), symlink(2), link(2), unlink(2), rmdir(2), rename(2). */
import { Errno, err, ok, type Result, u32, u64, type VirtAddr } from '#dialect';
import { AccessMode, AtFlag, FileMode, RenameFlag } from '../../../kernel/abi/stat.ts';
import { realTime } from '../../runtime/system-calls.ts';
import { setTarget } from './archive.ts';
import { addEntry, type Entry, findEntry, isWithin, removeEntry, replaceNode } from './directory.ts';
import { handleOf } from './handle.ts';
import { isText } from './heap.ts';
import { checkAccess, createNode, dropIfUnused, isDirectory, type Node, Source } from './node.ts';
import { checkNewName } from './open.ts';
import { Place, walk } from './path.ts';
import { pathAt, request, takePaths, word } from './request.ts';

const place = new Place();
const target = new Place();
const SUPERUSER = 0;

/** Walks to where a new name is to be: EEXIST when it is there, EACCES, ENOENT. */
function walkToNew(start: Node, path: VirtAddr, length: u32, isDirectoryName: boolean): Result<void> {
  const walked = walk(start, path, length, false, place);
  if (!walked.ok) return walked;
  if (place.node !== null) return err(Errno.EEXIST);
  if (place.wantsDirectory && !isDirectoryName) return err(Errno.ENOENT);
  return checkNewName(place.directory!);
}

/** Puts a new node where `walkToNew` has led. */
function enterNew(node: Node): Result<u64> {
  const added = addEntry(place.directory!, place.name, place.nameLength, node);
  if (added.ok) return ok(0n);
  dropIfUnused(node);
  return err(added.error);
}

/** MAKE_DIRECTORY: path length, mode. */
export function makeDirectory(): Result<u64> {
  const mode = u32(u32(word(1)) & ~request.umask & (FileMode.PERMISSIONS & ~(FileMode.SET_USER | FileMode.SET_GROUP)));
  return makeNode(u32(FileMode.DIRECTORY | mode), 0n);
}

/** MAKE_NODE: path length, mode with the type, device. */
export function makeSpecial(): Result<u64> {
  let type = u32(u32(word(1)) & FileMode.TYPE_MASK);
  if (type === 0) type = FileMode.REGULAR;
  if (type === FileMode.DIRECTORY) return err(Errno.EPERM);
  const isDevice = type === FileMode.CHARACTER_DEVICE || type === FileMode.BLOCK_DEVICE;
  if (isDevice && request.uid !== SUPERUSER) return err(Errno.EPERM);
  if (!isDevice && type !== FileMode.REGULAR && type !== FileMode.FIFO && type !== FileMode.SOCKET) {
    return err(Errno.EINVAL);
  }
  const permissions = u32(u32(word(1)) & ~request.umask & FileMode.PERMISSIONS);
  return makeNode(u32(type | permissions), isDevice ? word(2) : 0n);
}

function makeNode(mode: u32, device: u64): Result<u64> {
  const path = takePaths(word(0));
  if (!path.ok) return err(path.error);
  const isDirectoryName = (mode & FileMode.TYPE_MASK) === FileMode.DIRECTORY;
  const walked = walkToNew(request.node!, path.value, u32(word(0)), isDirectoryName);
  if (!walked.ok) return err(walked.error);
  const node = createNode(mode, request.uid, request.gid);
  if (!node.ok) return err(node.error);
  node.value.device = device;
  return enterNew(node.value);
}

/** SYMLINK: target's length, path length. Input: the target, then the path. */
export function makeSymbolicLink(): Result<u64> {
  const textLength = word(0);
  if (textLength === 0n) return err(Errno.ENOENT);
  const paths = takePaths(u64(textLength + word(1)));
  if (!paths.ok) return err(paths.error);
  const walked = walkToNew(request.node!, pathAt(textLength), u32(word(1)), false);
  if (!walked.ok) return err(walked.error);
  const node = createNode(u32(FileMode.SYMBOLIC_LINK | 0o777), request.uid, request.gid);
  if (!node.ok) return err(node.error);
  const written = setTarget(node.value, paths.value, textLength);
  if (!written.ok) {
    dropIfUnused(node.value);
    return err(written.error);
  }
  return enterNew(node.value);
}

/** LINK: old path's length, new path's length, badge that the new path starts from, AT_ flags. */
export function makeLink(): Result<u64> {
  const flags = u32(word(3));
  const oldLength = word(0);
  const paths = takePaths(u64(oldLength + word(1)));
  if (!paths.ok) return err(paths.error);
  let node = request.node!;
  if (oldLength > 0n) {
    const walked = walk(node, paths.value, u32(oldLength), (flags & AtFlag.SYMLINK_FOLLOW) !== 0, place);
    if (!walked.ok) return err(walked.error);
    if (place.node === null) return err(Errno.ENOENT);
    node = place.node;
  }
  if (isDirectory(node)) return err(Errno.EPERM);
  if (node.source !== Source.KEPT) return err(Errno.EXDEV);
  if (node.links === 0) return err(Errno.ENOENT);
  const start = startOf(word(2));
  const walked = walkToNew(start, pathAt(oldLength), u32(word(1)), false);
  if (!walked.ok) return err(walked.error);
  node.changed = realTime();
  const added = addEntry(place.directory!, place.name, place.nameLength, node);
  return added.ok ? ok(0n) : err(added.error);
}

/** The directory of a badge. */
function startOf(badge: u64): Node {
  const handle = handleOf(badge);
  return handle === null ? request.root! : handle.node!;
}

/** EACCES or EPERM unless the caller may take a node's name out of a directory, sticky ones included. */
function checkRemoval(directory: Node, node: Node): Result<void> {
  const writable = checkAccess(directory, request.uid, request.gid, u32(AccessMode.WRITE | AccessMode.EXECUTE));
  if (!writable.ok) return writable;
  if (directory.source !== Source.KEPT || node.source !== Source.KEPT) return err(Errno.EPERM);
  const isSticky = (directory.mode & FileMode.STICKY) !== 0;
  const isOwner = request.uid === SUPERUSER || request.uid === node.uid || request.uid === directory.uid;
  return isSticky && !isOwner ? err(Errno.EPERM) : ok();
}

/** UNLINK: path length, AT_ flags (REMOVE_DIRECTORY: rmdir). */
export function unlink(): Result<u64> {
  const path = takePaths(word(0));
  if (!path.ok) return err(path.error);
  const removesDirectory = (u32(word(1)) & AtFlag.REMOVE_DIRECTORY) !== 0;
  const walked = walk(request.node!, path.value, u32(word(0)), false, place);
  if (!walked.ok) return err(walked.error);
  const node = place.node;
  if (node === null) return err(Errno.ENOENT);
  if (place.isSpecial) return err(removesDirectory ? specialError() : Errno.EISDIR);
  const allowed = checkRemoval(place.directory!, node);
  if (!allowed.ok) return err(allowed.error);
  if (removesDirectory && !isDirectory(node)) return err(Errno.ENOTDIR);
  if (!removesDirectory && isDirectory(node)) return err(Errno.EISDIR);
  if (isDirectory(node) && node.firstEntry !== null) return err(Errno.ENOTEMPTY);
  if (node === request.root) return err(Errno.EBUSY);
  const entry = findEntry(place.directory!, place.name, place.nameLength);
  if (entry === null) return err(Errno.EPERM);
  removeEntry(entry);
  node.changed = realTime();
  dropIfUnused(node);
  return ok(0n);
}

/** What rmdir answers for ".", ".." and "/". */
function specialError(): Errno {
  if (place.nameLength === 0) return Errno.EBUSY;
  return isText(place.name, place.nameLength, '.') ? Errno.EINVAL : Errno.ENOTEMPTY;
}

/** RENAME: old path's length, new path's length, badge that the new path starts from, rename flags. */
export function rename(): Result<u64> {
  const flags = u32(word(3));
  const exchanges = (flags & RenameFlag.EXCHANGE) !== 0;
  if ((flags & ~(RenameFlag.NO_REPLACE | RenameFlag.EXCHANGE)) !== 0) return err(Errno.EINVAL);
  if (exchanges && (flags & RenameFlag.NO_REPLACE) !== 0) return err(Errno.EINVAL);
  const paths = takePaths(u64(word(0) + word(1)));
  if (!paths.ok) return err(paths.error);
  const from = walk(request.node!, paths.value, u32(word(0)), false, place);
  if (!from.ok) return err(from.error);
  if (place.node === null) return err(Errno.ENOENT);
  if (place.isSpecial) return err(Errno.EBUSY);
  const node = place.node;
  const oldDirectory = place.directory!;
  const entry = findEntry(oldDirectory, place.name, place.nameLength);
  const removable = checkRemoval(oldDirectory, node);
  if (!removable.ok) return err(removable.error);
  if (entry === null) return err(Errno.EPERM);
  const wantsDirectory = place.wantsDirectory;
  const to = walk(startOf(word(2)), pathAt(word(0)), u32(word(1)), false, target);
  if (!to.ok) return err(to.error);
  if (target.isSpecial) return err((flags & RenameFlag.NO_REPLACE) !== 0 ? Errno.EEXIST : Errno.EBUSY);
  if ((wantsDirectory || target.wantsDirectory) && !isDirectory(node)) return err(Errno.ENOTDIR);
  const writable = checkNewName(target.directory!);
  if (!writable.ok) return err(writable.error);
  if (isDirectory(node) && isWithin(target.directory!, node)) return err(Errno.EINVAL);
  if (target.node === null) return exchanges ? err(Errno.ENOENT) : move(entry, node);
  if ((flags & RenameFlag.NO_REPLACE) !== 0) return err(Errno.EEXIST);
  if (target.node === node) return ok(0n);
  return exchanges ? exchange(entry, node, oldDirectory) : replace(entry, node);
}

/** Gives the node its new name and takes the old one away. */
function move(entry: Entry, node: Node): Result<u64> {
  const directory = target.directory!;
  const added = addEntry(directory, target.name, target.nameLength, node);
  if (!added.ok) return err(added.error);
  removeEntry(entry);
  if (isDirectory(node)) node.parent = directory;
  node.changed = realTime();
  return ok(0n);
}

/** Lets the new name mean the node, in place of what it meant. */
function replace(entry: Entry, node: Node): Result<u64> {
  const old = target.node!;
  if (isDirectory(old) && !isDirectory(node)) return err(Errno.EISDIR);
  if (!isDirectory(old) && isDirectory(node)) return err(Errno.ENOTDIR);
  if (isDirectory(old) && old.firstEntry !== null) return err(Errno.ENOTEMPTY);
  const removable = checkRemoval(target.directory!, old);
  if (!removable.ok) return err(removable.error);
  const named = findEntry(target.directory!, target.name, target.nameLength);
  if (named === null) return err(Errno.EPERM);
  replaceNode(named, node);
  removeEntry(entry);
  if (isDirectory(node)) node.parent = target.directory;
  node.changed = realTime();
  dropIfUnused(old);
  return ok(0n);
}

function exchange(entry: Entry, node: Node, oldDirectory: Node): Result<u64> {
  const other = target.node!;
  const removable = checkRemoval(target.directory!, other);
  if (!removable.ok) return err(removable.error);
  if (isDirectory(other) && isWithin(oldDirectory, other)) return err(Errno.EINVAL);
  const named = findEntry(target.directory!, target.name, target.nameLength);
  if (named === null) return err(Errno.EPERM);
  replaceNode(named, node);
  replaceNode(entry, other);
  if (isDirectory(node)) node.parent = target.directory;
  if (isDirectory(other)) other.parent = oldDirectory;
  return ok(0n);
}
