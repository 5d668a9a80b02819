/** What a terminal makes of the bytes that programs write, and of those that it echoes. */
import { mem, u8, u32, u64, type VirtAddr, virt } from '#dialect';
import { sendByte } from './serial.ts';
import { hasLocalFlag, hasOutputFlag, LocalFlag, OutputFlag } from './termios.ts';

export const NEWLINE = 10;
export const CARRIAGE_RETURN = 13;
const BACKSPACE = 8;
const TAB = 9;
const SPACE = 32;
const DELETE = 127;
const CIRCUMFLEX = 94;
/** Between a control character and the letter it is echoed as, with its own bit 6 turned over. */
const LETTER = 64;
const TAB_COLUMNS = 8;

/** Where the cursor is, as far as what was written tells. */
let column: u32 = 0;

export function cursorColumn(): u32 {
  return column;
}

/** Sends one byte after output processing. */
export function putByte(byte: u8): void {
  if (!hasOutputFlag(OutputFlag.OPOST)) {
    sendByte(byte);
    return;
  }
  switch (byte) {
    case NEWLINE:
      putNewline();
      break;
    case CARRIAGE_RETURN:
      putReturn();
      break;
    case TAB:
      putTab();
      break;
    case BACKSPACE:
      if (column > 0) column = u32(column - 1);
      sendByte(byte);
      break;
    default:
      if (byte >= SPACE && byte !== DELETE) column = u32(column + 1);
      sendByte(byte);
  }
}

function putNewline(): void {
  if (hasOutputFlag(OutputFlag.ONLCR)) sendByte(CARRIAGE_RETURN);
  if (hasOutputFlag(OutputFlag.ONLCR | OutputFlag.ONLRET)) column = 0;
  sendByte(NEWLINE);
}

function putReturn(): void {
  if (hasOutputFlag(OutputFlag.ONOCR) && column === 0) return;
  if (hasOutputFlag(OutputFlag.OCRNL)) {
    putNewline();
    return;
  }
  column = 0;
  sendByte(CARRIAGE_RETURN);
}

function putTab(): void {
  const next = u32((column + TAB_COLUMNS) & ~(TAB_COLUMNS - 1));
  if (hasOutputFlag(OutputFlag.XTABS)) {
    for (let at = column; at < next; at++) sendByte(SPACE);
  } else {
    sendByte(TAB);
  }
  column = next;
}

export function putBytes(start: VirtAddr, length: u64): void {
  for (let offset: u64 = 0n; offset < length; offset = u64(offset + 1n)) putByte(mem.load8(virt(start + offset)));
}

/** True for what is echoed as a circumflex and a letter. */
function isEchoedAsTwo(byte: u8): boolean {
  if (!hasLocalFlag(LocalFlag.ECHOCTL)) return false;
  return (byte < SPACE && byte !== TAB && byte !== NEWLINE) || byte === DELETE;
}

/** Shows a byte that was typed. */
export function echoByte(byte: u8): void {
  if (!isEchoedAsTwo(byte)) {
    putByte(byte);
    return;
  }
  putByte(CIRCUMFLEX);
  putByte(u8(byte ^ LETTER));
}

/** Columns that a byte takes when it is echoed at a column. */
export function echoedWidth(byte: u8, at: u32): u32 {
  if (byte === TAB) return u32(TAB_COLUMNS - (at & (TAB_COLUMNS - 1)));
  if (isEchoedAsTwo(byte)) return 2;
  return byte < SPACE || byte === DELETE ? 0 : 1;
}

/** Takes characters off the screen. */
export function eraseColumns(count: u32): void {
  for (let index: u32 = 0; index < count; index++) {
    putByte(BACKSPACE);
    putByte(SPACE);
    putByte(BACKSPACE);
  }
}
