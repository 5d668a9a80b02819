/** read(2), write(2), lseek(2), getdents64(2), ftruncate(2) and their kin. */
import {
  addressOf,
  aligned,
  array,
  Errno,
  err,
  i64,
  mem,
  ok,
  type Result,
  u8,
  u16,
  u32,
  u64,
  type VirtAddr,
  virt,
} from '#dialect';
import { OWN_OFFSET } from '../../../kernel/abi/file-protocol.ts';
import {
  AccessMode,
  DIRECTORY_ENTRY_NAME,
  DIRECTORY_TYPE_SHIFT,
  DirectoryEntry,
  FileMode,
  OpenFlag,
  SeekFrom,
} from '../../../kernel/abi/stat.ts';
import { nextProcess } from '../../runtime/process-records.ts';
import { realTime } from '../../runtime/system-calls.ts';
import { LARGEST_FILE, readSpan, Span, truncateContent, writeSpan } from './content.ts';
import { giveZeros, readDevice, writeDevice } from './devices.ts';
import { entryFrom } from './directory.ts';
import { PAGE_BYTES, staged } from './heap.ts';
import { checkAccess, isDirectory, isRegular, type Node, Source, touchModified, typeOf } from './node.ts';
import { processFileName } from './process-files.ts';
import { giveOutput, outputSize, request, takeInput, word } from './request.ts';
import { writeDecimal } from './text.ts';

const span = new Span();

function lesser(a: u64, b: u64): u64 {
  return a < b ? a : b;
}

function isDevice(node: Node): boolean {
  return typeOf(node) === FileMode.CHARACTER_DEVICE;
}

/** READ: offset or OWN_OFFSET, length. */
export function read(): Result<u64> {
  const node = request.node!;
  const length = lesser(word(1), outputSize());
  if (isDirectory(node)) return err(Errno.EISDIR);
  if (isDevice(node)) return readDevice(node, length);
  if (!isRegular(node)) return err(Errno.EINVAL);
  const handle = request.handle!;
  const isOwn = word(0) === OWN_OFFSET;
  const offset = isOwn ? handle.offset : word(0);
  if (offset >= node.size) return ok(0n);
  const done = readContent(node, offset, lesser(length, u64(node.size - offset)));
  if (!done.ok) return done;
  if (isOwn) handle.offset = u64(offset + done.value);
  if (node.accessed <= node.modified) node.accessed = realTime();
  return done;
}

function readContent(node: Node, offset: u64, length: u64): Result<u64> {
  let done: u64 = 0n;
  while (done < length) {
    readSpan(node, u64(offset + done), u64(length - done), span);
    const part = span.length;
    const given = span.address === 0n ? giveZeros(done, part) : giveOutput(done, virt(span.address), part);
    if (!given.ok) return done > 0n ? ok(done) : err(given.error);
    done = u64(done + part);
  }
  return ok(done);
}

/** WRITE: offset or OWN_OFFSET, length. Files opened with O_APPEND grow at their end, whatever the offset. */
export function write(): Result<u64> {
  const node = request.node!;
  const length = word(1);
  if (isDevice(node)) return writeDevice(node, length);
  if (!isRegular(node)) return err(Errno.EINVAL);
  if (node.source !== Source.KEPT) return err(Errno.EACCES);
  const handle = request.handle!;
  const isOwn = word(0) === OWN_OFFSET;
  let offset = isOwn ? handle.offset : word(0);
  if ((request.flags & OpenFlag.APPEND) !== 0) offset = node.size;
  if (length === 0n) return ok(0n);
  if (offset >= LARGEST_FILE) return err(Errno.EFBIG);
  const done = writeContent(node, offset, lesser(length, u64(LARGEST_FILE - offset)));
  if (!done.ok) return done;
  if (isOwn) handle.offset = u64(offset + done.value);
  touchModified(node);
  return done;
}

function writeContent(node: Node, offset: u64, length: u64): Result<u64> {
  let done: u64 = 0n;
  while (done < length) {
    const found = writeSpan(node, u64(offset + done), u64(length - done), span);
    if (!found.ok) return done > 0n ? ok(done) : err(found.error);
    const part = span.length;
    const taken = takeInput(done, virt(span.address), part);
    if (!taken.ok) return done > 0n ? ok(done) : err(taken.error);
    done = u64(done + part);
    const end = u64(offset + done);
    if (end > node.size) node.size = end;
  }
  return ok(done);
}

/** SEEK: offset (signed), whence. */
export function seek(): Result<u64> {
  const node = request.node!;
  const handle = request.handle!;
  const whence = u32(word(1));
  let from: u64 = 0n;
  if (whence === SeekFrom.CURRENT) from = handle.offset;
  else if (whence === SeekFrom.END) from = isDirectory(node) ? node.nextPosition : node.size;
  else if (whence !== SeekFrom.START) return err(Errno.EINVAL);
  const target = i64(from + word(0));
  if (target < 0n) return err(Errno.EINVAL);
  if (isDevice(node)) return ok(0n);
  handle.offset = u64(target);
  return ok(handle.offset);
}

