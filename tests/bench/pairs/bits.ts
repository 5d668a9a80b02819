import { entry, syscall, u32, u64 } from '#dialect';

/** Set bits, by clearing the lowest one until none is left. */
export function countBits(word: u64): u32 {
  let rest: u64 = word;
  let count: u32 = 0;
  while (rest !== 0n) {
    rest = u64(rest & (rest - 1n));
    count = u32(count + 1);
  }
  return count;
}

/** Bits in opposite order. */
export function reverseBits(word: u32): u32 {
  let value: u32 = word;
  value = u32(((value >>> 1) & 0x55555555) | ((value & 0x55555555) << 1));
  value = u32(((value >>> 2) & 0x33333333) | ((value & 0x33333333) << 2));
  value = u32(((value >>> 4) & 0x0f0f0f0f) | ((value & 0x0f0f0f0f) << 4));
  value = u32(((value >>> 8) & 0x00ff00ff) | ((value & 0x00ff00ff) << 8));
  return u32((value >>> 16) | (value << 16));
}

export const main = entry((_stack: u64) => {
  let sum: u32 = 0;
  let word: u64 = 0x123456789abcdefn;
  for (let round: u32 = 0; round < 500; round++) {
    word = u64(word * 6364136223846793005n + 1442695040888963407n);
    sum = u32(sum + countBits(word) + reverseBits(u32(word & 0xffffffffn)));
  }
  syscall(60n, u64(sum & 127));
});
