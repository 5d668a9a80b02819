/** Printing to the console, a line at a time. */
import { addressOf, array, type i64, mem, panicHandler, printer, u8, u32, u64, type VirtAddr, virt } from '#dialect';
import { CONSOLE_OUT, exitGroup, write } from './system-calls.ts';

const CAPACITY = 512;
const NEWLINE = 10;
const MINUS = 45;
const buffer = array(u8, CAPACITY);
let used: u32 = 0;

/** Writes out what is buffered; done before anything that others may print after. */
export function flush(): void {
  if (used > 0) write(CONSOLE_OUT, addressOf(buffer), u64(used));
  used = 0;
}

export function printByte(byte: u8): void {
  if (used === CAPACITY) flush();
  buffer[used] = byte;
  used = u32(used + 1);
  if (byte === NEWLINE) flush();
}

function printText(text: string): void {
  for (let index: u32 = 0; index < text.length; index++) printByte(text.charCodeAt(index));
}

function printUnsigned(value: u64): void {
  if (value >= 10n) printUnsigned(u64(value / 10n));
  printByte(u8(48n + (value % 10n)));
}

function printSigned(value: i64): void {
  printByte(MINUS);
  printUnsigned(u64(-value));
}

function printHexadecimal(value: u64, digits: u32): void {
  if (value >= 16n || digits > 1) printHexadecimal(u64(value >> 4n), digits > 1 ? u32(digits - 1) : 1);
  const digit = u8(value & 15n);
  printByte(digit < 10 ? u8(48 + digit) : u8(87 + digit));
}

export const print = printer({ text: printText, unsigned: printUnsigned, signed: printSigned, hex: printHexadecimal });

/** Prints a zero-terminated string in memory. */
export function printString(address: VirtAddr): void {
  for (let offset: u64 = 0n; ; offset = u64(offset + 1n)) {
    const byte = mem.load8(virt(address + offset));
    if (byte === 0) return;
    printByte(byte);
  }
}

/** Prints a number right-aligned in `width` columns. */
export function printColumn(value: u32, width: u32): void {
  let digits: u32 = 1;
  for (let rest = value; rest >= 10; rest = u32(rest / 10)) digits = u32(digits + 1);
  while (digits < width) {
    printByte(32);
    digits = u32(digits + 1);
  }
  printUnsigned(u64(value));
}

/** Status of a program that panics, as of one that aborts. */
const PANIC_STATUS = 134;

export const onPanic = panicHandler((message, file, line) => {
  print`panic: ${message} (${file}:${line})\n`;
  exitGroup(PANIC_STATUS);
});
