import { addressOf, array, entry, mem, syscall, u32, u64, virt } from '#dialect';

const sorted = array(u32, 1024);

/** The index of `wanted` in ascending words, or 0xffffffff. */
export function binarySearch(words: u64, length: u32, wanted: u32): u32 {
  let low: u32 = 0;
  let high: u32 = length;
  while (low < high) {
    const middle = u32(low + ((high - low) >>> 1));
    const value = mem.load32(virt(words + u64(middle) * 4n));
    if (value === wanted) return middle;
    if (value < wanted) low = u32(middle + 1);
    else high = middle;
  }
  return 0xffffffff;
}

export const main = entry((_stack: u64) => {
  const words = u64(addressOf(sorted));
  for (let at: u32 = 0; at < 1024; at++) mem.store32(virt(words + u64(at) * 4n), u32(at * 3));
  let sum: u32 = 0;
  for (let at: u32 = 0; at < 3072; at++) sum = u32(sum + binarySearch(words, 1024, at));
  syscall(60n, u64(sum & 127));
});
