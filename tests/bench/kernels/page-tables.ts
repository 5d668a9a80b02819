import { addressOf, aligned, array, assert, cpu, mem, mulLow32, u8, u32, u64, virt } from '#dialect';
import { getKernelRoot } from '../../../src/kernel/memory/address-space.ts';
import { KERNEL_BASE, PAGE_SIZE } from '../../../src/kernel/memory/layout.ts';
import { makeEntry, Page } from '../../../src/kernel/memory/page-table.ts';

const ROUNDS = 300;
const PAGES = 256;
const FRAMES = 64;
/** Addresses that nothing else uses. */
const WINDOW = 0xffff_e000_0000_0000n;
const frames = aligned(4096, array(u8, FRAMES * 4096));

/**
 * Points each page of a window at another frame of a few, with INVLPG, uses it, and then reads all pages. Loads CR3, which
 * flushes the TLB, after each round.
 */
export function pageTables(): u32 {
  const physical = u64(addressOf(frames) - KERNEL_BASE);
  mem.fill(addressOf(frames), 0, u64(FRAMES * 4096));
  const first = makeEntry(getKernelRoot(), WINDOW, 0n);
  assert(first.ok, 'there is no memory for page tables');
  let sum: u32 = 0;
  for (let round: u32 = 0; round < ROUNDS; round++) {
    for (let page: u32 = 0; page < PAGES; page++) {
      const frame = u64(physical + u64(u32((page * 5 + round) % FRAMES)) * PAGE_SIZE);
      const address = virt(WINDOW + u64(page) * PAGE_SIZE);
      mem.store64(virt(first.value + u64(page * 8)), u64(frame | Page.PRESENT | Page.WRITABLE | Page.NO_EXECUTE));
      cpu.invlpg(address);
      mem.store32(virt(address + u64(u32((round * 4) & 0xffc))), u32(sum ^ page));
      sum = u32(mulLow32(sum, 31) + mem.load32(virt(address + u64(u32((round * 4 + 4096 - 64) & 0xffc)))));
    }
    for (let page: u32 = 0; page < PAGES; page++) sum = u32(sum + mem.load32(virt(WINDOW + u64(page) * PAGE_SIZE)));
    cpu.writeCr3(getKernelRoot());
  }
  return sum;
}
