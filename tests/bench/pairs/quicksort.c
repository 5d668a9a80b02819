#include "pair.h"

static u32 numbers[2000];

NOINLINE void quicksort(u32 *words, long first, long last) {
  if (first >= last) return;
  u32 pivot = words[last];
  long place = first;
  for (long at = first; at < last; at++) {
    u32 value = words[at];
    if (value >= pivot) continue;
    words[at] = words[place];
    words[place] = value;
    place++;
  }
  words[last] = words[place];
  words[place] = pivot;
  quicksort(words, first, place - 1);
  quicksort(words, place + 1, last);
}

ENTRY {
  u32 random = 12345;
  for (u32 at = 0; at < 2000; at++) {
    random = random * 1103515245 + 12345;
    numbers[at] = random >> 8;
  }
  quicksort(numbers, 0, 1999);
  u32 sum = 0;
  for (u32 at = 0; at < 2000; at++) sum = sum * 31 + numbers[at];
  leave(sum);
}
