/** Operations on paths: which directory's server is asked, and with what. */
import { Errno, err, type i32, mem, ok, type Result, type u8, u32, u64, userPtr, virt } from '#dialect';
import { AT_FDCWD, PATH_MAX } from '../abi/stat.ts';
import { readUser8, readUser64 } from '../memory/user-copy.ts';
import type { Thread } from '../process/thread.ts';
import { beginCall, setInput } from './call.ts';
import { fileAt } from './descriptors.ts';
import { FileKind, type OpenFile } from './open-file.ts';

const SLASH = 47;
const LOW_BITS = 0x0101_0101_0101_0101n;
const HIGH_BITS = 0x8080_8080_8080_8080n;

/** The length of a path in user memory. ENOENT: empty. ENAMETOOLONG, EFAULT. */
export function measurePath(address: u64): Result<u64> {
  const length = measurePathOrEmpty(address);
  return length.ok && length.value === 0n ? err(Errno.ENOENT) : length;
}

/** As `measurePath`, but 0 for an empty path. */
export function measurePathOrEmpty(address: u64): Result<u64> {
  let length: u64 = 0n;
  while (length < u64(PATH_MAX)) {
    const at = u64(address + length);
    if ((at & 7n) === 0n) {
      const word = readUser64(userPtr<u64>(at));
      if (word.ok && !hasZeroByte(word.value)) {
        length = u64(length + 8n);
        continue;
      }
    }
    const byte = readUser8(userPtr<u8>(at));
    if (!byte.ok) return err(byte.error);
    if (byte.value === 0) return ok(length);
    length = u64(length + 1n);
  }
  return err(Errno.ENAMETOOLONG);
}

/** True when one of the eight bytes is 0: borrows reach a byte's high bit only from a zero byte below. */
function hasZeroByte(word: u64): boolean {
  return u64((word - LOW_BITS) & ~word & HIGH_BITS) !== 0n;
}

/**
 * The directory that a path starts from: the root, the current directory, or that of a descriptor. EBADF: no such
 * descriptor. ENOTDIR: not one of a server's. ENOENT: the process has no such directory.
 */
function startOf(thread: Thread, directory: i32, isAbsolute: boolean): Result<OpenFile> {
  const process = thread.process!;
  const context = process.fileContext!;
  if (isAbsolute || directory === AT_FDCWD) {
    const start = isAbsolute ? context.root : context.currentDirectory;
    return start === null ? err(Errno.ENOENT) : ok(start);
  }
  const file = fileAt(process.files!, u32(directory));
  if (file === null) return err(Errno.EBADF);
  return file.kind === FileKind.REMOTE ? ok(file) : err(Errno.ENOTDIR);
}

function startOfUserPath(thread: Thread, directory: i32, address: u64, length: u64): Result<OpenFile> {
  if (length === 0n) return startOf(thread, directory, false);
  const first = readUser8(userPtr<u8>(address));
  return first.ok ? startOf(thread, directory, first.value === SLASH) : err(first.error);
}

/** As `startOfUserPath` for a path in kernel memory, relative to the current directory. */
export function startOfKernelPath(thread: Thread, address: u64): Result<OpenFile> {
  return startOf(thread, AT_FDCWD, mem.load8(virt(address)) === SLASH);
}

/** Begins a call about a path in user memory and returns the file to call. Errors of `measurePath` and `startOf`. */
export function beginPathCall(thread: Thread, operation: u32, directory: i32, address: u64): Result<OpenFile> {
  const length = measurePath(address);
  if (!length.ok) return err(length.error);
  return beginMeasured(thread, operation, directory, address, length.value);
}

/** As `beginPathCall`; an empty path is the descriptor itself when the flags have AT_EMPTY_PATH. */
export function beginPathOrFileCall(
  thread: Thread,
  operation: u32,
  directory: i32,
  address: u64,
  isEmptyAllowed: boolean,
): Result<OpenFile> {
  if (!isEmptyAllowed) return beginPathCall(thread, operation, directory, address);
  const length = measurePathOrEmpty(address);
  if (!length.ok) return err(length.error);
  return beginMeasured(thread, operation, directory, address, length.value);
}

function beginMeasured(thread: Thread, operation: u32, directory: i32, address: u64, length: u64): Result<OpenFile> {
  const start = startOfUserPath(thread, directory, address, length);
  if (!start.ok) return start;
  const call = beginCall(thread, operation);
  call.words[0] = length;
  setInput(call, 0, address, length);
  return start;
}

/**
 * Begins a call about two paths and returns the file to call: `words` 0 to 2 say both lengths and the badge that the second
 * starts from. EXDEV: they are on different servers.
 */
export function beginTwoPathCall(
  thread: Thread,
  operation: u32,
  oldDirectory: i32,
  oldPath: u64,
  newDirectory: i32,
  newPath: u64,
  isEmptyAllowed: boolean,
): Result<OpenFile> {
  const oldLength = isEmptyAllowed ? measurePathOrEmpty(oldPath) : measurePath(oldPath);
  if (!oldLength.ok) return err(oldLength.error);
  const newLength = measurePath(newPath);
  if (!newLength.ok) return err(newLength.error);
  const target = startOfUserPath(thread, newDirectory, newPath, newLength.value);
  if (!target.ok) return target;
  const start = startOfUserPath(thread, oldDirectory, oldPath, oldLength.value);
  if (!start.ok) return start;
  if (start.value.endpoint !== target.value.endpoint) return err(Errno.EXDEV);
  const call = beginCall(thread, operation);
  call.words[0] = oldLength.value;
  call.words[1] = newLength.value;
  call.words[2] = target.value.badge;
  setInput(call, 0, oldPath, oldLength.value);
  setInput(call, 1, newPath, newLength.value);
  return start;
}
