import { array, bytes, u32 } from '#dialect';

const BLOCKS = 40_000;
const ROUNDS = 64;
/** The 64 constants and the 8 initial words of FIPS 180-4, 4.2.2 and 5.3.3, big-endian. */
const digits = bytes(
  '428a2f9871374491b5c0fbcfe9b5dba53956c25b59f111f1923f82a4ab1c5ed5d807aa9812835b01243185be550c7dc372be5d7480deb1fe9bdc06a7c19bf174e49b69c1efbe47860fc19dc6240ca1cc2de92c6f4a7484aa5cb0a9dc76f988da983e5152a831c66db00327c8bf597fc7c6e00bf3d5a7914706ca63511429296727b70a852e1b21384d2c6dfc53380d13650a7354766a0abb81c2c92e92722c85a2bfe8a1a81a664bc24b8b70c76c51a3d192e819d6990624f40e3585106aa07019a4c1161e376c082748774c34b0bcb5391c0cb34ed8aa4a5b9cca4f682e6ff3748f82ee78a5636f84c878148cc7020890befffaa4506cebbef9a3f7c67178f26a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19',
);
const constants = array(u32, ROUNDS);
const schedule = array(u32, ROUNDS);
const hash = array(u32, 8);

/** The word that the digits at eight times its index spell. */
function readWord(word: u32): u32 {
  let value: u32 = 0;
  for (let index: u32 = 0; index < 8; index++) {
    const digit = digits[u32(word * 8 + index)]!;
    value = u32((value << 4) | (digit < 58 ? digit - 48 : digit - 87));
  }
  return value;
}

function readTables(): void {
  for (let word: u32 = 0; word < ROUNDS; word++) constants[word] = readWord(word);
  for (let word: u32 = 0; word < 8; word++) hash[word] = readWord(u32(ROUNDS + word));
}

function rotateRight(value: u32, count: u32): u32 {
  return u32((value >>> count) | (value << u32(32 - count)));
}

function extendSchedule(): void {
  for (let t: u32 = 16; t < ROUNDS; t++) {
    const a = schedule[u32(t - 15)]!;
    const b = schedule[u32(t - 2)]!;
    const low = u32(rotateRight(a, 7) ^ rotateRight(a, 18) ^ (a >>> 3));
    const high = u32(rotateRight(b, 17) ^ rotateRight(b, 19) ^ (b >>> 10));
    schedule[t] = u32(schedule[u32(t - 16)]! + low + schedule[u32(t - 7)]! + high);
  }
}

function compressBlock(): void {
  let a = hash[0]!;
  let b = hash[1]!;
  let c = hash[2]!;
  let d = hash[3]!;
  let e = hash[4]!;
  let f = hash[5]!;
  let g = hash[6]!;
  let h = hash[7]!;
  for (let t: u32 = 0; t < ROUNDS; t++) {
    const sum1 = u32(rotateRight(e, 6) ^ rotateRight(e, 11) ^ rotateRight(e, 25));
    const choice = u32((e & f) ^ (~e & g));
    const first = u32(h + sum1 + choice + constants[t]! + schedule[t]!);
    const sum0 = u32(rotateRight(a, 2) ^ rotateRight(a, 13) ^ rotateRight(a, 22));
    const majority = u32((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = u32(d + first);
    d = c;
    c = b;
    b = a;
    a = u32(first + sum0 + majority);
  }
  hash[0] = u32(hash[0]! + a);
  hash[1] = u32(hash[1]! + b);
  hash[2] = u32(hash[2]! + c);
  hash[3] = u32(hash[3]! + d);
  hash[4] = u32(hash[4]! + e);
  hash[5] = u32(hash[5]! + f);
  hash[6] = u32(hash[6]! + g);
  hash[7] = u32(hash[7]! + h);
}

/** SHA-256's compression function over blocks that count up (FIPS 180-4, 6.2.2). */
export function sha256(): u32 {
  readTables();
  for (let block: u32 = 0; block < BLOCKS; block++) {
    for (let t: u32 = 0; t < 16; t++) schedule[t] = u32(block + t);
    extendSchedule();
    compressBlock();
  }
  return hash[0]!;
}
