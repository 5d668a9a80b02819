/**
 * `bench NAME [PASSES]`: does one guest's work once, to get hot, and then again so many times between two lines that tell the
 * host when it does; the second has its checksum. Then it waits a second before it ends, in which the host can ask how much
 * processor time that took. The work of each is fixed, so that every machine retires the same instructions for it.
 */
import { assert, entry, type u32, type u64, type VirtAddr } from '#dialect';
import { argument, argumentCount, setInitialStack } from '../../src/user/runtime/arguments.ts';
import { print } from '../../src/user/runtime/print.ts';
import { exitGroup, sleepFor } from '../../src/user/runtime/system-calls.ts';
import { equals, parseNumber } from '../../src/user/runtime/text.ts';
import { forEachComputeGuest } from './compute.ts';
import { pageFaults } from './guests/page-faults.ts';
import { selfModifying } from './guests/self-modifying.ts';
import { systemCalls } from './guests/system-calls.ts';

export { onPanic } from '../../src/user/runtime/print.ts';

const UNKNOWN_GUEST = 2;
/** Nanoseconds. */
const SECOND = 1_000_000_000n;

function measure(usualPasses: u32, work: () => u32): void {
  const passes = argumentCount() > 2 ? parseNumber(argument(2)) : usualPasses;
  const checksum = work();
  print`begin\n`;
  for (let pass: u32 = 0; pass < passes; pass++) assert(work() === checksum, 'a pass computes something else');
  print`end ${checksum}\n`;
  sleepFor(SECOND);
  exitGroup(0);
}

function runGuest(name: VirtAddr): void {
  forEachComputeGuest((guest, passes, work) => {
    if (equals(name, guest)) measure(passes, work);
  });
  if (equals(name, 'self-modifying')) measure(30, selfModifying);
  if (equals(name, 'system-calls')) measure(10, systemCalls);
  if (equals(name, 'page-faults')) measure(12, pageFaults);
}

export const main = entry((stack: u64) => {
  setInitialStack(stack);
  if (argumentCount() > 1) runGuest(argument(1));
  exitGroup(UNKNOWN_GUEST);
});
