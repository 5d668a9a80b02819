/** A file of an initramfs. */
export interface ArchiveFile {
  /** Path without a leading slash. */
  readonly name: string;
  readonly data: Uint8Array;
}

// The "newc" format of cpio(5): a header of 8-digit hexadecimal numbers, name and data each padded to 4 bytes.
const MAGIC = '070701';
const HEADER_BYTES = 110;
const FILE_SIZE = 54;
const NAME_SIZE = 94;
const TRAILER = 'TRAILER!!!';
const REGULAR_EXECUTABLE = 0o100755;
const DIRECTORY = 0o040755;

const roundUp = (size: number) => Math.ceil(size / 4) * 4;

/** Packs files, and the directories above them, into a cpio archive. The same files give the same bytes. */
export function packArchive(files: readonly ArchiveFile[]): Uint8Array {
  const directories = new Set(files.flatMap(({ name }) => parentsOf(name)));
  const entries = [
    ...[...directories].sort().map((name) => ({ name, mode: DIRECTORY, data: new Uint8Array() })),
    ...files.map((file) => ({ ...file, mode: REGULAR_EXECUTABLE })),
    { name: TRAILER, mode: 0, data: new Uint8Array() },
  ];
  const parts = entries.map(({ name, mode, data }, index) => packEntry(name, mode, data, index + 1));
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * The regular files of a cpio archive in the "newc" format.
 * @returns what there is before the first damage; nothing when it is no such archive
 */
export function readArchive(bytes: Uint8Array): ArchiveFile[] {
  const text = new TextDecoder('latin1');
  const files: ArchiveFile[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const header = text.decode(bytes.subarray(at, at + HEADER_BYTES));
    const field = (offset: number) => Number.parseInt(header.slice(offset, offset + 8), 16);
    const nameSize = field(NAME_SIZE);
    const fileSize = field(FILE_SIZE);
    const dataAt = roundUp(at + HEADER_BYTES + nameSize);
    if (!header.startsWith(MAGIC) || !(dataAt + fileSize <= bytes.length)) break;
    const name = text.decode(bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + nameSize - 1));
    if (name === TRAILER) break;
    const isRegular = (field(14) & 0o170000) === 0o100000;
    if (isRegular)
      files.push({ name: name.replace(/^(?:\.?\/)+/, ''), data: bytes.subarray(dataAt, dataAt + fileSize) });
    at = roundUp(dataAt + fileSize);
  }
  return files;
}

function packEntry(name: string, mode: number, data: Uint8Array, inode: number): Uint8Array {
  const encodedName = new TextEncoder().encode(`${name}\0`);
  const numbers = [inode, mode, 0, 0, mode === DIRECTORY ? 2 : 1, 0, data.length, 0, 0, 0, 0, encodedName.length, 0];
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
