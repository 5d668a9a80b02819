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

/** QEMU's arguments for an image, whose files are written into a folder. */
function argumentsFor({ kernel, initramfs, commandLine }: GuestImage, folder: string): string[] {
  const [kernelFile, initramfsFile] = [join(folder, 'kernel.elf'), join(folder, 'initramfs.cpio')];
  writeFileSync(kernelFile, kernel);
  if (initramfs !== undefined) writeFileSync(initramfsFile, initramfs);
  return [
    ...['-accel', 'tcg', '-m', '256M', '-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-no-reboot'],
    ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=4', '-kernel', kernelFile, '-append', commandLine],
    ...(initramfs === undefined ? [] : ['-initrd', initramfsFile]),
  ];
}

/** Runs a guest under QEMU's code generator. @returns undefined when it does not come to its end there */
export async function runOnQemu(image: GuestImage): Promise<GuestRun | undefined> {
  let timer: GuestTimer | undefined;
  await watchQemu(image, [], (byte, pid) => {
    timer ??= new GuestTimer(() => secondsOf(pid));
    timer.byte(byte);
    return timer.run !== undefined;
  });
  return timer?.run;
}

/** What a guest prints under QEMU with a clock that counts instructions, until its last line, `end`, has begun. */
export async function textOnCountingQemu(image: GuestImage): Promise<string> {
  let text = '';
  await watchQemu(image, ['-icount', 'shift=0'], (byte) => {
    text += String.fromCharCode(byte);
    return text.endsWith('\nend');
  });
  return text;
}

/** Runs QEMU until `isEnd`, which is told each byte on the console, says so. */
async function watchQemu(
  image: GuestImage,
  options: readonly string[],
  isEnd: (byte: number, pid: number) => boolean,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'verdigris-bench-'));
  const child = spawn(QEMU, [...argumentsFor(image, folder), ...options], { stdio: ['ignore', 'pipe', 'ignore'] });
  const giveUp = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
  try {
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (bytes: Buffer) => {
        if (bytes.some((byte) => isEnd(byte, child.pid!))) child.kill('SIGKILL');
      });
      child.on('close', () => resolve());
    });
  } finally {
    clearTimeout(giveUp);
    rmSync(folder, { recursive: true });
  }
}
