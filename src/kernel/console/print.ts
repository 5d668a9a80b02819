/** The kernel's own words on the console. A newline goes out as carriage return and line feed. */
import { array, type i64, printer, u8, u32, u64 } from '#dialect';
import { sendByte } from './serial.ts';

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
/** Digits of 2^64 - 1. */
const MOST_DIGITS = 20;

function sendCharacter(character: u8): void {
  if (character === NEWLINE) sendByte(CARRIAGE_RETURN);
  sendByte(character);
}

function writeText(text: string): void {
  for (let index: u32 = 0; index < text.length; index++) sendCharacter(text.charCodeAt(index));
}

function writeUnsigned(value: u64): void {
  const digits = array(u8, MOST_DIGITS);
  let count: u32 = 0;
  let rest = value;
  do {
    digits[count] = u8(48n + (rest % 10n));
    rest = u64(rest / 10n);
    count = u32(count + 1);
  } while (rest !== 0n);
  while (count > 0) {
    count = u32(count - 1);
    sendByte(digits[count]!);
  }
}

function writeHexadecimal(value: u64, digits: u32): void {
  let shift: u32 = 60;
  let isLeading = true;
  for (;;) {
    const digit = u8((value >> u64(shift & 63)) & 15n);
    if (digit !== 0 || shift < digits * 4) isLeading = false;
    if (!isLeading || shift === 0) sendByte(digit < 10 ? u8(48 + digit) : u8(87 + digit));
    if (shift === 0) return;
    shift = u32(shift - 4);
  }
}

function writeSigned(value: i64): void {
  sendByte(45);
  writeUnsigned(u64(-value));
}

export const print = printer({ text: writeText, unsigned: writeUnsigned, signed: writeSigned, hex: writeHexadecimal });
