#include "pair.h"

static u8 first[512], second[512];

NOINLINE u64 stringLength(const u8 *text) {
  const u8 *at = text;
  while (*at != 0) at++;
  return at - text;
}

NOINLINE int compareStrings(const u8 *left, const u8 *right) {
  for (;; left++, right++) {
    u8 x = *left, y = *right;
    if (x != y || x == 0) return x - y;
  }
}

ENTRY {
  for (u32 at = 0; at < 500; at++) {
    first[at] = (at & 63) + 32;
    second[at] = (at & 63) + 32;
  }
  u32 sum = 0;
  for (u32 round = 0; round < 100; round++) {
    first[round + 300] = round;
    sum += (u32)stringLength(first) + (u32)compareStrings(first, second);
  }
  leave(sum);
}
