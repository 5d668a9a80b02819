/**
 * What a terminal makes of the bytes that are typed: lines that can be edited until they are finished, echo, and control
 * characters that are signals. With ICANON off, bytes as they come.
 */
import { array, type FixedArray, u8, u32 } from '#dialect';
import { signalForeground } from '../process/job-control.ts';
import { Signal } from '../process/signal-delivery.ts';
import {
  CARRIAGE_RETURN,
  cursorColumn,
  echoByte,
  echoedWidth,
  eraseColumns,
  NEWLINE,
  putByte,
} from './terminal-output.ts';
import { Control, hasInputFlag, hasLocalFlag, InputFlag, isControl, LocalFlag, termios } from './termios.ts';

const CAPACITY = 4096;
const bytes = array(u8, CAPACITY);
/** What a byte is besides itself: the end of a line, or an end of file, which is not read. */
const Mark = { NONE: 0, LINE: 1, FILE: 2 } as const;
const marks = array(u8, CAPACITY);

/** Counts of bytes ever stored, taken, and stored when the unfinished line began; each is a place modulo CAPACITY. */
let stored: u32 = 0;
let taken: u32 = 0;
let lineStart: u32 = 0;
/** Lines that are finished and not taken. */
let lines: u32 = 0;
/** The cursor's column at the start of the unfinished line. */
let startColumn: u32 = 0;
/** LNEXT was typed: the next byte means itself. */
let isNextLiteral = false;
/** STOP was typed: output waits for START. */
let isOutputStopped = false;

const BELL = 7;
const BACKSPACE = 8;
const SPACE = 32;
const CIRCUMFLEX = 94;
const UNDERSCORE = 95;

function placeOf(index: u32): u32 {
  return u32(index % CAPACITY);
}

function pending(): u32 {
  return u32(stored - taken);
}

export function isStopped(): boolean {
  return isOutputStopped;
}

export function setStopped(stopped: boolean): void {
  isOutputStopped = stopped;
}

/** Bytes that a read could take now: in canonical mode those of finished lines. */
export function availableBytes(): u32 {
  if (!hasLocalFlag(LocalFlag.ICANON)) return pending();
  return lines === 0 ? 0 : u32(lineStart - taken);
}

/** True when a read of the mode in force would not wait for a byte. */
export function hasInput(): boolean {
  return hasLocalFlag(LocalFlag.ICANON) ? lines > 0 : pending() > 0;
}

/** Forgets what was typed and not read. */
export function flushInput(): void {
  taken = stored;
  lineStart = stored;
  lines = 0;
}

/** After ICANON has changed: what is there is one line, or with it off just bytes. */
export function regroupInput(): void {
  lines = 0;
  for (let index = taken; index !== stored; index = u32(index + 1)) marks[placeOf(index)] = Mark.NONE;
  lineStart = taken;
  if (!hasLocalFlag(LocalFlag.ICANON) || pending() === 0) return;
  marks[placeOf(u32(stored - 1))] = Mark.LINE;
  lineStart = stored;
  lines = 1;
}

/**
 * Moves bytes to `target`, at most `limit` and, in canonical mode, not beyond a line; returns how many. In canonical mode a
 * line must be there.
 */
export function takeInput(target: FixedArray<u8>, limit: u32): u32 {
  const isCanonical = hasLocalFlag(LocalFlag.ICANON);
  let count: u32 = 0;
  while (count < limit && taken !== stored) {
    const place = placeOf(taken);
    const mark = isCanonical ? marks[place]! : Mark.NONE;
    taken = u32(taken + 1);
    if (mark !== Mark.FILE) {
      target[count] = bytes[place]!;
      count = u32(count + 1);
    }
    if (mark === Mark.NONE) continue;
    lines = u32(lines - 1);
    break;
  }
  if (!isCanonical) lineStart = taken;
  else if (count === limit) skipEndOfFile();
  return count;
}

/** An end of file right behind what fills a reader's buffer ends that line and is no end of its own. */
function skipEndOfFile(): void {
  if (marks[placeOf(u32(taken - 1))] !== Mark.NONE || taken === stored) return;
  if (marks[placeOf(taken)] !== Mark.FILE) return;
  taken = u32(taken + 1);
  lines = u32(lines - 1);
}

function store(byte: u8, mark: u8): void {
  const place = placeOf(stored);
  bytes[place] = byte;
  marks[place] = mark;
  stored = u32(stored + 1);
  if (mark === Mark.NONE) return;
  lineStart = stored;
  lines = u32(lines + 1);
}

/** One byte has been typed. */
export function receiveInput(received: u8): void {
  const byte = hasInputFlag(InputFlag.ISTRIP) ? u8(received & 0x7f) : received;
  if (isNextLiteral) {
    isNextLiteral = false;
    receiveData(byte, Mark.NONE);
    return;
  }
  if (hasInputFlag(InputFlag.IXON) && controlsOutput(byte)) return;
  if (hasLocalFlag(LocalFlag.ISIG) && isSignal(byte)) return;
  if (byte === CARRIAGE_RETURN && hasInputFlag(InputFlag.IGNCR)) return;
  const meant = translated(byte);
  if (hasLocalFlag(LocalFlag.ICANON)) receiveForLine(meant);
  else receiveData(meant, Mark.NONE);
}

function translated(byte: u8): u8 {
  if (byte === CARRIAGE_RETURN && hasInputFlag(InputFlag.ICRNL)) return NEWLINE;
  if (byte === NEWLINE && hasInputFlag(InputFlag.INLCR)) return CARRIAGE_RETURN;
  return byte;
}

