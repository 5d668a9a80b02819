import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../images.ts';
import { secondsOf } from './on-qemu.ts';

/** How long `verdigris boot` of the compiled kernel takes, as a process of its own. */
export interface BootTime {
  /** Processor seconds until the first serial byte, and wall-clock seconds. */
  readonly firstByte: { readonly processor: number; readonly wall: number };
  /** Until init has ended and the machine has powered off; the processor time is the last that could be read. */
  readonly powerOff: { readonly processor: number; readonly wall: number };
  readonly status: number | null;
}

const SAMPLE_MILLISECONDS = 10;

/** Boots our kernel with its default init once. */
export async function measureBoot(): Promise<BootTime> {
  const begun = performance.now();
  const wall = () => (performance.now() - begun) / 1e3;
  const child = spawn(process.execPath, [join(packageRoot(), 'bin/verdigris.js'), 'boot'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let firstByte: BootTime['firstByte'] | undefined;
  let processor = 0;
  const sample = setInterval(() => {
    const seconds = secondsOf(child.pid!);
    if (seconds > processor) processor = seconds;
  }, SAMPLE_MILLISECONDS);
  child.stdout.on('data', () => {
    firstByte ??= { processor: secondsOf(child.pid!), wall: wall() };
  });
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearInterval(sample);
  const powerOff = { processor, wall: wall() };
  return { firstByte: firstByte ?? powerOff, powerOff, status };
}
