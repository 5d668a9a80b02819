import { addressOf, array, entry, mem, mulLow32, syscall, u32, u64, virt } from '#dialect';

/** Keys (not 0) and values of an open-addressing table of 1024 places. */
const places = array(u64, 1024);

function hash(key: u32): u32 {
  return u32(mulLow32(key, 2654435761) >>> 22);
}

export function insert(table: u64, key: u32, value: u32): void {
  let place = hash(key);
  for (;;) {
    const address = u64(table + u64(place) * 8n);
    const found = mem.load32(virt(address));
    if (found === 0 || found === key) {
      mem.store32(virt(address), key);
      mem.store32(virt(address + 4n), value);
      return;
    }
    place = u32((place + 1) & 1023);
  }
}

export function lookup(table: u64, key: u32): u32 {
  let place = hash(key);
  for (;;) {
    const address = u64(table + u64(place) * 8n);
    const found = mem.load32(virt(address));
    if (found === key) return mem.load32(virt(address + 4n));
    if (found === 0) return 0;
    place = u32((place + 1) & 1023);
  }
}

export const main = entry((_stack: u64) => {
  const table = u64(addressOf(places));
  for (let key: u32 = 1; key < 700; key++) insert(table, u32(key * 17), key);
  let sum: u32 = 0;
  for (let key: u32 = 1; key < 3000; key++) sum = u32(sum + lookup(table, u32(key * 5)));
  syscall(60n, u64(sum & 127));
});
