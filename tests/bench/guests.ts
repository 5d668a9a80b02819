/**
 * `bench NAME`: does one guest's work once, to get hot, and then again between two lines that tell the host when it does; the
 * second has its checksum. Then it waits a second before it ends, in which the host can ask how much processor time
 * that took. The work of each is fixed, so that every machine retires the same instructions for it.
 */
import { assert, entry, type u32, type u64, type VirtAddr } from '#dialect';
import { argument, argumentCount, setInitialStack } from '../../src/user/runtime/arguments.ts';
import { print } from '../../src/user/runtime/print.ts';
import { exitGroup, sleepFor } from '../../src/user/runtime/system-calls.ts';
import { equals } from '../../src/user/runtime/text.ts';
import { bytecode } from './guests/bytecode.ts';
import { hashTable } from './guests/hash-table.ts';
import { integerMix } from './guests/integer-mix.ts';
import { matrix } from './guests/matrix.ts';
import { modularExponentiation } from './guests/modular-exponentiation.ts';
import { pageFaults } from './guests/page-faults.ts';
import { pointerChasing } from './guests/pointer-chasing.ts';
import { queens } from './guests/queens.ts';
import { quicksort } from './guests/quicksort.ts';
import { recursion } from './guests/recursion.ts';
import { sha256 } from './guests/sha256.ts';
import { sieve } from './guests/sieve.ts';
import { stringSearch } from './guests/string-search.ts';
import { systemCalls } from './guests/system-calls.ts';

export { onPanic } from '../../src/user/runtime/print.ts';

const UNKNOWN_GUEST = 2;
/** Nanoseconds. */
const SECOND = 1_000_000_000n;

/** @param passes as many as take QEMU's code generator half a second to a second */
function measure(passes: u32, work: () => u32): void {
  const checksum = work();
  print`begin\n`;
  for (let pass: u32 = 0; pass < passes; pass++) assert(work() === checksum, 'a pass computes something else');
  print`end ${checksum}\n`;
}

function runGuest(name: VirtAddr): void {
  if (equals(name, 'integer-mix')) measure(12, integerMix);
  else if (equals(name, 'sieve')) measure(6, sieve);
  else if (equals(name, 'sha256')) measure(12, sha256);
  else if (equals(name, 'quicksort')) measure(3, quicksort);
  else if (equals(name, 'modular-exponentiation')) measure(30, modularExponentiation);
  else if (equals(name, 'bytecode')) measure(3, bytecode);
  else if (equals(name, 'recursion')) measure(4, recursion);
  else if (equals(name, 'pointer-chasing')) measure(3, pointerChasing);
  else if (equals(name, 'hash-table')) measure(3, hashTable);
  else if (equals(name, 'string-search')) measure(4, stringSearch);
  else if (equals(name, 'matrix')) measure(15, matrix);
  else if (equals(name, 'queens')) measure(20, queens);
  else if (equals(name, 'system-calls')) measure(10, systemCalls);
  else if (equals(name, 'page-faults')) measure(12, pageFaults);
  else exitGroup(UNKNOWN_GUEST);
}

export const main = entry((stack: u64) => {
  setInitialStack(stack);
  if (argumentCount() < 2) exitGroup(UNKNOWN_GUEST);
  runGuest(argument(1));
  sleepFor(SECOND);
  exitGroup(0);
});
