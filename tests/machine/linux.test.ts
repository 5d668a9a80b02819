import { describe, expect, it } from 'vitest';
import { boot } from '../../src/index.ts';
import { ByteReader } from '../../src/machine/boot/byte-reader.ts';
import type { BootModule } from '../../src/machine/boot/kernel-entry.ts';
import { loadImage } from '../../src/machine/boot/load-image.ts';
import { memoryMap } from '../../src/machine/memory-map.ts';
import { ENGINE } from '../engine.ts';

const RAM = 16 * 2 ** 20;
const KERNEL = 0x10_0000;
const code = [0xf4, 0x11, 0x22];

/** A bzImage: one boot sector, one setup sector with the header, then the kernel. */
function bzImage(kernel: readonly number[], patch: Readonly<Record<number, number>> = {}): Uint8Array {
  const bytes = new Uint8Array(1024 + kernel.length);
  const view = new DataView(bytes.buffer);
  bytes[0x1f1] = 1;
  view.setUint16(0x1fe, 0xaa55, true);
  bytes[0x201] = 0x66;
  bytes.set(new TextEncoder().encode('HdrS'), 0x202);
  view.setUint16(0x206, 0x020f, true);
  bytes[0x211] = 1;
  view.setUint32(0x22c, 0x7fff_ffff, true);
  bytes[0x234] = 1;
  view.setUint32(0x238, 255, true);
  view.setBigUint64(0x258, BigInt(KERNEL), true);
  view.setUint32(0x260, 0x8000, true);
  for (const [offset, value] of Object.entries(patch)) bytes[Number(offset)] = value;
  bytes.set(kernel, 1024);
  return bytes;
}

function load(image: Uint8Array, commandLine = '', modules: BootModule[] = []) {
  const ram = new Uint8Array(RAM);
  const firmwareTables = { address: 0xf_0000, bytes: new Uint8Array(64) };
  const entry = loadImage(
    image,
    ram,
    { commandLine, modules, memoryMap: memoryMap(RAM), imageName: 'vmlinuz', firmwareTables },
    'auto',
  );
  return { ram, entry, reader: new ByteReader(ram) };
}

describe('a Linux bzImage', () => {
  it('lies where it prefers and starts there, with boot_params in ESI', () => {
    const { ram, entry, reader } = load(bzImage(code));
    expect(entry).toMatchObject({ protocol: 'linux', eip: KERNEL });
    expect([...ram.subarray(KERNEL, KERNEL + 3)]).toEqual(code);
    expect(reader.u32(entry.esi + 0x202)).toBe(0x5372_6448);
    expect(reader.u8(entry.esi + 0x210)).toBe(0xff);
  });

  it('finds its command line, ramdisk, memory map and ACPI tables in boot_params', () => {
    const modules = [1, 2].map((value) => ({ commandLine: '', data: new Uint8Array([value]) }));
    const { ram, entry, reader } = load(bzImage(code), 'console=ttyS0', modules);
    const at = entry.esi;
    expect(reader.string(reader.u32(at + 0x228))).toBe('console=ttyS0');
    const ramdisk = reader.u32(at + 0x218);
    expect([reader.u32(at + 0x21c), ram[ramdisk], ram[ramdisk + 4096]]).toEqual([8192, 1, 2]);
    expect(reader.u64(at + 0x70)).toBe(0xf_0000n);
    const entries = Array.from({ length: reader.u8(at + 0x1e8) }, (_, index) => {
      const start = Number(reader.u64(at + 0x2d0 + 20 * index));
      return {
        start,
        end: start + Number(reader.u64(at + 0x2d8 + 20 * index)),
        type: reader.u32(at + 0x2e0 + 20 * index),
      };
    });
    expect(entries).toEqual(memoryMap(RAM));
  });

  it('runs', async () => {
    // mov esi, [esi + 0x228]; mov dx, 0x3f8; lodsb; test al, al; jz +3; out dx, al; jmp -8; cli; hlt
    const print = [
      0x8b, 0xb6, 0x28, 0x02, 0, 0, 0x66, 0xba, 0xf8, 0x03, 0xac, 0x84, 0xc0, 0x74, 0x03, 0xee, 0xeb, 0xf8, 0xfa, 0xf4,
    ];
    const machine = await boot(bzImage(print), { ...ENGINE, memory: '16M', commandLine: 'root=/dev/ram' });
    expect(await machine.run()).toEqual({ reason: 'halted' });
    expect(machine.serial.text).toBe('root=/dev/ram');
  });

  it.each([
    ['an old protocol', bzImage(code, { 518: 9 }), /boot protocol 0x209 is older than 2.10/],
    ['a zImage', bzImage(code, { 529: 0 }), /is a zImage/],
    ['a kernel that cannot move', bzImage(code, { 564: 0 }), /not relocatable/],
    ['an image that is cut off', bzImage(code, { 497: 60 }), /cut off: its setup alone takes 31232 bytes/],
    ['a kernel that needs more memory', bzImage(code, { 611: 0x10 }), /needs memory up to 0x10108000/],
  ])('is refused with one sentence: %s', (_name, image, message) => {
    expect(() => load(image)).toThrow(message);
  });

  it('is refused with one sentence when the command line is longer than it takes', () => {
    expect(() => load(bzImage(code), 'x'.repeat(256))).toThrow(/256 bytes is longer than the kernel's 255/);
  });
});
