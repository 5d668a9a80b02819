#include "pair.h"

static u32 left[1024], right[1024], product[1024];

NOINLINE void multiply(u32 *into, const u32 *a, const u32 *b, u32 size) {
  for (u32 row = 0; row < size; row++) {
    for (u32 column = 0; column < size; column++) {
      u32 sum = 0;
      for (u32 at = 0; at < size; at++) sum += a[row * size + at] * b[at * size + column];
      into[row * size + column] = sum;
    }
  }
}

ENTRY {
  for (u32 at = 0; at < 1024; at++) {
    left[at] = at * 3;
    right[at] = at ^ 0x55;
  }
  multiply(product, left, right, 32);
  u32 sum = 0;
  for (u32 at = 0; at < 1024; at++) sum = sum * 7 + product[at];
  leave(sum);
}
