import type { BootTime } from './boot-time.ts';
import type { PairResult } from './compiler-pairs.ts';
import { GOALS, type GuestKind, MEAN_GOALS } from './guests.ts';
import type { CountResult } from './instruction-counts.ts';
import type { CostResult } from './kernel-costs.ts';
import type { GuestProfile } from './profile.ts';
import type { ToolSpeed } from './tool-speed.ts';

/** How one engine did. */
export interface EngineResult {
  /** Median of the rounds, in processor seconds. */
  readonly seconds: number;
  /** QEMU's time over ours: above 1, we are faster. */
  readonly ratio: number | undefined;
}

export interface GuestResult {
  readonly name: string;
  readonly kind: GuestKind;
  readonly instructions: number;
  readonly checksum: string;
  readonly qemuSeconds: number | undefined;
  readonly engines: Readonly<Record<string, EngineResult>>;
}

/** Everything that `bench --json` writes. */
export interface BenchReport {
  readonly date: string;
  readonly engines: readonly string[];
  readonly rounds: number;
  readonly versions: Readonly<Record<string, string | undefined>>;
  readonly guests: readonly GuestResult[];
  /** Of all guests' ratios, by engine. */
  readonly geometricMeans: Readonly<Record<string, number | undefined>>;
  /** Of guests below their goals, when they were wanted. */
  readonly profiles: readonly GuestProfile[];
  /** This and what follows is left out when only some guests were wanted. */
  readonly counts: readonly CountResult[];
  readonly costs: readonly CostResult[];
  readonly boot: BootTime | undefined;
  readonly tools: ToolSpeed | undefined;
  /** Empty when gcc is not installed. */
  readonly pairs: readonly PairResult[];
}

/** A speed beside the one to reach. */
export interface Verdict {
  readonly ratio: number;
  readonly goal: number;
  readonly isReached: boolean;
}

/** The guest's speed on the engine that goals are for: the one that translates; undefined when that did not run, or QEMU. */
export function verdictOn({ kind, engines }: GuestResult): Verdict | undefined {
  return judge((engines.auto ?? engines.translator)?.ratio, GOALS[kind]);
}

export function verdictOnMean(report: BenchReport, engine: string): Verdict | undefined {
  return judge(report.geometricMeans[engine], MEAN_GOALS[engine]!);
}

function judge(ratio: number | undefined, goal: number): Verdict | undefined {
  return ratio === undefined ? undefined : { ratio, goal, isReached: ratio >= goal };
}

/** Geometric mean of the guests' ratios on an engine; undefined without QEMU. */
export function meanRatio(guests: readonly GuestResult[], engine: string): number | undefined {
  const ratios = guests.map(({ engines }) => engines[engine]!.ratio);
  if (ratios.length === 0 || ratios.includes(undefined)) return undefined;
  return Math.exp(ratios.reduce((sum: number, ratio) => sum + Math.log(ratio!), 0) / ratios.length);
}

export const millionsPerSecond = (instructions: number, seconds: number): string =>
  (instructions / seconds / 1e6).toFixed(0);

export const ratioText = (ratio: number | undefined): string => (ratio === undefined ? '-' : `${ratio.toFixed(2)}x`);

export const verdictText = (verdict: Verdict | undefined): string =>
  verdict === undefined ? '' : verdict.isReached ? 'reached' : 'below';

export function versionsText(versions: BenchReport['versions']): string {
  return Object.entries(versions)
    .map(([name, version]) => `${name} ${version ?? 'absent'}`)
    .join(', ');
}

/** The main table's head and rows as text, for a terminal and for the README. */
export function speedTable(report: BenchReport): { heads: string[]; rows: string[][] } {
  const { engines, guests } = report;
  const heads = [
    'guest',
    'instructions',
    'QEMU MIPS',
    ...engines.flatMap((engine) => [`${engine} MIPS`, 'speed']),
    'goal',
    '',
  ];
  const rows = guests.map((guest) => [
    guest.name,
    `${(guest.instructions / 1e6).toFixed(1)} M`,
    guest.qemuSeconds === undefined ? '-' : millionsPerSecond(guest.instructions, guest.qemuSeconds),
    ...engines.flatMap((engine) => {
      const { seconds, ratio } = guest.engines[engine]!;
      return [millionsPerSecond(guest.instructions, seconds), ratioText(ratio)];
    }),
    `${GOALS[guest.kind]}x`,
    verdictText(verdictOn(guest)),
  ]);
  const means = engines.map((engine) => {
    const verdict = verdictOnMean(report, engine);
    const cells = engines.flatMap((other) => ['', other === engine ? ratioText(verdict?.ratio) : '']);
    return [`geometric mean, ${engine}`, '', '', ...cells, `${MEAN_GOALS[engine]}x`, verdictText(verdict)];
  });
  return { heads, rows: [...rows, ...means] };
}

/** What system calls cost, as text. */
export function costTable(costs: readonly CostResult[]): { heads: string[]; rows: string[][] } {
  const shown = (count: number | undefined): string => (count === undefined ? '-' : String(count));
  const comparesLinux = costs.some(({ linux }) => linux !== undefined);
  const heads = ['instructions', 'Verdigris', ...(comparesLinux ? ['Linux'] : []), 'goal', ''];
  const rows = costs.map(({ title, ours, linux, goal }) => {
    const verdict = ours === undefined ? '' : ours <= goal ? 'reached' : 'below';
    return [title, shown(ours), ...(comparesLinux ? [shown(linux)] : []), String(goal), verdict];
  });
  return { heads, rows };
}
