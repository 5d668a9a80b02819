/**
 * Schedules that a seed decides (`schedule-seed=` on the command line), to find what goes wrong in only some of them. Time
 * slices end at random instructions, and who runs next is drawn: either uniformly, or by priorities that all threads are
 * given at random and that change at a few random steps (PCT: Burckhardt et al., ASPLOS 2010). The same seed gives the same
 * schedule. Off, nothing here is called but `isExploring`.
 */
import { array, u32, u64 } from '#dialect';
import { SplitMix64 } from '../abi/split-mix.ts';
import type { Thread } from '../process/thread.ts';

/** A time slice in counts of the timer, which is then as fast as the machine lets it be. */
const LONGEST_SLICE = 4096;
/** Scheduling steps among which the change points of PCT are drawn. */
const STEPS = 2048;
const MOST_CHANGES = 16;
/** Ranks below this are those of threads that have fallen behind, the last one lowest. */
const FIRST_RANK = 0x1000_0000;
/** Steps that a thread may go on while others are ready. */
const LONGEST_TURN = 32;

let explores = false;
const generator = new SplitMix64();
let byPriority = false;
let step: u32 = 0;
/** The steps at which the running thread's rank is lowered, and how many of them there are. */
const changePoints = array(u32, MOST_CHANGES);
let changes: u32 = 0;
let lowestRank: u32 = FIRST_RANK;
let lastRan: Thread | null = null;
let turns: u32 = 0;

/** From now on the seed decides. Depth 0 draws uniformly; else priorities change at `depth` steps, 16 at most. */
export function exploreSchedules(seed: u64, depth: u32): void {
  explores = true;
  generator.state = seed;
  byPriority = depth > 0;
  step = 0;
  changes = depth < MOST_CHANGES ? depth : MOST_CHANGES;
  for (let index: u32 = 0; index < changes && index < MOST_CHANGES; index++) changePoints[index] = drawBelow(STEPS);
}

export function isExploring(): boolean {
  return explores;
}

/** A number below a limit that is not 0. */
export function drawBelow(limit: u32): u32 {
  return u32(u64(generator.draw() >> 32n) % u64(limit));
}

/** How long the next time slice is, in timer counts. */
export function drawSlice(): u32 {
  return u32(1 + drawBelow(LONGEST_SLICE));
}

/** What a new thread's place is among the others under PCT. */
export function drawRank(): u32 {
  return u32(FIRST_RANK + drawBelow(0x1000_0000));
}

/**
 * One scheduling step. A thread falls behind all others at a change point of PCT, and when it has kept them waiting for
 * long: it may be waiting for one of them in a loop.
 */
export function countStep(ran: Thread): void {
  turns = ran === lastRan ? u32(turns + 1) : 1;
  lastRan = ran;
  let isChange = turns === LONGEST_TURN;
  for (let index: u32 = 0; index < changes && index < MOST_CHANGES; index++) {
    if (changePoints[index] === step) isChange = true;
  }
  step = u32(step + 1);
  if (!isChange) return;
  turns = 0;
  lowestRank = u32(lowestRank - 1);
  ran.rank = lowestRank;
}

/** Which of a ready queue's threads runs next. */
export function drawReady(first: Thread): Thread {
  return byPriority ? highestRank(first) : drawAny(first);
}

function highestRank(first: Thread): Thread {
  let best = first;
  let thread = first.readyNext;
  while (thread !== null) {
    if (thread.rank > best.rank) best = thread;
    thread = thread.readyNext;
  }
  return best;
}

function drawAny(first: Thread): Thread {
  let count: u32 = 0;
  let thread: Thread | null = first;
  while (thread !== null) {
    count = u32(count + 1);
    thread = thread.readyNext;
  }
  let skip = drawBelow(count);
  let drawn = first;
  while (skip > 0 && drawn.readyNext !== null) {
    drawn = drawn.readyNext;
    skip = u32(skip - 1);
  }
  return drawn;
}

/** Which of the threads that wait in a queue is woken. */
export function drawWaiter(first: Thread): Thread {
  let count: u32 = 0;
  let thread: Thread | null = first;
  while (thread !== null) {
    count = u32(count + 1);
    thread = thread.waitNext;
  }
  let skip = drawBelow(count);
  let drawn = first;
  while (skip > 0 && drawn.waitNext !== null) {
    drawn = drawn.waitNext;
    skip = u32(skip - 1);
  }
  return drawn;
}
