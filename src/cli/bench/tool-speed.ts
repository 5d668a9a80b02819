import { CommandError } from '../failure.ts';
import type { BuiltImage } from '../images.ts';
import { type ChildRun, runChild } from './child.ts';

/** How fast the command line's own work is in a process that has just started. */
export interface ToolSpeed {
  /** Processor seconds from the start of a process until the kernel is compiled from nothing. */
  readonly kernelCompile: number;
  /** Seconds on the clock from the start of the command, at most; undefined in reports that have only the processor's time. */
  readonly kernelElapsed: number | undefined;
  /** Cases a second of processor time of `exec --cases`, start-up included. */
  readonly casesPerSecond: number;
}

const CASES = 60_000;
/** Instructions of every kind, for cases: arithmetic, memory, shifts, multiplication, division, strings, SSE2, faults. */
const CODES = [
  ...['4801d8', '4829c8', '11c8', '6683c07f', '480fafc3', '48f7f1', 'd3e0', '48c1f907', '0fa3c8', '480fbdc1', '0f94c0'],
  ...['488b07', '488907', '8a4701', '870f', 'f0480fc107', '0fb607', '50', '5b', 'f3a4', 'aa', '0fc8', '480f44c3', '99'],
  ...['660f58c1', 'f20f59c1', '660ffec1', '660f70c11b', 'f20f2ac0', '0f0b', 'cc', '488b0425ffffff7f'],
];

export async function measureTools(): Promise<ToolSpeed> {
  const build = await run(['build', '--force', '--json']);
  const targets = JSON.parse(build.stdout) as BuiltImage[];
  const lines = Array.from({ length: CASES }, (_, index) => {
    const value = ((index * 0x9e37_79b1) >>> 0).toString(16);
    return `id=${index} code=${CODES[index % CODES.length]} rax=${value} rbx=${index} rcx=5 rdi=20000100 rsi=20000200\n`;
  });
  const cases = await run(['exec', '--cases'], lines.join(''));
  const { processor, elapsed } = targets[0]!.done;
  const outside = build.untilEnd.wall - targets.at(-1)!.done.elapsed;
  const casesPerSecond = Math.round(CASES / cases.untilEnd.processor);
  return { kernelCompile: processor, kernelElapsed: elapsed + outside, casesPerSecond };
}

async function run(words: readonly string[], input = ''): Promise<ChildRun> {
  const child = await runChild(words, input);
  if (child.status !== 0) throw new CommandError(`verdigris ${words.join(' ')} ended with status ${child.status}`);
  return child;
}
