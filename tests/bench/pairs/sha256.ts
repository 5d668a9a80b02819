import { addressOf, array, entry, mem, syscall, table, u8, u32, u64, virt } from '#dialect';

const constants = table<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
]);
const schedule = array(u32, 64);
const state = array(u32, 8);
const message = array(u8, 64);

function rotate(value: u32, count: u32): u32 {
  return u32((value >>> count) | (value << (32 - count)));
}

/** One block of 64 bytes into the eight words of the state. */
export function compress(hash: u64, block: u64, words: u64): void {
  for (let at: u32 = 0; at < 16; at++) {
    const from = virt(block + u64(at) * 4n);
    const word = u32(
      (mem.load8(from) << 24) |
        (mem.load8(virt(from + 1n)) << 16) |
        (mem.load8(virt(from + 2n)) << 8) |
        mem.load8(virt(from + 3n)),
    );
    mem.store32(virt(words + u64(at) * 4n), word);
  }
  for (let at: u32 = 16; at < 64; at++) {
    const place = u64(words + u64(at) * 4n);
    const x = mem.load32(virt(place - 60n));
    const y = mem.load32(virt(place - 8n));
    const s0 = u32(rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3));
    const s1 = u32(rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10));
    mem.store32(virt(place), u32(mem.load32(virt(place - 64n)) + s0 + mem.load32(virt(place - 28n)) + s1));
  }
  let a = mem.load32(virt(hash));
  let b = mem.load32(virt(hash + 4n));
  let c = mem.load32(virt(hash + 8n));
  let d = mem.load32(virt(hash + 12n));
  let e = mem.load32(virt(hash + 16n));
  let f = mem.load32(virt(hash + 20n));
  let g = mem.load32(virt(hash + 24n));
  let h = mem.load32(virt(hash + 28n));
  for (let at: u32 = 0; at < 64; at++) {
    const s1 = u32(rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25));
    const choice = u32((e & f) ^ (~e & g));
    const first = u32(h + s1 + choice + constants[at]! + mem.load32(virt(words + u64(at) * 4n)));
    const s0 = u32(rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22));
    const majority = u32((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = u32(d + first);
    d = c;
    c = b;
    b = a;
    a = u32(first + s0 + majority);
  }
  mem.store32(virt(hash), u32(mem.load32(virt(hash)) + a));
  mem.store32(virt(hash + 4n), u32(mem.load32(virt(hash + 4n)) + b));
  mem.store32(virt(hash + 8n), u32(mem.load32(virt(hash + 8n)) + c));
  mem.store32(virt(hash + 12n), u32(mem.load32(virt(hash + 12n)) + d));
  mem.store32(virt(hash + 16n), u32(mem.load32(virt(hash + 16n)) + e));
  mem.store32(virt(hash + 20n), u32(mem.load32(virt(hash + 20n)) + f));
  mem.store32(virt(hash + 24n), u32(mem.load32(virt(hash + 24n)) + g));
  mem.store32(virt(hash + 28n), u32(mem.load32(virt(hash + 28n)) + h));
}

export const main = entry((_stack: u64) => {
  const hash = u64(addressOf(state));
  const block = u64(addressOf(message));
  for (let at: u32 = 0; at < 64; at++) mem.store8(virt(block + u64(at)), u8(at));
  for (let round: u32 = 0; round < 50; round++) compress(hash, block, u64(addressOf(schedule)));
  syscall(60n, u64(mem.load32(virt(hash)) & 127));
});
