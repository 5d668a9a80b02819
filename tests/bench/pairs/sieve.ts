import { addressOf, array, entry, mem, syscall, u8, u32, u64, virt } from '#dialect';

const flags = array(u8, 20_000);

export function sieve(table: u64, limit: u32): u32 {
  let count: u32 = 0;
  for (let candidate: u32 = 2; candidate < limit; candidate++) {
    if (mem.load8(virt(table + u64(candidate))) !== 0) continue;
    count = u32(count + 1);
    for (let multiple = u32(candidate * 2); multiple < limit; multiple = u32(multiple + candidate)) {
      mem.store8(virt(table + u64(multiple)), 1);
    }
  }
  return count;
}

export const main = entry((_stack: u64) => {
  syscall(60n, u64(sieve(u64(addressOf(flags)), 20_000) & 127));
});
