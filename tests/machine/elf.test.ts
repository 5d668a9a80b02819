import { describe, expect, it } from 'vitest';
import { readElf } from '../../src/machine/boot/elf.ts';
import { ImageError } from '../../src/machine/machine-error.ts';
import { elfImage, pvhNote } from './image-builder.ts';

const code = new Uint8Array([0xf4, 0x90, 0x90, 0x90]);
const simple = () =>
  elfImage({ entry: 0x10_0000, segments: [{ physicalAddress: 0x10_0000, data: code, memorySize: 64 }] });

/** The image with some bytes replaced. */
function patched(offset: number, ...bytes: number[]): Uint8Array {
  const image = simple();
  image.set(bytes, offset);
  return image;
}

describe.each([32, 64] as const)('an ELF%i image', (bits) => {
  it('gives its entry, segments and notes', () => {
    const note = pvhNote(0x10_0000);
    const image = elfImage({
      bits,
      entry: 0x10_0004,
      segments: [{ physicalAddress: 0x10_0000, virtualAddress: 0x8010_0000, data: code, memorySize: 64 }, note],
    });
    const elf = readElf(image);
    expect(elf).toMatchObject({ bits, entry: 0x10_0004n });
    expect(elf.segments).toHaveLength(1);
    expect(elf.segments[0]).toMatchObject({
      physicalAddress: 0x10_0000n,
      virtualAddress: 0x8010_0000n,
      memorySize: 64n,
    });
    expect(elf.segments[0]?.data).toEqual(code);
    expect(elf.notes).toMatchObject([{ name: 'Xen', type: 18 }]);
  });

  it('is refused when any part of it is cut off', () => {
    const image = elfImage({ bits, segments: [{ physicalAddress: 0x10_0000, data: code }] });
    for (let length = 0; length < image.length; length++) {
      expect(() => readElf(image.subarray(0, length)), `${length} bytes`).toThrow(ImageError);
    }
  });
});

describe('a damaged ELF image is refused with one sentence', () => {
  it.each([
    ['a wrong magic number', patched(0, 0x7e), /does not start with the bytes 7f 45 4c 46/],
    ['an unknown class', patched(4, 3), /class 3 is neither/],
    ['big-endian data', patched(5, 2), /not little-endian/],
    ['an unknown version', patched(6, 2), /version 2 is unknown/],
    ['a relocatable object', patched(16, 1, 0), /not an executable: its type is 1/],
    ['another machine', patched(18, 183, 0), /machine 183/],
    ['program headers of the wrong size', patched(54, 32, 0), /32 bytes each instead of 56/],
    ['a program header table outside the file', patched(32, 0, 0, 1, 0), /program header table ends at byte/],
    ['a segment outside the file', patched(64 + 8, 0xff, 0xff), /segment 0 ends at byte/],
    [
      'a segment that wraps around',
      patched(64 + 32, ...Array(8).fill(0xff), ...Array(8).fill(0xff)),
      /segment 0 ends at byte/,
    ],
    [
      'a segment smaller in memory than in the file',
      patched(64 + 40, 1),
      /larger in the file \(4\) than in memory \(1\)/,
    ],
    [
      'section headers of the wrong size',
      patched(40, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 40, 0, 1, 0),
      /section headers are 40 bytes/,
    ],
  ])('%s', (_name, image, message) => {
    expect(() => readElf(image)).toThrow(ImageError);
    expect(() => readElf(image)).toThrow(message);
  });
});
