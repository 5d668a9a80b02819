/** A file of an initramfs. */
export interface ArchiveFile {
  /** Path without a leading slash. */
  readonly name: string;
  /** What it holds; the text of a symbolic link. */
  readonly data: Uint8Array;
  /** Type and permissions as in st_mode; an executable regular file when absent. */
  readonly mode?: number;
  /** Seconds since 1970; 0 when absent. */
  readonly modified?: number;
  /** Major and minor number of a device. */
  readonly device?: readonly [number, number];
}

// The "newc" format of cpio(5): a header of 8-digit hexadecimal numbers, name and data each padded to 4 bytes.
const MAGIC = '070701';
const HEADER_BYTES = 110;
const FILE_SIZE = 54;
const NAME_SIZE = 94;
const TRAILER = 'TRAILER!!!';
const REGULAR_EXECUTABLE = 0o100755;
const DIRECTORY = 0o040755;
const TYPE = 0o170000;
const REGULAR = 0o100000;
const MODE = 14;

const roundUp = (size: number) => Math.ceil(size / 4) * 4;

/** Packs files, and the directories above them, into a cpio archive. The same files give the same bytes. */
export function packArchive(files: readonly ArchiveFile[]): Uint8Array {
  const listed = new Set(files.map(({ name }) => name));
  const directories = new Set(files.flatMap(({ name }) => parentsOf(name)).filter((name) => !listed.has(name)));
  const entries: ArchiveFile[] = [
    ...[...directories].sort().map((name) => ({ name, mode: DIRECTORY, data: new Uint8Array() })),
    ...files,
    { name: TRAILER, mode: 0, data: new Uint8Array() },
  ];
  return joinArchives(entries.map((entry, index) => packEntry(entry, index + 1)));
}

/** One archive behind another: a loader takes them as one, the later files over the earlier. */
export function joinArchives(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * The regular files of cpio archives in the "newc" format, one behind another.
 * @returns what there is before the first damage; nothing when it is no such archive
 */
export function readArchive(bytes: Uint8Array): ArchiveFile[] {
  const text = new TextDecoder('latin1');
  const files: ArchiveFile[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    if (bytes[at] === 0) {
      at += 1;
      continue;
    }
    const header = text.decode(bytes.subarray(at, at + HEADER_BYTES));
    const field = (offset: number) => Number.parseInt(header.slice(offset, offset + 8), 16);
    const nameSize = field(NAME_SIZE);
    const fileSize = field(FILE_SIZE);
    const dataAt = roundUp(at + HEADER_BYTES + nameSize);
    if (!header.startsWith(MAGIC) || !(dataAt + fileSize <= bytes.length)) break;
    const name = text.decode(bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + nameSize - 1));
    const isRegular = (field(MODE) & TYPE) === REGULAR;
    if (isRegular)
      files.push({ name: name.replace(/^(?:\.?\/)+/, ''), data: bytes.subarray(dataAt, dataAt + fileSize) });
    at = roundUp(dataAt + fileSize);
  }
  return files;
}

function packEntry(file: ArchiveFile, inode: number): Uint8Array {
  const { name, data, mode = REGULAR_EXECUTABLE, modified = 0, device = [0, 0] } = file;
  const links = (mode & TYPE) === (DIRECTORY & TYPE) ? 2 : 1;
  const encodedName = new TextEncoder().encode(`${name}\0`);
  const numbers = [inode, mode, 0, 0, links, modified, data.length, 0, 0, ...device, encodedName.length, 0];
  const header = MAGIC + numbers.map((value) => value.toString(16).padStart(8, '0')).join('');
  const dataAt = roundUp(HEADER_BYTES + encodedName.length);
  const bytes = new Uint8Array(roundUp(dataAt + data.length));
  bytes.set(new TextEncoder().encode(header));
  bytes.set(encodedName, HEADER_BYTES);
  bytes.set(data, dataAt);
  return bytes;
}

function parentsOf(name: string): string[] {
  const parts = name.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}
