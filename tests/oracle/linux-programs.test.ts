import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { boot } from '../../src/index.ts';
import { archive, kernelImage } from '../system/images.ts';
import { nativeHost, type ToolName, tool } from './tools.ts';

const sources = resolve(import.meta.dirname, '../system/programs');
const folder = mkdtempSync(join(tmpdir(), 'verdigris-linux-'));
const LIMIT = 500_000_000;

/** What each program does is said at the head of its source. */
const PROGRAMS = [
  'hello',
  'threads',
  'futex',
  'futex-operations',
  'fork-tree',
  'waitid',
  'exec',
  'efault',
  'memory',
  'signal-handlers',
];

interface Outcome {
  readonly output: string;
  readonly status: number | null;
}

function onLinux(program: string): Outcome {
  const { stdout, status } = spawnSync(program, ['one', 'two'], { encoding: 'utf8', input: '' });
  return { output: stdout.replaceAll(program, '/bin/program'), status };
}

/** The program as the first process of our kernel. Lines of the kernel's own log begin with a bracket. */
async function onVerdigris(program: string): Promise<Outcome> {
  const initrd = archive({ 'bin/program': readFileSync(program) });
  const machine = await boot(kernelImage(), { initrd, commandLine: 'init=/bin/program one two' });
  const stop = machine.runSync({ maxInstructions: LIMIT });
  const lines = machine.serial.text.replaceAll('\r', '').split('\n');
  const output = lines.filter((line) => !/^\[[A-Z]+\]|^BOOTOK$|^$/.test(line)).join('\n');
  return { output, status: stop.reason === 'power-off' ? stop.status : null };
}

const host = nativeHost();

for (const compiler of ['musl-gcc', 'gcc'] as const satisfies readonly ToolName[]) {
  const present = tool(compiler);
  const title = present.present ? host.title(`unmodified static programs of ${compiler}`) : present.title(compiler);
  describe.skipIf(!present.present || !host.present)(`${title} do on our kernel what they do on Linux`, () => {
    beforeAll(() => {
      kernelImage();
    }, 300_000);

    it.each(PROGRAMS)('%s', { timeout: 120_000 }, async (name) => {
      const program = join(folder, `${compiler}-${name}`);
      execFileSync(compiler, ['-O1', '-static', '-pthread', '-o', program, join(sources, `${name}.c`)], {
        stdio: 'pipe',
      });
      const expected = onLinux(program);
      const actual = await onVerdigris(program);
      const withoutBlankLines = expected.output
        .split('\n')
        .filter((line) => line !== '')
        .join('\n');
      expect(actual.output.split('\n')).toEqual(withoutBlankLines.split('\n'));
      expect(actual.status).toBe(expected.status);
    });
  });
}
