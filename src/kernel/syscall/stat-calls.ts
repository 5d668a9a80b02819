/** System calls on open files that are not reading or writing: stat, directories, times, and where paths start. */
import {
  addressOf,
  array,
  Errno,
  embed,
  err,
  type i32,
  ok,
  type Result,
  i32 as toI32,
  u32,
  u64,
  userPtr,
  type VirtAddr,
} from '#dialect';
import { FileOperation } from '../abi/file-protocol.ts';
import { AT_FDCWD, AtFlag, FileMode, FileSystemStat, Stat, TIME_NOW, TIME_OMIT } from '../abi/stat.ts';
import { beginCall, type IpcCall, setOutput } from '../ipc/call.ts';
import { callServer } from '../ipc/calling.ts';
import { FileKind, isWritable, type OpenFile } from '../ipc/open-file.ts';
import { beginPathCall, beginPathOrFileCall, measurePathOrEmpty } from '../ipc/path-operations.ts';
import { releaseFile } from '../ipc/release.ts';
import { copyIn, copyOut } from '../memory/user-copy.ts';
import { isPrivileged } from '../process/credentials.ts';
import { changeDirectory, changeRoot, getCurrentDirectory } from '../process/cwd.ts';
import { NANOSECONDS } from '../processor/clock.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread } from '../sched/scheduler.ts';
import { finishWith, openFileAt } from './io-calls.ts';

/** stat(path, buffer) */
export function stat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return statPath(AT_FDCWD, registers.rdi, registers.rsi, 0);
}

/** lstat(path, buffer) */
export function lstat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return statPath(AT_FDCWD, registers.rdi, registers.rsi, AtFlag.SYMLINK_NOFOLLOW);
}

/** fstat(descriptor, buffer) */
export function fstat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return statDescriptor(registers.rdi, registers.rsi);
}

const STAT_FLAGS = AtFlag.SYMLINK_NOFOLLOW | AtFlag.NO_AUTOMOUNT | AtFlag.EMPTY_PATH;

/** newfstatat(directory, path, buffer, flags) */
export function newfstatat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const directory = toI32(registers.rdi);
  const flags = u32(registers.r10);
  if ((flags & ~STAT_FLAGS) !== 0) return err(Errno.EINVAL);
  if ((flags & AtFlag.EMPTY_PATH) !== 0 && directory !== AT_FDCWD) {
    const length = measurePathOrEmpty(registers.rsi);
    if (!length.ok) return length;
    if (length.value === 0n) return statDescriptor(registers.rdi, registers.rdx);
  }
  return statPath(directory, registers.rsi, registers.rdx, flags);
}

function statPath(directory: i32, path: u64, buffer: u64, flags: u32): Result<u64> {
  const thread = runningThread()!;
  const isEmptyAllowed = (flags & AtFlag.EMPTY_PATH) !== 0;
  const start = beginPathOrFileCall(thread, FileOperation.STAT, directory, path, isEmptyAllowed);
  if (!start.ok) return err(start.error);
  thread.call.words[1] = u64(flags);
  setOutput(thread.call, buffer, u64(Stat.size));
  return callServer(thread, start.value);
}

function statDescriptor(descriptor: u64, buffer: u64): Result<u64> {
  const file = openFileAt(descriptor);
  if (!file.ok) return err(file.error);
  if (file.value.kind !== FileKind.REMOTE) return finishWith(file.value, statOwn(file.value, buffer));
  const thread = runningThread()!;
  const call = beginCall(thread, FileOperation.STAT);
  setOutput(call, buffer, u64(Stat.size));
  return finishWith(file.value, callServer(thread, file.value));
}

const description = embed(Stat);
/** Device numbers 5, 1: the system console; and the block size and device of what is no file of a file system. */
const CONSOLE_DEVICE = 0x501n;
const OWN_DEVICE = 0xen;
const OWN_BLOCK_BYTES = 4096n;
const OBJECT_SHIFT = 4n;
const INODE_MASK = 0xffff_ffffn;

/** Describes the kernel's own objects: terminal, pipes, event counters, endpoints. */
function statOwn(file: OpenFile, buffer: u64): Result<u64> {
  const process = runningThread()!.process!;
  const object = file.pipe === null ? addressOf(file) : addressOf(file.pipe);
  description.device = OWN_DEVICE;
  description.inode = u64((object >> OBJECT_SHIFT) & INODE_MASK);
  description.links = 1n;
  description.mode = modeOf(file);
  description.uid = process.credentials.user.file;
  description.gid = process.credentials.group.file;
  description.represents = file.kind === FileKind.TERMINAL ? CONSOLE_DEVICE : 0n;
  description.size = 0n;
  description.blockSize = OWN_BLOCK_BYTES;
  description.blocks = 0n;
  const copied = copyOut(userPtr<unknown>(buffer), addressOf(description), u64(Stat.size));
  return copied.ok ? ok(0n) : err(copied.error);
}

