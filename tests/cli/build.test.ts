import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readArchive } from '../../src/cli/archive.ts';
import { isElf } from '../../src/machine/boot/elf.ts';
import { verdigris } from './verdigris.ts';

const images = resolve(import.meta.dirname, '../../images');

interface Target {
  readonly file: string;
  readonly bytes: number;
  readonly compiled: boolean;
}

const build = async (...options: string[]): Promise<Target[]> => {
  const { stdout, stderr, status } = await verdigris(['build', '--json', ...options]);
  expect([status, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
};

describe('build', () => {
  it('leaves the kernel, its programs, its servers and an initramfs with all of them in images/', async () => {
    const targets = await build();
    const archive = readArchive(readFileSync(resolve(images, 'initramfs.cpio')));
    const programs = targets.map(({ file }) => file).filter((file) => /^s?bin\//.test(file));
    expect(targets.map(({ file }) => file)).toEqual(['kernel.elf', ...programs, 'initramfs.cpio']);
    expect(programs).toEqual(expect.arrayContaining(['bin/init', 'sbin/file-server']));
    expect(archive.map(({ name }) => name)).toEqual(programs);
    for (const { file, bytes } of targets) {
      const image = readFileSync(resolve(images, file));
      expect(image.length).toBe(bytes);
      expect(isElf(image)).toBe(file !== 'initramfs.cpio');
    }
  });

  it('compiles nothing that has not changed', async () => {
    await build();
    expect((await build()).filter(({ compiled }) => compiled)).toEqual([]);
  });
});
