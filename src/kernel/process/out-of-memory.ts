/** What happens when a program uses memory that it was promised and there is none left: the largest process has to go. */
import { u64 } from '#dialect';
import { print } from '../console/print.ts';
import { monotonicTime } from '../processor/clock.ts';
import { sleep } from '../sched/scheduler.ts';
import { armTimer, disarmTimer } from '../sched/timer-queue.ts';
import { terminateProcess } from './exit.ts';
import type { Process } from './pcb.ts';
import { Signal } from './signal-delivery.ts';
import { finishWaiting, prepareToSleep } from './sync.ts';
import { nextProcess } from './table.ts';
import type { Thread } from './thread.ts';

const INIT_PID = 1;
/** How long a thread waits for memory before it tries again, in nanoseconds. */
const REST = 1_000_000n;

/**
 * Kills the process with most pages, init and servers spared as long as there is another, unless one is on its way out
 * already. The thread that needed memory may try again after this, if it was not in that process.
 */
export function relieveMemory(thread: Thread): void {
  const victim = chooseVictim() ?? thread.process!;
  if (!victim.isExiting) {
    print`[PROCESS] out of memory: pid=${victim.pid} is killed\n`;
    terminateProcess(victim, Signal.SIGKILL);
  }
  if (victim === thread.process) return;
  prepareToSleep(thread, false);
  armTimer(thread, u64(monotonicTime() + REST));
  sleep();
  disarmTimer(thread);
  finishWaiting(thread);
}

/** The one that is ending, else the largest; null when only init and servers are left. */
function chooseVictim(): Process | null {
  let largest: Process | null = null;
  let pages: u64 = 0n;
  let process = nextProcess(INIT_PID);
  while (process !== null) {
    const space = process.addressSpace;
    if (space !== null && process.isExiting) return process;
    if (space !== null && !process.isServer && space.residentPages > pages) {
      largest = process;
      pages = space.residentPages;
    }
    process = nextProcess(process.pid);
  }
  return largest;
}
