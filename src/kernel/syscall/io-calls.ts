/** System calls that read and write open files. */
import {
  addressOf,
  array,
  Errno,
  err,
  f64,
  ok,
  type Result,
  struct,
  type u8,
  u32,
  u64,
  userPtr,
  type VirtAddr,
} from '#dialect';
import { FileOperation, OWN_OFFSET } from '../abi/file-protocol.ts';
import { beginCall } from '../ipc/call.ts';
import { callServer } from '../ipc/calling.ts';
import { fileAt } from '../ipc/descriptors.ts';
import { FileKind, isNonBlocking, isReadable, isWritable, type OpenFile, retainFile } from '../ipc/open-file.ts';
import { ATOMIC_BYTES, waitForRoom } from '../ipc/pipe.ts';
import { releaseFile } from '../ipc/release.ts';
import { LARGEST_TRANSFER, readFile, Waiting, writeFile } from '../ipc/transfer.ts';
import { isUserRange, lesser } from '../memory/layout.ts';
import { copyIn } from '../memory/user-copy.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread } from '../sched/scheduler.ts';

const LARGEST_OFFSET = 0x7fff_ffff_ffff_ffffn;

/** The file of a descriptor of the running process, with a reference of the caller's; EBADF. The argument is an int. */
export function openFileAt(descriptor: u64): Result<OpenFile> {
  const file = fileAt(runningThread()!.process!.files!, u32(descriptor));
  if (file === null) return err(Errno.EBADF);
  retainFile(file);
  return ok(file);
}

/** Gives an answer after letting go of the file it is about. */
export function finishWith(file: OpenFile, result: Result<u64>): Result<u64> {
  if (!result.ok) {
    releaseFile(file);
    return err(result.error);
  }
  const value = result.value;
  releaseFile(file);
  return ok(value);
}

/** read(descriptor, buffer, length) */
export function read(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return readAt(registers.rdi, registers.rsi, registers.rdx, OWN_OFFSET);
}

/** pread64(descriptor, buffer, length, offset) */
export function pread64(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (registers.r10 > LARGEST_OFFSET) return err(Errno.EINVAL);
  return readAt(registers.rdi, registers.rsi, registers.rdx, registers.r10);
}

function readAt(descriptor: u64, destination: u64, length: u64, offset: u64): Result<u64> {
  const file = openFileAt(descriptor);
  if (!file.ok) return err(file.error);
  const thread = runningThread()!;
  return finishWith(file.value, readFile(thread, file.value, destination, length, offset, Waiting.AS_OPENED));
}

/** write(descriptor, buffer, length) */
export function write(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return writeAt(registers.rdi, registers.rsi, registers.rdx, OWN_OFFSET);
}

/** pwrite64(descriptor, buffer, length, offset) */
export function pwrite64(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (registers.r10 > LARGEST_OFFSET) return err(Errno.EINVAL);
  return writeAt(registers.rdi, registers.rsi, registers.rdx, registers.r10);
}

function writeAt(descriptor: u64, source: u64, length: u64, offset: u64): Result<u64> {
  const file = openFileAt(descriptor);
  if (!file.ok) return err(file.error);
  const thread = runningThread()!;
  return finishWith(file.value, writeFile(thread, file.value, source, length, offset, Waiting.AS_OPENED));
}

/** struct iovec. */
const IoVector = struct({ base: f64, length: f64 });
/** UIO_MAXIOV. */
const LARGEST_VECTOR = 1024n;
const vector = array(IoVector, 1);

function loadEntry(address: u64, index: u64): Result<void> {
  return copyIn(addressOf(vector), userPtr<u8>(address + index * u64(IoVector.size)), u64(IoVector.size));
}

/** The bytes of a vector, all of it checked. EINVAL: too many entries or bytes. EFAULT: not readable, or not user memory. */
function measureVector(address: u64, count: u64): Result<u64> {
  if (count > LARGEST_VECTOR) return err(Errno.EINVAL);
  let total: u64 = 0n;
  for (let index: u64 = 0n; index < count; index = u64(index + 1n)) {
    const loaded = loadEntry(address, index);
    if (!loaded.ok) return err(loaded.error);
    const entry = vector[0]!;
    if (entry.length > LARGEST_OFFSET) return err(Errno.EINVAL);
    if (!isUserRange(entry.base, entry.length)) return err(Errno.EFAULT);
    total = lesser(u64(total + entry.length), LARGEST_TRANSFER);
  }
  return ok(total);
}

