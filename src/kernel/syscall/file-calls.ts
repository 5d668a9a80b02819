/** System calls on paths: each becomes one call of the server that the path starts from. */
import { Errno, err, type i32, ok, type Result, i32 as toI32, u32, u64, type VirtAddr } from '#dialect';
import { FileOperation } from '../abi/file-protocol.ts';
import { AT_FDCWD, AtFlag, FileSystemStat, OpenFlag } from '../abi/stat.ts';
import { beginCall, setInput, setOutput } from '../ipc/call.ts';
import { callServer } from '../ipc/calling.ts';
import { fillDescriptor, reserveDescriptor, unreserveDescriptor } from '../ipc/descriptors.ts';
import { FileKind, type OpenFile } from '../ipc/open-file.ts';
import { openThrough } from '../ipc/opening.ts';
import { beginPathCall, beginPathOrFileCall, beginTwoPathCall, measurePath } from '../ipc/path-operations.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread } from '../sched/scheduler.ts';
import { descriptorLimit, descriptors } from './descriptor-calls.ts';

/** open(path, flags, mode) */
export function open(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return openPath(AT_FDCWD, registers.rdi, u32(registers.rsi), registers.rdx);
}

/** creat(path, mode) */
export function creat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const flags = OpenFlag.CREATE | OpenFlag.WRITE_ONLY | OpenFlag.TRUNCATE;
  return openPath(AT_FDCWD, registers.rdi, flags, registers.rsi);
}

/** openat(directory, path, flags, mode) */
export function openat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return openPath(toI32(registers.rdi), registers.rsi, u32(registers.rdx), registers.r10);
}

/** The descriptor comes first, so that nothing is created that cannot be returned: EMFILE. */
function openPath(directory: i32, path: u64, flags: u32, mode: u64): Result<u64> {
  const table = descriptors();
  const reserved = reserveDescriptor(table, 0, descriptorLimit());
  if (!reserved.ok) return err(reserved.error);
  const descriptor = reserved.value;
  const opened = openFile(directory, path, flags, mode);
  if (!opened.ok) {
    unreserveDescriptor(table, descriptor);
    return err(opened.error);
  }
  fillDescriptor(table, descriptor, opened.value, (flags & OpenFlag.CLOSE_ON_EXEC) !== 0);
  return ok(u64(descriptor));
}

const PERMISSIONS = 0o7777n;

function openFile(directory: i32, path: u64, flags: u32, mode: u64): Result<OpenFile> {
  const thread = runningThread()!;
  const start = beginPathCall(thread, FileOperation.OPEN, directory, path);
  if (!start.ok) return start;
  thread.call.words[1] = u64(flags);
  thread.call.words[2] = u64(mode & PERMISSIONS);
  return openThrough(thread, start.value, flags);
}

/** access(path, mode) */
export function access(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return checkAccess(AT_FDCWD, registers.rdi, u32(registers.rsi), 0);
}

/** faccessat(directory, path, mode) */
export function faccessat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return checkAccess(toI32(registers.rdi), registers.rsi, u32(registers.rdx), 0);
}

/** faccessat2(directory, path, mode, flags) */
export function faccessat2(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return checkAccess(toI32(registers.rdi), registers.rsi, u32(registers.rdx), u32(registers.r10));
}

const ACCESS_MODES = 7;
const ACCESS_FLAGS = AtFlag.EFFECTIVE_ACCESS | AtFlag.SYMLINK_NOFOLLOW | AtFlag.EMPTY_PATH;

function checkAccess(directory: i32, path: u64, mode: u32, flags: u32): Result<u64> {
  if ((mode & ~ACCESS_MODES) !== 0 || (flags & ~ACCESS_FLAGS) !== 0) return err(Errno.EINVAL);
  const thread = runningThread()!;
  const isEmptyAllowed = (flags & AtFlag.EMPTY_PATH) !== 0;
  const start = beginPathOrFileCall(thread, FileOperation.ACCESS, directory, path, isEmptyAllowed);
  if (!start.ok) return err(start.error);
  thread.call.words[1] = u64(mode);
  thread.call.words[2] = u64(flags);
  return callServer(thread, start.value);
}

/** readlink(path, buffer, size) */
export function readlink(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return readLink(AT_FDCWD, registers.rdi, registers.rsi, toI32(registers.rdx));
}

/** readlinkat(directory, path, buffer, size) */
export function readlinkat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return readLink(toI32(registers.rdi), registers.rsi, registers.rdx, toI32(registers.r10));
}

