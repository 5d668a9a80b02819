import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../src/machine/boot/byte-reader.ts';
import type { BootModule } from '../../src/machine/boot/kernel-entry.ts';
import { loadImage, type Protocol } from '../../src/machine/boot/load-image.ts';
import { ImageError } from '../../src/machine/machine-error.ts';
import { memoryMap } from '../../src/machine/memory-map.ts';
import { concatenate, elfImage, multibootHeader, pvhImage, pvhNote } from './image-builder.ts';

const RAM = 4 * 2 ** 20;
const code = new Uint8Array([0xf4, 0x01, 0x02, 0x03]);
const module = (text: string, ...bytes: number[]): BootModule => ({ commandLine: text, data: new Uint8Array(bytes) });

function load(
  image: Uint8Array,
  options: { commandLine?: string; modules?: BootModule[]; protocol?: Protocol; ram?: number } = {},
) {
  const ram = new Uint8Array(options.ram ?? RAM);
  const { commandLine = '', modules = [], protocol = 'auto' } = options;
  const boot = { commandLine, modules, memoryMap: memoryMap(ram.length), imageName: 'kernel.elf' };
  const entry = loadImage(image, ram, boot, protocol);
  return { ram, entry, reader: new ByteReader(ram) };
}

describe('PVH', () => {
  it('loads the segments and enters at the address of the note', () => {
    const image = elfImage({
      entry: 0xffff_ffff_8010_0000n,
      segments: [
        { physicalAddress: 0x10_0000, virtualAddress: 0xffff_ffff_8010_0000n, data: code, memorySize: 8192 },
        { physicalAddress: 0x20_0000, data: new Uint8Array([9]) },
        pvhNote(0x10_0001),
      ],
    });
    const { ram, entry } = load(image);
    expect(entry).toMatchObject({ protocol: 'pvh', eip: 0x10_0001 });
    expect(ram.slice(0x10_0000, 0x10_0004)).toEqual(code);
    expect(ram[0x20_0000]).toBe(9);
  });

  it('describes command line, modules and memory map in hvm_start_info version 1', () => {
    const modules = [module('first', 1, 2, 3), module('', 4)];
    const { ram, entry, reader } = load(pvhImage(code), { commandLine: 'init=/bin/sh', modules });
    const info = entry.ebx;
    expect(reader.u32(info)).toBe(0x336e_c578);
    expect(reader.u32(info + 4)).toBe(1);
    expect(reader.u32(info + 12)).toBe(2);
    expect(reader.string(Number(reader.u64(info + 24)))).toBe('init=/bin/sh');
    const list = Number(reader.u64(info + 16));
    for (const [index, { data, commandLine }] of modules.entries()) {
      const address = Number(reader.u64(list + 32 * index));
      expect(address % 4096).toBe(0);
      expect(ram.slice(address, address + Number(reader.u64(list + 32 * index + 8)))).toEqual(data);
      expect(reader.string(Number(reader.u64(list + 32 * index + 16)))).toBe(commandLine);
    }
    const map = Number(reader.u64(info + 40));
    const entries = Array.from({ length: reader.u32(info + 48) }, (_, index) => {
      const at = map + 24 * index;
      const start = Number(reader.u64(at));
      return { start, end: start + Number(reader.u64(at + 8)), type: reader.u32(at + 16) };
    });
    expect(entries).toEqual(memoryMap(RAM));
  });
});

describe('Multiboot 1', () => {
  const header = multibootHeader(0x3);
  const elf32 = elfImage({
    bits: 32,
    entry: 0x10_000c,
    segments: [{ physicalAddress: 0x10_0000, data: concatenate(header, code) }],
  });

  it('loads an ELF32 image and enters it with the magic number in EAX', () => {
    const { ram, entry } = load(elf32);
    expect(entry).toMatchObject({ protocol: 'multiboot', eip: 0x10_000c, eax: 0x2bad_b002 });
    expect(ram.slice(0x10_000c, 0x10_0010)).toEqual(code);
  });

  it('describes memory, command line, modules and its own name', () => {
    const modules = [module('initrd a=b', 7, 8), module('second', 9)];
    const { ram, entry, reader } = load(elf32, { commandLine: 'x=1', modules });
    const info = entry.ebx;
    const field = (offset: number) => reader.u32(info + offset);
    expect(field(0)).toBe(0x24d);
    expect([field(4), field(8)]).toEqual([639, RAM / 1024 - 1024]);
    expect(reader.string(field(16))).toBe('kernel.elf x=1');
    expect(reader.string(field(64))).toBe('Verdigris');
    expect(field(20)).toBe(2);
    for (const [index, { data, commandLine }] of modules.entries()) {
      const at = field(24) + 16 * index;
      expect(reader.u32(at) % 4096).toBe(0);
      expect(ram.slice(reader.u32(at), reader.u32(at + 4))).toEqual(data);
      expect(reader.string(reader.u32(at + 8))).toBe(commandLine);
    }
    const entries = [];
    for (let at = field(48); at < field(48) + field(44); at += reader.u32(at) + 4) {
      const start = Number(reader.u64(at + 4));
      entries.push({ start, end: start + Number(reader.u64(at + 12)), type: reader.u32(at + 20) });
    }
    expect(entries).toEqual(memoryMap(RAM));
  });

  it('loads by the address fields, in a flat file and in an ELF64 that carries them', () => {
    const fields = [0x20_0000, 0x20_0000, 0x20_0024, 0x20_1000, 0x20_0020];
    const flat = concatenate(multibootHeader(0x1_0003, fields), code);
    const padded = elfImage({
      entry: 0xffff_8000_0000_0000n,
      segments: [{ physicalAddress: 0x20_0000, data: flat }],
      dataOffset: 256,
    });
    for (const image of [flat, padded]) {
      const { ram, entry } = load(image);
      expect(entry.eip).toBe(0x20_0020);
      expect(ram.slice(0x20_0020, 0x20_0024)).toEqual(code);
    }
  });

  it('takes everything to the end of the file when the load end is zero', () => {
    const flat = concatenate(
      multibootHeader(0x1_0000, [0x20_0000, 0x20_0000, 0, 0, 0x20_0020]),
      code,
      new Uint8Array([5]),
    );
    expect(load(flat).ram[0x20_0024]).toBe(5);
  });

  it('is found only in the first 8 KiB, aligned, with a matching checksum', () => {
    const flat = (padding: number, broken = 0) => {
      const at = 0x20_0000 + padding;
      const bytes = concatenate(new Uint8Array(padding), multibootHeader(0x1_0000, [at, 0x20_0000, 0, 0, at]), code);
      bytes[padding + 8]! ^= broken;
      return bytes;
    };
    expect(load(flat(8188 - 12)).entry.protocol).toBe('multiboot');
    expect(() => load(flat(8192))).toThrow(/neither a PVH note nor a Multiboot 1 header/);
    expect(() => load(flat(2))).toThrow(ImageError);
    expect(() => load(flat(0, 1))).toThrow(ImageError);
  });
});

