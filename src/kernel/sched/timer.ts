/** What is to happen at a time. */
import type { u64 } from '#dialect';
import type { Process } from '../process/pcb.ts';
import type { PosixTimer } from '../process/posix-timers.ts';
import type { Thread } from '../process/thread.ts';

/** Exactly one of `thread`, `process` and `posixTimer` says whose it is, and so what happens. */
export class Timer {
  /** Nanoseconds of the monotonic clock; meaningful while `isArmed`. */
  deadline: u64 = 0n;
  isArmed: boolean = false;
  next: Timer | null = null;
  previous: Timer | null = null;
  /** To be woken. */
  thread: Thread | null = null;
  /** To get the SIGALRM of its interval timer. */
  process: Process | null = null;
  posixTimer: PosixTimer | null = null;
}
