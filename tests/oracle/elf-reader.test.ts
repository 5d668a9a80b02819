import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type ElfFile, readElf } from '../../src/machine/boot/elf.ts';
import { loadImage } from '../../src/machine/boot/load-image.ts';
import { memoryMap } from '../../src/machine/memory-map.ts';
import { tool } from './tools.ts';

const gcc = tool('gcc');
const readelf = tool('readelf');

/** A kernel with a PVH note and a Multiboot header, as other people's tools build it. */
const SOURCE = `
__attribute__((section(".multiboot"), used)) static const unsigned multiboot[3] = {0x1badb002, 0, -0x1badb002};
__asm__(".pushsection .note.Xen,\\"a\\",@note\\n.long 4, 4, 18\\n.asciz \\"Xen\\"\\n.long kernel_entry\\n.popsection");
static char bss[123456];
const char greeting[] = "hello";
int counter = 7;
void kernel_entry(void) { for (;;) bss[counter++] = greeting[0]; }
`;

const SCRIPT = `
ENTRY(kernel_entry)
PHDRS { text PT_LOAD; data PT_LOAD; note PT_NOTE; }
SECTIONS {
  . = 0x200000;
  .text : { *(.multiboot) *(.text*) *(.rodata*) } :text
  .note : { *(.note.Xen) } :text :note
  . = ALIGN(4096);
  .data : { *(.data*) } :data
  .bss : { *(.bss*) } :data
  /DISCARD/ : { *(.note.gnu*) *(.eh_frame*) *(.comment) }
}
`;

describe.skipIf(!gcc.present || !readelf.present).each([
  ['ELF64', '-m64'],
  ['ELF32', '-m32'],
] as const)(gcc.title(readelf.title('%s images that gcc links')), (_name, mode) => {
  const folder = mkdtempSync(join(tmpdir(), 'verdigris-elf-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'kernel.elf');
  writeFileSync(join(folder, 'kernel.c'), SOURCE);
  writeFileSync(join(folder, 'kernel.ld'), SCRIPT);
  const flags = ['-O1', '-ffreestanding', '-nostdlib', '-static', '-fno-pic', '-no-pie', '-Wl,--build-id=none', mode];
  let elf: ElfFile;
  const build = () => {
    execFileSync('gcc', [...flags, '-T', join(folder, 'kernel.ld'), '-o', path, join(folder, 'kernel.c')], {
      stdio: 'pipe',
    });
    elf ??= readElf(readFileSync(path));
    return elf;
  };
  const tool = (...options: string[]) => execFileSync('readelf', ['-W', ...options, path], { encoding: 'utf8' });

  it('have the segments that readelf shows', () => {
    const { segments } = build();
    const shown = [...tool('-l').matchAll(/^ +LOAD +(0x\w+) (0x\w+) (0x\w+) (0x\w+) (0x\w+)/gm)];
    expect(shown.length).toBeGreaterThan(1);
    expect(
      segments.map((segment) => [
        segment.virtualAddress,
        segment.physicalAddress,
        BigInt(segment.data.length),
        segment.memorySize,
      ]),
    ).toEqual(
      shown.map(([, , virtual, physical, file, memory]) =>
        [virtual, physical, file, memory].map((text) => BigInt(text!)),
      ),
    );
  });

  it('have the sections and symbols that readelf shows', () => {
    const { sections, symbols } = build();
    const shown = [...tool('-S').matchAll(/^ +\[ *\d+\] (\S+) +[A-Z]+ +([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+)/gm)];
    expect(shown.map(([, name, address, size]) => [name, BigInt(`0x${address}`), BigInt(`0x${size}`)])).toEqual(
      sections.slice(1).map(({ name, address, size }) => [name, address, size]),
    );
    const listed = [...tool('-s').matchAll(/^ +\d+: ([0-9a-f]+) +(\d+) (FUNC|OBJECT) +(LOCAL|GLOBAL) .* (\S+)$/gm)];
    expect(listed.length).toBeGreaterThan(3);
    for (const [, value, size, type, binding, name] of listed) {
      expect(symbols).toContainEqual(
        expect.objectContaining({
          name,
          value: BigInt(`0x${value}`),
          size: BigInt(size!),
          type: type === 'FUNC' ? 2 : 1,
          binding: binding === 'LOCAL' ? 0 : 1,
        }),
      );
    }
  });

  it('load and start by their PVH note', () => {
    build();
    const ram = new Uint8Array(4 * 2 ** 20);
    const options = { commandLine: '', modules: [], memoryMap: memoryMap(ram.length), imageName: 'kernel' };
    const entry = loadImage(readFileSync(path), ram, options, 'auto');
    const symbol = elf.symbols.find(({ name }) => name === 'kernel_entry');
    expect(entry).toMatchObject({ protocol: 'pvh', eip: Number(symbol?.value) });
    expect([...ram.subarray(0x20_0000, 0x20_0004)]).toEqual([0x02, 0xb0, 0xad, 0x1b]);
  });
});
