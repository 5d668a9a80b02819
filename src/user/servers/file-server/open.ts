/** open(2). */
import { Errno, err, ok, type Result, u32, u64 } from '#dialect';
import { AccessMode, FileMode, OpenFlag } from '../../../kernel/abi/stat.ts';
import { truncateContent } from './content.ts';
import { Device } from './devices.ts';
import { addEntry } from './directory.ts';
import { openHandle } from './handle.ts';
import {
  checkAccess,
  createNode,
  dropIfUnused,
  isDirectory,
  isRegular,
  isSymbolicLink,
  type Node,
  Source,
  touchModified,
  typeOf,
} from './node.ts';
import { Place, walk } from './path.ts';
import { fillProcessFile } from './process-text.ts';
import { request, takePaths, transferBadge, transferControllingTerminal, transferDescriptor, word } from './request.ts';

const place = new Place();
/** The server's descriptor of the terminal. */
const TERMINAL = 0;

/** OPEN: path length, flags, mode. */
export function open(): Result<u64> {
  const flags = u32(word(1));
  const length = u32(word(0));
  const path = takePaths(u64(length));
  if (!path.ok) return err(path.error);
  const creates = (flags & OpenFlag.CREATE) !== 0;
  const isExclusive = creates && (flags & OpenFlag.EXCLUSIVE) !== 0;
  const follows = (flags & OpenFlag.NO_FOLLOW) === 0 && !isExclusive;
  if ((flags & OpenFlag.TEMPORARY_FILE) === OpenFlag.TEMPORARY_FILE) return err(Errno.EOPNOTSUPP);
  if (length === 0) return openNode(request.node!, null, flags);
  const walked = walk(request.node!, path.value, length, follows, place);
  if (!walked.ok) return err(walked.error);
  const node = place.node;
  if (node === null) return creates ? create(flags) : err(Errno.ENOENT);
  if (isExclusive) return err(Errno.EEXIST);
  if (creates && isDirectory(node)) return err(Errno.EISDIR);
  return openNode(node, place.directory, flags);
}

/** Makes the regular file that the path names but that is not there. */
function create(flags: u32): Result<u64> {
  const directory = place.directory!;
  if (place.wantsDirectory) return err(Errno.EISDIR);
  const writable = checkNewName(directory);
  if (!writable.ok) return err(writable.error);
  const permissions = u32(u32(word(2)) & ~request.umask & FileMode.PERMISSIONS);
  const node = createNode(u32(FileMode.REGULAR | permissions), request.uid, request.gid);
  if (!node.ok) return err(node.error);
  const added = addEntry(directory, place.name, place.nameLength, node.value);
  if (!added.ok) {
    dropIfUnused(node.value);
    return err(added.error);
  }
  return giveHandle(node.value, directory, flags);
}

/** EACCES unless the caller may put names into a directory; ENOENT in one that has been removed or that /proc makes up. */
export function checkNewName(directory: Node): Result<void> {
  if (directory.parent === null || directory.source !== Source.KEPT) return err(Errno.ENOENT);
  return checkAccess(directory, request.uid, request.gid, u32(AccessMode.WRITE | AccessMode.EXECUTE));
}

function wantedAccess(flags: u32): u32 {
  const mode = u32(flags & OpenFlag.ACCESS_MASK);
  let access: u32 = mode === OpenFlag.WRITE_ONLY ? AccessMode.WRITE : AccessMode.READ;
  if (mode === OpenFlag.READ_WRITE) access = u32(access | AccessMode.WRITE);
  if ((flags & OpenFlag.TRUNCATE) !== 0) access = u32(access | AccessMode.WRITE);
  return access;
}

function openNode(node: Node, directory: Node | null, flags: u32): Result<u64> {
  const isPath = (flags & OpenFlag.PATH) !== 0;
  if ((flags & OpenFlag.DIRECTORY) !== 0 && !isDirectory(node)) return err(Errno.ENOTDIR);
  if (isPath) return giveHandle(node, directory, flags);
  if (isSymbolicLink(node)) return err(Errno.ELOOP);
  const access = wantedAccess(flags);
  if (isDirectory(node) && (access & AccessMode.WRITE) !== 0) return err(Errno.EISDIR);
  const allowed = checkAccess(node, request.uid, request.gid, access);
  if (!allowed.ok) return err(allowed.error);
  const type = typeOf(node);
  if (type === FileMode.CHARACTER_DEVICE) return openDevice(node, directory, flags);
  if (type === FileMode.FIFO || type === FileMode.SOCKET || type === FileMode.BLOCK_DEVICE) return err(Errno.ENXIO);
  if (isRegular(node) && (flags & OpenFlag.TRUNCATE) !== 0) {
    truncateContent(node, 0n);
    touchModified(node);
  }
  return giveHandle(node, directory, flags);
}

/** The terminal is the kernel's; whoever opens it here gets a share of the server's own descriptor. */
function openDevice(node: Node, directory: Node | null, flags: u32): Result<u64> {
  if (node.device === Device.TTY) {
    transferControllingTerminal();
    return ok(0n);
  }
  if (node.device === Device.CONSOLE || node.device === Device.SERIAL) {
    transferDescriptor(TERMINAL);
    return ok(0n);
  }
  return giveHandle(node, directory, flags);
}

function giveHandle(node: Node, directory: Node | null, flags: u32): Result<u64> {
  const isGenerated = node.source !== Source.KEPT && isRegular(node);
  if (isGenerated && (flags & OpenFlag.PATH) === 0) {
    truncateContent(node, 0n);
    fillProcessFile(node);
  }
  const keeper = directory !== null && directory.source === Source.KEPT ? directory : null;
  const badge = openHandle(node, keeper);
  if (!badge.ok) {
    dropIfUnused(node);
    return badge;
  }
  transferBadge(badge.value);
  return ok(0n);
}