function readLink(directory: i32, path: u64, buffer: u64, size: i32): Result<u64> {
  if (size <= 0) return err(Errno.EINVAL);
  const thread = runningThread()!;
  const start = beginPathOrFileCall(thread, FileOperation.READ_LINK, directory, path, directory !== AT_FDCWD);
  if (!start.ok) return err(start.error);
  setOutput(thread.call, buffer, u64(size));
  return callServer(thread, start.value);
}

/** mkdir(path, mode) */
export function mkdir(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return callWithPath(FileOperation.MAKE_DIRECTORY, AT_FDCWD, registers.rdi, u64(registers.rsi & PERMISSIONS), 0n, 0n);
}

/** mkdirat(directory, path, mode) */
export function mkdirat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const mode = u64(registers.rdx & PERMISSIONS);
  return callWithPath(FileOperation.MAKE_DIRECTORY, toI32(registers.rdi), registers.rsi, mode, 0n, 0n);
}

/** An operation on a path with up to three more words. */
function callWithPath(operation: u32, directory: i32, path: u64, word1: u64, word2: u64, word3: u64): Result<u64> {
  const thread = runningThread()!;
  const start = beginPathCall(thread, operation, directory, path);
  if (!start.ok) return err(start.error);
  return sendWords(start.value, word1, word2, word3);
}

/** Sends the call that has been begun, with words 1 to 3. */
function sendWords(start: OpenFile, word1: u64, word2: u64, word3: u64): Result<u64> {
  const thread = runningThread()!;
  thread.call.words[1] = word1;
  thread.call.words[2] = word2;
  thread.call.words[3] = word3;
  return callServer(thread, start);
}

/** rmdir(path) */
export function rmdir(frame: VirtAddr): Result<u64> {
  const flags = u64(AtFlag.REMOVE_DIRECTORY);
  return callWithPath(FileOperation.UNLINK, AT_FDCWD, TrapFrame.at(frame).rdi, flags, 0n, 0n);
}

/** unlink(path) */
export function unlink(frame: VirtAddr): Result<u64> {
  return callWithPath(FileOperation.UNLINK, AT_FDCWD, TrapFrame.at(frame).rdi, 0n, 0n, 0n);
}

/** unlinkat(directory, path, flags) */
export function unlinkat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const flags = u32(registers.rdx);
  if ((flags & ~AtFlag.REMOVE_DIRECTORY) !== 0) return err(Errno.EINVAL);
  return callWithPath(FileOperation.UNLINK, toI32(registers.rdi), registers.rsi, u64(flags), 0n, 0n);
}

/** rename(old, new) */
export function rename(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return renamePath(AT_FDCWD, registers.rdi, AT_FDCWD, registers.rsi, 0n);
}

/** renameat(old directory, old, new directory, new) */
export function renameat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return renamePath(toI32(registers.rdi), registers.rsi, toI32(registers.rdx), registers.r10, 0n);
}

/** renameat2(old directory, old, new directory, new, flags) */
export function renameat2(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const flags = u64(u32(registers.r8));
  return renamePath(toI32(registers.rdi), registers.rsi, toI32(registers.rdx), registers.r10, flags);
}

function renamePath(oldDirectory: i32, old: u64, newDirectory: i32, wanted: u64, flags: u64): Result<u64> {
  const thread = runningThread()!;
  const start = beginTwoPathCall(thread, FileOperation.RENAME, oldDirectory, old, newDirectory, wanted, false);
  if (!start.ok) return err(start.error);
  thread.call.words[3] = flags;
  return callServer(thread, start.value);
}

/** link(old, new) */
export function link(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return linkPath(AT_FDCWD, registers.rdi, AT_FDCWD, registers.rsi, 0);
}

/** linkat(old directory, old, new directory, new, flags) */
export function linkat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const flags = u32(registers.r8);
  if ((flags & ~(AtFlag.SYMLINK_FOLLOW | AtFlag.EMPTY_PATH)) !== 0) return err(Errno.EINVAL);
  return linkPath(toI32(registers.rdi), registers.rsi, toI32(registers.rdx), registers.r10, flags);
}

function linkPath(oldDirectory: i32, old: u64, newDirectory: i32, wanted: u64, flags: u32): Result<u64> {
  const thread = runningThread()!;
  const isEmptyAllowed = (flags & AtFlag.EMPTY_PATH) !== 0;
  const start = beginTwoPathCall(thread, FileOperation.LINK, oldDirectory, old, newDirectory, wanted, isEmptyAllowed);
  if (!start.ok) return err(start.error);
  thread.call.words[3] = u64(flags);
  return callServer(thread, start.value);
}

