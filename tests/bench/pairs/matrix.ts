import { addressOf, array, entry, mem, mulLow32, syscall, u32, u64, virt } from '#dialect';

const left = array(u32, 1024);
const right = array(u32, 1024);
const product = array(u32, 1024);

/** product = left x right, square matrices of `size` words a side. */
export function multiply(into: u64, a: u64, b: u64, size: u32): void {
  for (let row: u32 = 0; row < size; row++) {
    for (let column: u32 = 0; column < size; column++) {
      let sum: u32 = 0;
      for (let at: u32 = 0; at < size; at++) {
        const x = mem.load32(virt(a + u64(u32(mulLow32(row, size) + at)) * 4n));
        const y = mem.load32(virt(b + u64(u32(mulLow32(at, size) + column)) * 4n));
        sum = u32(sum + mulLow32(x, y));
      }
      mem.store32(virt(into + u64(u32(mulLow32(row, size) + column)) * 4n), sum);
    }
  }
}

export const main = entry((_stack: u64) => {
  const a = u64(addressOf(left));
  const b = u64(addressOf(right));
  const c = u64(addressOf(product));
  for (let at: u32 = 0; at < 1024; at++) {
    mem.store32(virt(a + u64(at) * 4n), u32(at * 3));
    mem.store32(virt(b + u64(at) * 4n), u32(at ^ 0x55));
  }
  multiply(c, a, b, 32);
  let sum: u32 = 0;
  for (let at: u32 = 0; at < 1024; at++) sum = u32(u32(sum * 7) + mem.load32(virt(c + u64(at) * 4n)));
  syscall(60n, u64(sum & 127));
});
