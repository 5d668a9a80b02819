/**
 * `bench NAME`: runs one guest of the benchmark between two lines that tell the host when it does; the second has its checksum.
 * Then it waits a second before it ends, in which the host can ask how much processor time that took. The work of each is
 * fixed, so that every machine retires the same instructions for it.
 */
import { entry, type u32, type u64, type VirtAddr } from '#dialect';
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

function runGuest(name: VirtAddr): u32 {
  if (equals(name, 'integer-mix')) return integerMix();
  if (equals(name, 'sieve')) return sieve();
  if (equals(name, 'sha256')) return sha256();
  if (equals(name, 'quicksort')) return quicksort();
  if (equals(name, 'modular-exponentiation')) return modularExponentiation();
  if (equals(name, 'bytecode')) return bytecode();
  if (equals(name, 'recursion')) return recursion();
  if (equals(name, 'pointer-chasing')) return pointerChasing();
  if (equals(name, 'hash-table')) return hashTable();
  if (equals(name, 'string-search')) return stringSearch();
  if (equals(name, 'matrix')) return matrix();
  if (equals(name, 'queens')) return queens();
  if (equals(name, 'system-calls')) return systemCalls();
  if (equals(name, 'page-faults')) return pageFaults();
  exitGroup(UNKNOWN_GUEST);
}

export const main = entry((stack: u64) => {
  setInitialStack(stack);
  if (argumentCount() < 2) exitGroup(UNKNOWN_GUEST);
  print`begin\n`;
  const checksum = runGuest(argument(1));
  print`end ${checksum}\n`;
  sleepFor(SECOND);
  exitGroup(0);
});
