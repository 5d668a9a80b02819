/**
 * Files as memory: their bytes are read whole into an object when they are first mapped, so that no page fault has to wait
 * for a server, and whoever maps the same file in the same state shares them.
 */
import { addressOf, Errno, embed, err, ok, type Result, u32, u64 } from '#dialect';
import { FileMode, Stat } from '../abi/stat.ts';
import { describeFile, readIntoSpace } from '../ipc/kernel-files.ts';
import { FileKind, isReadable, isWritable, type OpenFile } from '../ipc/open-file.ts';
import { type AddressSpace, createAddressSpace, releaseAddressSpace } from '../memory/address-space.ts';
import { AreaFlag, attachObject, linkArea, newArea, Protection } from '../memory/area.ts';
import { pageCeiling, USER_START } from '../memory/layout.ts';
import {
  createObject,
  FileIdentity,
  findFileObject,
  identifyObject,
  type MemoryObject,
  releaseObject,
} from '../memory/object.ts';
import { populate } from '../memory/user-pages.ts';
import { chooseAddress, MAP_TYPE, MapFlag, mapArea, mapMemory, mappingSize } from './memory.ts';
import { isAffordable } from './memory-limits.ts';
import type { Thread } from './thread.ts';

/** /dev/zero: a mapping of it is anonymous memory (mem(4)). */
const ZERO_DEVICE = 0x105n;

/**
 * The object that holds a regular file as it is now, with a reference for the caller. Sleeps. ENODEV: not a regular file.
 * EIO: it changed meanwhile. ENOMEM, or the server's error.
 */
export function objectOfFile(thread: Thread, file: OpenFile): Result<MemoryObject> {
  const description = embed(Stat);
  const described = describeFile(thread, file, addressOf(description));
  if (!described.ok) return err(described.error);
  if ((description.mode & FileMode.TYPE_MASK) !== FileMode.REGULAR) return err(Errno.ENODEV);
  const identity = embed(FileIdentity);
  identity.server = file.endpoint!.id;
  identity.device = description.device;
  identity.inode = description.inode;
  identity.size = description.size;
  identity.modifiedSeconds = description.modified.seconds;
  identity.modifiedNanoseconds = description.modified.nanoseconds;
  const found = findFileObject(identity);
  return found === null ? readObject(thread, file, identity) : ok(found);
}

function readObject(thread: Thread, file: OpenFile, identity: FileIdentity): Result<MemoryObject> {
  if (!isAffordable(identity.size)) return err(Errno.ENOMEM);
  const created = createObject(identity.size);
  if (!created.ok) return created;
  const filled = identity.size === 0n ? ok() : fillObject(thread, file, created.value);
  if (!filled.ok) {
    releaseObject(created.value);
    return err(filled.error);
  }
  identifyObject(created.value, identity);
  return created;
}

/** Has the server write the file through an address space that nobody runs in. */
function fillObject(thread: Thread, file: OpenFile, object: MemoryObject): Result<void> {
  const window = createAddressSpace();
  if (!window.ok) return err(window.error);
  const filled = fillThrough(thread, file, object, window.value);
  releaseAddressSpace(window.value);
  return filled;
}

function fillThrough(thread: Thread, file: OpenFile, object: MemoryObject, window: AddressSpace): Result<void> {
  const end = u64(USER_START + pageCeiling(object.size));
  const area = newArea(USER_START, end, u32(Protection.READ | Protection.WRITE), AreaFlag.SHARED);
  if (!area.ok) return err(area.error);
  attachObject(area.value, object, 0n);
  linkArea(window.areas, area.value);
  if (populate(window, area.value, USER_START, end, true) < end) return err(Errno.ENOMEM);
  const read = readIntoSpace(thread, file, 0n, window, USER_START, object.size);
  if (!read.ok) return err(read.error);
  return read.value === object.size ? ok() : err(Errno.EIO);
}

/**
 * mmap of an open file. Sleeps. A shared mapping can only be read, and shows the file as it was. EACCES: not open for what
 * the mapping would do. ENODEV: nothing that can be mapped, or not in this way. EOVERFLOW, and errors as `mapMemory`.
 */
export function mapFile(
  thread: Thread,
  file: OpenFile,
  hint: u64,
  length: u64,
  protection: u32,
  flags: u32,
  offset: u64,
): Result<u64> {
  const space = thread.process!.addressSpace!;
  const size = mappingSize(length);
  if (!size.ok) return size;
  if (u64(offset + size.value) < offset) return err(Errno.EOVERFLOW);
  const possible = chooseAddress(space, hint, size.value, flags);
  if (!possible.ok) return possible;
  const allowed = checkAccess(file, protection, flags);
  if (!allowed.ok) return err(allowed.error);
  if (file.kind !== FileKind.REMOTE) return err(Errno.ENODEV);
  const isZero = isZeroDevice(thread, file);
  if (!isZero.ok) return err(isZero.error);
  if (isZero.value) return mapMemory(space, hint, length, protection, flags);
  const held = objectOfFile(thread, file);
  if (!held.ok) return err(held.error);
  const mapped = mapObject(space, hint, size.value, protection, flags, held.value, offset);
  releaseObject(held.value);
  return mapped;
}

function mapObject(
  space: AddressSpace,
  hint: u64,
  size: u64,
  protection: u32,
  flags: u32,
  object: MemoryObject,
  offset: u64,
): Result<u64> {
  const start = chooseAddress(space, hint, size, flags);
  if (!start.ok) return start;
  return mapArea(space, start.value, size, protection, flags, object, offset);
}

function checkAccess(file: OpenFile, protection: u32, flags: u32): Result<void> {
  const type = u32(flags & MAP_TYPE);
  const isShared = type === MapFlag.SHARED || type === MapFlag.SHARED_VALIDATE;
  if (!isShared && type !== MapFlag.PRIVATE) return err(Errno.EINVAL);
  const writes = isShared && (protection & Protection.WRITE) !== 0;
  if (writes && !isWritable(file)) return err(Errno.EACCES);
  if (!isReadable(file)) return err(Errno.EACCES);
  return writes ? err(Errno.ENODEV) : ok();
}

function isZeroDevice(thread: Thread, file: OpenFile): Result<boolean> {
  const description = embed(Stat);
  const described = describeFile(thread, file, addressOf(description));
  if (!described.ok) return err(described.error);
  const isDevice = (description.mode & FileMode.TYPE_MASK) === FileMode.CHARACTER_DEVICE;
  return ok(isDevice && description.represents === ZERO_DEVICE);
}