function modeOf(file: OpenFile): u32 {
  if (file.kind === FileKind.TERMINAL) return u32(FileMode.CHARACTER_DEVICE | 0o620);
  return file.pipe === null ? 0o600 : u32(FileMode.FIFO | 0o600);
}

/** An operation on a descriptor of a server's, with up to three words from `first` on. EBADF; `other` for other kinds of file. */
function callDescriptor(operation: u32, descriptor: u64, other: Errno, describe: (call: IpcCall) => void): Result<u64> {
  const file = openFileAt(descriptor);
  if (!file.ok) return err(file.error);
  if (file.value.kind !== FileKind.REMOTE) return finishWith(file.value, err(other));
  const thread = runningThread()!;
  describe(beginCall(thread, operation));
  return finishWith(file.value, callServer(thread, file.value));
}

/** getdents64(descriptor, buffer, length) */
export function getdents64(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return callDescriptor(FileOperation.READ_DIRECTORY, registers.rdi, Errno.ENOTDIR, (call) => {
    const length = u64(u32(registers.rdx));
    call.words[0] = length;
    setOutput(call, registers.rsi, length);
  });
}

const PERMISSIONS = 0o7777n;

/** fchmod(descriptor, mode) */
export function fchmod(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return callDescriptor(FileOperation.CHANGE_MODE, registers.rdi, Errno.EINVAL, (call) => {
    call.words[1] = u64(registers.rsi & PERMISSIONS);
  });
}

/** fchown(descriptor, uid, gid) */
export function fchown(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return callDescriptor(FileOperation.CHANGE_OWNER, registers.rdi, Errno.EINVAL, (call) => {
    call.words[1] = u64(u32(registers.rsi));
    call.words[2] = u64(u32(registers.rdx));
  });
}

const LARGEST_SIZE = 0x7fff_ffff_ffff_ffffn;

/** ftruncate(descriptor, size). EINVAL: not open for writing, or nothing that has a size. */
export function ftruncate(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const file = openFileAt(registers.rdi);
  if (!file.ok) return err(file.error);
  const isWrong = !isWritable(file.value);
  releaseFile(file.value);
  if (registers.rsi > LARGEST_SIZE || isWrong) return err(Errno.EINVAL);
  return callDescriptor(FileOperation.TRUNCATE, registers.rdi, Errno.EINVAL, (call) => {
    call.words[1] = registers.rsi;
  });
}

/** fallocate(descriptor, mode, offset, length) */
export function fallocate(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (registers.rdx > LARGEST_SIZE || registers.r10 > LARGEST_SIZE || registers.r10 === 0n) return err(Errno.EINVAL);
  return callDescriptor(FileOperation.ALLOCATE, registers.rdi, Errno.ESPIPE, (call) => {
    call.words[0] = u64(u32(registers.rsi));
    call.words[1] = registers.rdx;
    call.words[2] = registers.r10;
  });
}

/** fstatfs(descriptor, buffer) */
export function fstatfs(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return callDescriptor(FileOperation.STAT_FILE_SYSTEM, registers.rdi, Errno.ENOSYS, (call) => {
    setOutput(call, registers.rsi, u64(FileSystemStat.size));
  });
}

/** fsync(descriptor), fdatasync(descriptor). EINVAL: nothing that is stored. */
export function fsync(frame: VirtAddr): Result<u64> {
  return callDescriptor(FileOperation.SYNC, TrapFrame.at(frame).rdi, Errno.EINVAL, () => {});
}

const TIMES_BYTES = 32n;
const times = array(u64, 4);

/** utimensat(directory, path, times, flags): no path is the descriptor itself, no times are now. */
export function utimensat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const flags = u32(registers.r10);
  if ((flags & ~(AtFlag.SYMLINK_NOFOLLOW | AtFlag.EMPTY_PATH)) !== 0) return err(Errno.EINVAL);
  setNow();
  if (registers.rdx !== 0n) {
    const copied = copyIn(addressOf(times), userPtr<unknown>(registers.rdx), TIMES_BYTES);
    if (!copied.ok) return err(copied.error);
    if (!isNanoseconds(times[1]!) || !isNanoseconds(times[3]!)) return err(Errno.EINVAL);
    if (times[1]! === TIME_OMIT && times[3]! === TIME_OMIT) return ok(0n);
  }
  if (registers.rsi !== 0n) return setTimes(toI32(registers.rdi), registers.rsi, flags);
  if (flags !== 0 || toI32(registers.rdi) === AT_FDCWD) return err(flags !== 0 ? Errno.EINVAL : Errno.EFAULT);
  return callDescriptor(FileOperation.SET_TIMES, registers.rdi, Errno.EINVAL, addTimes);
}

