import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readArchive } from '../../src/cli/archive.ts';
import { isElf } from '../../src/machine/boot/elf.ts';
import { verdigris } from './verdigris.ts';

const root = resolve(import.meta.dirname, '../..');
const images = resolve(root, 'images');

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

/** A copy of the package that may be changed. */
function copyOfPackage(): string {
  const copy = mkdtempSync(join(tmpdir(), 'verdigris-build-'));
  for (const name of ['bin', 'dist', 'src', 'images', 'package.json'])
    cpSync(resolve(root, name), join(copy, name), { recursive: true });
  symlinkSync(resolve(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

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

  it('compiles what a changed source reaches, and nothing else', async () => {
    await build();
    const copy = copyOfPackage();
    const compiledNow = async (): Promise<string[]> => {
      const { stdout, stderr } = await verdigris(['build', '--json'], '', join(copy, 'bin/verdigris.js'));
      expect(stderr).toBe('');
      return (JSON.parse(stdout) as Target[]).filter(({ compiled }) => compiled).map(({ file }) => file);
    };
    expect(await compiledNow()).toEqual([]);
    appendFileSync(join(copy, 'src/user/hello.ts'), '\n// changed\n');
    expect(await compiledNow()).toEqual(['bin/hello', 'initramfs.cpio']);
    expect(await compiledNow()).toEqual([]);
    rmSync(copy, { recursive: true });
  });

  it('compiles nothing that has not changed', async () => {
    await build();
    expect((await build()).filter(({ compiled }) => compiled)).toEqual([]);
  });

  it('keeps the bytecode of the compiler, and renews it when it belongs to another compiler', async () => {
    await build();
    const copy = copyOfPackage();
    const dist = join(copy, 'dist');
    const stored = (): string[] => readdirSync(dist).filter((name) => name.endsWith('.bytecode'));
    const image = join(copy, 'images/bin/hello');
    const compileHello = async (): Promise<Buffer> => {
      rmSync(image);
      const { stderr, status } = await verdigris(['build'], '', join(copy, 'bin/verdigris.js'));
      expect([status, stderr]).toEqual([0, '']);
      expect(stored()).toHaveLength(1);
      return readFileSync(join(dist, stored()[0]!));
    };
    for (const name of stored()) rmSync(join(dist, name));
    const expected = readFileSync(image);
    const kept = await compileHello();
    expect(kept.length).toBeGreaterThan(100_000);
    expect(readFileSync(image)).toEqual(expected);
    expect((await compileHello()).equals(kept)).toBe(true);
    for (const damaged of [Buffer.from(kept).fill(0, 0, 1), kept.subarray(0, kept.length / 2)]) {
      writeFileSync(join(dist, stored()[0]!), damaged);
      expect((await compileHello()).length).toBeGreaterThan(100_000);
      expect(readFileSync(image)).toEqual(expected);
    }
    rmSync(copy, { recursive: true });
  });
});
