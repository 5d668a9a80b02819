import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as api from '../../src/index.ts';

const root = resolve(import.meta.dirname, '../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

describe('package.json', () => {
  it('has the bin verdigris, and exports with types that the build makes', () => {
    expect(manifest.bin).toEqual({ verdigris: 'bin/verdigris.js' });
    expect(existsSync(join(root, manifest.bin.verdigris))).toBe(true);
    expect(manifest.exports['.']).toEqual({ types: './dist/types/index.d.ts', default: './dist/index.js' });
    const configuration = readFileSync(join(root, 'tsconfig.types.json'), 'utf8');
    expect(JSON.parse(configuration).compilerOptions.outDir).toBe('dist/types');
  });

  it('pins every dependency to one version', () => {
    const versions = Object.values({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version as string))).toEqual([]);
  });

  it('installs and builds by pre-scripts of start, test and bench', () => {
    for (const script of ['prestart', 'pretest', 'prebench'])
      expect(manifest.scripts[script]).toBe('node bin/prepare.js');
  });
});

describe('the API', () => {
  it('offers boot, Machine and compile', () => {
    expect(Object.keys(api)).toEqual(expect.arrayContaining(['boot', 'Machine', 'compile', 'serial']));
  });

  it('compiles a program, and boots an image until it has printed something', { timeout: 120_000 }, async () => {
    const host = {
      readFile: (path: string) => (existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : undefined),
    };
    const { image, diagnostics } = await api.compile({ entry: 'src/kernel/main.ts', kind: 'kernel', host });
    expect(diagnostics).toEqual([]);
    const machine = await api.boot(image!, { memory: '64M' });
    await machine.until(api.serial('[BOOTSTRAP] Stage 3: Interrupts'));
    expect(machine.serial.text).toContain('[BOOTSTRAP]');
  });
});

describe('the README', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');

  it('lists every verb of the command line', () => {
    const help = execFileSync(process.execPath, [join(root, 'bin/verdigris.js'), '--help'], { encoding: 'utf8' });
    const verbs = [...help.matchAll(/^ {2}([a-z]+) (?:\[|options)/gm)]
      .map((match) => match[1])
      .filter((verb) => verb !== 'help');
    expect(verbs).toEqual(expect.arrayContaining(['boot', 'build', 'trace', 'step', 'exec', 'bench']));
    for (const verb of verbs) expect(readme).toMatch(new RegExp(`^\\| \`${verb}`, 'm'));
  });

  it('names only files that exist', () => {
    const paths = [...readme.matchAll(/`((?:src|tests|bin|images)\/[\w./-]+)`/g)].map((match) => match[1]!);
    expect(paths.length).toBeGreaterThan(20);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
