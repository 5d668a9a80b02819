import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GuestRun, GuestTimer } from './guest-timer.ts';
import type { GuestImage } from './on-machine.ts';

const QEMU = 'qemu-system-x86_64';
/** A guest that hangs is given up after this many milliseconds. */
const PATIENCE = 120_000;

/** @returns QEMU's version, or undefined when it is not installed */
export function qemuVersion(): string | undefined {
  const { stdout, error } = spawnSync(QEMU, ['--version'], { encoding: 'utf8' });
  return error === undefined ? /version (\S+)/.exec(stdout)?.[1] : undefined;
}

/**
 * Processor seconds that the living threads of a process have run (Linux, proc(5): the first field of schedstat, nanoseconds);
 * NaN when the process has ended; on other systems the time of day.
 */
export function secondsOf(pid: number): number {
  if (process.platform !== 'linux') return performance.now() / 1e3;
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    return threads.reduce((sum, thread) => sum + secondsOfThread(pid, thread), 0) || Number.NaN;
  } catch {
    return Number.NaN;
  }
}

/** 0 for a thread that has just ended. */
function secondsOfThread(pid: number, thread: string): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e9;
  } catch {
    return 0;
  }
}

/** Runs a guest under QEMU's code generator. @returns undefined when it does not come to its end there */
export async function runOnQemu(image: GuestImage): Promise<GuestRun | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'verdigris-bench-'));
  const [kernel, initramfs] = [join(folder, 'kernel.elf'), join(folder, 'initramfs.cpio')];
  writeFileSync(kernel, image.kernel);
  writeFileSync(initramfs, image.initramfs);
  const child = spawn(
    QEMU,
    [
      ...['-accel', 'tcg', '-m', '256M', '-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-no-reboot'],
      ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=4'],
      ...['-kernel', kernel, '-initrd', initramfs, '-append', image.commandLine],
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const timer = new GuestTimer(() => secondsOf(child.pid!));
  const giveUp = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
  try {
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (bytes: Buffer) => {
        for (const byte of bytes) timer.byte(byte);
        if (timer.run !== undefined) child.kill('SIGKILL');
      });
      child.on('close', () => resolve());
    });
    return timer.run;
  } finally {
    clearTimeout(giveUp);
    rmSync(folder, { recursive: true });
  }
}
