/** Reading and writing. Descriptors 0, 1 and 2 are the console; no others exist. */
import {
  addressOf,
  array,
  Errno,
  err,
  f64,
  ok,
  type Result,
  struct,
  u8,
  u32,
  u64,
  userPtr,
  type VirtAddr,
} from '#dialect';
import { consoleReaders, hasInput, takeInput } from '../console/input.ts';
import { printBytes } from '../console/print.ts';
import { lesser } from '../memory/layout.ts';
import { copyIn, copyOut } from '../memory/user-copy.ts';
import { isInterrupted } from '../process/signal-delivery.ts';
import { finishWaiting, prepareToWait } from '../process/sync.ts';
import { Restart } from '../process/thread.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread, sleep } from '../sched/scheduler.ts';

const CONSOLE_DESCRIPTORS = 3n;
const BUFFER_BYTES = 512;
const buffer = array(u8, BUFFER_BYTES);
/** Most bytes one call transfers (MAX_RW_COUNT). */
const LARGEST_TRANSFER = 0x7fff_f000n;

/** The descriptor argument is an int: what a program puts above it does not count. */
export function isConsole(descriptor: u64): boolean {
  return u64(u32(descriptor)) < CONSOLE_DESCRIPTORS;
}

/** write(descriptor, buffer, length) */
export function write(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (!isConsole(registers.rdi)) return err(Errno.EBADF);
  return writeConsole(registers.rsi, lesser(registers.rdx, LARGEST_TRANSFER));
}

/** Writes user memory to the console; what lies before a bad address is written. */
function writeConsole(source: u64, length: u64): Result<u64> {
  let done: u64 = 0n;
  while (done < length) {
    const part = lesser(u64(length - done), u64(BUFFER_BYTES));
    const copied = copyIn(addressOf(buffer), userPtr<u8>(source + done), part);
    if (!copied.ok) return done > 0n ? ok(done) : err(copied.error);
    printBytes(addressOf(buffer), part);
    done = u64(done + part);
  }
  return ok(done);
}

const IoVector = struct({ base: f64, length: f64 });
const LARGEST_VECTOR = 1024n;
const vector = array(IoVector, 1);

/** writev(descriptor, vector, count) */
export function writev(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (!isConsole(registers.rdi)) return err(Errno.EBADF);
  const count = u64(u32(registers.rdx));
  if (count > LARGEST_VECTOR) return err(Errno.EINVAL);
  let done: u64 = 0n;
  for (let index: u64 = 0n; index < count; index = u64(index + 1n)) {
    const entry = userPtr<u8>(registers.rsi + index * u64(IoVector.size));
    const copied = copyIn(addressOf(vector), entry, u64(IoVector.size));
    if (!copied.ok) return done > 0n ? ok(done) : err(copied.error);
    const part = vector[0]!;
    const length = lesser(part.length, u64(LARGEST_TRANSFER - done));
    const written = writeConsole(part.base, length);
    if (!written.ok) return done > 0n ? ok(done) : written;
    done = u64(done + written.value);
    if (written.value < part.length) break;
  }
  return ok(done);
}

/** read(descriptor, buffer, length): waits for at least one byte. */
export function read(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (!isConsole(registers.rdi)) return err(Errno.EBADF);
  if (registers.rdx === 0n) return ok(0n);
  const arrived = waitForInput();
  if (!arrived.ok) return err(arrived.error);
  let count: u32 = 0;
  const limit = u32(lesser(registers.rdx, u64(BUFFER_BYTES)));
  while (count < limit && hasInput()) {
    buffer[count] = takeInput();
    count = u32(count + 1);
  }
  const copied = copyOut(userPtr<u8>(registers.rsi), addressOf(buffer), u64(count));
  return copied.ok ? ok(u64(count)) : err(copied.error);
}

/** EINTR: a signal came before any input. */
function waitForInput(): Result<void> {
  const thread = runningThread()!;
  while (!hasInput()) {
    prepareToWait(consoleReaders, thread, true);
    if (!hasInput() && !isInterrupted(thread)) sleep();
    finishWaiting(thread);
    if (isInterrupted(thread)) {
      thread.restart = Restart.IF_WANTED;
      return err(Errno.EINTR);
    }
  }
  return ok();
}

/** ioctl(descriptor, request, argument): the console is no terminal to programs. */
export function ioctl(frame: VirtAddr): Result<u64> {
  return err(isConsole(TrapFrame.at(frame).rdi) ? Errno.ENOTTY : Errno.EBADF);
}
