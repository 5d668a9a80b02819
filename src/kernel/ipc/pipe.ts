/** Pipes (pipe(7)): 64 KiB between readers and writers; up to 4,096 bytes are written in one piece. */
import {
  addressOf,
  array,
  constructAt,
  Errno,
  embed,
  err,
  ok,
  phys,
  type Result,
  sizeOf,
  u32,
  u64,
  userPtr,
  type VirtAddr,
  virt,
} from '#dialect';
import { allocateFrame, releaseFrame } from '../memory/frames.ts';
import { directMap, lesser, PAGE_OFFSET_MASK, PAGE_SHIFT, PAGE_SIZE } from '../memory/layout.ts';
import { ObjectCache } from '../memory/slab.ts';
import { copyIn, copyOut } from '../memory/user-copy.ts';
import { isInterrupted, Signal, sendThreadSignal } from '../process/signal-delivery.ts';
import { describeSignal, SignalCode, SignalInfo } from '../process/signal-info.ts';
import { finishWaiting, prepareToWait, wakeAll } from '../process/sync.ts';
import { Restart, type Thread } from '../process/thread.ts';
import { WaitQueue } from '../process/wait-queue.ts';
import { sleep } from '../sched/scheduler.ts';
import { FileKind, type OpenFile } from './open-file.ts';
import { notifyPollers } from './poll-waiters.ts';

export const PIPE_BYTES = 0x1_0000n;
const PIPE_PAGES = 16;
/** PIPE_BUF: a write of so much is never mixed with another's. */
export const ATOMIC_BYTES = 4096n;

export class Pipe {
  /** Open file descriptions of either end. */
  readers: u32 = 0;
  writers: u32 = 0;
  /** Bytes that have gone in and out since the beginning. */
  written: u64 = 0n;
  taken: u64 = 0n;
  /** The frame of each page of the ring, 0 for none. */
  readonly frames = array(u64, PIPE_PAGES);
  readonly readable: WaitQueue = embed(WaitQueue);
  readonly writable: WaitQueue = embed(WaitQueue);
}

const cache = new ObjectCache(sizeOf(Pipe));

/** Pipes alive. */
export function pipeCount(): u32 {
  return cache.allocated;
}

/** Makes two new files the ends of a new pipe; ENOMEM. */
export function createPipe(reader: OpenFile, writer: OpenFile): Result<Pipe> {
  const memory = cache.allocate();
  if (!memory.ok) return err(memory.error);
  const pipe = constructAt(Pipe, memory.value);
  attachEnd(reader, pipe, FileKind.PIPE_READER);
  attachEnd(writer, pipe, FileKind.PIPE_WRITER);
  return ok(pipe);
}

/** Makes a file an end of a pipe. */
export function attachEnd(file: OpenFile, pipe: Pipe, kind: FileKind): void {
  file.kind = kind;
  file.pipe = pipe;
  if (kind === FileKind.PIPE_READER) pipe.readers = u32(pipe.readers + 1);
  else pipe.writers = u32(pipe.writers + 1);
}

/** One end less; the other side learns of it, and nobody's pipe is freed. */
export function closePipeEnd(file: OpenFile): void {
  const pipe = file.pipe!;
  if (file.kind === FileKind.PIPE_READER) pipe.readers = u32(pipe.readers - 1);
  else pipe.writers = u32(pipe.writers - 1);
  if (pipe.readers + pipe.writers > 0) {
    wakeAll(file.kind === FileKind.PIPE_READER ? pipe.writable : pipe.readable);
    notifyPollers();
    return;
  }
  for (const frame of pipe.frames) {
    if (frame !== 0n) releaseFrame(phys(frame));
  }
  cache.release(addressOf(pipe));
}

/** Bytes that can be read. */
export function pipeFill(pipe: Pipe): u64 {
  return u64(pipe.written - pipe.taken);
}

function room(pipe: Pipe): u64 {
  return u64(PIPE_BYTES - pipeFill(pipe));
}

function pageOf(position: u64): u32 {
  return u32((position >> PAGE_SHIFT) & 15n);
}

/** Bytes from a position to the end of its page. */
function leftInPage(position: u64): u64 {
  return u64(PAGE_SIZE - (position & PAGE_OFFSET_MASK));
}

function placeOf(pipe: Pipe, position: u64): VirtAddr {
  return virt(directMap(phys(pipe.frames[pageOf(position)]!)) + (position & PAGE_OFFSET_MASK));
}

