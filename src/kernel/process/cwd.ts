/** Where a process's paths start: its current directory and its root, both capabilities of a file server. */
import { Errno, err, ok, type Result, u64 } from '#dialect';
import { FileOperation } from '../abi/file-protocol.ts';
import { AccessMode, AtFlag, OpenFlag } from '../abi/stat.ts';
import { beginCall, setOutput } from '../ipc/call.ts';
import { callServer } from '../ipc/calling.ts';
import type { OpenFile } from '../ipc/open-file.ts';
import { openThrough } from '../ipc/opening.ts';
import { setCurrentDirectory, setRoot } from '../ipc/process-files.ts';
import { releaseFile } from '../ipc/release.ts';
import type { Thread } from './thread.ts';

/** Stores the current directory's path and its terminator in user memory and returns their length. ENOENT: it is gone. ERANGE. */
export function getCurrentDirectory(thread: Thread, buffer: u64, size: u64): Result<u64> {
  const directory = thread.process!.fileContext!.currentDirectory;
  if (directory === null) return err(Errno.ENOENT);
  const call = beginCall(thread, FileOperation.PATH);
  setOutput(call, buffer, size);
  return callServer(thread, directory);
}

/** Makes what the OPEN that has been begun names the current directory. ENOTDIR, EACCES, ENOENT: nothing has changed. */
export function changeDirectory(thread: Thread, start: OpenFile): Result<void> {
  const directory = openDirectory(thread, start);
  if (!directory.ok) return err(directory.error);
  setCurrentDirectory(thread.process!.fileContext!, directory.value);
  return ok();
}

/** Makes it the root. */
export function changeRoot(thread: Thread, start: OpenFile): Result<void> {
  const directory = openDirectory(thread, start);
  if (!directory.ok) return err(directory.error);
  setRoot(thread.process!.fileContext!, directory.value);
  return ok();
}

const DIRECTORY_FLAGS = OpenFlag.PATH | OpenFlag.DIRECTORY;

/** Finishes an OPEN so that it opens a directory that the process may search. */
function openDirectory(thread: Thread, start: OpenFile): Result<OpenFile> {
  thread.call.words[1] = u64(DIRECTORY_FLAGS);
  const opened = openThrough(thread, start, DIRECTORY_FLAGS);
  if (!opened.ok) return opened;
  const call = beginCall(thread, FileOperation.ACCESS);
  call.words[1] = u64(AccessMode.EXECUTE);
  call.words[2] = u64(AtFlag.EFFECTIVE_ACCESS);
  const allowed = callServer(thread, opened.value);
  if (allowed.ok) return opened;
  releaseFile(opened.value);
  return err(allowed.error);
}
