import { describe, expect, it } from 'vitest';
import { at, createModule, FunctionBuilder } from '../../../src/compiler/ir/builder.ts';
import type { DataSection, IrModule } from '../../../src/compiler/ir/module.ts';
import { emit } from '../../../src/compiler/link/emit.ts';
import { LinkError } from '../../../src/compiler/link/image.ts';
import { readElf } from '../../../src/machine/boot/elf.ts';

const KERNEL = 0xffffffff80000000n;
const PAGE = 4096n;

function object(name: string, section: DataSection, size: number): IrModule['data'][number] {
  const bytes = section.endsWith('bss') ? new Uint8Array(0) : new Uint8Array(size).fill(7);
  return { name, section, alignment: 8, size, bytes, relocations: [], debug: null };
}

/** A kernel with something in every section, whose `probe` reads a user address. */
function kernel(): IrModule {
  const module = createModule('kernel', 'kernel', 'boot');
  module.files.push('boot.ts');
  module.entries = { elf: 'boot', pvh: 'boot', multiboot: 'boot' };
  module.data.push(
    object('greeting', '.rodata', 100),
    object('counter', '.data', 8),
    object('zeroes', '.bss', 5000),
    object('early', '.boot.data', 16),
    object('tables', '.boot.bss', 8192),
  );
  const boot = new FunctionBuilder('boot', { convention: 'naked', section: '.boot.text' });
  boot.emit({ op: 'asm', text: 'hlt', mode: 32, operands: [], clobbers: [] });
  boot.unreachable();
  const probe = new FunctionBuilder('probe', { results: ['i64', 'i8'], exported: true });
  const address = probe.parameter('address', 'i64');
  const result = probe.register('i64');
  const fault = probe.register('i8');
  probe.emit({ op: 'tryLoad', result, fault, address: at.register(address) });
  probe.return(result, fault);
  module.functions.push(boot.function, probe.function);
  return module;
}

describe('kernel images', () => {
  const { image, map } = emit(kernel());
  const elf = readElf(image);
  const symbol = (name: string): bigint => elf.symbols.find((candidate) => candidate.name === name)!.value;

  it('load at 1 MiB, the boot part at physical addresses, the rest in the higher half', () => {
    expect(elf.segments[0]!.physicalAddress).toBe(0x100000n);
    for (const { virtualAddress, physicalAddress } of elf.segments) {
      expect([physicalAddress, physicalAddress + KERNEL]).toContain(virtualAddress);
    }
    expect(symbol('boot')).toBeLessThan(0x200000n);
    expect(symbol('tables')).toBeLessThan(0x200000n);
    expect(symbol('probe')).toBeGreaterThan(KERNEL);
  });

  it('have no page that is both writable and executable, and no page with two permissions', () => {
    const pages = new Map<bigint, number>();
    for (const { virtualAddress, memorySize, flags } of elf.segments) {
      expect(flags & 3).not.toBe(3);
      for (let page = virtualAddress / PAGE; page * PAGE < virtualAddress + memorySize; page++) {
        expect(pages.get(page) ?? flags).toBe(flags);
        pages.set(page, flags);
      }
    }
  });

  it('define the ranges that the kernel maps, in whole pages', () => {
    for (const name of ['text', 'rodata', 'data', 'boot', 'kernel']) {
      expect(symbol(`__${name}_start`) % PAGE).toBe(0n);
      expect(symbol(`__${name}_end`) % PAGE).toBe(0n);
    }
    expect(symbol('__bss_end') - symbol('__bss_start')).toBe(5000n);
    expect(symbol('__kernel_physical_end')).toBeGreaterThanOrEqual(symbol('tables') + 8192n);
    expect(symbol('__kernel_end') - symbol('__kernel_physical_end')).toBe(KERNEL);
  });

  it('list each access that may fault with the place to go on from', () => {
    const table = elf.sections.find((section) => section.name === '.extable')!;
    expect(table.address).toBe(symbol('__extable_start'));
    expect(table.address + table.size).toBe(symbol('__extable_end'));
    const view = new DataView(table.data.buffer, table.data.byteOffset);
    const [from, to] = [view.getBigUint64(0, true), view.getBigUint64(8, true)];
    const probe = map.functions.find((fn) => fn.name === 'probe')!;
    expect(table.size).toBe(16n);
    expect(from).toBeGreaterThan(probe.address);
    expect(to).toBeGreaterThan(from);
    expect(to).toBeLessThan(probe.address + BigInt(probe.size));
  });

  it('carry a PVH note and a Multiboot header whose checksum is right and which cover the whole file', () => {
    const note = elf.notes.find(({ name, type }) => name === 'Xen' && type === 18)!;
    expect(new DataView(note.descriptor.buffer, note.descriptor.byteOffset).getBigUint64(0, true)).toBe(symbol('boot'));
    const at = image.findIndex((_, index) => index % 4 === 0 && image[index] === 0x02 && image[index + 3] === 0x1b);
    const words = new DataView(image.buffer, at, 32);
    const [magic, flags, checksum, header, start, , bssEnd, entry] = Array.from({ length: 8 }, (_, index) =>
      words.getUint32(index * 4, true),
    ) as [number, number, number, number, number, number, number, number];
    expect((magic + flags + checksum) >>> 0).toBe(0);
    expect(at).toBeLessThan(8192);
    expect([header, start, entry]).toEqual([0x100000, 0x100000, Number(symbol('boot'))]);
    expect(BigInt(bssEnd)).toBe(symbol('tables') + 8192n);
  });

  it('are the same bytes every time', () => {
    expect(emit(kernel()).image).toEqual(image);
  });
});

describe('linker errors', () => {
  it('name the symbol that is out of reach', () => {
    const module = kernel();
    const far = new FunctionBuilder('far', { convention: 'naked', section: '.boot.text' });
    far.emit({ op: 'asm', text: 'mov eax, probe', mode: 64, operands: [], clobbers: [] });
    far.unreachable();
    module.functions.push(far.function);
    expect(() => emit(module)).toThrow(LinkError);
    expect(() => emit(module)).toThrow(/@probe is out of reach/);
  });

  it('name the symbol that nobody defines', () => {
    const module = kernel();
    const lost = new FunctionBuilder('lost', { convention: 'naked', section: '.boot.text' });
    lost.emit({ op: 'asm', text: 'mov eax, nowhere', mode: 32, operands: [], clobbers: [] });
    lost.unreachable();
    module.functions.push(lost.function);
    expect(() => emit(module)).toThrow(/undefined @nowhere/);
  });
});

describe('user images', () => {
  it('begin at 0x400000 and are static', () => {
    const module = createModule('program', 'user', '_start');
    module.files.push('main.ts');
    module.data.push(object('zeroes', '.bss', 100), object('table', '.rodata', 10));
    const start = new FunctionBuilder('_start', { convention: 'entry' });
    start.unreachable();
    module.functions.push(start.function);
    const { segments, entry } = readElf(emit(module).image);
    expect(segments[0]!.virtualAddress).toBe(0x400000n);
    expect(segments.map(({ flags }) => flags)).toEqual([4, 5, 6]);
    expect(entry).toBeGreaterThan(0x400000n);
  });
});
