/** Zero-terminated strings in memory. */
import { mem, u32, u64, type VirtAddr, virt } from '#dialect';

const DIGIT_ZERO = 48;
const DIGIT_NINE = 57;

/** True when a string in memory is exactly the literal. */
export function equals(address: VirtAddr, text: string): boolean {
  for (let index: u32 = 0; index < text.length; index++) {
    if (mem.load8(virt(address + u64(index))) !== text.charCodeAt(index)) return false;
  }
  return mem.load8(virt(address + u64(text.length))) === 0;
}

/** What `parseNumber` answers for anything but digits. */
export const NOT_A_NUMBER = 0xffff_ffff;

/** A decimal number below 2^32 - 1, or NOT_A_NUMBER. */
export function parseNumber(address: VirtAddr): u32 {
  let value: u64 = 0n;
  let offset: u64 = 0n;
  for (;;) {
    const byte = mem.load8(virt(address + offset));
    if (byte === 0) break;
    if (byte < DIGIT_ZERO || byte > DIGIT_NINE) return NOT_A_NUMBER;
    value = u64(value * 10n + u64(byte - DIGIT_ZERO));
    if (value >= u64(NOT_A_NUMBER)) return NOT_A_NUMBER;
    offset = u64(offset + 1n);
  }
  return offset === 0n ? NOT_A_NUMBER : u32(value);
}
