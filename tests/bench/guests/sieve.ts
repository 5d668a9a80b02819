import { array, u8, u32 } from '#dialect';

const LIMIT = 400_000;
const ROUNDS = 30;
const composite = array(u8, LIMIT);

function countPrimes(): u32 {
  for (let n: u32 = 0; n < LIMIT; n++) composite[n] = 0;
  let count: u32 = 0;
  for (let n: u32 = 2; n < LIMIT; n++) {
    if (composite[n] !== 0) continue;
    count = u32(count + 1);
    for (let multiple = u32(n + n); multiple < LIMIT; multiple = u32(multiple + n)) composite[multiple] = 1;
  }
  return count;
}

/** Primes below 400,000 by Eratosthenes, over and over. */
export function sieve(): u32 {
  let sum: u32 = 0;
  for (let round: u32 = 0; round < ROUNDS; round++) sum = u32(sum + countPrimes());
  return sum;
}
