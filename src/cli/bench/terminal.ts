import chalk from 'chalk';
import type { BootTime } from './boot-time.ts';
import type { Duration } from './child.ts';
import type { PairResult } from './compiler-pairs.ts';
import type { CountResult } from './instruction-counts.ts';
import type { GuestProfile } from './profile.ts';
import { type BenchReport, costTable, type GuestResult, speedTable, versionsText } from './report.ts';
import type { ToolSpeed } from './tool-speed.ts';

/** The report for a terminal. */
export function formatBench(report: BenchReport): string {
  const { engines, guests } = report;
  const { heads, rows } = speedTable(report);
  const cold = guests.find(({ name }) => name === 'cold-code');
  return [
    ...table(heads, rows).map(coloured),
    '',
    ...report.profiles.flatMap(profileLines),
    ...(cold ? engines.map((engine) => coldText(cold, engine)) : []),
    ...countLines(report.counts),
    ...costLines(report),
    ...bootLines(report.boot),
    ...toolLines(report.tools),
    ...pairLines(report.pairs),
    `medians of ${report.rounds}; ${versionsText(report.versions)}`,
    '',
  ].join('\n');
}

function coloured(line: string): string {
  return line.replace(/reached$/, chalk.green('reached')).replace(/below$/, chalk.red('below'));
}

function profileLines({ name, functions, exits }: GuestProfile): string[] {
  return [
    chalk.bold(`${name}: where the time goes`),
    ...functions.map((place) => `  ${(100 * place.share).toFixed(1).padStart(5)} %  ${place.name}`),
    ...exits.map(
      ({ count, cause, instruction, hottest }) => `  ${count} exits (${cause}): ${instruction} at ${hottest}`,
    ),
    '',
  ];
}

function coldText({ instructions, engines }: GuestResult, engine: string): string {
  const microseconds = (engines[engine]!.seconds * 1e6) / instructions;
  return `cold code, ${engine}: ${microseconds.toFixed(2)} us for each of ${instructions} instructions that execute once`;
}

/** One line when QEMU agrees on every guest, and one more for each on which it does not. */
function countLines(counts: readonly CountResult[]): string[] {
  const compared = counts.filter(({ qemu }) => qemu !== undefined);
  if (compared.length === 0) return [];
  const differing = compared.filter(({ ours, qemu }) => ours.instructions !== qemu!.instructions);
  const agreeing = compared.length - differing.length;
  return [
    `instructions counted as by QEMU (-icount): ${agreeing} of ${compared.length} compute guests`,
    ...differing.map(({ name, ours, qemu }) => `  ${name}: ${ours.instructions} here, ${qemu!.instructions} there`),
  ];
}

function costLines({ costs }: BenchReport): string[] {
  if (costs.length === 0) return [];
  const { heads, rows } = costTable(costs);
  return ['', ...table(heads, rows).map(coloured), ''];
}

function toolLines(tools: ToolSpeed | undefined): string[] {
  if (tools === undefined) return [];
  const { kernelCompile, kernelElapsed, casesPerSecond } = tools;
  const inAll = kernelElapsed === undefined ? '' : `, ${kernelElapsed.toFixed(2)} s in all`;
  return [
    `kernel compiled from nothing: ${kernelCompile.toFixed(2)} s of processor time${inAll} (goal: 3 in all)`,
    `exec --cases: ${casesPerSecond} cases a second of processor time (goal: 20000)`,
  ];
}

function bootLines(boot: BootTime | undefined): string[] {
  if (boot === undefined) return [];
  const time = ({ processor, wall }: Duration): string =>
    `${processor.toFixed(2)} s of processor time, ${wall.toFixed(2)} s in all`;
  return [
    `boot to first serial byte: ${time(boot.firstByte)} (goal: 0.6 of processor time)`,
    `boot to power-off: ${time(boot.powerOff)} (goal: 2)`,
    ...(boot.peakBytes === undefined ? [] : [memoryText(boot.peakBytes)]),
  ];
}

const memoryText = (bytes: number): string =>
  `boot with 256 MiB of RAM: ${(bytes / 2 ** 20).toFixed(0)} MiB of memory in use at most (goal: 300)`;

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
  const heads = ['compiled code', 'bytes', 'gcc -O1', 'goal 1.5x', 'instructions', 'gcc -O1', 'goal 2x'];
  return ['', ...table(heads, rows), ''];
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd();
  return [chalk.bold(line(heads)), ...rows.map(line)];
}
