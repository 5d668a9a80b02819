/** Reading and writing open files of every kind, for system calls: user memory on one side. */
import { Errno, err, type Result, type u64 } from '#dialect';
import { FileOperation, OWN_OFFSET } from '../abi/file-protocol.ts';
import { terminalRead, terminalWrite } from '../console/terminal.ts';
import { isUserRange, lesser } from '../memory/layout.ts';
import type { Thread } from '../process/thread.ts';
import { beginCall, setInput, setOutput } from './call.ts';
import { callServer } from './calling.ts';
import { readCounter, writeCounter } from './event-counter.ts';
import { FileKind, isNonBlocking, isReadable, isWritable, type OpenFile } from './open-file.ts';
import { readPipe, writePipe } from './pipe.ts';

/** Most bytes one call transfers (MAX_RW_COUNT). */
export const LARGEST_TRANSFER = 0x7fff_f000n;

/** Whether a transfer may sleep: as the file says, or not at all because some bytes have been transferred already. */
export const Waiting = { AS_OPENED: 0, NEVER: 1 } as const;
export type Waiting = (typeof Waiting)[keyof typeof Waiting];

/**
 * read(2) and pread(2), at the file's own offset when that is OWN_OFFSET. EBADF: not open for reading. ESPIPE: an offset,
 * and nothing that has any. EFAULT, EAGAIN, EINTR; other errors are the server's.
 */
export function readFile(
  thread: Thread,
  file: OpenFile,
  destination: u64,
  wanted: u64,
  offset: u64,
  waiting: Waiting,
): Result<u64> {
  if (!isReadable(file)) return err(Errno.EBADF);
  if (!isUserRange(destination, wanted)) return err(Errno.EFAULT);
  const length = lesser(wanted, LARGEST_TRANSFER);
  if (file.kind === FileKind.REMOTE) return readRemote(thread, file, destination, length, offset);
  if (offset !== OWN_OFFSET) return err(Errno.ESPIPE);
  const mayWait = waiting === Waiting.AS_OPENED && !isNonBlocking(file);
  switch (file.kind) {
    case FileKind.TERMINAL:
      return terminalRead(thread, destination, length, !mayWait);
    case FileKind.PIPE_READER:
      return readPipe(thread, file.pipe!, destination, length, mayWait);
    case FileKind.EVENT_COUNTER:
      return readCounter(thread, file.counter!, destination, length, mayWait);
    default:
      return err(Errno.EINVAL);
  }
}

function readRemote(thread: Thread, file: OpenFile, destination: u64, length: u64, offset: u64): Result<u64> {
  const call = beginCall(thread, FileOperation.READ);
  call.words[0] = offset;
  call.words[1] = length;
  setOutput(call, destination, length);
  return callServer(thread, file);
}

/** write(2) and pwrite(2); as `readFile`, and EPIPE. */
export function writeFile(
  thread: Thread,
  file: OpenFile,
  source: u64,
  wanted: u64,
  offset: u64,
  waiting: Waiting,
): Result<u64> {
  if (!isWritable(file)) return err(Errno.EBADF);
  if (!isUserRange(source, wanted)) return err(Errno.EFAULT);
  const length = lesser(wanted, LARGEST_TRANSFER);
  if (file.kind === FileKind.REMOTE) return writeRemote(thread, file, source, length, offset);
  if (offset !== OWN_OFFSET) return err(Errno.ESPIPE);
  const mayWait = waiting === Waiting.AS_OPENED && !isNonBlocking(file);
  switch (file.kind) {
    case FileKind.TERMINAL:
      return terminalWrite(thread, source, length);
    case FileKind.PIPE_WRITER:
      return writePipe(thread, file.pipe!, source, length, mayWait);
    case FileKind.EVENT_COUNTER:
      return writeCounter(thread, file.counter!, source, length, mayWait);
    default:
      return err(Errno.EINVAL);
  }
}

function writeRemote(thread: Thread, file: OpenFile, source: u64, length: u64, offset: u64): Result<u64> {
  const call = beginCall(thread, FileOperation.WRITE);
  call.words[0] = offset;
  call.words[1] = length;
  setInput(call, 0, source, length);
  return callServer(thread, file);
}
