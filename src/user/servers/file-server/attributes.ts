/** stat(2), access(2), chmod(2), chown(2), utimensat(2), truncate(2), statfs(2), readlink(2), getcwd(2). */
import { addressOf, aligned, array, Errno, embed, err, mem, ok, type Result, u8, u32, u64, virt } from '#dialect';
import {
  AccessMode,
  AtFlag,
  FileMode,
  FileSystemStat,
  NAME_MAX,
  PATH_MAX,
  Stat,
  TIME_NOW,
  TIME_OMIT,
} from '../../../kernel/abi/stat.ts';
import { realTime } from '../../runtime/system-calls.ts';
import { readSystemInformation, systemInformation } from '../../runtime/system-information.ts';
import { PAGE_BYTES } from './heap.ts';
import { checkAccess, isDirectory, isSymbolicLink, type Node, nodeCount, Source } from './node.ts';
import { Place, walk } from './path.ts';
import { pathOf } from './path-of.ts';
import { linkText } from './process-files.ts';
import { giveOutput, outputSize, request, takePaths, word } from './request.ts';
import { checkWritable, resize } from './transfer.ts';

const place = new Place();
const NANOSECONDS = 1_000_000_000n;
const BLOCK_BYTES = 512n;
/** st_dev of what is kept, and of /proc. */
const KEPT_DEVICE = 1n;
const PROCESS_DEVICE = 2n;
const TMPFS_MAGIC = 0x0102_1994n;
const SUPERUSER = 0;
const UNCHANGED = 0xffff_ffff;

/** The node that a request means: by the path that is its first word's length, or the capability called itself. */
function targetOf(length: u64, follows: boolean): Result<Node> {
  if (length === 0n) return ok(request.node!);
  const path = takePaths(length);
  if (!path.ok) return err(path.error);
  const walked = walk(request.node!, path.value, u32(length), follows, place);
  if (!walked.ok) return err(walked.error);
  const node = place.node;
  return node === null ? err(Errno.ENOENT) : ok(node);
}

function followsBy(flags: u64): boolean {
  return (u32(flags) & AtFlag.SYMLINK_NOFOLLOW) === 0;
}

const record = embed(Stat);

/** STAT: path length, AT_ flags. */
export function stat(): Result<u64> {
  const target = targetOf(word(0), followsBy(word(1)));
  if (!target.ok) return err(target.error);
  const node = target.value;
  mem.fill(addressOf(record), 0, u64(Stat.size));
  record.device = node.source === Source.KEPT ? KEPT_DEVICE : PROCESS_DEVICE;
  record.inode = node.number;
  record.links = isDirectory(node) ? u64(node.subdirectories + 2) : u64(node.links);
  record.mode = node.mode;
  record.uid = node.uid;
  record.gid = node.gid;
  record.represents = node.device;
  record.size = isDirectory(node) ? PAGE_BYTES : node.size;
  record.blockSize = PAGE_BYTES;
  record.blocks = u64(u64(node.size + BLOCK_BYTES - 1n) / BLOCK_BYTES);
  record.accessed.seconds = u64(node.accessed / NANOSECONDS);
  record.accessed.nanoseconds = u64(node.accessed % NANOSECONDS);
  record.modified.seconds = u64(node.modified / NANOSECONDS);
  record.modified.nanoseconds = u64(node.modified % NANOSECONDS);
  record.changed.seconds = u64(node.changed / NANOSECONDS);
  record.changed.nanoseconds = u64(node.changed % NANOSECONDS);
  const given = giveOutput(0n, addressOf(record), u64(Stat.size));
  return given.ok ? ok(0n) : err(given.error);
}

const fileSystem = embed(FileSystemStat);

/** STAT_FILE_SYSTEM: path length. */
export function statFileSystem(): Result<u64> {
  const target = targetOf(word(0), true);
  if (!target.ok) return err(target.error);
  readSystemInformation();
  mem.fill(addressOf(fileSystem), 0, u64(FileSystemStat.size));
  fileSystem.type = TMPFS_MAGIC;
  fileSystem.blockSize = PAGE_BYTES;
  fileSystem.fragmentSize = PAGE_BYTES;
  fileSystem.blocks = u64(systemInformation.totalMemory / PAGE_BYTES);
  fileSystem.freeBlocks = u64(systemInformation.freeMemory / PAGE_BYTES);
  fileSystem.availableBlocks = fileSystem.freeBlocks;
  fileSystem.files = nodeCount();
  fileSystem.longestName = u64(NAME_MAX);
  const given = giveOutput(0n, addressOf(fileSystem), u64(FileSystemStat.size));
  return given.ok ? ok(0n) : err(given.error);
}

/** ACCESS: path length, mode, AT_ flags. */
export function access(): Result<u64> {
  const target = targetOf(word(0), followsBy(word(2)));
  if (!target.ok) return err(target.error);
  const mode = u32(word(1));
  if (mode > (AccessMode.READ | AccessMode.WRITE | AccessMode.EXECUTE)) return err(Errno.EINVAL);
  const allowed = checkAccess(target.value, request.uid, request.gid, mode);
  return allowed.ok ? ok(0n) : err(allowed.error);
}

