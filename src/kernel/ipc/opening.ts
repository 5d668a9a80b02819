/** What an OPEN's reply makes of the file that was readied for it. */
import { Errno, err, ok, type Result, u32 } from '#dialect';
import { IpcTransfer } from '../abi/ipc.ts';
import { OpenFlag } from '../abi/stat.ts';
import { hasControllingTerminal } from '../console/terminal.ts';
import type { Thread } from '../process/thread.ts';
import { callServer } from './calling.ts';
import { makeRemote } from './endpoint.ts';
import { allocateFile, FileKind, freeFile, type OpenFile } from './open-file.ts';
import { attachEnd } from './pipe.ts';
import { releaseFile } from './release.ts';

/** What an open file does not keep of the flags it was opened with. */
const OPENING_FLAGS =
  OpenFlag.CREATE | OpenFlag.EXCLUSIVE | OpenFlag.NO_CONTROLLING_TERMINAL | OpenFlag.TRUNCATE | OpenFlag.CLOSE_ON_EXEC;

/**
 * Sends the running thread's OPEN, which has been begun, to the server of `start`, and returns the file that it opens, with
 * one reference. ENOMEM, or as `callServer`. ENXIO: /dev/tty, and no controlling terminal. EIO: a reply without a file.
 */
export function openThrough(thread: Thread, start: OpenFile, flags: u32): Result<OpenFile> {
  const allocated = allocateFile(FileKind.UNDECIDED, u32(flags & ~OPENING_FLAGS));
  if (!allocated.ok) return allocated;
  const file = allocated.value;
  thread.call.opened = file;
  const endpoint = start.endpoint!;
  const answered = callServer(thread, start);
  if (!answered.ok) {
    if (thread.call.opened !== null) freeFile(file);
    return err(answered.error);
  }
  thread.call.opened = null;
  switch (thread.call.transfer) {
    case IpcTransfer.BADGE:
      makeRemote(file, endpoint, thread.call.words[0]!);
      return ok(file);
    case IpcTransfer.DESCRIPTOR:
      return takeGiven(thread, file);
    case IpcTransfer.CONTROLLING_TERMINAL:
      if (!hasControllingTerminal(thread.process!)) {
        freeFile(file);
        return err(Errno.ENXIO);
      }
      file.kind = FileKind.TERMINAL;
      return ok(file);
    default:
      freeFile(file);
      return err(Errno.EIO);
  }
}

/** A terminal or pipe end is opened anew, with flags of its own; a capability is shared. */
function takeGiven(thread: Thread, file: OpenFile): Result<OpenFile> {
  const given = thread.call.given!;
  thread.call.given = null;
  switch (given.kind) {
    case FileKind.TERMINAL:
      file.kind = FileKind.TERMINAL;
      break;
    case FileKind.PIPE_READER:
    case FileKind.PIPE_WRITER:
      attachEnd(file, given.pipe!, given.kind);
      break;
    default:
      freeFile(file);
      return ok(given);
  }
  releaseFile(given);
  return ok(file);
}
