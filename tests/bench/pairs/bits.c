#include "pair.h"

NOINLINE u32 countBits(u64 word) {
  u32 count = 0;
  while (word != 0) {
    word &= word - 1;
    count++;
  }
  return count;
}

NOINLINE u32 reverseBits(u32 value) {
  value = ((value >> 1) & 0x55555555) | ((value & 0x55555555) << 1);
  value = ((value >> 2) & 0x33333333) | ((value & 0x33333333) << 2);
  value = ((value >> 4) & 0x0f0f0f0f) | ((value & 0x0f0f0f0f) << 4);
  value = ((value >> 8) & 0x00ff00ff) | ((value & 0x00ff00ff) << 8);
  return (value >> 16) | (value << 16);
}

ENTRY {
  u32 sum = 0;
  u64 word = 0x123456789abcdef;
  for (u32 round = 0; round < 500; round++) {
    word = word * 6364136223846793005 + 1442695040888963407;
    sum += countBits(word) + reverseBits((u32)word);
  }
  leave(sum);
}
