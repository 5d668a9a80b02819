#include "pair.h"

static u32 lookup[256];
static u8 buffer[4096];

NOINLINE void makeTable(u32 *table) {
  for (u32 index = 0; index < 256; index++) {
    u32 value = index;
    for (u32 bit = 0; bit < 8; bit++) value = (value & 1) != 0 ? (value >> 1) ^ 0xedb88320 : value >> 1;
    table[index] = value;
  }
}

NOINLINE u32 crc32(const u32 *table, const u8 *data, u64 length) {
  u32 crc = 0xffffffff;
  for (u64 at = 0; at < length; at++) crc = (crc >> 8) ^ table[(crc ^ data[at]) & 0xff];
  return ~crc;
}

ENTRY {
  makeTable(lookup);
  for (u32 at = 0; at < 4096; at++) buffer[at] = at * 7;
  leave(crc32(lookup, buffer, 4096));
}