/** STOP and START, and with IXANY any byte, which then counts otherwise too. */
function controlsOutput(byte: u8): boolean {
  if (isControl(byte, Control.START)) {
    isOutputStopped = false;
    return true;
  }
  if (isControl(byte, Control.STOP)) {
    isOutputStopped = true;
    return true;
  }
  if (hasInputFlag(InputFlag.IXANY)) isOutputStopped = false;
  return false;
}

function isSignal(byte: u8): boolean {
  if (isControl(byte, Control.INTR)) signalFromKeyboard(byte, Signal.SIGINT);
  else if (isControl(byte, Control.QUIT)) signalFromKeyboard(byte, Signal.SIGQUIT);
  else if (isControl(byte, Control.SUSP)) signalFromKeyboard(byte, Signal.SIGTSTP);
  else return false;
  return true;
}

function signalFromKeyboard(byte: u8, signal: u32): void {
  if (!hasLocalFlag(LocalFlag.NOFLSH)) flushInput();
  if (hasInputFlag(InputFlag.IXON)) isOutputStopped = false;
  if (hasLocalFlag(LocalFlag.ECHO)) echoByte(byte);
  signalForeground(signal);
}

function receiveForLine(byte: u8): void {
  const isExtended = hasLocalFlag(LocalFlag.IEXTEN);
  if (isControl(byte, Control.ERASE)) eraseCharacter();
  else if (isControl(byte, Control.KILL)) killLine(byte);
  else if (isExtended && isControl(byte, Control.WERASE)) eraseWord();
  else if (isExtended && isControl(byte, Control.LNEXT)) expectLiteral();
  else if (isExtended && isControl(byte, Control.REPRINT)) reprintLine(byte);
  else if (isControl(byte, Control.EOF)) store(0, Mark.FILE);
  else receiveData(byte, isLineEnd(byte) ? Mark.LINE : Mark.NONE);
}

function isLineEnd(byte: u8): boolean {
  if (byte === NEWLINE || isControl(byte, Control.EOL)) return true;
  return hasLocalFlag(LocalFlag.IEXTEN) && isControl(byte, Control.EOL2);
}

/** Room is kept for the byte that ends a line: a line that is too long can still be finished. */
function receiveData(byte: u8, mark: u8): void {
  if (pending() >= (mark === Mark.NONE ? CAPACITY - 2 : CAPACITY - 1)) {
    if (hasInputFlag(InputFlag.IMAXBEL)) putByte(BELL);
    return;
  }
  if (stored === lineStart) startColumn = cursorColumn();
  const isShown = hasLocalFlag(LocalFlag.ECHO) || (byte === NEWLINE && hasLocalFlag(LocalFlag.ECHONL));
  if (isShown) echoByte(byte);
  store(byte, mark);
}

function expectLiteral(): void {
  isNextLiteral = true;
  if (!hasLocalFlag(LocalFlag.ECHO) || !hasLocalFlag(LocalFlag.ECHOCTL)) return;
  putByte(CIRCUMFLEX);
  putByte(BACKSPACE);
}

/** Takes one character back, in UTF-8 with all its bytes. */
function eraseCharacter(): void {
  if (stored === lineStart) return;
  let byte = lastByte();
  let width = widthOfLast();
  stored = u32(stored - 1);
  while (hasInputFlag(InputFlag.IUTF8) && isContinuation(byte) && stored !== lineStart) {
    byte = lastByte();
    width = 1;
    stored = u32(stored - 1);
  }
  if (!hasLocalFlag(LocalFlag.ECHO)) return;
  if (hasLocalFlag(LocalFlag.ECHOE)) eraseColumns(width);
  else echoByte(termios.characters[Control.ERASE]!);
}

function lastByte(): u8 {
  return bytes[placeOf(u32(stored - 1))]!;
}

function isContinuation(byte: u8): boolean {
  return (byte & 0xc0) === 0x80;
}

/** Columns that the last byte of the unfinished line takes on the screen. */
function widthOfLast(): u32 {
  let column = startColumn;
  let width: u32 = 0;
  for (let index = lineStart; index !== stored; index = u32(index + 1)) {
    width = echoedWidth(bytes[placeOf(index)]!, column);
    column = u32(column + width);
  }
  return width;
}

/** Takes a word back, and the spaces behind it. */
function eraseWord(): void {
  while (stored !== lineStart && !isWordPart(lastByte())) eraseCharacter();
  while (stored !== lineStart && isWordPart(lastByte())) eraseCharacter();
}

function isWordPart(byte: u8): boolean {
  const letter = u8(byte | SPACE);
  const isLetter = letter >= 97 && letter <= 122;
  return isLetter || (byte >= 48 && byte <= 57) || byte === UNDERSCORE || byte >= 0x80;
}

function killLine(byte: u8): void {
  if (!hasLocalFlag(LocalFlag.ECHO)) {
    stored = lineStart;
    return;
  }
  if (hasLocalFlag(LocalFlag.ECHOK) && hasLocalFlag(LocalFlag.ECHOKE) && hasLocalFlag(LocalFlag.ECHOE)) {
    while (stored !== lineStart) eraseCharacter();
    return;
  }
  stored = lineStart;
  echoByte(byte);
  if (hasLocalFlag(LocalFlag.ECHOK)) putByte(NEWLINE);
}

/** Shows the unfinished line again on a line of its own. */
function reprintLine(byte: u8): void {
  if (!hasLocalFlag(LocalFlag.ECHO)) {
    receiveData(byte, Mark.NONE);
    return;
  }
  echoByte(byte);
  putByte(NEWLINE);
  startColumn = 0;
  for (let index = lineStart; index !== stored; index = u32(index + 1)) echoByte(bytes[placeOf(index)]!);
}
