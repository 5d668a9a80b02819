/** What can be done with an open file without waiting, as poll(2) puts it. */
import { u32 } from '#dialect';
import { terminalReadiness } from '../console/terminal.ts';
import { hasReport } from './epoll.ts';
import { LARGEST_COUNTER } from './event-counter.ts';
import { FileKind, type OpenFile } from './open-file.ts';
import { ATOMIC_BYTES, PIPE_BYTES, pipeFill } from './pipe.ts';
import { hasRequest } from './serving.ts';

export const PollEvent = {
  IN: 0x001,
  PRIORITY: 0x002,
  OUT: 0x004,
  ERROR: 0x008,
  HANG_UP: 0x010,
  INVALID: 0x020,
  READ_NORMAL: 0x040,
  READ_BAND: 0x080,
  WRITE_NORMAL: 0x100,
  WRITE_BAND: 0x200,
  READ_HANG_UP: 0x2000,
} as const;

const READABLE = PollEvent.IN | PollEvent.READ_NORMAL;
const WRITABLE = PollEvent.OUT | PollEvent.WRITE_NORMAL;

/** Bits of `PollEvent`. Files of a server are always ready. */
export function readinessOf(file: OpenFile): u32 {
  switch (file.kind) {
    case FileKind.TERMINAL:
      return withNormalBits(terminalReadiness());
    case FileKind.PIPE_READER:
      return readerReadiness(file);
    case FileKind.PIPE_WRITER:
      return writerReadiness(file);
    case FileKind.EVENT_COUNTER:
      return counterReadiness(file);
    case FileKind.INTEREST_LIST:
      return hasReport(file.interests!) ? READABLE : 0;
    case FileKind.ENDPOINT:
      return hasRequest(file.endpoint!) ? READABLE : 0;
    default:
      return READABLE | WRITABLE;
  }
}

function withNormalBits(events: u32): u32 {
  const readable = (events & PollEvent.IN) === 0 ? 0 : PollEvent.READ_NORMAL;
  const writable = (events & PollEvent.OUT) === 0 ? 0 : PollEvent.WRITE_NORMAL;
  return u32(events | readable | writable);
}

function readerReadiness(file: OpenFile): u32 {
  const pipe = file.pipe!;
  const data: u32 = pipeFill(pipe) > 0n ? READABLE : 0;
  return pipe.writers === 0 ? u32(data | PollEvent.HANG_UP) : data;
}

function writerReadiness(file: OpenFile): u32 {
  const pipe = file.pipe!;
  const isRoomy = pipeFill(pipe) <= PIPE_BYTES - ATOMIC_BYTES;
  const room: u32 = isRoomy ? WRITABLE : 0;
  return pipe.readers === 0 ? u32(room | PollEvent.ERROR) : room;
}

function counterReadiness(file: OpenFile): u32 {
  const value = file.counter!.value;
  return u32((value > 0n ? READABLE : 0) | (value < LARGEST_COUNTER ? WRITABLE : 0));
}