/** symlink(target, path) */
export function symlink(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return linkSymbolically(registers.rdi, AT_FDCWD, registers.rsi);
}

/** symlinkat(target, directory, path) */
export function symlinkat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return linkSymbolically(registers.rdi, toI32(registers.rsi), registers.rdx);
}

/** The target is text, but is measured and sent as a path is; the link's path decides who is asked. */
function linkSymbolically(target: u64, directory: i32, path: u64): Result<u64> {
  const length = measurePath(target);
  if (!length.ok) return length;
  const thread = runningThread()!;
  const start = beginPathCall(thread, FileOperation.SYMLINK, directory, path);
  if (!start.ok) return err(start.error);
  const call = thread.call;
  const pathLength = call.words[0]!;
  setInput(call, 0, target, length.value);
  setInput(call, 1, path, pathLength);
  call.words[0] = length.value;
  call.words[1] = pathLength;
  return callServer(thread, start.value);
}

/** chmod(path, mode) */
export function chmod(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return callWithPath(FileOperation.CHANGE_MODE, AT_FDCWD, registers.rdi, u64(registers.rsi & PERMISSIONS), 0n, 0n);
}

/** fchmodat(directory, path, mode) */
export function fchmodat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const mode = u64(registers.rdx & PERMISSIONS);
  return callWithPath(FileOperation.CHANGE_MODE, toI32(registers.rdi), registers.rsi, mode, 0n, 0n);
}

/** chown(path, uid, gid) */
export function chown(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return changeOwner(AT_FDCWD, registers.rdi, registers.rsi, registers.rdx, 0);
}

/** lchown(path, uid, gid) */
export function lchown(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return changeOwner(AT_FDCWD, registers.rdi, registers.rsi, registers.rdx, AtFlag.SYMLINK_NOFOLLOW);
}

/** fchownat(directory, path, uid, gid, flags) */
export function fchownat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const flags = u32(registers.r8);
  if ((flags & ~(AtFlag.SYMLINK_NOFOLLOW | AtFlag.EMPTY_PATH)) !== 0) return err(Errno.EINVAL);
  return changeOwner(toI32(registers.rdi), registers.rsi, registers.rdx, registers.r10, flags);
}

function changeOwner(directory: i32, path: u64, uid: u64, gid: u64, flags: u32): Result<u64> {
  const thread = runningThread()!;
  const isEmptyAllowed = (flags & AtFlag.EMPTY_PATH) !== 0;
  const start = beginPathOrFileCall(thread, FileOperation.CHANGE_OWNER, directory, path, isEmptyAllowed);
  if (!start.ok) return err(start.error);
  return sendWords(start.value, u64(u32(uid)), u64(u32(gid)), u64(flags));
}

const LARGEST_SIZE = 0x7fff_ffff_ffff_ffffn;

/** truncate(path, size) */
export function truncate(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (registers.rsi > LARGEST_SIZE) return err(Errno.EINVAL);
  return callWithPath(FileOperation.TRUNCATE, AT_FDCWD, registers.rdi, registers.rsi, 0n, 0n);
}

/** mknod(path, mode, device) */
export function mknod(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const mode = u64(u32(registers.rsi));
  return callWithPath(FileOperation.MAKE_NODE, AT_FDCWD, registers.rdi, mode, u64(u32(registers.rdx)), 0n);
}

/** mknodat(directory, path, mode, device) */
export function mknodat(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const mode = u64(u32(registers.rdx));
  const directory = toI32(registers.rdi);
  return callWithPath(FileOperation.MAKE_NODE, directory, registers.rsi, mode, u64(u32(registers.r10)), 0n);
}

/** statfs(path, buffer) */
export function statfs(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const thread = runningThread()!;
  const start = beginPathCall(thread, FileOperation.STAT_FILE_SYSTEM, AT_FDCWD, registers.rdi);
  if (!start.ok) return err(start.error);
  setOutput(thread.call, registers.rsi, u64(FileSystemStat.size));
  return callServer(thread, start.value);
}

/** sync(): the root's server is asked. What it answers is nobody's business (sync(2)). */
export function sync(_frame: VirtAddr): Result<u64> {
  const thread = runningThread()!;
  const root = thread.process!.fileContext!.root;
  if (root === null || root.kind !== FileKind.REMOTE) return ok(0n);
  beginCall(thread, FileOperation.SYNC);
  const answered = callServer(thread, root);
  return answered.ok ? answered : ok(0n);
}
