import { cpus } from 'node:os';
import { Command, Option } from 'commander';
import type { Engine } from '../cpu/cpu.ts';
import { packArchive } from './archive.ts';
import { measureBoot } from './bench/boot-time.ts';
import { coldProgram } from './bench/cold-code.ts';
import { comparePair, gccVersion, PAIRS, type PairResult } from './bench/compiler-pairs.ts';
import type { GuestRun } from './bench/guest-timer.ts';
import { type GuestImage, type MachineRun, runOnMachine } from './bench/on-machine.ts';
import { qemuVersion, runOnQemu } from './bench/on-qemu.ts';
import { type BenchReport, type EngineResult, formatBench, type GuestResult } from './bench/report.ts';
import { CommandError } from './failure.ts';
import { buildImages, compileProgram } from './images.ts';
import { parseCount } from './machine-options.ts';

const COMPUTE_GUESTS = [
  'integer-mix',
  'sieve',
  'sha256',
  'quicksort',
  'modular-exponentiation',
  'bytecode',
  'recursion',
  'pointer-chasing',
  'hash-table',
  'string-search',
  'matrix',
  'queens',
];
const SYSTEM_GUESTS = ['system-calls', 'page-faults'];

const GUEST_PROGRAM = 'tests/bench/guests.ts';

const DETAILS = `
Each guest is a program of ours under our own kernel. It runs on this machine and, when
qemu-system-x86_64 is installed, under its code generator (-accel tcg), the same image in the same
run; the time is the processor time between the two lines that the guest prints around its work.

Examples:
  verdigris bench
  verdigris bench --only sieve --only sha256 --rounds 5
  verdigris bench --engine interpreter --json
`;

interface BenchFlags {
  readonly engine?: Engine;
  readonly rounds: number;
  readonly only: readonly string[];
  readonly qemu: boolean;
  readonly json?: true;
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
    .option('--json', 'print one line of JSON')
    .addHelpText('after', DETAILS)
    .action(async (flags: BenchFlags) => {
      const report = await bench(flags);
      process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : formatBench(report));
    });
}

async function bench(flags: BenchFlags): Promise<BenchReport> {
  const names = chooseGuests(flags.only);
  const qemu = flags.qemu ? qemuVersion() : undefined;
  const { kernel } = await buildImages();
  const image = (program: Uint8Array, argument: string): GuestImage => {
    return {
      kernel,
      initramfs: packArchive([{ name: 'bench', data: program }]),
      commandLine: `init=/bench ${argument}`,
    };
  };
  const engines: Engine[] = flags.engine === undefined ? ['interpreter', 'auto'] : [flags.engine];
  const settings = { engines, rounds: Math.max(1, flags.rounds), compares: qemu !== undefined };
  const program = await compileProgram(GUEST_PROGRAM);
  const guests: GuestResult[] = [];
  for (const name of names) {
    const kind = SYSTEM_GUESTS.includes(name) ? 'system' : 'compute';
    guests.push(await measure(name, kind, image(program, name), settings));
  }
  guests.push(await measure('cold-code', 'cold', image(coldProgram(), ''), settings));
  return {
    engines,
    rounds: settings.rounds,
    versions: {
      node: process.versions.node,
      V8: process.versions.v8,
      QEMU: qemu,
      gcc: gccVersion(),
      processor: cpus()[0]?.model,
    },
    guests,
    geometricMeans: Object.fromEntries(engines.map((engine) => [engine, meanRatio(guests, engine)])),
    boot: await measureBoot(),
    pairs: await comparePairs(),
  };
}

/** The compiler's code against gcc's, when gcc is installed. */
async function comparePairs(): Promise<PairResult[]> {
  const results: PairResult[] = [];
  if (gccVersion() === undefined) return results;
  for (const name of Object.keys(PAIRS)) results.push(await comparePair(name));
  return results;
}

/** Geometric mean of the compute guests' ratios. */
function meanRatio(guests: readonly GuestResult[], engine: Engine): number | undefined {
  const ratios = guests.filter(({ kind }) => kind === 'compute').map(({ engines }) => engines[engine]!.ratio);
  if (ratios.length === 0 || ratios.includes(undefined)) return undefined;
  return Math.exp(ratios.reduce((sum: number, ratio) => sum + Math.log(ratio!), 0) / ratios.length);
}

function chooseGuests(only: readonly string[]): readonly string[] {
  const all = [...COMPUTE_GUESTS, ...SYSTEM_GUESTS];
  const unknown = only.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new CommandError(`there is no guest ${unknown}; there are ${all.join(', ')}`);
  return only.length === 0 ? all : only;
}

interface Settings {
  readonly engines: readonly Engine[];
  readonly rounds: number;
  /** Whether to run under QEMU as well. */
  readonly compares: boolean;
}

/** Runs a guest round by round on each engine and under QEMU, so that all see the same weather. */
async function measure(
  name: string,
  kind: GuestResult['kind'],
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
