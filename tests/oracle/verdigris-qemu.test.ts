import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { boot } from '../../src/index.ts';
import { ENGINE } from '../engine.ts';
import { initramfs, kernelImage } from '../system/images.ts';
import { tool } from './tools.ts';

const qemu = tool('qemu-system-x86_64');
const folder = mkdtempSync(join(tmpdir(), 'verdigris-qemu-'));
const kernelFile = join(folder, 'kernel.elf');
const initramfsFile = join(folder, 'initramfs.cpio');
const LIMIT = 400_000_000;

let kernel: Uint8Array;
let programs: Uint8Array;

/**
 * The console's text without what depends on the clock or on how much memory the loader leaves. Whether a thread is found
 * running or waiting for a lock depends on when QEMU's timer, which is the host's, has interrupted the others.
 */
function comparable(text: string): string {
  const lines = text.replaceAll('\r', '');
  return lines
    .slice(lines.indexOf('[BOOTSTRAP]'))
    .replace(/TSC \d+ MHz/, 'TSC')
    .replace(/\d+ frames free/, 'frames free')
    .replace(/^( +\d+ +\d+ [RSTZ] +\d+) +\d+$/gm, '$1')
    .replace(/^( +\d+ +\d+) [RS]( +\d+)$/gm, '$1 runs or waits$2')
    .trim();
}

/** The text, and what a process can see of QEMU's status: a write of v to the debug exit port ends it with (v << 1) | 1. */
interface Outcome {
  readonly text: string;
  readonly status: number | null;
}

function onQemu(commandLine: string, processor: string): Outcome {
  const { stdout, status } = spawnSync(
    'qemu-system-x86_64',
    [
      ...['-cpu', processor, '-m', '256', '-kernel', kernelFile, '-initrd', initramfsFile, '-append', commandLine],
      ...['-serial', 'stdio', '-display', 'none', '-no-reboot'],
      ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=4'],
    ],
    { input: '', encoding: 'latin1', timeout: 60_000 },
  );
  return { text: comparable(stdout), status };
}

async function onOurs(commandLine: string): Promise<Outcome> {
  const machine = await boot(kernel, { ...ENGINE, initrd: programs, commandLine, protocol: 'multiboot' });
  const stop = machine.runSync({ maxInstructions: LIMIT });
  return {
    text: comparable(machine.serial.text),
    status: stop.reason === 'power-off' ? ((stop.status << 1) | 1) & 0xff : null,
  };
}

describe.skipIf(!qemu.present)(qemu.title('our kernel says and ends the same under QEMU as on our machine'), () => {
  beforeAll(() => {
    kernel = kernelImage();
    programs = initramfs();
    writeFileSync(kernelFile, kernel);
    writeFileSync(initramfsFile, programs);
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  for (const processor of ['qemu64', 'max']) {
    for (const commandLine of ['', 'init=/bin/hello one two', 'init=/bin/fault misaligned', 'init=/bin/primes 5000']) {
      it(`-cpu ${processor}, "${commandLine}"`, async () => {
        expect(onQemu(commandLine, processor)).toEqual(await onOurs(commandLine));
      });
    }
  }
});
