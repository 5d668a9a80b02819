import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { Command, Option } from 'commander';
import type { Engine } from '../cpu/cpu.ts';
import { measureBoot } from './bench/boot-time.ts';
import { comparePair, gccVersion, PAIRS, type PairResult } from './bench/compiler-pairs.ts';
import type { GuestRun } from './bench/guest-timer.ts';
import { GUESTS, type Guest, GuestImages } from './bench/guests.ts';
import { countInstructions } from './bench/instruction-counts.ts';
import { linuxVersion, measureCosts } from './bench/kernel-costs.ts';
import { type GuestImage, type MachineRun, runOnMachine } from './bench/on-machine.ts';
import { qemuVersion, runOnQemu } from './bench/on-qemu.ts';
import { plotBench } from './bench/plot.ts';
import { type GuestProfile, profileGuest } from './bench/profile.ts';
import { PLOT_FILE, REPORT_FILE, withReport } from './bench/readme.ts';
import { type BenchReport, type EngineResult, type GuestResult, meanRatio, verdictOn } from './bench/report.ts';
import { formatBench } from './bench/terminal.ts';
import { measureTools } from './bench/tool-speed.ts';
import { CommandError, readInput, writeResult } from './failure.ts';
import { packageRoot } from './images.ts';
import { parseCount } from './machine-options.ts';
import { writeOutput } from './output.ts';

const DETAILS = `
Each guest is a program of ours under our own kernel, or a small kernel of its own. It runs on this
machine and, when qemu-system-x86_64 is installed, under its code generator (-accel tcg), the same
image in the same run; the time is the processor time between the two lines that the guest prints
around its work.

Examples:
  verdigris bench
  verdigris bench --only sieve --only sha256 --rounds 5
  verdigris bench --engine interpreter --json
  verdigris bench --linux /boot/vmlinuz --readme
`;

interface BenchFlags {
  readonly engine?: Engine;
  readonly rounds: number;
  readonly only: readonly string[];
  readonly qemu: boolean;
  readonly linux?: string;
  readonly json?: true;
  readonly svg?: string;
  readonly profile?: true;
  readonly readme?: true;
  readonly from?: string;
}

/** The verb `bench`. */
export function benchCommand(): Command {
  return new Command('bench')
    .description('measure instructions a second on our own guests, and the ratio to QEMU when it is installed')
    .addOption(
      new Option('--engine <name>', 'how instructions are executed; default: both interpreter and auto').choices([
        'interpreter',
        'translator',
        'auto',
      ]),
    )
    .option('--rounds <n>', 'runs of each guest, of which the median counts', parseCount, 3)
    .option('--only <guest>', 'run this guest (repeatable)', (name: string, names: string[]) => [...names, name], [])
    .option('--no-qemu', 'do not compare')
    .option('--linux <bzImage>', 'count what system calls cost under this kernel too')
    .option('--profile', 'show where the time goes in guests below their goals')
    .option('--json', 'print one line of JSON')
    .option('--svg <file>', 'draw a picture of it')
    .option('--readme', `write it into README.md, ${REPORT_FILE} and ${PLOT_FILE}`)
    .option('--from <file>', 'take what --json printed instead of measuring')
    .addHelpText('after', DETAILS)
    .action(async (flags: BenchFlags) => {
      const report = flags.from === undefined ? await bench(flags) : readReport(flags.from);
      if (flags.svg !== undefined) writeResult('picture', flags.svg, plotBench(report));
      if (flags.readme) publish(report);
      await writeOutput(flags.json ? `${JSON.stringify(report)}\n` : formatBench(report));
    });
}

