/** Archives of cpio in the "newc" format (cpio(5)), read where they lie and never copied. */
import { Errno, err, mem, ok, type Result, type u8, u32, u64, type VirtAddr, virt } from '#dialect';

const HEADER_BYTES = 110n;
const FIELD_BYTES = 8n;
const ALIGNMENT = 4n;
const NAME_SIZE = 94n;
const FILE_SIZE = 54n;
/** Without and with a checksum, which nobody looks at. */
const MAGIC = '070701';
const MAGIC_CHECKED = '070702';
const TRAILER = 'TRAILER!!!';

/** Byte offsets of hexadecimal fields in an entry's header. */
export const CpioField = {
  INODE: 6n,
  MODE: 14n,
  UID: 22n,
  GID: 30n,
  LINKS: 38n,
  TIME: 46n,
  MAJOR: 78n,
  MINOR: 86n,
} as const;

/** One entry of an archive. */
export class CpioEntry {
  header: VirtAddr = virt(0n);
  name: VirtAddr = virt(0n);
  /** In bytes, without the NUL behind it. */
  nameLength: u32 = 0;
  data: VirtAddr = virt(0n);
  size: u32 = 0;
  /** Offset of what follows in the archive. */
  next: u64 = 0n;
  /** The end of the archive and no file. */
  isTrailer = false;
}

/** Reads the entry at `offset` of an archive of `length` bytes. EINVAL: the archive is damaged there, or ends before. */
export function readCpioEntry(entry: CpioEntry, archive: VirtAddr, offset: u64, length: u64): Result<void> {
  if (u64(offset + HEADER_BYTES) > length) return err(Errno.EINVAL);
  const header = virt(archive + offset);
  if (!isText(header, MAGIC) && !isText(header, MAGIC_CHECKED)) return err(Errno.EINVAL);
  const size = readCpioField(header, FILE_SIZE);
  if (!size.ok) return err(size.error);
  const nameSize = readCpioField(header, NAME_SIZE);
  if (!nameSize.ok) return err(nameSize.error);
  const dataOffset = roundUp(u64(offset + HEADER_BYTES + u64(nameSize.value)));
  const end = u64(dataOffset + u64(size.value));
  if (nameSize.value === 0 || end > length) return err(Errno.EINVAL);
  entry.header = header;
  entry.name = virt(header + HEADER_BYTES);
  entry.nameLength = u32(nameSize.value - 1);
  entry.data = virt(archive + dataOffset);
  entry.size = size.value;
  entry.next = roundUp(end);
  entry.isTrailer = entry.nameLength === TRAILER.length && isText(entry.name, TRAILER);
  return ok();
}

/** @param offset one of `CpioField` @returns the eight-digit number there; EINVAL for anything but hexadecimal digits */
export function readCpioField(header: VirtAddr, offset: u64): Result<u32> {
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
  return u64((value + ALIGNMENT - 1n) & ~(ALIGNMENT - 1n));
}
