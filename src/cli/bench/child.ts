import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../images.ts';
import { secondsOf } from './on-qemu.ts';

/** Processor seconds, the last that could be read, and wall-clock seconds since the start. */
export interface Duration {
  readonly processor: number;
  readonly wall: number;
}

export interface ChildRun {
  readonly stdout: string;
  readonly status: number | null;
  readonly untilOutput: Duration;
  readonly untilEnd: Duration;
  /** Most bytes of memory that were resident at a time; undefined where /proc does not tell. */
  readonly peakBytes: number | undefined;
}

const SAMPLE_MILLISECONDS = 10;

/** Runs the command line as a process of its own, to its end. */
export async function runChild(words: readonly string[], input = ''): Promise<ChildRun> {
  const begun = performance.now();
  const child = spawn(process.execPath, [join(packageRoot(), 'bin/verdigris.js'), ...words], {
    stdio: [input === '' ? 'ignore' : 'pipe', 'pipe', 'ignore'],
  });
  let processor = 0;
  let peakBytes: number | undefined;
  const durationNow = (): Duration => {
    const seconds = secondsOf(child.pid!);
    if (seconds > processor) processor = seconds;
    peakBytes = peakOf(child.pid!) ?? peakBytes;
    return { processor, wall: (performance.now() - begun) / 1e3 };
  };
  let stdout = '';
  let untilOutput: Duration | undefined;
  const sample = setInterval(durationNow, SAMPLE_MILLISECONDS);
  child.stdout!.on('data', (bytes: Buffer) => {
    untilOutput ??= durationNow();
    stdout += bytes.toString('latin1');
  });
  child.stdin?.end(input);
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearInterval(sample);
  const untilEnd = { processor, wall: (performance.now() - begun) / 1e3 };
  return { stdout, status, untilOutput: untilOutput ?? untilEnd, untilEnd, peakBytes };
}

/** The high-water mark of a process's resident memory (Linux, proc(5): VmHWM). */
function peakOf(pid: number): number | undefined {
  try {
    const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return line === null ? undefined : Number(line[1]) * 1024;
  } catch {
    return undefined;
  }
}
