/** Threads in poll, select and their kin. They wait together: each change wakes them all, and each looks at its own files. */
import { embed, u64 } from '#dialect';
import { wakeAll } from '../process/sync.ts';
import { WaitQueue } from '../process/wait-queue.ts';

export const pollers: WaitQueue = embed(WaitQueue);
/** Counts changes: a poller that sees the same count after its look as before has missed nothing. */
let changes: u64 = 0n;

/** To be called whenever a file may have become ready for anything. */
export function notifyPollers(): void {
  changes = u64(changes + 1n);
  if (pollers.first !== null) wakeAll(pollers);
}

export function readinessChanges(): u64 {
  return changes;
}
