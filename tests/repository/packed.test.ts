import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/** A project that has installed what `npm pack` makes, beside the dependencies. */
const project = mkdtempSync(join(tmpdir(), 'verdigris-consumer-'));
const modules = join(project, 'node_modules');
let packed: string[] = [];

beforeAll(() => {
  // What is packed must be there: images as a build leaves them.
  execFileSync(process.execPath, [join(root, 'bin/verdigris.js'), 'build']);
  const output = execFileSync('npm', ['pack', '--json', '--silent', '--pack-destination', project], {
    cwd: root,
    encoding: 'utf8',
  });
  const [{ filename, files }] = JSON.parse(output) as [{ filename: string; files: { path: string }[] }];
  packed = files.map(({ path }) => path);
  mkdirSync(modules);
  execFileSync('tar', ['xzf', join(project, filename), '-C', modules]);
  execFileSync('mv', [join(modules, 'package'), join(modules, 'verdigris')]);
  for (const name of ['chalk', 'commander', 'typescript', '@types'])
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  writeFileSync(join(project, 'package.json'), '{"type":"module"}');
}, 300_000);
afterAll(() => rmSync(project, { recursive: true }));

function typeCheck(source: string): string {
  const options = { strict: true, noEmit: true, target: 'es2023', module: 'nodenext', types: [], skipLibCheck: false };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['consumer.ts'] }));
  writeFileSync(join(project, 'consumer.ts'), source);
  return spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], {
    encoding: 'utf8',
  }).stdout;
}

const CONSUMER = `
import { boot, compile, type CompileResult, Machine, type MachineOptions, serial, type Stop } from 'verdigris';

const options: MachineOptions = { memory: '64M', commandLine: 'init=/bin/hello' };
export async function start(image: Uint8Array): Promise<string> {
  const machine: Machine = await boot(image, options);
  await machine.until(serial('BOOTOK'));
  machine.serial.type('ps\\n');
  const stop: Stop = await machine.run({ maxInstructions: 1_000_000 });
  return stop.reason + machine.serial.text;
}
export const build = (entry: string): Promise<CompileResult> =>
  compile({ entry, kind: 'user', host: { readFile: () => undefined } });
`;

describe('the packed package', () => {
  it('has the command, the API, images and sources, and no tests', () => {
    for (const file of ['bin/verdigris.js', 'dist/cli.js', 'dist/index.js', 'dist/types/index.d.ts', 'README.md'])
      expect(packed).toContain(file);
    for (const file of ['images/kernel.elf', 'images/initramfs.cpio', 'images/kernel.elf.key', 'src/kernel/main.ts'])
      expect(packed).toContain(file);
    expect(
      packed.filter((file) => !/^(bin|dist|images|src)\/|^(README\.md|package\.json|LICENSE)$/.test(file)),
    ).toEqual([]);
    expect(packed.filter((file) => /\.partial$|tests\.json$/.test(file))).toEqual([]);
  });

  it('has types that check a consumer, and refuse a wrong one', { timeout: 120_000 }, () => {
    expect(typeCheck(CONSUMER)).toBe('');
    expect(typeCheck(CONSUMER.replace("memory: '64M'", 'memory: true'))).toContain("Type 'true' is not assignable");
  });

  it('boots from a program and from the command line', { timeout: 120_000 }, () => {
    const program = `
      import { readFileSync } from 'node:fs';
      import { boot, serial } from 'verdigris';
      const image = (name) => readFileSync(new URL('node_modules/verdigris/images/' + name, import.meta.url));
      const machine = await boot(image('kernel.elf'), { initrd: image('initramfs.cpio'), commandLine: 'init=/bin/hello' });
      await machine.until(serial('hello from process 1'));
      process.stdout.write((await machine.run()).reason);
    `;
    writeFileSync(join(project, 'consumer.js'), program);
    expect(execFileSync(process.execPath, [join(project, 'consumer.js')], { encoding: 'utf8' })).toBe('power-off');
    const line = [join(modules, 'verdigris/bin/verdigris.js'), 'boot', '--append', 'init=/bin/hello'];
    const { stdout, stderr, status } = spawnSync(process.execPath, line, { encoding: 'utf8', input: '', cwd: project });
    expect(stdout).toContain('hello from process 1');
    expect([stderr, status]).toEqual(['', 7]);
  });
});
