/** Resource limits (getrlimit(2)): what they are called, and what a process starts with. */
import { type u32, u64 } from '#dialect';
import { DEFAULT_STACK_LIMIT } from '../memory/layout.ts';
import type { Process } from './pcb.ts';

export const Limit = {
  CPU: 0,
  FSIZE: 1,
  DATA: 2,
  STACK: 3,
  CORE: 4,
  RSS: 5,
  NPROC: 6,
  NOFILE: 7,
  MEMLOCK: 8,
  AS: 9,
  LOCKS: 10,
  SIGPENDING: 11,
  MSGQUEUE: 12,
  NICE: 13,
  RTPRIO: 14,
  RTTIME: 15,
} as const;
export type Limit = (typeof Limit)[keyof typeof Limit];

export const LIMIT_COUNT = 16;
/** RLIM_INFINITY. */
export const UNLIMITED = 0xffff_ffff_ffff_ffffn;
/** Descriptors that a process can have open: the hard limit never exceeds it. */
export const MOST_DESCRIPTORS = 1024;

/** Processes that fit into the table. */
const MOST_PROCESSES = 1024n;
const MOST_QUEUED_SIGNALS = 4096n;

/** `soft` is what counts, `hard` how far a process without privileges may raise it. */
export class LimitPair {
  soft: u64 = UNLIMITED;
  hard: u64 = UNLIMITED;
}

export function limitOf(process: Process, limit: Limit): u64 {
  return process.limits[limit]!.soft;
}

function set(process: Process, limit: u32, value: u64): void {
  const pair = process.limits[limit]!;
  pair.soft = value;
  pair.hard = value;
}

/** The limits of the first process, which its descendants inherit: those that are enforced, at what is enforced anyway. */
export function initializeLimits(process: Process): void {
  process.limits[Limit.STACK]!.soft = DEFAULT_STACK_LIMIT;
  set(process, Limit.CORE, 0n);
  set(process, Limit.NPROC, MOST_PROCESSES);
  set(process, Limit.NOFILE, u64(MOST_DESCRIPTORS));
  set(process, Limit.SIGPENDING, MOST_QUEUED_SIGNALS);
  set(process, Limit.MSGQUEUE, 0n);
  set(process, Limit.NICE, 0n);
  set(process, Limit.RTPRIO, 0n);
}

export function inheritLimits(parent: Process, child: Process): void {
  for (let limit: u32 = 0; limit < LIMIT_COUNT; limit++) {
    const from = parent.limits[limit]!;
    const to = child.limits[limit]!;
    to.soft = from.soft;
    to.hard = from.hard;
  }
}