function setNow(): void {
  times[0] = 0n;
  times[1] = TIME_NOW;
  times[2] = 0n;
  times[3] = TIME_NOW;
}

function isNanoseconds(value: u64): boolean {
  return value < NANOSECONDS || value === TIME_NOW || value === TIME_OMIT;
}

function addTimes(call: IpcCall): void {
  for (let index: u32 = 0; index < 4; index++) call.words[u32(index + 2)] = times[index]!;
}

function setTimes(directory: i32, path: u64, flags: u32): Result<u64> {
  const thread = runningThread()!;
  const isEmptyAllowed = (flags & AtFlag.EMPTY_PATH) !== 0;
  const start = beginPathOrFileCall(thread, FileOperation.SET_TIMES, directory, path, isEmptyAllowed);
  if (!start.ok) return err(start.error);
  thread.call.words[1] = u64(flags);
  addTimes(thread.call);
  return callServer(thread, start.value);
}

const MICROSECONDS = 1_000_000n;

/** utimes(path, times): two struct timeval. */
export function utimes(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return setTimesOf(AT_FDCWD, registers.rdi, registers.rsi);
}

/** futimesat(directory, path, times) */
export function futimesat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return setTimesOf(toI32(registers.rdi), registers.rsi, registers.rdx);
}

function setTimesOf(directory: i32, path: u64, address: u64): Result<u64> {
  setNow();
  if (address !== 0n) {
    const copied = copyIn(addressOf(times), userPtr<unknown>(address), TIMES_BYTES);
    if (!copied.ok) return err(copied.error);
    if (times[1]! >= MICROSECONDS || times[3]! >= MICROSECONDS) return err(Errno.EINVAL);
    times[1] = u64(times[1]! * 1000n);
    times[3] = u64(times[3]! * 1000n);
  }
  return setTimes(directory, path, 0);
}

const UTIMBUF_BYTES = 16n;

/** utime(path, times): struct utimbuf, whole seconds. */
export function utime(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  setNow();
  if (registers.rsi !== 0n) {
    const copied = copyIn(addressOf(times), userPtr<unknown>(registers.rsi), UTIMBUF_BYTES);
    if (!copied.ok) return err(copied.error);
    times[2] = times[1]!;
    times[1] = 0n;
    times[3] = 0n;
  }
  return setTimes(AT_FDCWD, registers.rdi, 0);
}

/** getcwd(buffer, size): the path's length with its terminator. */
export function getcwd(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return getCurrentDirectory(runningThread()!, registers.rdi, registers.rsi);
}

/** chdir(path) */
export function chdir(frame: VirtAddr): Result<u64> {
  const thread = runningThread()!;
  const start = beginPathCall(thread, FileOperation.OPEN, AT_FDCWD, TrapFrame.at(frame).rdi);
  if (!start.ok) return err(start.error);
  const changed = changeDirectory(thread, start.value);
  return changed.ok ? ok(0n) : err(changed.error);
}

/** fchdir(descriptor) */
export function fchdir(frame: VirtAddr): Result<u64> {
  const file = openFileAt(TrapFrame.at(frame).rdi);
  if (!file.ok) return err(file.error);
  if (file.value.kind !== FileKind.REMOTE) return finishWith(file.value, err(Errno.ENOTDIR));
  const thread = runningThread()!;
  beginCall(thread, FileOperation.OPEN);
  const changed = changeDirectory(thread, file.value);
  return finishWith(file.value, changed.ok ? ok(0n) : err(changed.error));
}

/** chroot(path); EPERM unless the caller is privileged. */
export function chroot(frame: VirtAddr): Result<u64> {
  const thread = runningThread()!;
  if (!isPrivileged(thread.process!.credentials)) return err(Errno.EPERM);
  const start = beginPathCall(thread, FileOperation.OPEN, AT_FDCWD, TrapFrame.at(frame).rdi);
  if (!start.ok) return err(start.error);
  const changed = changeRoot(thread, start.value);
  return changed.ok ? ok(0n) : err(changed.error);
}
