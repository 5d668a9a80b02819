/** Files that the kernel itself opens and reads, in the running thread, which sleeps until the server has answered. */
import { addressOf, Errno, embed, err, ok, type Result, u64, type VirtAddr } from '#dialect';
import { FileOperation } from '../abi/file-protocol.ts';
import { AccessMode, AtFlag, FileMode, OpenFlag, Stat } from '../abi/stat.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { Thread } from '../process/thread.ts';
import { beginCall, setKernelInput, setKernelOutput, setSpaceOutput } from './call.ts';
import { callServer } from './calling.ts';
import { FileKind, type OpenFile } from './open-file.ts';
import { openThrough } from './opening.ts';
import { startOfKernelPath } from './path-operations.ts';
import { releaseFile } from './release.ts';

/**
 * Opens a program by a path in kernel memory, from the process's root or current directory, with one reference. EACCES:
 * not a regular file, or not one that the process may execute. Other errors are the server's.
 */
export function openProgram(thread: Thread, path: VirtAddr, length: u64): Result<OpenFile> {
  const start = startOfKernelPath(thread, path);
  if (!start.ok) return start;
  const call = beginCall(thread, FileOperation.OPEN);
  call.words[0] = length;
  call.words[1] = u64(OpenFlag.READ_ONLY | OpenFlag.LARGE_FILE);
  setKernelInput(call, 0, path, length);
  const opened = openThrough(thread, start.value, OpenFlag.READ_ONLY);
  if (!opened.ok) return opened;
  const allowed = checkExecutable(thread, opened.value);
  if (allowed.ok) return opened;
  releaseFile(opened.value);
  return err(allowed.error);
}

function checkExecutable(thread: Thread, file: OpenFile): Result<void> {
  const description = embed(Stat);
  const described = describeFile(thread, file, addressOf(description));
  if (!described.ok) return described;
  if ((description.mode & FileMode.TYPE_MASK) !== FileMode.REGULAR) return err(Errno.EACCES);
  const call = beginCall(thread, FileOperation.ACCESS);
  call.words[1] = u64(AccessMode.EXECUTE);
  call.words[2] = u64(AtFlag.EFFECTIVE_ACCESS);
  const allowed = callServer(thread, file);
  return allowed.ok ? ok() : err(allowed.error);
}

/** Fills in a `Stat` in kernel memory. EACCES: not a server's file. */
export function describeFile(thread: Thread, file: OpenFile, destination: VirtAddr): Result<void> {
  if (file.kind !== FileKind.REMOTE) return err(Errno.EACCES);
  const call = beginCall(thread, FileOperation.STAT);
  setKernelOutput(call, destination, u64(Stat.size));
  const answered = callServer(thread, file);
  return answered.ok ? ok() : err(answered.error);
}

/** Reads to the pages of an address space that need not be anybody's yet, whatever their protection. */
export function readIntoSpace(
  thread: Thread,
  file: OpenFile,
  offset: u64,
  space: AddressSpace,
  address: u64,
  length: u64,
): Result<u64> {
  const call = beginCall(thread, FileOperation.READ);
  call.words[0] = offset;
  call.words[1] = length;
  setSpaceOutput(call, space, address, length);
  return callServer(thread, file);
}
