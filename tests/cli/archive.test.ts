import { describe, expect, it } from 'vitest';
import { packArchive, readArchive } from '../../src/cli/archive.ts';

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