/** Makes a file of the caller's `size` bytes long. EINVAL, EISDIR, EFBIG. */
export function resize(node: Node, size: u64): Result<u64> {
  if (isDirectory(node)) return err(Errno.EISDIR);
  if (!isRegular(node) || node.source !== Source.KEPT || i64(size) < 0n) return err(Errno.EINVAL);
  if (size > LARGEST_FILE) return err(Errno.EFBIG);
  truncateContent(node, size);
  touchModified(node);
  return ok(0n);
}

/** ALLOCATE: mode, offset, length. Only mode 0: the file is at least that long. */
export function allocateSpace(): Result<u64> {
  const node = request.node!;
  if (!isRegular(node)) return err(Errno.ENODEV);
  if (word(0) !== 0n) return err(Errno.EOPNOTSUPP);
  if (i64(word(1)) < 0n || i64(word(2)) <= 0n) return err(Errno.EINVAL);
  const end = u64(word(1) + word(2));
  if (end > LARGEST_FILE) return err(Errno.EFBIG);
  return end > node.size ? resize(node, end) : ok(0n);
}

const records = aligned(16, array(u8, 4096));
/** What of `records` is filled. */
let filled: u64 = 0n;
const RECORD_ALIGNMENT = 8n;

/** Appends a directory entry; false when there is no room. */
function appendRecord(inode: u64, next: u64, type: u32, name: VirtAddr, length: u32, room: u64): boolean {
  const size = u64((DIRECTORY_ENTRY_NAME + u64(length) + RECORD_ALIGNMENT) & ~(RECORD_ALIGNMENT - 1n));
  if (u64(filled + size) > room) return false;
  const address = virt(addressOf(records) + filled);
  mem.fill(address, 0, size);
  const record = DirectoryEntry.at(address);
  record.inode = inode;
  record.nextOffset = next;
  record.recordLength = u16(size);
  record.type = u8(type >>> DIRECTORY_TYPE_SHIFT);
  mem.copy(virt(address + DIRECTORY_ENTRY_NAME), name, u64(length));
  filled = u64(filled + size);
  return true;
}

function appendNode(node: Node, next: u64, name: VirtAddr, length: u32, room: u64): boolean {
  return appendRecord(node.number, next, typeOf(node), name, length, room);
}

/** READ_DIRECTORY: length. Position 0 is ".", 1 is ".."; entries follow, then what /proc makes up. */
export function readDirectory(): Result<u64> {
  const node = request.node!;
  if (!isDirectory(node)) return err(Errno.ENOTDIR);
  const handle = request.handle!;
  const room = lesser(lesser(word(0), outputSize()), PAGE_BYTES);
  filled = 0n;
  const hasMore = appendEntries(node, room);
  if (filled === 0n) return hasMore ? err(Errno.EINVAL) : ok(0n);
  const given = giveOutput(0n, addressOf(records), filled);
  if (!given.ok) return err(given.error);
  handle.offset = position;
  return ok(filled);
}

/** Where the reading of a directory has come to. */
let position: u64 = 0n;

/** Appends entries from the handle's position on while there is room; false when none is left. */
function appendEntries(node: Node, room: u64): boolean {
  position = request.handle!.offset;
  if (position === 0n) {
    if (!appendNode(node, 1n, staged('.'), 1, room)) return true;
    position = 1n;
  }
  if (position === 1n) {
    if (!appendNode(node.parent ?? node, 2n, staged('..'), 2, room)) return true;
    position = 2n;
  }
  let entry = entryFrom(node, position);
  while (entry !== null) {
    const next = u64(entry.position + 1n);
    if (!appendNode(entry.node!, next, virt(entry.name), entry.nameLength, room)) return true;
    position = next;
    entry = entry.next;
  }
  if (node.source === Source.PROCESS_LIST) return appendProcesses(node, room);
  return node.source === Source.PROCESS && appendProcessFiles(node, room);
}

/** Positions of processes: their pids above this. */
const FIRST_PROCESS_POSITION = 0x1000n;
const number = array(u8, 16);

function appendProcesses(node: Node, room: u64): boolean {
  if (position < FIRST_PROCESS_POSITION) position = FIRST_PROCESS_POSITION;
  for (;;) {
    const pid = nextProcess(u32(position - FIRST_PROCESS_POSITION));
    if (pid === 0) return false;
    const length = writeDecimal(addressOf(number), u64(pid));
    const next = u64(FIRST_PROCESS_POSITION + u64(pid));
    if (!appendRecord(u64(node.number + next), next, FileMode.DIRECTORY, addressOf(number), length, room)) return true;
    position = next;
  }
}

function appendProcessFiles(node: Node, room: u64): boolean {
  for (let source: u32 = Source.STAT; source <= Source.ROOT; source++) {
    const place = u64(2 + source - Source.STAT);
    if (place < position) continue;
    const name = processFileName(source as Source);
    const type = source >= Source.EXE ? FileMode.SYMBOLIC_LINK : FileMode.REGULAR;
    const next = u64(place + 1n);
    if (!appendRecord(u64(node.number + next), next, type, staged(name), name.length, room)) return true;
    position = next;
  }
  return false;
}

/** EACCES unless the caller may write to a file by its path. */
export function checkWritable(node: Node): Result<void> {
  return checkAccess(node, request.uid, request.gid, AccessMode.WRITE);
}
