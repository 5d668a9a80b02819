import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readElf } from '../../machine/boot/elf.ts';
import { compileProgram, packageRoot } from '../images.ts';
import { runBareProgram } from './bare-program.ts';

const FOLDER = 'tests/bench/pairs';

/** Programs written twice, in the dialect and in C, with the functions that are compared. */
export const PAIRS: Readonly<Record<string, readonly string[]>> = {
  sieve: ['sieve'],
  crc32: ['makeTable', 'crc32'],
  sha256: ['compress'],
  'binary-search': ['binarySearch'],
  quicksort: ['quicksort'],
  'hash-table': ['insert', 'lookup'],
  strings: ['stringLength', 'compareStrings'],
  bits: ['countBits', 'reverseBits'],
  list: ['sumList', 'reverseList'],
  matrix: ['multiply'],
};

const GCC_FLAGS = [
  '-O1',
  '-static',
  '-nostdlib',
  '-ffreestanding',
  '-fno-pie',
  '-no-pie',
  '-fno-stack-protector',
  '-fcf-protection=none',
  '-fno-asynchronous-unwind-tables',
];

export interface Measure {
  /** Bytes of the compared functions. */
  readonly size: number;
  /** Instructions that the whole program retires. */
  readonly instructions: number;
}

export interface PairResult {
  readonly name: string;
  readonly ours: Measure;
  readonly gcc: Measure;
}

/** @returns gcc's version, or undefined when it is not installed */
export function gccVersion(): string | undefined {
  const { stdout, error } = spawnSync('gcc', ['-dumpfullversion'], { encoding: 'utf8' });
  return error === undefined ? stdout.trim() : undefined;
}

/**
 * Compiles both sides of a pair and runs them on our processor.
 * @throws Error when the two programs end with different results
 */
export async function comparePair(name: string): Promise<PairResult> {
  const functions = PAIRS[name]!;
  const ours = measure(await compileProgram(`${FOLDER}/${name}.ts`), functions);
  const gcc = measure(compileC(join(packageRoot(), FOLDER, `${name}.c`)), functions);
  if (ours.status !== gcc.status) throw new Error(`${name}: results differ: ${ours.status} and ${gcc.status}`);
  return { name, ours, gcc };
}

function compileC(source: string): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'verdigris-'));
  try {
    const output = join(folder, 'program');
    const { status, stderr } = spawnSync('gcc', [...GCC_FLAGS, '-o', output, source], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return readFileSync(output);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function measure(image: Uint8Array, functions: readonly string[]): Measure & { readonly status: number } {
  const { symbols } = readElf(image);
  const sizes = functions.map((name) => {
    const symbol = symbols.find((candidate) => candidate.name === name || candidate.name.endsWith(`.${name}`));
    if (!symbol) throw new Error(`the image has no function ${name}`);
    return Number(symbol.size);
  });
  const { instructions, status } = runBareProgram(image);
  return { size: sizes.reduce((sum, size) => sum + size, 0), instructions, status };
}
