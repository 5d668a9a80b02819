import { chalkStderr } from 'chalk';
import type { RegionExit } from '../cpu/translator/translator.ts';
import type { Machine } from '../machine/machine.ts';
import { describeStop, exitCodeOf, type Stop } from '../machine/stop.ts';
import { type ProcessTime, processTime } from './process-time.ts';

/** What `--stats` tells about a run. */
export interface RunReport {
  readonly stop: Stop['reason'];
  readonly exitStatus: number;
  readonly instructions: number;
  /** Virtual time in nanoseconds, and how much of it the processor was halted. */
  readonly virtualNanoseconds: number;
  readonly idleNanoseconds: number;
  readonly hostSeconds: number;
  readonly mips: number;
  /** From the start of the process to the first byte of output; null when there was none. */
  readonly firstOutput: ProcessTime | null;
  /** From the start of the process to the end of the run. */
  readonly total: ProcessTime;
  /** The most memory that this process has had at once, in bytes: pages of the guest count when it has touched them. */
  readonly peakMemory: number;
  readonly stateHash: string;
  /** Ways out of translated code, the most frequent first. */
  readonly translatorExits: readonly TranslatorExit[];
}

/** How often translated code was left at instructions of one form, for one cause, and the place where most often. */
export interface TranslatorExit {
  /** `interpreted`: the instruction was left to the interpreter; `ordinary`: control went on where no translated code was linked. */
  readonly cause: RegionExit['kind'];
  readonly instruction: string;
  readonly count: number;
  readonly places: number;
  readonly hottest: string;
}

const EXITS_SHOWN = 12;

/** @param milliseconds the host's time for the run */
export function reportRun(
  machine: Machine,
  stop: Stop,
  milliseconds: number,
  firstOutput: ProcessTime | undefined,
): RunReport {
  const { instructions, clock } = machine;
  return {
    stop: stop.reason,
    exitStatus: exitCodeOf(stop),
    instructions,
    virtualNanoseconds: clock.now,
    idleNanoseconds: clock.idle,
    hostSeconds: round(milliseconds / 1000),
    mips: round(instructions / milliseconds / 1000),
    firstOutput: firstOutput ?? null,
    total: processTime(),
    peakMemory: 1024 * process.resourceUsage().maxRSS,
    stateHash: machine.stateHash(),
    translatorExits: rankExits(machine.processor.translator?.exits(Number.POSITIVE_INFINITY) ?? []),
  };
}

/** Sums exits up by cause and instruction, the most frequent first. */
export function rankExits(exits: readonly RegionExit[]): TranslatorExit[] {
  const ranks = new Map<string, TranslatorExit>();
  for (const { kind, instruction, count, rip } of exits.toSorted((a, b) => b.count - a.count)) {
    const key = `${kind} ${instruction}`;
    const known = ranks.get(key) ?? { cause: kind, instruction, count: 0, places: 0, hottest: `0x${rip.toString(16)}` };
    ranks.set(key, { ...known, count: known.count + count, places: known.places + 1 });
  }
  return [...ranks.values()].sort((a, b) => b.count - a.count).slice(0, EXITS_SHOWN);
}

/** @returns lines for people: a name, blanks, a value; `instructions N` among them, exactly so */
export function formatReport(report: RunReport, stop: Stop): string {
  const seconds = (nanoseconds: number) => `${(nanoseconds / 1e9).toFixed(6)} s`;
  const rows: [string, string][] = [
    ['stopped', `the machine ${describeStop(stop)}`],
    ['virtual time', `${seconds(report.virtualNanoseconds)}, ${seconds(report.idleNanoseconds)} of it halted`],
    ['host time', `${report.hostSeconds} s, ${report.mips} MIPS`],
    ['first output', report.firstOutput === null ? 'none' : formatTime(report.firstOutput)],
    ['total', formatTime(report.total)],
    ['host memory', `${Math.round(report.peakMemory / 2 ** 20)} MiB at most`],
    ['state hash', report.stateHash],
    ...report.translatorExits.map(({ cause, instruction, count, places, hottest }): [string, string] => [
      'translator exit',
      `${String(count).padStart(9)} ${cause.padEnd(11)} ${instruction} at ${places} ${places === 1 ? 'place' : 'places'}, ${hottest}`,
    ]),
    ['instructions', String(report.instructions)],
  ];
  return rows.map(([name, value]) => `${chalkStderr.dim(name)} ${value}\n`).join('');
}

function formatTime({ elapsed, processor }: ProcessTime): string {
  return `${elapsed} s after start, ${processor} s of processor time`;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