function readReport(path: string): BenchReport {
  const text = new TextDecoder().decode(readInput('report', path));
  try {
    const report = JSON.parse(text) as Partial<BenchReport>;
    if (Array.isArray(report.guests)) return report as BenchReport;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new CommandError(`${path} is not what bench --json prints`);
}

/** Writes a report and its picture into the repository, and both into the README. */
function publish(report: BenchReport): void {
  const path = (name: string) => join(packageRoot(), name);
  mkdirSync(dirname(path(REPORT_FILE)), { recursive: true });
  writeFileSync(path(REPORT_FILE), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(path(PLOT_FILE), plotBench(report));
  writeFileSync(path('README.md'), withReport(readFileSync(path('README.md'), 'utf8'), report));
}

async function bench(flags: BenchFlags): Promise<BenchReport> {
  const chosen = chooseGuests(flags.only);
  const linux = flags.linux === undefined ? undefined : readInput('kernel', flags.linux);
  const qemu = flags.qemu ? qemuVersion() : undefined;
  const engines: Engine[] = flags.engine === undefined ? ['interpreter', 'auto'] : [flags.engine];
  const settings = { engines, rounds: Math.max(1, flags.rounds), compares: qemu !== undefined };
  const images = new GuestImages();
  const guests: GuestResult[] = [];
  const profiles: GuestProfile[] = [];
  for (const guest of chosen) {
    const image = await images.imageOf(guest);
    const result = await measure(guest, image, settings);
    guests.push(result);
    if (flags.profile && !verdictOn(result)?.isReached) profiles.push(profileGuest(guest.name, image, engines.at(-1)!));
  }
  const wantsAll = flags.only.length === 0;
  return {
    date: new Date().toISOString().slice(0, 10),
    engines,
    rounds: settings.rounds,
    versions: versions(qemu, linux),
    guests,
    geometricMeans: Object.fromEntries(engines.map((engine) => [engine, meanRatio(guests, engine)])),
    profiles,
    counts: wantsAll ? await countInstructions(settings.compares) : [],
    costs: wantsAll ? await measureCosts(linux) : [],
    boot: wantsAll ? await measureBoot() : undefined,
    tools: wantsAll ? await measureTools() : undefined,
    pairs: wantsAll ? await comparePairs() : [],
  };
}

function versions(qemu: string | undefined, linux: Uint8Array | undefined): BenchReport['versions'] {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string };
  return {
    verdigris: version,
    node: process.versions.node,
    V8: process.versions.v8,
    QEMU: qemu,
    gcc: gccVersion(),
    ...(linux === undefined ? {} : { Linux: linuxVersion(linux) }),
    processor: cpus()[0]?.model,
  };
}

/** The compiler's code against gcc's, when gcc is installed. */
async function comparePairs(): Promise<PairResult[]> {
  const results: PairResult[] = [];
  if (gccVersion() === undefined) return results;
  for (const name of Object.keys(PAIRS)) results.push(await comparePair(name));
  return results;
}

function chooseGuests(names: readonly string[]): readonly Guest[] {
  const unknown = names.find((name) => !GUESTS.some((guest) => guest.name === name));
  if (unknown !== undefined) {
    throw new CommandError(`there is no guest ${unknown}; there are ${GUESTS.map(({ name }) => name).join(', ')}`);
  }
  return names.length === 0 ? GUESTS : GUESTS.filter(({ name }) => names.includes(name));
}

interface Settings {
  readonly engines: readonly Engine[];
  readonly rounds: number;
  /** Whether to run under QEMU as well. */
  readonly compares: boolean;
}

/** Runs a guest round by round on each engine and under QEMU, so that all see the same weather. */
async function measure(
  { name, kind }: Guest,
  image: GuestImage,
  { engines, rounds, compares }: Settings,
): Promise<GuestResult> {
  const runs = new Map<Engine, MachineRun[]>(engines.map((engine) => [engine, []]));
  const theirs: GuestRun[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const [engine, ours] of runs) ours.push(runOnMachine(image, engine));
    const run = compares ? await runOnQemu(image) : undefined;
    if (run) theirs.push(run);
  }
  const all = [...runs.values()].flat();
  const { checksum, instructions } = all[0]!;
  const wrong = [...all, ...theirs].find((run) => run.checksum !== checksum);
  if (wrong) throw new CommandError(`${name}: checksums differ: ${checksum} and ${wrong.checksum}`);
  const qemuSeconds = theirs.length === 0 ? undefined : median(theirs.map(({ seconds }) => seconds));
  const results = [...runs].map(([engine, ours]): [Engine, EngineResult] => {
    const seconds = median(ours.map((run) => run.seconds));
    return [engine, { seconds, ratio: qemuSeconds === undefined ? undefined : qemuSeconds / seconds }];
  });
  return { name, kind, instructions, checksum, qemuSeconds, engines: Object.fromEntries(results) };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
