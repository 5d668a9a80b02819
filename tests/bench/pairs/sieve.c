#include "pair.h"

static u8 flags[20000];

NOINLINE u32 sieve(u8 *table, u32 limit) {
  u32 count = 0;
  for (u32 candidate = 2; candidate < limit; candidate++) {
    if (table[candidate] != 0) continue;
    count++;
    for (u32 multiple = candidate * 2; multiple < limit; multiple += candidate) table[multiple] = 1;
  }
  return count;
}

ENTRY { leave(sieve(flags, 20000)); }