/** Waits in one of the pipe's queues while `isReady` does not hold. EAGAIN when it may not wait, EINTR: a signal came. */
function waitFor(queue: WaitQueue, thread: Thread, mayWait: boolean, isReady: () => boolean): Result<void> {
  while (!isReady()) {
    if (!mayWait) return err(Errno.EAGAIN);
    if (isInterrupted(thread)) {
      thread.restart = Restart.IF_WANTED;
      return err(Errno.EINTR);
    }
    prepareToWait(queue, thread, true);
    sleep();
    finishWaiting(thread);
  }
  return ok();
}

/** Reads what there is, at most `length` bytes, to user memory; 0 at the end. EAGAIN, EINTR, EFAULT: nothing was read. */
export function readPipe(thread: Thread, pipe: Pipe, destination: u64, length: u64, mayWait: boolean): Result<u64> {
  if (length === 0n) return ok(0n);
  const ready = waitFor(pipe.readable, thread, mayWait, () => pipeFill(pipe) > 0n || pipe.writers === 0);
  if (!ready.ok) return err(ready.error);
  const wanted = lesser(length, pipeFill(pipe));
  let done: u64 = 0n;
  while (done < wanted) {
    const part = lesser(u64(wanted - done), leftInPage(pipe.taken));
    const copied = copyOut(userPtr<unknown>(destination + done), placeOf(pipe, pipe.taken), part);
    if (!copied.ok && done === 0n) return err(copied.error);
    if (!copied.ok) break;
    take(pipe, part);
    done = u64(done + part);
  }
  if (done > 0n) {
    wakeAll(pipe.writable);
    notifyPollers();
  }
  return ok(done);
}

/** Takes bytes out, all in one page, and lets go of a page read to its end, unless writers have come around to it. */
function take(pipe: Pipe, length: u64): void {
  const page = pageOf(pipe.taken);
  const isPageDone = leftInPage(pipe.taken) === length;
  pipe.taken = u64(pipe.taken + length);
  if (!isPageDone || pipe.written > u64(pipe.taken - PAGE_SIZE + PIPE_BYTES)) return;
  releaseFrame(phys(pipe.frames[page]!));
  pipe.frames[page] = 0n;
}

/**
 * Writes user memory. Up to ATOMIC_BYTES go in one piece; of more, what fits goes in as readers make room. EPIPE, with
 * SIGPIPE: no readers. EAGAIN, EINTR, EFAULT, ENOMEM: nothing was written.
 */
export function writePipe(thread: Thread, pipe: Pipe, source: u64, length: u64, mayWait: boolean): Result<u64> {
  let done: u64 = 0n;
  while (done < length) {
    const least = length <= ATOMIC_BYTES ? length : 1n;
    const ready = waitForRoom(thread, pipe, least, mayWait);
    if (!ready.ok) return done > 0n ? ok(done) : err(ready.error);
    const part = lesser(u64(length - done), room(pipe));
    const put = putBytes(pipe, u64(source + done), part);
    wakeAll(pipe.readable);
    notifyPollers();
    if (!put.ok) return done > 0n ? ok(done) : put;
    done = u64(done + put.value);
    if (put.value < part) return ok(done);
  }
  return ok(done);
}

/** Waits until so many bytes fit; EPIPE (and SIGPIPE) without readers, EAGAIN, EINTR. */
export function waitForRoom(thread: Thread, pipe: Pipe, bytes: u64, mayWait: boolean): Result<void> {
  const ready = waitFor(pipe.writable, thread, mayWait, () => pipe.readers === 0 || room(pipe) >= bytes);
  if (pipe.readers > 0) return ready;
  raiseBrokenPipe(thread);
  return err(Errno.EPIPE);
}

const sender = embed(SignalInfo);

function raiseBrokenPipe(thread: Thread): void {
  const process = thread.process!;
  sendThreadSignal(
    thread,
    Signal.SIGPIPE,
    describeSignal(sender, SignalCode.USER, process.pid, process.credentials.user.real, 0),
  );
}

/** Puts in bytes that fit; fewer when user memory or frames end before. EFAULT, ENOMEM: none. */
function putBytes(pipe: Pipe, source: u64, length: u64): Result<u64> {
  let done: u64 = 0n;
  while (done < length) {
    const page = pageOf(pipe.written);
    if (pipe.frames[page]! === 0n) {
      const frame = allocateFrame();
      if (!frame.ok) return done > 0n ? ok(done) : err(frame.error);
      pipe.frames[page] = frame.value;
    }
    const part = lesser(u64(length - done), leftInPage(pipe.written));
    const copied = copyIn(placeOf(pipe, pipe.written), userPtr<unknown>(source + done), part);
    if (!copied.ok) return done > 0n ? ok(done) : err(copied.error);
    pipe.written = u64(pipe.written + part);
    done = u64(done + part);
  }
  return ok(done);
}
