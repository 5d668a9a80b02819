import { addressOf, array, entry, mem, syscall, u8, u32, u64, virt } from '#dialect';

const lookup = array(u32, 256);
const buffer = array(u8, 4096);

export function makeTable(table: u64): void {
  for (let index: u32 = 0; index < 256; index++) {
    let value: u32 = index;
    for (let bit: u32 = 0; bit < 8; bit++) {
      value = (value & 1) !== 0 ? u32((value >>> 1) ^ 0xedb88320) : u32(value >>> 1);
    }
    mem.store32(virt(table + u64(index) * 4n), value);
  }
}

export function crc32(table: u64, data: u64, length: u64): u32 {
  let crc: u32 = 0xffffffff;
  for (let at: u64 = 0n; at < length; at = u64(at + 1n)) {
    const index = u32((crc ^ mem.load8(virt(data + at))) & 0xff);
    crc = u32((crc >>> 8) ^ mem.load32(virt(table + u64(index) * 4n)));
  }
  return u32(~crc);
}

export const main = entry((_stack: u64) => {
  const table = u64(addressOf(lookup));
  const data = u64(addressOf(buffer));
  makeTable(table);
  for (let at: u32 = 0; at < 4096; at++) mem.store8(virt(data + u64(at)), u8(at * 7));
  syscall(60n, u64(crc32(table, data, 4096n) & 127));
});
