import { addressOf, array, mem, mulLow32, u8, u32, u64, virt } from '#dialect';

const BYTES = 65_536;
const ROUNDS = 12;
const source = array(u8, BYTES);
const destination = array(u8, BYTES);

/** Lengths of a structure, a packet, a page and a buffer, at odd addresses too. */
function copyAll(offset: u64): void {
  const from = virt(addressOf(source) + offset);
  const to = virt(addressOf(destination) + u64(offset >> 1n));
  for (let count: u32 = 0; count < 600; count++) mem.copy(virt(to + u64(count)), virt(from + u64(count & 63)), 24n);
  for (let count: u32 = 0; count < 80; count++) mem.copy(to, virt(from + u64(count)), 1500n);
  for (let count: u32 = 0; count < 40; count++) mem.copy(virt(to + u64(count * 256)), from, 4096n);
  for (let count: u32 = 0; count < 6; count++) mem.copy(to, from, 40_000n);
}

/** REP MOVS and REP STOS of all sizes. */
export function repCopy(): u32 {
  for (let index: u32 = 0; index < BYTES; index++) source[index] = u8(index * 7 + (index >>> 8));
  let checksum: u32 = 0;
  for (let round: u32 = 0; round < ROUNDS; round++) {
    mem.fill(addressOf(destination), u8(round), u64(BYTES));
    copyAll(u64(round));
    for (let index: u32 = 0; index < BYTES; index = u32(index + 509)) {
      checksum = u32(mulLow32(checksum, 31) + destination[index]!);
    }
  }
  return checksum;
}
