import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
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

  it('needs Node 20.19, and asks for nothing else', () => {
    expect(manifest.engines).toEqual({ node: '>=20.19.0' });
    for (const script of ['preinstall', 'install', 'postinstall', 'prepare'])
      expect(manifest.scripts[script]).toBeUndefined();
  });

  it('runs types, lint, format and every layer of tests by npm test', () => {
    expect(manifest.scripts.test).toBe('npm run --silent types && npm run --silent lint && vitest run');
    for (const project of ['tsconfig.json', 'src/kernel/tsconfig.json', 'src/user/tsconfig.json'])
      expect(manifest.scripts.types).toContain(`tsc -p ${project}`);
    // Biome's check is linter and formatter in one.
    expect(manifest.scripts.lint).toBe('biome check --error-on-warnings .');
    const layers = readdirSync(join(root, 'tests'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => name.split(sep)[0]!);
    const configuration = readFileSync(join(root, 'vitest.config.ts'), 'utf8');
    for (const layer of new Set(layers)) expect(configuration).toContain(`'${layer}'`);
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

  it('names every option of every verb', async () => {
    for (const command of (await createProgram()).commands) {
      const row = new RegExp(`^\\| \`${command.name()}\\b.*$`, 'm').exec(readme)![0];
      const rows = row.includes("the machine's options of `boot`") ? row + /^\| `boot .*$/m.exec(readme)![0] : row;
      const missing = command.options.map(({ long }) => long!).filter((option) => !rows.includes(option));
      expect(missing, `options of ${command.name()} that its row does not name`).toEqual([]);
    }
  });

  it('shows the boot as it is', { timeout: 120_000 }, () => {
    const shown = /This is what `npm start` prints:\n\n```\n([^`]*)```/.exec(readme)![1]!;
    const boot = [join(root, 'bin/verdigris.js'), 'boot'];
    const printed = execFileSync(process.execPath, boot, { input: '', encoding: 'utf8' }).replaceAll('\r', '');
    const withoutSizes = (text: string) =>
      text
        .replace(/\d+ (frames free|bytes|MiB)|rip=\w+/g, '$1')
        .replace(/ +\d+(?=$| [\w-]+$)/gm, '')
        .trim();
    expect(withoutSizes(shown)).toBe(withoutSizes(printed));
  });

  it('tells the reading order, and how to add a device, an instruction, a system call and a program', () => {
    const reading = readme.slice(readme.indexOf('## Reading order'), readme.indexOf('## How to add'));
    for (const folder of ['cpu', 'devices', 'machine', 'compiler', 'kernel', 'user', 'debugger'])
      expect(reading).toContain(`src/${folder}/`);
    expect(reading.match(/^\d+\. /gm)!.length).toBeGreaterThan(8);
    for (const subject of ['A device', 'An instruction', 'A system call', 'A user program'])
      expect(readme.slice(readme.indexOf('## How to add'))).toContain(`- **${subject}**:`);
  });

  it('says what it is in five lines or fewer, first of all', () => {
    const paragraph = readme.split('\n\n')[1]!;
    expect(paragraph.split('\n').length).toBeLessThanOrEqual(5);
    expect(paragraph).toContain('x86-64');
  });

  it('names only files that exist', () => {
    const paths = [...readme.matchAll(/`((?:src|tests|bin|images)\/[\w./-]+)`/g)].map((match) => match[1]!);
    expect(paths.length).toBeGreaterThan(20);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
