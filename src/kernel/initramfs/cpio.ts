/** The initramfs: a cpio archive in the "newc" format (cpio(5)), read where the loader put it and never copied. */
import { Errno, err, mem, ok, type Result, type u8, u32, u64, type VirtAddr, virt } from '#dialect';

const HEADER_BYTES = 110n;
const FIELD_BYTES = 8n;
/** Byte offsets of hexadecimal fields in the header. */
const MODE = 14n;
const FILE_SIZE = 54n;
const NAME_SIZE = 94n;
const TYPE_MASK = 0o170000;
/** A directory, rwxr-xr-x. */
const ROOT_MODE = 0o040755;
const REGULAR = 0o100000;
const ANY_EXECUTE = 0o111;

const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';

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

/** One of the header's eight-digit numbers; EINVAL for anything but hexadecimal digits. */
function readField(header: VirtAddr, offset: u64): Result<u32> {
  let value: u32 = 0;
  for (let index: u64 = 0n; index < FIELD_BYTES; index = u64(index + 1n)) {
    const digit = digitOf(mem.load8(virt(header + offset + index)));
    if (digit > 15) return err(Errno.EINVAL);
    value = u32(value * 16 + digit);
  }
  return ok(value);
}

function digitOf(character: u8): u32 {
  if (character >= 48 && character <= 57) return u32(character - 48);
  const letter = u32(character | 32);
  return letter >= 97 && letter <= 102 ? u32(letter - 87) : 16;
}

function isText(address: VirtAddr, text: string): boolean {
  for (let index: u32 = 0; index < text.length; index++) {
    if (mem.load8(virt(address + u64(index))) !== text.charCodeAt(index)) return false;
  }
  return true;
}

function roundUp(value: u64): u64 {
  return u64((value + 3n) & ~3n);
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
  while (u64(offset + HEADER_BYTES) <= archiveBytes) {
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
  const header = virt(archive + offset);
  if (!isText(header, MAGIC)) return err(Errno.EINVAL);
  const mode = readField(header, MODE);
  if (!mode.ok) return err(mode.error);
  const size = readField(header, FILE_SIZE);
  if (!size.ok) return err(size.error);
  const nameSize = readField(header, NAME_SIZE);
  if (!nameSize.ok) return err(nameSize.error);
  const dataOffset = roundUp(u64(offset + HEADER_BYTES + u64(nameSize.value)));
  const end = u64(dataOffset + u64(size.value));
  if (nameSize.value === 0 || end > archiveBytes) return err(Errno.EINVAL);
  const name = virt(header + HEADER_BYTES);
  const nameLength = u64(nameSize.value - 1);
  if (nameLength === u64(TRAILER.length) && isText(name, TRAILER)) return err(Errno.ENOENT);
  const prefix = prefixLength(name, nameLength);
  const isWanted = u64(nameLength - prefix) === wantedLength && isSame(virt(name + prefix), wanted, wantedLength);
  if (!isWanted) return ok(roundUp(end));
  foundFile.data = virt(archive + dataOffset);
  foundFile.size = u64(size.value);
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
