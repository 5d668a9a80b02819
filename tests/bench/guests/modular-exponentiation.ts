import { array, u32, u64 } from '#dialect';

const ROUNDS = 40_000;
/** The largest prime below 2^32: products fit 64 bits. */
const MODULUS = 4_294_967_291n;

/** In memory, so that no compiler turns the divisions into multiplications. */
const modulus = array(u64, 1);

function power(base: u64, exponent: u64): u64 {
  let result: u64 = 1n;
  let square = base;
  for (let left = exponent; left !== 0n; left = u64(left >> 1n)) {
    if ((left & 1n) !== 0n) result = u64(u64(result * square) % modulus[0]!);
    square = u64(u64(square * square) % modulus[0]!);
  }
  return result;
}

/** Square and multiply, with a 64-bit division a step. */
export function modularExponentiation(): u32 {
  modulus[0] = MODULUS;
  let value: u64 = 3n;
  for (let round: u32 = 0; round < ROUNDS; round++) value = power(u64(value + 2n), u64(MODULUS - u64(round) - 2n));
  return u32(value);
}