describe('the protocol', () => {
  const both = elfImage({
    bits: 32,
    entry: 0x10_000c,
    segments: [{ physicalAddress: 0x10_0000, data: concatenate(multibootHeader(0), code) }, pvhNote(0x10_000d)],
  });

  it.each([
    ['auto', 'pvh'],
    ['pvh', 'pvh'],
    ['multiboot', 'multiboot'],
  ] as const)('%s starts an image that has both as %s', (protocol, used) => {
    expect(load(both, { protocol }).entry.protocol).toBe(used);
  });
});

describe('an image that cannot be booted is refused with one sentence', () => {
  const at = (address: number | bigint, size = 4) => ({ physicalAddress: address, data: code, memorySize: size });
  const flat = (fields: number[], flags = 0x1_0000) => concatenate(multibootHeader(flags, fields), code);
  it.each([
    ['an empty file', new Uint8Array(), /is empty/],
    ['text', new TextEncoder().encode('#!/bin/sh\n'), /neither a PVH note nor a Multiboot 1 header/],
    [
      'segments that overlap',
      elfImage({ segments: [at(0x10_0000, 100), at(0x10_0050), pvhNote(0x10_0000)] }),
      /segment 1 of the image at 0x100050 overlaps segment 0/,
    ],
    [
      'a segment outside memory',
      elfImage({ segments: [at(0x3f_ffff), pvhNote(0x3f_ffff)] }),
      /needs memory up to 0x400003, but the machine has 0x400000 \(4 MiB\)/,
    ],
    [
      'a segment far outside memory',
      elfImage({ segments: [at(0xffff_ffff_8000_0000n), pvhNote(0)] }),
      /needs memory up to 0xffffffff80000004/,
    ],
    ['no segment at all', elfImage({ segments: [pvhNote(0x10_0000)] }), /nothing to load/],
    [
      'a PVH entry in no segment',
      elfImage({ segments: [at(0x10_0000), pvhNote(0x20_0000)] }),
      /PVH entry address 0x200000 lies in no segment/,
    ],
    [
      'an ELF entry in no segment',
      elfImage({
        bits: 32,
        entry: 5,
        segments: [{ physicalAddress: 0x10_0000, data: concatenate(multibootHeader(0), code) }],
      }),
      /ELF entry address 0x5 lies in no segment/,
    ],
    ['unknown Multiboot requirements', flat([], 0x8), /requires unknown features: flags 0x8/],
    ['cut off address fields', flat([1], 0x1_0000).subarray(0, 20), /cut off before its address fields/],
    [
      'address fields before the file',
      flat([0x20_1000, 0x20_0000, 0, 0, 0x20_0000]),
      /lies before the start of the file/,
    ],
    [
      'a load end before its start',
      flat([0x20_0000, 0x20_0000, 0x1f_0000, 0, 0x20_0000]),
      /lies below the load address/,
    ],
    ['a load end behind the file', flat([0x20_0000, 0x20_0000, 0x20_1000, 0, 0x20_0000]), /the file has only 36/],
    [
      'a bss end before the load end',
      flat([0x20_0000, 0x20_0000, 0x20_0024, 0x20_0010, 0x20_0000]),
      /lies inside the loaded bytes/,
    ],
    [
      'an entry outside the image',
      flat([0x20_0000, 0x20_0000, 0, 0, 0x30_0000]),
      /entry address 0x300000 lies outside/,
    ],
    [
      'a Multiboot header without format',
      concatenate(multibootHeader(0), code),
      /not ELF and its header has no address fields/,
    ],
  ])('%s', (_name, image, message) => {
    expect(() => load(image)).toThrow(ImageError);
    expect(() => load(image)).toThrow(message);
  });

  it('a module that does not fit', () => {
    const modules = [{ commandLine: '', data: new Uint8Array(RAM) }];
    expect(() => load(pvhImage(code), { modules })).toThrow(ImageError);
  });

  it('a command line that is too long', () => {
    expect(() => load(pvhImage(code), { commandLine: 'x'.repeat(70_000) })).toThrow(
      /the command line of 70001 bytes is too long/,
    );
  });
});

it('moves the boot information behind an image that lies in low memory', () => {
  const image = elfImage({ segments: [{ physicalAddress: 0x9_0000, data: code }, pvhNote(0x9_0000)] });
  expect(load(image).entry.ebx).toBeGreaterThanOrEqual(0x10_0000);
});
