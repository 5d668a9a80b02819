import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { countLines, KERNEL_CODE_LIMIT, reportSources } from '../../src/cli/source-lines.ts';

const root = resolve(import.meta.dirname, '../..');
const { kernelCode, folders } = reportSources(join(root, 'src'));

describe('lines of source', () => {
  it.each([
    ['const a = 1;\n', { code: 1, comment: 0, blank: 0 }],
    ['// about a\nconst a = 1; // one\n\n', { code: 1, comment: 1, blank: 1 }],
    ['/**\n * A function.\n */\nfunction f() {\n\n  // inside\n}\n', { code: 2, comment: 4, blank: 1 }],
    ['const text = `\n\n// no comment\n`;\n', { code: 4, comment: 0, blank: 0 }],
    ['const pattern = /\\/\\*/;\n/* real\n\n*/\n', { code: 1, comment: 2, blank: 1 }],
    ['', { code: 0, comment: 0, blank: 1 }],
  ])('of %j are %j', (text, expected) => expect(countLines(text)).toEqual(expected));
});

describe('npm run report', () => {
  it('prints lines of code and comments apart, by folder, and what the kernel has', () => {
    const text = execFileSync('npm', ['run', '--silent', 'report'], { cwd: root, encoding: 'utf8' });
    expect(text).toMatch(/^folder +files +code +comment +blank$/m);
    for (const folder of ['cpu', 'devices', 'machine', 'compiler', 'kernel', 'user', 'debugger', 'cli'])
      expect(text).toMatch(new RegExp(`^src/${folder}( +\\d+){4}$`, 'm'));
    expect(text).toContain(`kernel code, without boot data and programs: ${kernelCode} lines of at most 15000`);
  });
});

describe('the kernel', () => {
  it('has fewer than 15,000 lines of code, boot data and programs not counted', () => {
    const kernel = folders.filter(({ folder }) => folder.startsWith('kernel'));
    expect(kernel.length).toBeGreaterThan(5);
    expect(kernelCode).toBeGreaterThan(5_000);
    expect(KERNEL_CODE_LIMIT).toBe(15_000);
    expect(kernelCode).toBeLessThan(KERNEL_CODE_LIMIT);
  });
});
