import { spawn } from 'node:child_process';
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
}

const SAMPLE_MILLISECONDS = 10;

/** Runs the command line as a process of its own, to its end. */
export async function runChild(words: readonly string[], input = ''): Promise<ChildRun> {
  const begun = performance.now();
  const child = spawn(process.execPath, [join(packageRoot(), 'bin/verdigris.js'), ...words], {
    stdio: [input === '' ? 'ignore' : 'pipe', 'pipe', 'ignore'],
  });
  let processor = 0;
  const durationNow = (): Duration => {
    const seconds = secondsOf(child.pid!);
    if (seconds > processor) processor = seconds;
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
  return { stdout, status, untilOutput: untilOutput ?? untilEnd, untilEnd };
}
