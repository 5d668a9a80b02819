#include "pair.h"

static u32 sorted[1024];

NOINLINE u32 binarySearch(const u32 *words, u32 length, u32 wanted) {
  u32 low = 0, high = length;
  while (low < high) {
    u32 middle = low + ((high - low) >> 1);
    u32 value = words[middle];
    if (value == wanted) return middle;
    if (value < wanted) low = middle + 1;
    else high = middle;
  }
  return 0xffffffff;
}

ENTRY {
  for (u32 at = 0; at < 1024; at++) sorted[at] = at * 3;
  u32 sum = 0;
  for (u32 at = 0; at < 3072; at++) sum += binarySearch(sorted, 1024, at);
  leave(sum);
}
