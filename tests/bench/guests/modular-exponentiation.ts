import { asm, naked, u32, u64 } from '#dialect';

const ROUNDS = 3_000;
/** The largest prime below 2^64. */
const MODULUS = 18_446_744_073_709_551_557n;

/** left * right % modulus; both must be below the modulus. */
const multiplyModulo = naked(
  (_left: u64, _right: u64, _modulus: u64): u64 => asm`
    mov rcx, rdx
    mov rax, rdi
    mul rsi
    div rcx
    mov rax, rdx
    ret
  `,
);

function power(base: u64, exponent: u64): u64 {
  let result: u64 = 1n;
  let square = base;
  for (let left = exponent; left !== 0n; left = u64(left >> 1n)) {
    if ((left & 1n) !== 0n) result = multiplyModulo(result, square, MODULUS);
    square = multiplyModulo(square, square, MODULUS);
  }
  return result;
}

/** Square and multiply, each step with a product of 128 bits and its remainder. */
export function modularExponentiation(): u32 {
  let value: u64 = 3n;
  for (let round: u32 = 0; round < ROUNDS; round++)
    value = power(u64((value >> 1n) + 2n), u64(MODULUS - u64(round) - 2n));
  return u32(u64(value >> 32n) ^ value);
}
