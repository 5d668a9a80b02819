/** System calls about descriptors themselves, and those that make pipes and event counters. */
import { addressOf, array, assert, Errno, err, ok, type Result, u32, u64, userPtr, type VirtAddr } from '#dialect';
import { FileOperation } from '../abi/file-protocol.ts';
import { OpenFlag } from '../abi/stat.ts';
import { terminalIoctl } from '../console/terminal.ts';
import { beginCall } from '../ipc/call.ts';
import { callServer } from '../ipc/calling.ts';
import {
  closeDescriptor,
  type DescriptorTable,
  fileAt,
  fillDescriptor,
  isClosedOnExec,
  replaceDescriptor,
  reserveDescriptor,
  setClosedOnExec,
} from '../ipc/descriptors.ts';
import { createCounter } from '../ipc/event-counter.ts';
import { allocateFile, FileKind, freeFile, type OpenFile, retainFile } from '../ipc/open-file.ts';
import { createPipe, PIPE_BYTES, pipeFill } from '../ipc/pipe.ts';
import { releaseFile } from '../ipc/release.ts';
import { lesser } from '../memory/layout.ts';
import { copyOut, readUser32, writeUser32 } from '../memory/user-copy.ts';
import { Limit, limitOf, MOST_DESCRIPTORS } from '../process/limits.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread } from '../sched/scheduler.ts';
import { finishWith, openFileAt } from './io-calls.ts';

/** The running process's descriptors. */
export function descriptors(): DescriptorTable {
  return runningThread()!.process!.files!;
}

/** RLIMIT_NOFILE of the running process. */
export function descriptorLimit(): u32 {
  const limit = limitOf(runningThread()!.process!, Limit.NOFILE);
  return u32(lesser(limit, u64(MOST_DESCRIPTORS)));
}

/** Gives a file, with the caller's reference, the lowest descriptor from `from`; EMFILE, ENOMEM: the file is let go. */
export function installFile(file: OpenFile, from: u32, isClosed: boolean): Result<u64> {
  const table = descriptors();
  const reserved = reserveDescriptor(table, from, descriptorLimit());
  if (!reserved.ok) {
    releaseFile(file);
    return err(reserved.error);
  }
  fillDescriptor(table, reserved.value, file, isClosed);
  return ok(u64(reserved.value));
}

/** close(descriptor) */
export function close(frame: VirtAddr): Result<u64> {
  const closed = closeDescriptor(descriptors(), u32(TrapFrame.at(frame).rdi));
  return closed.ok ? ok(0n) : err(closed.error);
}

const CLOSE_RANGE_CLOEXEC = 4;

/** close_range(first, last, flags) */
export function closeRange(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const first = u32(registers.rdi);
  const last = u32(registers.rsi);
  const flags = u32(registers.rdx);
  if ((flags & ~CLOSE_RANGE_CLOEXEC) !== 0 || first > last) return err(Errno.EINVAL);
  const table = descriptors();
  for (let descriptor = first; descriptor <= last && descriptor < MOST_DESCRIPTORS; descriptor = u32(descriptor + 1)) {
    if (fileAt(table, descriptor) === null) continue;
    if (flags !== 0) setClosedOnExec(table, descriptor, true);
    else {
      const closed = closeDescriptor(table, descriptor);
      if (!closed.ok) return err(closed.error);
    }
  }
  return ok(0n);
}

/** dup(descriptor) */
export function dup(frame: VirtAddr): Result<u64> {
  const file = openFileAt(TrapFrame.at(frame).rdi);
  return file.ok ? installFile(file.value, 0, false) : err(file.error);
}

/** dup2(old, new): the same number twice is only checked. */
export function dup2(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const old = u32(registers.rdi);
  if (old !== u32(registers.rsi)) return duplicateTo(old, u32(registers.rsi), false);
  return fileAt(descriptors(), old) === null ? err(Errno.EBADF) : ok(u64(old));
}

/** dup3(old, new, flags) */
export function dup3(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const flags = u32(registers.rdx);
  if ((flags & ~OpenFlag.CLOSE_ON_EXEC) !== 0 || u32(registers.rdi) === u32(registers.rsi)) return err(Errno.EINVAL);
  return duplicateTo(u32(registers.rdi), u32(registers.rsi), flags !== 0);
}

