/** Open file descriptions (open(2)): what descriptors refer to, shared by dup and fork, freed by the last to let go. */
import { addressOf, constructAt, err, ok, type Result, sizeOf, u32, type u64 } from '#dialect';
import { OpenFlag } from '../abi/stat.ts';
import { ObjectCache } from '../memory/slab.ts';
import type { Process } from '../process/pcb.ts';
import type { Endpoint } from './endpoint.ts';
import type { Interest, InterestList } from './epoll.ts';
import type { EventCounter } from './event-counter.ts';
import type { Pipe } from './pipe.ts';

export const FileKind = {
  /** Made for an OPEN whose answer decides what it becomes. */
  UNDECIDED: 0,
  TERMINAL: 1,
  /** A capability: calls go to `endpoint` under `badge`. */
  REMOTE: 2,
  /** The right to receive on `endpoint`. */
  ENDPOINT: 3,
  PIPE_READER: 4,
  PIPE_WRITER: 5,
  EVENT_COUNTER: 6,
  INTEREST_LIST: 7,
} as const;
export type FileKind = (typeof FileKind)[keyof typeof FileKind];

export class OpenFile {
  references: u32 = 1;
  kind: FileKind = FileKind.UNDECIDED;
  /** Access mode and status flags of open(2). */
  flags: u32 = 0;
  badge: u64 = 0n;
  isRevoked: boolean = false;
  endpoint: Endpoint | null = null;
  /** In the endpoint's list of capabilities; `next` links the lists of closed and of abandoned ones too. */
  next: OpenFile | null = null;
  previous: OpenFile | null = null;
  pipe: Pipe | null = null;
  counter: EventCounter | null = null;
  /** What it is, and the lists that it is on (epoll.ts). */
  interests: InterestList | null = null;
  firstInterest: Interest | null = null;
  /** The call whose late reply decides about this file, and who is to reply, while its opener is gone. */
  callId: u64 = 0n;
  server: Process | null = null;
}

const cache = new ObjectCache(sizeOf(OpenFile));

/** Open file descriptions alive. */
export function openFileCount(): u32 {
  return cache.allocated;
}

/** One with one reference; ENOMEM. */
export function allocateFile(kind: FileKind, flags: u32): Result<OpenFile> {
  const memory = cache.allocate();
  if (!memory.ok) return err(memory.error);
  const file = constructAt(OpenFile, memory.value);
  file.kind = kind;
  file.flags = flags;
  return ok(file);
}

/** Gives the memory back; whatever the file stood for has been let go. */
export function freeFile(file: OpenFile): void {
  cache.release(addressOf(file));
}

export function retainFile(file: OpenFile): void {
  file.references = u32(file.references + 1);
}

export function isReadable(file: OpenFile): boolean {
  return (file.flags & (OpenFlag.WRITE_ONLY | OpenFlag.PATH)) === 0;
}

export function isWritable(file: OpenFile): boolean {
  return (file.flags & OpenFlag.ACCESS_MASK) !== OpenFlag.READ_ONLY && (file.flags & OpenFlag.PATH) === 0;
}

export function isNonBlocking(file: OpenFile): boolean {
  return (file.flags & OpenFlag.NON_BLOCKING) !== 0;
}
