/** The initramfs: a cpio archive, read where the loader put it. */
import { Errno, err, mem, ok, type Result, type u32, u64, type VirtAddr, virt } from '#dialect';
import { CpioEntry, CpioField, readCpioEntry, readCpioField } from '../abi/cpio.ts';

const TYPE_MASK = 0o170000;
/** A directory, rwxr-xr-x. */
const ROOT_MODE = 0o040755;
const REGULAR = 0o100000;
const ANY_EXECUTE = 0o111;

const entry = new CpioEntry();
let archive: VirtAddr = virt(0n);
let archiveBytes: u64 = 0n;

/** A file found by `findFile`; the fields hold until the next search. */
export class InitramfsFile {
  data: VirtAddr = virt(0n);
  size: u64 = 0n;
  mode: u32 = 0;
}
export const foundFile = new InitramfsFile();

export function setInitramfs(start: VirtAddr, length: u64): void {
  archive = start;
  archiveBytes = length;
}

export function initramfsStart(): VirtAddr {
  return archive;
}

export function initramfsSize(): u64 {
  return archiveBytes;
}

function isSame(a: VirtAddr, b: VirtAddr, length: u64): boolean {
  for (let index: u64 = 0n; index < length; index = u64(index + 1n)) {
    if (mem.load8(virt(a + index)) !== mem.load8(virt(b + index))) return false;
  }
  return true;
}

/**
 * Finds a path in the archive and fills `foundFile`. Leading slashes and "./" mean nothing, here or in the archive.
 * ENOENT: not there. EINVAL: the archive is damaged before it.
 */
export function findFile(path: VirtAddr, length: u64): Result<void> {
  const skipped = prefixLength(path, length);
  const wanted = virt(path + skipped);
  const wantedLength = u64(length - skipped);
  if (wantedLength === 0n) return findRoot();
  let offset: u64 = 0n;
  while (offset < archiveBytes) {
    const next = visitEntry(offset, wanted, wantedLength);
    if (!next.ok) return err(next.error);
    if (next.value === 0n) return ok();
    offset = next.value;
  }
  return err(Errno.ENOENT);
}

/** The root directory, which an archive need not have an entry for. */
function findRoot(): Result<void> {
  foundFile.data = archive;
  foundFile.size = 0n;
  foundFile.mode = ROOT_MODE;
  return ok();
}

/** Looks at one entry: 0 when it is the wanted one, else the next entry's offset. */
function visitEntry(offset: u64, wanted: VirtAddr, wantedLength: u64): Result<u64> {
  const read = readCpioEntry(entry, archive, offset, archiveBytes);
  if (!read.ok) return err(read.error);
  if (entry.isTrailer) return err(Errno.ENOENT);
  const nameLength = u64(entry.nameLength);
  const prefix = prefixLength(entry.name, nameLength);
  const isWanted = u64(nameLength - prefix) === wantedLength && isSame(virt(entry.name + prefix), wanted, wantedLength);
  if (!isWanted) return ok(entry.next);
  const mode = readCpioField(entry.header, CpioField.MODE);
  if (!mode.ok) return err(mode.error);
  foundFile.data = entry.data;
  foundFile.size = u64(entry.size);
  foundFile.mode = mode.value;
  return ok(0n);
}

const SLASH = 47;
const DOT = 46;

/** Bytes of slashes and "./" at the start of a path. */
function prefixLength(path: VirtAddr, length: u64): u64 {
  let index: u64 = 0n;
  while (index < length) {
    const byte = mem.load8(virt(path + index));
    const isDotSlash = byte === DOT && u64(index + 1n) < length && mem.load8(virt(path + index + 1n)) === SLASH;
    if (byte !== SLASH && !isDotSlash) break;
    index = u64(index + (isDotSlash ? 2n : 1n));
  }
  return index;
}

/** True when `foundFile` is a regular file. */
export function isFoundRegular(): boolean {
  return (foundFile.mode & TYPE_MASK) === REGULAR;
}

/** True when somebody may execute `foundFile`. */
export function isFoundExecutable(): boolean {
  return (foundFile.mode & ANY_EXECUTE) !== 0;
}
