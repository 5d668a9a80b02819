/** Text that the server writes into a node's content. */
import { addressOf, array, mem, u8, u32, u64, type VirtAddr, virt } from '#dialect';
import { appendContent } from './content.ts';
import { staged } from './heap.ts';
import type { Node } from './node.ts';

const MOST_DIGITS = 20;
const DIGIT_ZERO = 48;
const digits = array(u8, MOST_DIGITS);

/** Writes a number's digits to the end of `digits`; their count. */
function writeDigits(value: u64, base: u64, least: u32): u32 {
  let count: u32 = 0;
  let rest = value;
  while (count < MOST_DIGITS && (rest !== 0n || count < least)) {
    const digit = u8(rest % base);
    count = u32(count + 1);
    digits[u32(MOST_DIGITS - count)] = digit < 10 ? u8(DIGIT_ZERO + digit) : u8(87 + digit);
    rest = u64(rest / base);
  }
  return count;
}

/** A writer of text. Running out of memory cuts the text short. */
export class TextWriter {
  node: Node | null = null;

  text(value: string): void {
    this.bytes(staged(value), u64(value.length));
  }

  bytes(address: VirtAddr, length: u64): void {
    const appended = appendContent(this.node!, address, length);
    if (!appended.ok) return;
  }

  decimal(value: u64): void {
    this.digits(writeDigits(value, 10n, 1));
  }

  octal(value: u64, least: u32): void {
    this.digits(writeDigits(value, 8n, least));
  }

  hexadecimal(value: u64, least: u32): void {
    this.digits(writeDigits(value, 16n, least));
  }

  private digits(count: u32): void {
    this.bytes(virt(addressOf(digits) + u64(MOST_DIGITS - count)), u64(count));
  }
}

/** Writes a number in decimal to memory; its length. */
export function writeDecimal(destination: VirtAddr, value: u64): u32 {
  const count = writeDigits(value, 10n, 1);
  mem.copy(destination, virt(addressOf(digits) + u64(MOST_DIGITS - count)), u64(count));
  return count;
}
