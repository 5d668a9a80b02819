import type { Thread } from './thread.ts';

/** Threads waiting for one event, first come first woken. */
export class WaitQueue {
  first: Thread | null = null;
  last: Thread | null = null;
}
