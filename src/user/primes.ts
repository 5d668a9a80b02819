/** `primes N`: how many primes lie below N (a sieve in mapped memory). */
import { entry, mem, type u32, u64, virt } from '#dialect';
import { argument, argumentCount, setInitialStack } from './runtime/arguments.ts';
import { print } from './runtime/print.ts';
import { exitGroup, mapMemory } from './runtime/system-calls.ts';
import { NOT_A_NUMBER, parseNumber } from './runtime/text.ts';

export { onPanic } from './runtime/print.ts';

const DEFAULT_LIMIT = 100_000;

/** Counts the primes below `limit`, marking composites in zeroed memory of that many bytes. */
function countPrimes(sieve: u64, limit: u64): u64 {
  let count: u64 = 0n;
  for (let candidate: u64 = 2n; candidate < limit; candidate = u64(candidate + 1n)) {
    if (mem.load8(virt(sieve + candidate)) !== 0) continue;
    count = u64(count + 1n);
    for (let multiple = u64(candidate * candidate); multiple < limit; multiple = u64(multiple + candidate)) {
      mem.store8(virt(sieve + multiple), 1);
    }
  }
  return count;
}

export const main = entry((stack: u64) => {
  setInitialStack(stack);
  let limit: u32 = DEFAULT_LIMIT;
  if (argumentCount() > 1) limit = parseNumber(argument(1));
  if (limit === NOT_A_NUMBER) {
    print`usage: primes N\n`;
    exitGroup(2);
  }
  const sieve = mapMemory(u64(limit + 1));
  if (sieve < 0n) {
    print`primes: no memory\n`;
    exitGroup(1);
  }
  print`${countPrimes(u64(sieve), u64(limit))} primes below ${limit}\n`;
  exitGroup(0);
});
