/** Bytes typed on the console, kept until a program reads them. */
import { array, embed, u8, u32 } from '#dialect';
import { notifyPollers } from '../ipc/poll-waiters.ts';
import { wakeOne } from '../process/sync.ts';
import { WaitQueue } from '../process/wait-queue.ts';
import { hasReceived, receiveByte } from './serial.ts';

const CAPACITY = 1024;
const buffer = array(u8, CAPACITY);
let head: u32 = 0;
let count: u32 = 0;

/** Readers that found nothing. */
export const consoleReaders: WaitQueue = embed(WaitQueue);

/** Empties the chip; bytes beyond the buffer's capacity are lost. Called from interrupts. */
export function collectInput(): void {
  const before = count;
  while (hasReceived()) {
    const byte = receiveByte();
    if (count === CAPACITY) continue;
    buffer[u32((head + count) % CAPACITY)] = byte;
    count = u32(count + 1);
  }
  if (count === before) return;
  wakeOne(consoleReaders);
  notifyPollers();
}

export function hasInput(): boolean {
  return count > 0;
}

/** The oldest byte; only when `hasInput`. */
export function takeInput(): u8 {
  const byte = buffer[head]!;
  head = u32((head + 1) % CAPACITY);
  count = u32(count - 1);
  return byte;
}
