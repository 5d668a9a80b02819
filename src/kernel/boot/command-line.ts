/**
 * The kernel command line: options, then `init=/path argument ...`. A loader may put the kernel's own path first.
 */
import { addressOf, array, mem, u8, u32, u64, type VirtAddr, virt } from '#dialect';

const CAPACITY = 1024;
const SPACE = 32;
const DIGIT_ZERO = 48;
const DIGIT_NINE = 57;
const INIT = 'init=';
/** Words beyond these are left out. */
export const MOST_INIT_WORDS = 32;
const text = array(u8, CAPACITY);
let length: u32 = 0;
/** Where the first program's path begins, and the number of words from there to the end; 0 words: not given. */
let initStart: u32 = 0;
let initWords: u32 = 0;
/** `schedule-seed=NUMBER` and `schedule-depth=NUMBER`: see sched/exploration.ts. */
let hasScheduleSeed = false;
let scheduleSeed: u64 = 0n;
let scheduleDepth: u32 = 0;

/** Copies a zero-terminated line; what goes beyond 1,023 bytes is cut off. */
export function setCommandLine(source: VirtAddr): void {
  length = 0;
  while (length < CAPACITY - 1) {
    const byte = mem.load8(virt(source + u64(length)));
    if (byte === 0) break;
    text[length] = byte;
    length = u32(length + 1);
  }
  text[length] = 0;
  const seed = findWord('schedule-seed=');
  hasScheduleSeed = seed > 0;
  scheduleSeed = readNumber(seed);
  const depth = findWord('schedule-depth=');
  scheduleDepth = u32(readNumber(depth));
  findInit();
}

/** True when the line has a `schedule-seed=`. */
export function isScheduleSeeded(): boolean {
  return hasScheduleSeed;
}

export function scheduleSeedNumber(): u64 {
  return scheduleSeed;
}

export function scheduleDepthNumber(): u32 {
  return scheduleDepth;
}

/** The decimal number at a place in the line; 0 for none. */
function readNumber(start: u32): u64 {
  let value: u64 = 0n;
  for (let index = start; index > 0 && index < length; index++) {
    const byte = text[index]!;
    if (byte < DIGIT_ZERO || byte > DIGIT_NINE) break;
    value = u64(value * 10n + u64(byte - DIGIT_ZERO));
  }
  return value;
}

/** The place behind a word's beginning such as `init=`; 0 when no word before init's arguments begins so. */
function findWord(beginning: string): u32 {
  for (let index: u32 = 0; index < length; index++) {
    if (isAt(index, beginning)) return u32(index + beginning.length);
    if (isAt(index, INIT)) return 0;
  }
  return 0;
}

/** Cuts everything after `init=` into words; each ends in a zero byte. */
function findInit(): void {
  initWords = 0;
  initStart = findWord(INIT);
  if (initStart === 0) return;
  let isInWord = false;
  for (let index = initStart; index < length; index++) {
    const isSpace = text[index]! === SPACE;
    if (isSpace) text[index] = 0;
    else if (!isInWord && initWords < MOST_INIT_WORDS) initWords = u32(initWords + 1);
    isInWord = !isSpace;
  }
}

/** True when a word with that beginning stands there. */
function isAt(index: u32, word: string): boolean {
  if (index > 0 && text[u32(index - 1)]! !== SPACE) return false;
  for (let offset: u32 = 0; offset < word.length; offset++) {
    if (index + offset >= length || text[u32(index + offset)]! !== word.charCodeAt(offset)) return false;
  }
  return true;
}

/** Words after `init=`, the program's path included; 0 when the line names none. */
export function initWordCount(): u32 {
  return initWords;
}

/** Address of one of those words, zero-terminated. */
export function initWord(wanted: u32): VirtAddr {
  let seen: u32 = 0;
  let wasSpace = true;
  for (let index = initStart; index < length; index++) {
    const isSpace = text[index]! === 0;
    if (!isSpace && wasSpace) {
      if (seen === wanted) return virt(addressOf(text) + u64(index));
      seen = u32(seen + 1);
    }
    wasSpace = isSpace;
  }
  return virt(addressOf(text) + u64(length));
}
