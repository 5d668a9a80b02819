import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Machine } from '../../machine/machine.ts';
import { packArchive } from '../archive.ts';
import { buildImages, compileProgram, packageRoot } from '../images.ts';
import { imageWith } from './guests.ts';
import type { GuestImage } from './on-machine.ts';

const PROGRAM_SOURCE = 'tests/bench/costs.ts';
const MUSL_SOURCE = 'tests/bench/costs.c';
/** A program that prints no `end` is given up after this many instructions. */
const LIMIT = 6_000_000_000;

/** What the programs of tests/bench/costs.* measure, and the most instructions that our kernel should take for it. */
const COSTS: Readonly<Record<string, { readonly title: string; readonly goal: number }>> = {
  getpid: { title: 'getpid', goal: 150 },
  'thread-switch': { title: 'switch between two threads', goal: 600 },
  'futex-wake-wait': { title: 'futex wake and wait', goal: 1_500 },
  'ipc-call-reply': { title: 'IPC call and reply, 64 bytes', goal: 1_200 },
  'fork-exit-wait': { title: 'fork, exit and wait, 64 pages', goal: 60_000 },
  'thread-create-join': { title: 'thread create and join (musl)', goal: 12_000 },
};

/** Retired instructions, user code around the call included; undefined: not measured, or the kernel has no such thing. */
export interface CostResult {
  readonly name: string;
  readonly title: string;
  readonly goal: number;
  readonly ours: number | undefined;
  readonly linux: number | undefined;
}

/** @param linux a bzImage, on which the same programs are run too, on our machine */
export async function measureCosts(linux: Uint8Array | undefined): Promise<CostResult[]> {
  const own = await buildImages();
  const programs = [await compileProgram(PROGRAM_SOURCE), compileWithMusl()].filter((program) => program !== undefined);
  const ours = programs.map((data) => run(imageWith(own, 'costs', data)));
  const theirs = linux === undefined ? [] : programs.map((data) => run(linuxWith(linux, data)));
  return Object.entries(COSTS).map(([name, { title, goal }]) => {
    return { name, title, goal, ours: readCost(ours, name), linux: readCost(theirs, name) };
  });
}

/** The version of the kernel in a bzImage (Linux's Documentation/arch/x86/boot.rst, kernel_version). */
export function linuxVersion(image: Uint8Array): string {
  const at = 0x200 + new DataView(image.buffer, image.byteOffset).getUint16(0x20e, true);
  const text = new TextDecoder('latin1').decode(image.subarray(at, at + 64));
  return /^[^\s\0]+/.exec(text)?.[0] ?? 'of no known version';
}

/** Linux runs /init on the console that the archive names. */
function linuxWith(kernel: Uint8Array, init: Uint8Array): GuestImage {
  const initramfs = packArchive([
    { name: 'dev/console', mode: 0o020600, device: [5, 1], data: new Uint8Array() },
    { name: 'init', data: init },
  ]);
  return { kernel, initramfs, commandLine: 'console=ttyS0 quiet' };
}

/** The console's text up to the line `end`. */
function run({ kernel, initramfs, commandLine }: GuestImage): string {
  const machine = new Machine(kernel, { initrd: initramfs!, commandLine });
  machine.serial.onByte(() => {
    if (/^end\r?\n/m.test(machine.serial.text.slice(-8))) machine.stop({ reason: 'condition' });
  });
  machine.runSync({ maxInstructions: LIMIT });
  return machine.serial.text;
}

function readCost(texts: readonly string[], name: string): number | undefined {
  const line = new RegExp(`^cost ${name} (\\d+)\\r?$`, 'm');
  const found = texts.map((text) => line.exec(text)?.[1]).find((count) => count !== undefined);
  return found === undefined ? undefined : Number(found);
}

/** @returns undefined when musl-gcc is not installed */
function compileWithMusl(): Uint8Array | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'verdigris-'));
  try {
    const output = join(folder, 'costs');
    const source = join(packageRoot(), MUSL_SOURCE);
    const { status, error, stderr } = spawnSync('musl-gcc', ['-O2', '-static', '-o', output, source], {
      encoding: 'utf8',
    });
    if (error !== undefined) return undefined;
    if (status !== 0) throw new Error(stderr);
    return readFileSync(output);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
