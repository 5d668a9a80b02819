import chalk from 'chalk';
import type { BootTime } from './boot-time.ts';
import type { PairResult } from './compiler-pairs.ts';

/** How one engine did. */
export interface EngineResult {
  /** Median of the rounds, in processor seconds. */
  readonly seconds: number;
  /** QEMU's time over ours: above 1, we are faster. */
  readonly ratio: number | undefined;
}

export interface GuestResult {
  readonly name: string;
  /** Compute guests count in the geometric mean; the others exercise the kernel, and cold code the decoder. */
  readonly kind: 'compute' | 'system' | 'cold';
  readonly instructions: number;
  readonly checksum: string;
  readonly qemuSeconds: number | undefined;
  readonly engines: Readonly<Record<string, EngineResult>>;
}

export interface BenchReport {
  readonly engines: readonly string[];
  readonly rounds: number;
  readonly versions: Readonly<Record<string, string | undefined>>;
  readonly guests: readonly GuestResult[];
  /** Of the compute guests' ratios, by engine. */
  readonly geometricMeans: Readonly<Record<string, number | undefined>>;
  readonly boot: BootTime;
  /** Empty when gcc is not installed. */
  readonly pairs: readonly PairResult[];
}

const millionsPerSecond = (instructions: number, seconds: number): string => (instructions / seconds / 1e6).toFixed(0);

const ratioText = (ratio: number | undefined): string => (ratio === undefined ? '-' : `${ratio.toFixed(2)}x`);

/** The report as a table for a terminal. */
export function formatBench(report: BenchReport): string {
  const { engines, guests, boot } = report;
  const heads = ['guest', 'instructions', 'QEMU MIPS', ...engines.flatMap((engine) => [`${engine} MIPS`, 'speed'])];
  const rows = guests.map(({ name, instructions, qemuSeconds, engines: results }) => [
    name,
    `${(instructions / 1e6).toFixed(1)} M`,
    qemuSeconds === undefined ? '-' : millionsPerSecond(instructions, qemuSeconds),
    ...engines.flatMap((engine) => {
      const { seconds, ratio } = results[engine]!;
      return [millionsPerSecond(instructions, seconds), ratioText(ratio)];
    }),
  ]);
  const means = [
    'geometric mean',
    '',
    '',
    ...engines.flatMap((engine) => ['', ratioText(report.geometricMeans[engine])]),
  ];
  const cold = guests.find(({ kind }) => kind === 'cold');
  const time = ({ processor, wall }: BootTime['firstByte']): string =>
    `${processor.toFixed(2)} s of processor time, ${wall.toFixed(2)} s in all`;
  return [
    ...table(heads, [...rows, means]),
    '',
    ...engines.flatMap((engine) => (cold ? [coldText(cold, engine)] : [])),
    `boot to first serial byte: ${time(boot.firstByte)}`,
    `boot to power-off: ${time(boot.powerOff)}`,
    ...pairLines(report.pairs),
    `medians of ${report.rounds}; the mean is over compute guests; ${versionsText(report.versions)}`,
    '',
  ].join('\n');
}

/** Our compiler's functions beside gcc -O1's: bytes, and instructions retired by the whole program. */
function pairLines(pairs: readonly PairResult[]): string[] {
  if (pairs.length === 0) return [];
  const ratio = (ours: number, theirs: number): string => `${(ours / theirs).toFixed(2)}x`;
  const rows = pairs.map(({ name, ours, gcc }) => [
    name,
    ...[ours.size, gcc.size].map(String),
    ratio(ours.size, gcc.size),
    ...[ours.instructions, gcc.instructions].map(String),
    ratio(ours.instructions, gcc.instructions),
  ]);
  const heads = ['compiled code', 'bytes', 'gcc -O1', 'ratio', 'instructions', 'gcc -O1', 'ratio'];
  return ['', ...table(heads, rows), ''];
}

function coldText({ instructions, engines }: GuestResult, engine: string): string {
  const microseconds = (engines[engine]!.seconds * 1e6) / instructions;
  return `cold code, ${engine}: ${microseconds.toFixed(2)} us for each of ${instructions} instructions that execute once`;
}

function versionsText(versions: BenchReport['versions']): string {
  return Object.entries(versions)
    .map(([name, version]) => `${name} ${version ?? 'absent'}`)
    .join(', ');
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  ');
  return [chalk.bold(line(heads)), ...rows.map(line)];
}
