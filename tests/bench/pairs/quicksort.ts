import { addressOf, array, entry, i64, mem, mulLow32, syscall, u32, u64, virt } from '#dialect';

const numbers = array(u32, 2000);

export function quicksort(words: u64, first: i64, last: i64): void {
  if (first >= last) return;
  const pivot = mem.load32(virt(words + u64(last) * 4n));
  let place: i64 = first;
  for (let at: i64 = first; at < last; at = i64(at + 1n)) {
    const value = mem.load32(virt(words + u64(at) * 4n));
    if (value >= pivot) continue;
    mem.store32(virt(words + u64(at) * 4n), mem.load32(virt(words + u64(place) * 4n)));
    mem.store32(virt(words + u64(place) * 4n), value);
    place = i64(place + 1n);
  }
  mem.store32(virt(words + u64(last) * 4n), mem.load32(virt(words + u64(place) * 4n)));
  mem.store32(virt(words + u64(place) * 4n), pivot);
  quicksort(words, first, i64(place - 1n));
  quicksort(words, i64(place + 1n), last);
}

export const main = entry((_stack: u64) => {
  const words = u64(addressOf(numbers));
  let random: u32 = 12345;
  for (let at: u32 = 0; at < 2000; at++) {
    random = u32(mulLow32(random, 1103515245) + 12345);
    mem.store32(virt(words + u64(at) * 4n), u32(random >>> 8));
  }
  quicksort(words, 0n, 1999n);
  let sum: u32 = 0;
  for (let at: u32 = 0; at < 2000; at++) sum = u32(u32(sum * 31) + mem.load32(virt(words + u64(at) * 4n)));
  syscall(60n, u64(sum & 127));
});
