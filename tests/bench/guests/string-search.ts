import { array, bytes, mulLow32, u8, u32 } from '#dialect';

const LENGTH = 200_000;
const ROUNDS = 150;
const ALPHABET = 4;
const FIRST_LETTER = 97;
const pattern = bytes('abcadbac');
const text = array(u8, LENGTH);
const skips = array(u8, 256);

function fillText(): void {
  let seed: u32 = 5;
  for (let index: u32 = 0; index < LENGTH; index++) {
    seed = u32(mulLow32(seed, 1_664_525) + 1_013_904_223);
    text[index] = u8(FIRST_LETTER + ((seed >>> 16) % ALPHABET));
  }
}

function countMatches(): u32 {
  const last = u32(pattern.length - 1);
  let found: u32 = 0;
  let at: u32 = 0;
  while (at + last < LENGTH) {
    let index = last;
    while (text[u32(at + index)]! === pattern[index]! && index > 0) index = u32(index - 1);
    if (index === 0 && text[at]! === pattern[0]!) found = u32(found + 1);
    at = u32(at + skips[text[u32(at + last)]!]!);
  }
  return found;
}

/** Horspool's search in a text of four letters. */
export function stringSearch(): u32 {
  fillText();
  const last = u32(pattern.length - 1);
  for (let letter: u32 = 0; letter < 256; letter++) skips[letter] = u8(pattern.length);
  for (let index: u32 = 0; index < last; index++) skips[pattern[index]!] = u8(last - index);
  let found: u32 = 0;
  for (let round: u32 = 0; round < ROUNDS; round++) {
    text[u32(round * 64)] = u8(FIRST_LETTER + (round & 3));
    found = u32(found + countMatches());
  }
  return found;
}