const text = aligned(16, array(u8, PATH_MAX));

/** READ_LINK: path length. */
export function readLink(): Result<u64> {
  const target = targetOf(word(0), false);
  if (!target.ok) return err(target.error);
  if (!isSymbolicLink(target.value)) return err(Errno.EINVAL);
  const length = u64(linkText(target.value, addressOf(text)));
  if (length === 0n) return err(Errno.ENOENT);
  const shown = length < outputSize() ? length : outputSize();
  const given = giveOutput(0n, addressOf(text), shown);
  return given.ok ? ok(shown) : err(given.error);
}

/** PATH: the capability's absolute path with its terminator. */
export function path(): Result<u64> {
  const length = pathOf(request.handle!, request.root!, addressOf(text));
  if (length === 0 || length >= PATH_MAX) return err(Errno.ENOENT);
  const size = u64(length + 1);
  if (size > outputSize()) return err(Errno.ERANGE);
  mem.store8(virt(addressOf(text) + u64(length)), 0);
  const given = giveOutput(0n, addressOf(text), size);
  return given.ok ? ok(size) : err(given.error);
}

/** EPERM unless the caller owns the node. */
function checkOwner(node: Node): Result<void> {
  return request.uid === SUPERUSER || request.uid === node.uid ? ok() : err(Errno.EPERM);
}

/** CHANGE_MODE: path length, mode, AT_ flags. */
export function changeMode(): Result<u64> {
  const target = targetOf(word(0), followsBy(word(2)));
  if (!target.ok) return err(target.error);
  const node = target.value;
  if (isSymbolicLink(node)) return err(Errno.EOPNOTSUPP);
  const owned = checkOwner(node);
  if (!owned.ok) return err(owned.error);
  if (node.source !== Source.KEPT) return err(Errno.EPERM);
  node.mode = u32((node.mode & FileMode.TYPE_MASK) | (u32(word(1)) & FileMode.PERMISSIONS));
  node.changed = realTime();
  return ok(0n);
}

/** CHANGE_OWNER: path length, uid, gid, AT_ flags. Whoever is not the superuser changes nothing. */
export function changeOwner(): Result<u64> {
  const target = targetOf(word(0), followsBy(word(3)));
  if (!target.ok) return err(target.error);
  const node = target.value;
  const uid = u32(word(1));
  const gid = u32(word(2));
  const staysOwner = uid === UNCHANGED || uid === node.uid;
  const staysGroup = gid === UNCHANGED || gid === node.gid || gid === request.gid;
  const isAllowed = request.uid === SUPERUSER || (request.uid === node.uid && staysOwner && staysGroup);
  if (!isAllowed || node.source !== Source.KEPT) return err(Errno.EPERM);
  if (uid !== UNCHANGED) node.uid = uid;
  if (gid !== UNCHANGED) node.gid = gid;
  const isProgram = !isDirectory(node) && (node.mode & FileMode.ANY_EXECUTE) !== 0;
  if (isProgram) node.mode = u32(node.mode & ~(FileMode.SET_USER | FileMode.SET_GROUP));
  node.changed = realTime();
  return ok(0n);
}

/** TRUNCATE: path length, new size. */
export function truncate(): Result<u64> {
  const target = targetOf(word(0), true);
  if (!target.ok) return err(target.error);
  if (word(0) !== 0n) {
    const writable = checkWritable(target.value);
    if (!writable.ok) return err(writable.error);
  }
  return resize(target.value, word(1));
}

function newTime(seconds: u64, nanoseconds: u64, old: u64): u64 {
  if (nanoseconds === TIME_OMIT) return old;
  if (nanoseconds === TIME_NOW) return realTime();
  return u64(seconds * NANOSECONDS + nanoseconds);
}

function isTime(nanoseconds: u64): boolean {
  return nanoseconds < NANOSECONDS || nanoseconds === TIME_NOW || nanoseconds === TIME_OMIT;
}

/** SET_TIMES: path length, AT_ flags, access seconds and nanoseconds, modification seconds and nanoseconds. */
export function setTimes(): Result<u64> {
  if (!isTime(word(3)) || !isTime(word(5))) return err(Errno.EINVAL);
  const target = targetOf(word(0), followsBy(word(1)));
  if (!target.ok) return err(target.error);
  const node = target.value;
  const isNow = word(3) === TIME_NOW && word(5) === TIME_NOW;
  const allowed = isNow && request.uid !== node.uid ? checkWritable(node) : checkOwner(node);
  if (!allowed.ok) return err(allowed.error);
  node.accessed = newTime(word(2), word(3), node.accessed);
  node.modified = newTime(word(4), word(5), node.modified);
  node.changed = realTime();
  return ok(0n);
}
