import { describe, expect, it } from 'vitest';
import type { Cpu, CpuOptions } from '../../src/cpu/cpu.ts';
import { MxcsrReset, PrecisionFlag } from '../../src/cpu/floating-point/mxcsr.ts';
import { XMM } from '../../src/cpu/layout.ts';
import { Random } from '../oracle/native-random.ts';
import { DATA, emptyBus, enterLongMode, longModeCpu } from './long-mode.ts';

const RDI = 7;
const ROUNDS = 20;
const DATA_BYTES = 512;
const PREFIXES = [[], [0x66], [0xf3], [0xf2]] as const;
/** ADD MUL SUB DIV SQRT MIN MAX, and moves of the same shape. */
const ARITHMETIC = [0x58, 0x58, 0x59, 0x59, 0x5c, 0x5c, 0x5e, 0x51, 0x5d, 0x5f, 0x10, 0x11];
/** MOVAPS UNPCKLPS ANDPS XORPS UCOMISS, with and without 66. */
const OTHERS = [0x28, 0x14, 0x54, 0x57, 0x2e];

/** The operand is an XMM register or [RDI + 16 n]. */
function modrm(random: Random, register: number): number[] {
  if (random.chance(0.7)) return [0xc0 | (register << 3) | random.below(8)];
  const offset = random.below(DATA_BYTES / 16) * 16;
  return [0x87 | (register << 3), offset & 0xff, offset >> 8, 0, 0];
}

function instruction(random: Random): number[] {
  const register = random.below(8);
  if (random.chance(0.06)) return [0x66, 0x0f, 0x50, 0xc0 | register]; // MOVMSKPD EAX, XMMn
  if (random.chance(0.08)) {
    return [...PREFIXES[random.below(4)]!, 0x0f, 0xc2, ...modrm(random, register), random.below(8)];
  }
  const isOther = random.chance(0.2);
  const opcode = isOther ? OTHERS[random.below(OTHERS.length)]! : ARITHMETIC[random.below(ARITHMETIC.length)]!;
  const prefix = PREFIXES[random.below(isOther ? 2 : 4)]!;
  return [...prefix, 0x0f, opcode, ...modrm(random, register)];
}

/** A loop of random instructions that runs ROUNDS times. */
function program(random: Random): number[] {
  const body = Array.from({ length: 4 + random.below(24) }, () => instruction(random)).flat();
  const distance = -(body.length + 9);
  const displacement = [0, 8, 16, 24].map((shift) => (distance >> shift) & 0xff);
  // A jump over nothing: where jumps lead to is translated at once.
  return [0xb9, ROUNDS, 0, 0, 0, 0xe9, 0, 0, 0, 0, ...body, 0x83, 0xe9, 1, 0x0f, 0x85, ...displacement, 0xf4];
}

/** Mostly ordinary numbers, else any: then some loops stay on the usual path, and others leave it at some point. */
function number(random: Random, unusual: number): bigint {
  if (random.chance(unusual)) return random.double();
  if (random.chance(0.5)) return BigInt.asUintN(64, (random.double() & ~(0x7ffn << 52n)) | (0x3fen << 52n));
  return (BigInt(0x3f800000 + random.below(0x10000)) << 32n) | BigInt(0x3f000000 + random.below(0x10000));
}

function run(cpu: Cpu, code: readonly number[], seed: number): string {
  const random = new Random(seed);
  const { state } = cpu;
  cpu.instructionCount = 0;
  enterLongMode(cpu, code);
  state.set64('cr4', 0x620n);
  const unusual = [0, 0.05, 0.3][random.below(3)]!;
  const words = new BigUint64Array(state.guestRam.buffer, state.guestRam.byteOffset + DATA, DATA_BYTES / 8);
  for (let at = 0; at < words.length; at++) words[at] = number(random, unusual);
  for (let at = 0; at < 32; at++) state.u64[(XMM >> 3) + at] = number(random, unusual);
  state.setGpr(RDI, BigInt(DATA));
  const controls = random.chance(0.2) ? 0x8040 & random.bits() : 0;
  state.set('mxcsr', MxcsrReset | PrecisionFlag | controls | (random.chance(0.5) ? 0 : random.bits() & 0x3f));
  const exit = cpu.run(10_000);
  const registers = Array.from(state.u64.subarray(XMM >> 3, (XMM >> 3) + 32), (each) => each.toString(16));
  return JSON.stringify([
    ...[exit.reason, cpu.instructionCount, state.rip.toString(16), state.rflags, state.get('mxcsr')],
    ...[state.gpr(0).toString(16), registers, Array.from(words, (each) => each.toString(16))],
  ]);
}

describe('translated floating-point arithmetic', () => {
  it('leaves registers, memory and flags as the interpreter does, with numbers of every kind', () => {
    const create = (options: Pick<CpuOptions, 'engine' | 'translator'>) => longModeCpu([], emptyBus, 8 << 20, options);
    const interpreter = create({ engine: 'interpreter' });
    const translator = create({ engine: 'translator' });
    for (let seed = 1; seed <= 250; seed++) {
      const code = program(new Random(seed));
      expect(run(translator, code, seed), `program ${seed}`).toBe(run(interpreter, code, seed));
    }
    expect(translator.translator!.statistics.regions).toBeGreaterThan(200);
  });
});
