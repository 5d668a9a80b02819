import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { joinArchives, packArchive, readArchive } from '../../src/cli/archive.ts';
import { packDirectory } from '../../src/cli/rootfs.ts';
import { FileServer } from '../user/file-server-fixture.ts';

const files = [
  { name: 'bin/init', data: new Uint8Array([1, 2, 3]) },
  { name: 'etc/a/b', data: new Uint8Array() },
  { name: 'top', data: new Uint8Array(10).fill(7) },
];

describe('an initramfs', () => {
  it('gives back the files that were packed', () => {
    expect(readArchive(packArchive(files))).toEqual(files);
  });

  it('has the directories before what lies in them, and ends with the trailer', () => {
    const text = new TextDecoder('latin1').decode(packArchive(files));
    const names = [...text.matchAll(/070701[0-9a-f]{104}([^\0]+)\0/g)].map(([, name]) => name);
    expect(names).toEqual(['bin', 'etc', 'etc/a', 'bin/init', 'etc/a/b', 'top', 'TRAILER!!!']);
    expect(text.length % 4).toBe(0);
  });

  it('is read up to the first damage', () => {
    const bytes = packArchive(files);
    for (let length = 0; length < bytes.length; length += 13) {
      expect(readArchive(bytes.subarray(0, length)).length).toBeLessThanOrEqual(files.length);
    }
    expect(readArchive(new TextEncoder().encode('no archive'.repeat(20)))).toEqual([]);
  });
});

describe('a directory packed as the root of the file system (--rootfs)', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rootfs-'));
    mkdirSync(join(folder, 'usr/bin'), { recursive: true });
    writeFileSync(join(folder, 'usr/bin/tool'), 'tool', { mode: 0o751 });
    symlinkSync('usr/bin', join(folder, 'bin'));
    utimesSync(join(folder, 'usr/bin/tool'), 1000, 2000);
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('keeps modes, times and symbolic links, and lies over the archive before it', () => {
    const base = packArchive([{ name: 'bin/old', data: new Uint8Array([1]) }]);
    const files = new FileServer(joinArchives([base, packDirectory(folder)]));
    expect(files.text('/bin/tool')).toBe('tool');
    expect(files.stat('/usr/bin/tool')).toMatchObject({ mode: 0o100751, modified: 2_000_000_000_000n });
    expect(files.stat('/bin/old').status).toBe(-2);
  });

  it('is the same bytes each time', () => {
    expect(packDirectory(folder)).toEqual(packDirectory(folder));
  });

  it('refuses what it cannot read in one sentence', () => {
    expect(() => packDirectory(join(folder, 'none'))).toThrow(/^cannot read the rootfs .*none: /);
    if (process.getuid?.() === 0) return;
    chmodSync(join(folder, 'usr'), 0);
    expect(() => packDirectory(folder)).toThrow(/^cannot read the rootfs .*usr: /);
  });
});