function duplicateTo(old: u32, wanted: u32, isClosed: boolean): Result<u64> {
  const table = descriptors();
  const file = fileAt(table, old);
  if (file === null || wanted >= descriptorLimit()) return err(Errno.EBADF);
  retainFile(file);
  const replaced = replaceDescriptor(table, wanted, file, isClosed);
  if (replaced.ok) return ok(u64(wanted));
  releaseFile(file);
  return err(replaced.error);
}

/** Commands of fcntl(2). */
const FileControl = {
  DUPFD: 0,
  GETFD: 1,
  SETFD: 2,
  GETFL: 3,
  SETFL: 4,
  DUPFD_CLOEXEC: 1030,
  SETPIPE_SZ: 1031,
  GETPIPE_SZ: 1032,
} as const;
const FD_CLOEXEC = 1n;
/** What F_SETFL can change. */
const SETTABLE_FLAGS =
  OpenFlag.APPEND | OpenFlag.NON_BLOCKING | OpenFlag.ASYNC | OpenFlag.DIRECT | OpenFlag.NO_ACCESS_TIME;

/** fcntl(descriptor, command, argument). EINVAL: a command that this kernel does not have. */
export function fcntl(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const descriptor = u32(registers.rdi);
  const table = descriptors();
  const file = fileAt(table, descriptor);
  if (file === null) return err(Errno.EBADF);
  switch (u32(registers.rsi)) {
    case FileControl.DUPFD:
      return duplicateFrom(file, u32(registers.rdx), false);
    case FileControl.DUPFD_CLOEXEC:
      return duplicateFrom(file, u32(registers.rdx), true);
    case FileControl.GETFD:
      return ok(isClosedOnExec(table, descriptor) ? FD_CLOEXEC : 0n);
    case FileControl.SETFD:
      setClosedOnExec(table, descriptor, (registers.rdx & FD_CLOEXEC) !== 0n);
      return ok(0n);
    case FileControl.GETFL:
      return ok(u64(file.flags));
    case FileControl.SETFL:
      return setStatusFlags(file, u32(registers.rdx));
    case FileControl.SETPIPE_SZ:
    case FileControl.GETPIPE_SZ:
      return file.pipe === null ? err(Errno.EBADF) : ok(PIPE_BYTES);
    default:
      return err(Errno.EINVAL);
  }
}

function duplicateFrom(file: OpenFile, from: u32, isClosed: boolean): Result<u64> {
  if (from >= descriptorLimit()) return err(Errno.EINVAL);
  retainFile(file);
  return installFile(file, from, isClosed);
}

function setStatusFlags(file: OpenFile, wanted: u32): Result<u64> {
  const flags = u32((file.flags & ~SETTABLE_FLAGS) | (wanted & SETTABLE_FLAGS));
  if (flags === file.flags) return ok(0n);
  file.flags = flags;
  if (file.kind !== FileKind.REMOTE) return ok(0n);
  const thread = runningThread()!;
  const call = beginCall(thread, FileOperation.SET_FLAGS);
  call.words[0] = u64(flags);
  return callServer(thread, file);
}

/** Requests of ioctl(2) that concern descriptors, and those that pipes take. */
const Request = { FIONREAD: 0x541b, FIONBIO: 0x5421, FIONCLEX: 0x5450, FIOCLEX: 0x5451 } as const;

/** ioctl(descriptor, request, argument). ENOTTY: not a request of this file. */
export function ioctl(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const descriptor = u32(registers.rdi);
  const file = openFileAt(registers.rdi);
  if (!file.ok) return err(file.error);
  if ((file.value.flags & OpenFlag.PATH) !== 0) return finishWith(file.value, err(Errno.EBADF));
  const request = u32(registers.rsi);
  switch (request) {
    case Request.FIOCLEX:
    case Request.FIONCLEX:
      setClosedOnExec(descriptors(), descriptor, request === Request.FIOCLEX);
      return finishWith(file.value, ok(0n));
    case Request.FIONBIO:
      return finishWith(file.value, setNonBlocking(file.value, registers.rdx));
    default:
      return finishWith(file.value, controlFile(file.value, request, registers.rdx));
  }
}

function setNonBlocking(file: OpenFile, address: u64): Result<u64> {
  const wanted = readUser32(userPtr<u32>(address));
  if (!wanted.ok) return err(wanted.error);
  const others = u32(file.flags & ~OpenFlag.NON_BLOCKING);
  return setStatusFlags(file, wanted.value === 0 ? others : u32(others | OpenFlag.NON_BLOCKING));
}

