import * as iced from 'iced-x86';
import { describe, expect, it } from 'vitest';
import { Decoder } from '../../src/cpu/decode/decoder.ts';
import { FEATURES } from '../../src/cpu/decode/features.ts';
import { type CodeSize, Instruction } from '../../src/cpu/decode/instruction.ts';
import { ADDRESS, describeOurs, describeTheirs } from './iced-view.ts';

/** Distance of the instructions in a buffer. */
const SLOT = 16;

/** Compares the two decoders and keeps the first difference of each kind. */
class Comparison {
  readonly #decoder = new Decoder(new Set(FEATURES));
  readonly #ours = new Instruction();
  readonly #theirs = new iced.Instruction();
  readonly #codeSize: CodeSize;
  readonly differences = new Map<string, string>();
  defined = 0;

  constructor(codeSize: CodeSize) {
    this.#codeSize = codeSize;
  }

  /** Compares the instruction that starts at every SLOT bytes. */
  compare(bytes: Uint8Array): void {
    const decoder = new iced.Decoder(this.#codeSize, bytes, iced.DecoderOptions.None);
    for (let at = 0; at < bytes.length; at += SLOT) {
      decoder.position = at;
      decoder.ip = ADDRESS;
      decoder.decodeOut(this.#theirs);
      const length = this.#decoder.decode(bytes, at, SLOT, this.#codeSize, this.#ours);
      const ours = length > 0 ? describeOurs(this.#ours) : 'undefined';
      const theirs = describeTheirs(this.#theirs, this.#codeSize, this.#ours);
      if (length > 0) this.defined++;
      if (ours !== theirs) this.#record(bytes.subarray(at, at + SLOT), ours, theirs);
    }
    decoder.free();
  }

  #record(bytes: Uint8Array, ours: string, theirs: string): void {
    const key = `${ours.split(' ')[0]} ${theirs.split(' ')[0]}`;
    const hexadecimal = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    if (!this.differences.has(key)) this.differences.set(key, `${hexadecimal}: ours ${ours}, theirs ${theirs}`);
  }
}

/** A pseudo-random byte source with a period of 2^32. */
function randomBytes(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state >>> 24;
  };
}

const PREFIXES_OF_ALL_MODES = [
  [],
  [0x66],
  [0xf3],
  [0xf2],
  [0x67],
  [0xf0],
  [0x66, 0xf2],
  [0xf3, 0x66],
  [0xf3, 0xf2],
  [0x64],
  [0x36],
];
const PREFIXES_OF_64 = [
  [0x48],
  [0x45],
  [0x66, 0x48],
  [0xf3, 0x4c],
  [0xf2, 0x49],
  [0x42],
  [0x48, 0x66],
  [0xf0, 0x48],
  [0x67, 0x40],
];
const ESCAPES = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];
/** VEX prefixes: maps 1 to 3, W, pp; vvvv in use and not. */
const VEX = [0xe1, 0xe2, 0xe3].flatMap((map) =>
  [0x70, 0x78, 0xf0, 0xf8].flatMap((bits) => [0, 1, 2, 3].map((pp) => [0xc4, map, bits | pp])),
);

/** All opcodes behind all prefixes, with each ModRM byte in turn for the first few prefixes and a third of them for the rest. */
function* enumerated(codeSize: CodeSize): Generator<Uint8Array> {
  const random = randomBytes(codeSize);
  const prefixes = codeSize === 64 ? [...PREFIXES_OF_ALL_MODES, ...PREFIXES_OF_64] : PREFIXES_OF_ALL_MODES;
  const heads = [...prefixes.flatMap((prefix) => ESCAPES.map((bytes) => [...prefix, ...bytes])), ...VEX];
  for (const [number, head] of heads.entries()) {
    const step = number < 8 ? 1 : 3;
    for (let opcode = 0; opcode < 256; opcode++) {
      const modrms = Math.ceil(256 / step);
      const bytes = new Uint8Array(modrms * SLOT);
      for (let index = 0; index < modrms; index++) {
        const tail = Array.from({ length: SLOT - head.length - 2 }, random);
        bytes.set([...head, opcode, (index * step + (opcode % step)) & 255, ...tail], index * SLOT);
      }
      yield bytes;
    }
  }
}

describe.each([64, 32, 16] as const)('iced-x86 in %i-bit code', (codeSize) => {
  it('agrees on length, mnemonic and operands of random bytes', () => {
    const comparison = new Comparison(codeSize);
    const random = randomBytes(codeSize + 1);
    const bytes = new Uint8Array(SLOT * 1000);
    for (let round = 0; round < 60; round++) {
      for (let at = 0; at < bytes.length; at++) bytes[at] = random();
      comparison.compare(bytes);
    }
    expect([...comparison.differences.values()]).toEqual([]);
    expect(comparison.defined).toBeGreaterThan(40_000);
  });

  it('agrees on every opcode of every map with every kind of prefix and ModRM', { timeout: 300_000 }, () => {
    const comparison = new Comparison(codeSize);
    for (const bytes of enumerated(codeSize)) comparison.compare(bytes);
    expect([...comparison.differences.values()]).toEqual([]);
    expect(comparison.defined).toBeGreaterThan(400_000);
  });
});
