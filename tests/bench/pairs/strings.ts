import { addressOf, array, entry, i32, mem, syscall, u8, u32, u64, virt } from '#dialect';

const first = array(u8, 512);
const second = array(u8, 512);

export function stringLength(text: u64): u64 {
  let at: u64 = text;
  while (mem.load8(virt(at)) !== 0) at = u64(at + 1n);
  return u64(at - text);
}

export function compareStrings(left: u64, right: u64): i32 {
  let a: u64 = left;
  let b: u64 = right;
  for (;;) {
    const x = mem.load8(virt(a));
    const y = mem.load8(virt(b));
    if (x !== y || x === 0) return i32(x - y);
    a = u64(a + 1n);
    b = u64(b + 1n);
  }
}

export const main = entry((_stack: u64) => {
  const left = u64(addressOf(first));
  const right = u64(addressOf(second));
  for (let at: u32 = 0; at < 500; at++) {
    mem.store8(virt(left + u64(at)), u8((at & 63) + 32));
    mem.store8(virt(right + u64(at)), u8((at & 63) + 32));
  }
  let sum: u32 = 0;
  for (let round: u32 = 0; round < 100; round++) {
    mem.store8(virt(left + u64(round) + 300n), u8(round));
    sum = u32(sum + u32(stringLength(left)) + u32(compareStrings(left, right)));
  }
  syscall(60n, u64(sum & 127));
});
