import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { image, kernelImage } from '../system/images.ts';
import { tool } from './tools.ts';

const gdb = tool('gdb');
const readelf = tool('readelf');
const folder = mkdtempSync(join(tmpdir(), 'verdigris-kernel-'));
const kernel = join(folder, 'kernel.elf');
const init = join(folder, 'init');

beforeAll(() => {
  writeFileSync(kernel, kernelImage());
  writeFileSync(init, image('src/user/init.ts', 'user'));
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true }));

const read = (...options: string[]) =>
  execFileSync('readelf', ['--wide', ...options], { encoding: 'utf8', maxBuffer: 1 << 28 });

function ask(...commands: string[]): string {
  const list = commands.flatMap((command) => ['-ex', command]);
  return spawnSync('gdb', ['-nx', '-batch', ...list, kernel], { encoding: 'utf8' }).stdout;
}

describe('the kernel image', () => {
  it.skipIf(!readelf.present)(readelf.title('has a symbol for every function, in .text, by readelf'), () => {
    const symbols = read('--symbols', kernel)
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((cells) => cells[3] === 'FUNC');
    const names = symbols.map((cells) => cells.at(-1)!);
    for (const name of ['pvhEntry', 'kernelMain', 'forkProcess', 'dispatchSystemCall'])
      expect(names.some((each) => each === name || each.endsWith(`.${name}`))).toBe(true);
    const addresses = symbols.filter(([, , size]) => Number(size) > 0).map((cells) => cells[1]!);
    expect(addresses.length).toBeGreaterThan(500);
    expect(addresses.filter((address) => !/^ffffffff8|^0000000000/.test(address))).toEqual([]);
  });

  it.skipIf(!readelf.present)(readelf.title('has no segment that is writable and executable, by readelf'), () => {
    for (const file of [kernel, init]) {
      const flags = [...read('--segments', file).matchAll(/^ {2}LOAD .* ([R ][W ][E ]) 0x/gm)].map(
        (match) => match[1]!,
      );
      expect(flags.length).toBeGreaterThan(1);
      expect(flags.filter((each) => each.includes('W') && each.includes('E'))).toEqual([]);
    }
  });

  it.skipIf(!readelf.present)(readelf.title('has DWARF 5 that readelf --debug-dump reads without complaint'), () => {
    for (const file of [kernel, init]) {
      const sections = ['info', 'abbrev', 'aranges', 'rawline', 'decodedline', 'loc', 'Ranges', 'str', 'frames'];
      const { stdout, stderr } = spawnSync('readelf', ['--wide', `--debug-dump=${sections.join(',')}`, file], {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
      });
      expect(stderr).toBe('');
      expect(stdout).not.toMatch(/\b(warning|error|corrupt)\b:/i);
      expect(stdout).toMatch(/^ +Version: +5$/m);
    }
  });

  it.skipIf(!gdb.present)(gdb.title('has functions that gdb lists with their files'), () => {
    expect(ask('info functions ^forkProcess$')).toMatch(
      /File src\/kernel\/process\/fork\.ts:\n\d+:\s+void forkProcess\(struct CloneRequest \*\);/,
    );
    const files = [...ask('info functions').matchAll(/^File (src\/kernel\/\S+):$/gm)].map((match) => match[1]!);
    expect(new Set(files).size).toBeGreaterThan(30);
  });

  it.skipIf(!gdb.present)(gdb.title('has lines that gdb resolves both ways'), () => {
    const [, line, address] = /Line (\d+) of "src\/kernel\/process\/fork\.ts" starts at address (0x[0-9a-f]+)/.exec(
      ask('info line forkProcess'),
    )!;
    expect(ask(`info line fork.ts:${line}`)).toContain(`starts at address ${address}`);
    expect(ask(`info line *${address}`)).toContain(`Line ${line} of "src/kernel/process/fork.ts"`);
  });

  it.skipIf(!gdb.present)(gdb.title("has the type of a process's record, which gdb prints"), () => {
    const type = ask('ptype struct Process').replace(/\s+/g, ' ');
    for (const field of [
      'u32 pid;',
      'enum ProcessState state;',
      'struct Process *parent;',
      'struct AddressSpace *addressSpace;',
    ])
      expect(type).toContain(field);
  });
});
