import { array, u8, u32 } from '#dialect';

const BLOCKS = 60_000;
/** AES-128 (FIPS 197): rounds, and words of the expanded key. */
const ROUNDS = 10;
const KEY_WORDS = 4;
const SCHEDULE_WORDS = 4 * (ROUNDS + 1);

const substitution = array(u8, 256);
/** SubBytes and MixColumns of a byte in each of the four rows. */
const row0 = array(u32, 256);
const row1 = array(u32, 256);
const row2 = array(u32, 256);
const row3 = array(u32, 256);
const schedule = array(u32, SCHEDULE_WORDS);
/** The block: four columns, first row in the highest byte. */
export const block = array(u32, 4);
const columns = array(u32, 4);

/** Multiplication by x in GF(2^8) (FIPS 197, 4.2.1). */
function double(value: u32): u32 {
  return u32(((value << 1) ^ ((value >>> 7) * 0x1b)) & 0xff);
}

function rotate(value: u32, count: u32): u32 {
  return u32((value >>> count) | (value << u32(32 - count)));
}

/** Walks through the powers of 3 and their inverses, the powers of 1/3, at the same time (FIPS 197, 5.1.1). */
function makeTables(): void {
  let value: u32 = 1;
  let inverse: u32 = 1;
  do {
    value = u32(value ^ double(value));
    inverse = u32(inverse ^ (inverse << 1));
    inverse = u32(inverse ^ (inverse << 2));
    inverse = u32((inverse ^ (inverse << 4)) & 0xff);
    if ((inverse & 0x80) !== 0) inverse = u32(inverse ^ 0x09);
    const spread = u32(inverse | (inverse << 8));
    const mixed = u32(inverse ^ (spread >>> 7) ^ (spread >>> 6) ^ (spread >>> 5) ^ (spread >>> 4));
    setSubstitution(u8(value), u32((mixed ^ 0x63) & 0xff));
  } while (value !== 1);
  setSubstitution(0, 0x63);
}

function setSubstitution(value: u8, substitute: u32): void {
  substitution[value] = u8(substitute);
  const twice = double(substitute);
  const word = u32((twice << 24) | (substitute << 16) | (substitute << 8) | (twice ^ substitute));
  row0[value] = word;
  row1[value] = rotate(word, 8);
  row2[value] = rotate(word, 16);
  row3[value] = rotate(word, 24);
}

function substituteWord(word: u32): u32 {
  const high = u32((substitution[word >>> 24]! << 24) | (substitution[(word >>> 16) & 0xff]! << 16));
  return u32(high | (substitution[(word >>> 8) & 0xff]! << 8) | substitution[word & 0xff]!);
}

/** Expands the key 00 01 02 ... 0f (FIPS 197, 5.2 and appendix C.1). */
export function prepare(): void {
  makeTables();
  let constant: u32 = 1;
  for (let word: u32 = 0; word < SCHEDULE_WORDS; word++) {
    if (word < KEY_WORDS) {
      schedule[word] = u32(0x0001_0203 + word * 0x0404_0404);
      continue;
    }
    let previous = schedule[u32(word - 1)]!;
    if (word % KEY_WORDS === 0) {
      previous = u32(substituteWord(rotate(previous, 24)) ^ (constant << 24));
      constant = double(constant);
    }
    schedule[word] = u32(schedule[u32(word - KEY_WORDS)]! ^ previous);
  }
}

function mixColumn(a: u32, b: u32, c: u32, d: u32, key: u32): u32 {
  return u32(row0[a >>> 24]! ^ row1[(b >>> 16) & 0xff]! ^ row2[(c >>> 8) & 0xff]! ^ row3[d & 0xff]! ^ key);
}

function lastColumn(a: u32, b: u32, c: u32, d: u32, key: u32): u32 {
  return u32(substituteWord(u32((a & 0xff00_0000) | (b & 0x00ff_0000) | (c & 0x0000_ff00) | (d & 0x0000_00ff))) ^ key);
}

/** Encrypts `block` in place (FIPS 197, 5.1). */
export function encrypt(): void {
  let a = u32(block[0]! ^ schedule[0]!);
  let b = u32(block[1]! ^ schedule[1]!);
  let c = u32(block[2]! ^ schedule[2]!);
  let d = u32(block[3]! ^ schedule[3]!);
  for (let at: u32 = 4; at < 4 * ROUNDS; at = u32(at + 4)) {
    columns[0] = mixColumn(a, b, c, d, schedule[at]!);
    columns[1] = mixColumn(b, c, d, a, schedule[u32(at + 1)]!);
    columns[2] = mixColumn(c, d, a, b, schedule[u32(at + 2)]!);
    d = mixColumn(d, a, b, c, schedule[u32(at + 3)]!);
    a = columns[0]!;
    b = columns[1]!;
    c = columns[2]!;
  }
  block[0] = lastColumn(a, b, c, d, schedule[4 * ROUNDS]!);
  block[1] = lastColumn(b, c, d, a, schedule[4 * ROUNDS + 1]!);
  block[2] = lastColumn(c, d, a, b, schedule[4 * ROUNDS + 2]!);
  block[3] = lastColumn(d, a, b, c, schedule[4 * ROUNDS + 3]!);
}

/** AES-128 by tables, each block's cipher text being the next one's plain text. */
export function aes(): u32 {
  prepare();
  for (let column: u32 = 0; column < 4; column++) block[column] = 0;
  for (let count: u32 = 0; count < BLOCKS; count++) encrypt();
  return u32(block[0]! ^ block[1]! ^ block[2]! ^ block[3]!);
}
