#include "pair.h"

struct place {
  u32 key, value;
};
static struct place places[1024];

static inline u32 hash(u32 key) { return key * 2654435761u >> 22; }

NOINLINE void insert(struct place *table, u32 key, u32 value) {
  u32 place = hash(key);
  for (;;) {
    struct place *found = &table[place];
    if (found->key == 0 || found->key == key) {
      found->key = key;
      found->value = value;
      return;
    }
    place = (place + 1) & 1023;
  }
}

NOINLINE u32 lookup(struct place *table, u32 key) {
  u32 place = hash(key);
  for (;;) {
    struct place *found = &table[place];
    if (found->key == key) return found->value;
    if (found->key == 0) return 0;
    place = (place + 1) & 1023;
  }
}

ENTRY {
  for (u32 key = 1; key < 700; key++) insert(places, key * 17, key);
  u32 sum = 0;
  for (u32 key = 1; key < 3000; key++) sum += lookup(places, key * 5);
  leave(sum);
}
