import { mem, u32, u64, virt } from '#dialect';
import { mapMemory, unmapMemory } from '../../../src/user/runtime/system-calls.ts';

const ROUNDS = 60;
const PAGES = 256;
const PAGE_BYTES = 4096n;

/** Maps memory, touches each page for the first time, and gives it back. */
export function pageFaults(): u32 {
  let sum: u32 = 0;
  for (let round: u32 = 0; round < ROUNDS; round++) {
    const start = u64(mapMemory(u64(PAGES) * PAGE_BYTES));
    for (let page: u64 = 0n; page < u64(PAGES); page = u64(page + 1n)) {
      const address = virt(start + page * PAGE_BYTES);
      sum = u32(sum + mem.load8(address) + 1);
      mem.store8(address, 1);
    }
    unmapMemory(start, u64(PAGES) * PAGE_BYTES);
  }
  return sum;
}
