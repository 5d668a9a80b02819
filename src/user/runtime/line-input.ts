/** Lines typed on the console, echoed and edited here: meanwhile the terminal hands out bytes as they come. */
import { addressOf, array, u8, u32, type VirtAddr } from '#dialect';
import { flush, print, printByte } from './print.ts';
import { CONSOLE_IN, controlTerminal, read, TERMIOS_BYTES, TerminalRequest } from './system-calls.ts';

const CAPACITY = 256;
const INTERRUPT = 3;
const END_OF_TRANSMISSION = 4;
const BACKSPACE = 8;
const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
const KILL_LINE = 21;
const DELETE = 127;

/** The first byte of c_lflag, and in it ISIG, ICANON and ECHO. */
const LOCAL_FLAGS = 12;
const LINE_EDITING = 0x0b;

const line = array(u8, CAPACITY);
const byteRead = array(u8, 1);

const foundSettings = array(u8, TERMIOS_BYTES);
const ownSettings = array(u8, TERMIOS_BYTES);

/** Has the terminal leave bytes alone; false when the console is none. */
function takeOverEditing(): boolean {
  if (controlTerminal(CONSOLE_IN, TerminalRequest.GET, addressOf(foundSettings)) < 0n) return false;
  for (let index: u32 = 0; index < TERMIOS_BYTES; index++) ownSettings[index] = foundSettings[index]!;
  ownSettings[LOCAL_FLAGS] = u8(ownSettings[LOCAL_FLAGS]! & ~LINE_EDITING);
  return controlTerminal(CONSOLE_IN, TerminalRequest.SET, addressOf(ownSettings)) === 0n;
}

/** The line read last, zero-terminated. */
export function lineAddress(): VirtAddr {
  return addressOf(line);
}

function nextByte(): u8 {
  flush();
  while (read(CONSOLE_IN, addressOf(byteRead), 1n) !== 1n);
  return byteRead[0]!;
}

function erase(): void {
  printByte(BACKSPACE);
  printByte(32);
  printByte(BACKSPACE);
}

/** Reads a line without its end; false at the end of input (Ctrl-D on an empty line). Ctrl-C gives an empty line. */
export function readLine(): boolean {
  const isTerminal = takeOverEditing();
  const isRead = editLine();
  if (isTerminal) controlTerminal(CONSOLE_IN, TerminalRequest.SET, addressOf(foundSettings));
  return isRead;
}

function editLine(): boolean {
  let length: u32 = 0;
  for (;;) {
    const byte = nextByte();
    if (byte === NEWLINE || byte === CARRIAGE_RETURN) break;
    if (byte === END_OF_TRANSMISSION && length === 0) return false;
    if (byte === INTERRUPT) {
      length = 0;
      print`^C`;
      break;
    }
    if (byte === BACKSPACE || byte === DELETE) {
      if (length === 0) continue;
      length = u32(length - 1);
      erase();
    } else if (byte === KILL_LINE) {
      while (length > 0) {
        length = u32(length - 1);
        erase();
      }
    } else if (byte >= 32 && length < CAPACITY - 1) {
      line[length] = byte;
      length = u32(length + 1);
      printByte(byte);
    }
  }
  line[length] = 0;
  print`\n`;
  return true;
}