/** readv(descriptor, vector, count) */
export function readv(frame: VirtAddr): Result<u64> {
  return transferVector(frame, OWN_OFFSET, false);
}

/** writev(descriptor, vector, count) */
export function writev(frame: VirtAddr): Result<u64> {
  return transferVector(frame, OWN_OFFSET, true);
}

/** preadv(descriptor, vector, count, offset) */
export function preadv(frame: VirtAddr): Result<u64> {
  const offset = TrapFrame.at(frame).r10;
  return offset > LARGEST_OFFSET ? err(Errno.EINVAL) : transferVector(frame, offset, false);
}

/** pwritev(descriptor, vector, count, offset) */
export function pwritev(frame: VirtAddr): Result<u64> {
  const offset = TrapFrame.at(frame).r10;
  return offset > LARGEST_OFFSET ? err(Errno.EINVAL) : transferVector(frame, offset, true);
}

function transferVector(frame: VirtAddr, offset: u64, isWrite: boolean): Result<u64> {
  const registers = TrapFrame.at(frame);
  const opened = openFileAt(registers.rdi);
  if (!opened.ok) return err(opened.error);
  const file = opened.value;
  const count = u64(u32(registers.rdx));
  return finishWith(
    file,
    isWrite ? gather(file, registers.rsi, count, offset) : scatter(file, registers.rsi, count, offset),
  );
}

/** Reads into the entries in turn. Once something has been read, nothing more is waited for. */
function scatter(file: OpenFile, address: u64, count: u64, offset: u64): Result<u64> {
  if (!isReadable(file)) return err(Errno.EBADF);
  const total = measureVector(address, count);
  if (!total.ok) return total;
  return transferEntries(file, address, count, total.value, offset, false);
}

/** Writes the entries in turn; to a pipe, as one piece when they are no more than PIPE_BUF together. */
function gather(file: OpenFile, address: u64, count: u64, offset: u64): Result<u64> {
  if (!isWritable(file)) return err(Errno.EBADF);
  const total = measureVector(address, count);
  if (!total.ok) return total;
  if (file.kind === FileKind.PIPE_WRITER && total.value > 0n && total.value <= ATOMIC_BYTES) {
    const mayWait = !isNonBlocking(file);
    const ready = waitForRoom(runningThread()!, file.pipe!, total.value, mayWait);
    if (!ready.ok) return err(ready.error);
  }
  return transferEntries(file, address, count, total.value, offset, true);
}

function transferEntries(
  file: OpenFile,
  address: u64,
  count: u64,
  total: u64,
  offset: u64,
  isWrite: boolean,
): Result<u64> {
  const thread = runningThread()!;
  let done: u64 = 0n;
  for (let index: u64 = 0n; index < count && done < total; index = u64(index + 1n)) {
    const loaded = loadEntry(address, index);
    if (!loaded.ok) return done > 0n ? ok(done) : err(loaded.error);
    const base = vector[0]!.base;
    const length = lesser(vector[0]!.length, u64(total - done));
    if (length === 0n) continue;
    const place = offset === OWN_OFFSET ? OWN_OFFSET : u64(offset + done);
    const waiting = done > 0n && !isWrite ? Waiting.NEVER : Waiting.AS_OPENED;
    const moved = isWrite
      ? writeFile(thread, file, base, length, place, waiting)
      : readFile(thread, file, base, length, place, waiting);
    if (!moved.ok) return done > 0n ? ok(done) : moved;
    done = u64(done + moved.value);
    if (moved.value < length) break;
  }
  return ok(done);
}

/** lseek(descriptor, offset, whence) */
export function lseek(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const file = openFileAt(registers.rdi);
  if (!file.ok) return err(file.error);
  if (file.value.kind !== FileKind.REMOTE) return finishWith(file.value, err(Errno.ESPIPE));
  const thread = runningThread()!;
  const call = beginCall(thread, FileOperation.SEEK);
  call.words[0] = registers.rsi;
  call.words[1] = u64(u32(registers.rdx));
  return finishWith(file.value, callServer(thread, file.value));
}

/** fadvise64(descriptor, offset, length, advice): heard and not needed. ESPIPE: nothing that has offsets. */
export function fadvise64(frame: VirtAddr): Result<u64> {
  const file = openFileAt(TrapFrame.at(frame).rdi);
  if (!file.ok) return err(file.error);
  return finishWith(file.value, file.value.kind === FileKind.REMOTE ? ok(0n) : err(Errno.ESPIPE));
}
