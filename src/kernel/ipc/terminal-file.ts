/** The terminal as an open file. */
import { addressOf, array, Errno, err, ok, type Result, u8, u32, u64, userPtr } from '#dialect';
import { consoleReaders, hasInput, takeInput } from '../console/input.ts';
import { printBytes } from '../console/print.ts';
import { lesser } from '../memory/layout.ts';
import { copyIn, copyOut } from '../memory/user-copy.ts';
import { isInterrupted } from '../process/signal-delivery.ts';
import { finishWaiting, prepareToWait } from '../process/sync.ts';
import { Restart, type Thread } from '../process/thread.ts';
import { sleep } from '../sched/scheduler.ts';

const BUFFER_BYTES = 512;
const POLLIN = 1;
const POLLOUT = 4;
const buffer = array(u8, BUFFER_BYTES);

/** Writes user memory to the console; what lies before a bad address is written. */
export function terminalWrite(_thread: Thread, source: u64, length: u64): Result<u64> {
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

/** Reads what has been typed, at least one byte. EAGAIN, EINTR, EFAULT. */
export function terminalRead(thread: Thread, destination: u64, length: u64, isNonblocking: boolean): Result<u64> {
  if (length === 0n) return ok(0n);
  const arrived = waitForInput(thread, isNonblocking);
  if (!arrived.ok) return err(arrived.error);
  let count: u32 = 0;
  const limit = u32(lesser(length, u64(BUFFER_BYTES)));
  while (count < limit && hasInput()) {
    buffer[count] = takeInput();
    count = u32(count + 1);
  }
  const copied = copyOut(userPtr<u8>(destination), addressOf(buffer), u64(count));
  return copied.ok ? ok(u64(count)) : err(copied.error);
}

function waitForInput(thread: Thread, isNonblocking: boolean): Result<void> {
  while (!hasInput()) {
    if (isNonblocking) return err(Errno.EAGAIN);
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

/** The console takes no requests of ioctl(2). */
export function terminalIoctl(_thread: Thread, _request: u32, _argument: u64): Result<u64> {
  return err(Errno.ENOTTY);
}

/** POLLIN when something has been typed; output always goes out. */
export function terminalReadiness(): u32 {
  return hasInput() ? POLLIN | POLLOUT : POLLOUT;
}