function controlFile(file: OpenFile, request: u32, value: u64): Result<u64> {
  const thread = runningThread()!;
  if (file.kind === FileKind.TERMINAL) return terminalIoctl(thread, request, value);
  if (file.kind === FileKind.REMOTE) {
    const call = beginCall(thread, FileOperation.CONTROL);
    call.words[0] = u64(request);
    call.words[1] = value;
    return callServer(thread, file);
  }
  if (file.pipe === null || request !== Request.FIONREAD) return err(Errno.ENOTTY);
  const stored = writeUser32(userPtr<u32>(value), u32(pipeFill(file.pipe)));
  return stored.ok ? ok(0n) : err(stored.error);
}

/** pipe(descriptors) */
export function pipe(frame: VirtAddr): Result<u64> {
  return makePipe(TrapFrame.at(frame).rdi, 0);
}

const PIPE_FLAGS = OpenFlag.CLOSE_ON_EXEC | OpenFlag.NON_BLOCKING | OpenFlag.DIRECT;

/** pipe2(descriptors, flags). Packet mode (O_DIRECT) is not there: EINVAL. */
export function pipe2(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const flags = u32(registers.rsi);
  if ((flags & ~PIPE_FLAGS) !== 0 || (flags & OpenFlag.DIRECT) !== 0) return err(Errno.EINVAL);
  return makePipe(registers.rdi, flags);
}

const PAIR_BYTES = 8n;
const pair = array(u32, 2);

/** EMFILE, ENFILE, ENOMEM, EFAULT: no pipe and no descriptor is left. */
function makePipe(address: u64, flags: u32): Result<u64> {
  const status = u32(flags & OpenFlag.NON_BLOCKING);
  const reader = allocateFile(FileKind.UNDECIDED, u32(status | OpenFlag.READ_ONLY));
  if (!reader.ok) return err(reader.error);
  const writer = allocateFile(FileKind.UNDECIDED, u32(status | OpenFlag.WRITE_ONLY));
  if (!writer.ok) {
    freeFile(reader.value);
    return err(writer.error);
  }
  const made = createPipe(reader.value, writer.value);
  if (!made.ok) {
    freeFile(reader.value);
    freeFile(writer.value);
    return err(made.error);
  }
  return installPair(reader.value, writer.value, address, (flags & OpenFlag.CLOSE_ON_EXEC) !== 0);
}

function installPair(reader: OpenFile, writer: OpenFile, address: u64, isClosed: boolean): Result<u64> {
  const first = installFile(reader, 0, isClosed);
  if (!first.ok) {
    releaseFile(writer);
    return first;
  }
  const second = installFile(writer, 0, isClosed);
  if (!second.ok) {
    closeAgain(u32(first.value));
    return second;
  }
  pair[0] = u32(first.value);
  pair[1] = u32(second.value);
  const stored = copyOut(userPtr<u32>(address), addressOf(pair), PAIR_BYTES);
  if (stored.ok) return ok(0n);
  closeAgain(u32(first.value));
  closeAgain(u32(second.value));
  return err(stored.error);
}

function closeAgain(descriptor: u32): void {
  const closed = closeDescriptor(descriptors(), descriptor);
  assert(closed.ok, 'a descriptor just opened is closed');
}

/** eventfd(value) */
export function eventfd(frame: VirtAddr): Result<u64> {
  return makeCounter(u32(TrapFrame.at(frame).rdi), 0);
}

const SEMAPHORE = 1;
const COUNTER_FLAGS = OpenFlag.CLOSE_ON_EXEC | OpenFlag.NON_BLOCKING | SEMAPHORE;

/** eventfd2(value, flags) */
export function eventfd2(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return makeCounter(u32(registers.rdi), u32(registers.rsi));
}

function makeCounter(value: u32, flags: u32): Result<u64> {
  if ((flags & ~COUNTER_FLAGS) !== 0) return err(Errno.EINVAL);
  const file = allocateFile(FileKind.UNDECIDED, u32((flags & OpenFlag.NON_BLOCKING) | OpenFlag.READ_WRITE));
  if (!file.ok) return err(file.error);
  const made = createCounter(file.value, value, (flags & SEMAPHORE) !== 0);
  if (!made.ok) {
    freeFile(file.value);
    return err(made.error);
  }
  return installFile(file.value, 0, (flags & OpenFlag.CLOSE_ON_EXEC) !== 0);
}
