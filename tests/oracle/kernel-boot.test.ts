import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at, createModule, FunctionBuilder } from '../../src/compiler/ir/builder.ts';
import type { DataSection, IrModule, Register } from '../../src/compiler/ir/module.ts';
import { emit } from '../../src/compiler/link/emit.ts';
import { tool } from './tools.ts';

/** From 32-bit protected mode, paging off, to 64-bit code in the higher half, with 2 MiB pages over the first gigabyte. */
const bootText = `
.code32
    cli
    mov esp, offset boot_stack + 4096
    mov eax, offset level3_low + 3
    mov [abs level4], eax
    mov eax, offset level3_high + 3
    mov [abs level4 + 4088], eax
    mov eax, offset level2 + 3
    mov [abs level3_low], eax
    mov [abs level3_high + 4080], eax
    xor ecx, ecx
fill:
    mov eax, ecx
    shl eax, 21
    or eax, 0x83
    mov [level2 + ecx*8], eax
    inc ecx
    cmp ecx, 512
    jb fill
    mov eax, cr4
    or eax, 1 << 5
    mov cr4, eax
    mov eax, offset level4
    mov cr3, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 1 << 8 | 1 << 11
    wrmsr
    mov eax, cr0
    or eax, 1 << 31 | 1 << 16 | 1
    mov cr0, eax
    lgdt [abs gdt_pointer]
    jmp 0x08:long_mode
.code64
long_mode:
    mov eax, 0x10
    mov ds, eax
    mov ss, eax
    mov rsp, offset kernel_stack + 4096
    mov rax, offset kernel_main
    call rax
    hlt
`;

function reserve(module: IrModule, name: string, section: DataSection, size: number, alignment = 4096): void {
  module.data.push({ name, section, alignment, size, bytes: new Uint8Array(0), relocations: [], debug: null });
}

function kernel(entries: Pick<IrModule['entries'], 'pvh' | 'multiboot'>): IrModule {
  const module = createModule('kernel', 'kernel', 'boot');
  module.files.push('boot.ts');
  module.entries = { elf: 'boot', ...entries };
  for (const name of ['level4', 'level3_low', 'level3_high', 'level2', 'boot_stack'])
    reserve(module, name, '.boot.bss', 4096);
  reserve(module, 'kernel_stack', '.bss', 4096);
  const gdt = new Uint8Array(24);
  const view = new DataView(gdt.buffer);
  view.setBigUint64(8, 0x00af9a000000ffffn, true);
  view.setBigUint64(16, 0x00cf92000000ffffn, true);
  const plain = { alignment: 8, relocations: [], debug: null };
  module.data.push({ name: 'gdt', section: '.boot.data', size: 24, bytes: gdt, ...plain });
  const pointer = Uint8Array.from([23, 0, 0, 0, 0, 0]);
  module.data.push({
    ...plain,
    name: 'gdt_pointer',
    section: '.boot.data',
    size: 6,
    bytes: pointer,
    relocations: [{ offset: 2, symbol: 'gdt', addend: 0n, size: 4 }],
  });
  const text = new TextEncoder().encode('hello from the higher half\n');
  module.data.push({ ...plain, name: 'greeting', section: '.rodata', size: text.length, bytes: text });
  const boot = new FunctionBuilder('boot', { convention: 'naked', section: '.boot.text' });
  boot.emit({ op: 'asm', text: bootText, mode: 32, operands: [], clobbers: [] });
  boot.unreachable();
  module.functions.push(boot.function, mainFunction(text.length), divideHandler());
  return module;
}

/** Prints the greeting, then takes exception 0 through an interrupt gate whose handler exits. */
function mainFunction(length: number): FunctionBuilder['function'] {
  const build = new FunctionBuilder('kernel_main', { convention: 'sysv' });
  const index = build.register('i64');
  build.copy(index, build.const('i64', 0n));
  const [loop, done] = [build.block(), build.block()];
  build.jump(loop);
  build.enter(loop);
  const character = build.load('i8', { base: { kind: 'symbol', symbol: 'greeting' }, index, scale: 1 });
  build.emit({ op: 'portOut', port: build.const('i16', 0x3f8n), source: character });
  build.copy(index, build.binary('add', index, build.const('i64', 1n)));
  build.branchCompare('ult', index, build.const('i64', BigInt(length)), loop, done);
  build.enter(done);
  const idt = build.slot('idt', 16, 16);
  const handler = build.addressOf(at.symbol('divide_error'));
  const part = (shift: bigint, type: 'i16' | 'i32') =>
    build.convert('truncate', type, build.binary('shr', handler, build.const('i64', shift)));
  const put = (offset: number, value: Register) => build.store(at.slot(idt, offset), value);
  put(0, part(0n, 'i16'));
  put(2, build.const('i16', 8n));
  put(4, build.const('i16', 0x8e00n));
  put(6, part(16n, 'i16'));
  put(8, part(32n, 'i32'));
  put(12, build.const('i32', 0n));
  const pointer = build.slot('pointer', 10, 8);
  build.store(at.slot(pointer), build.const('i16', 15n));
  build.store(at.slot(pointer, 2), build.addressOf(at.slot(idt)));
  build.intrinsic('lidt', [build.addressOf(at.slot(pointer))]);
  build.emit({ op: 'asm', text: 'int 0', mode: 64, operands: [], clobbers: [] });
  build.unreachable();
  return build.function;
}

/** Exits with 3 when the frame it gets names the kernel's code segment and an address in the higher half. */
function divideHandler(): FunctionBuilder['function'] {
  const build = new FunctionBuilder('divide_error', { convention: 'isr' });
  const frame = build.parameter('frame', 'i64');
  const segment = build.load('i64', at.register(frame, 17 * 8));
  const rip = build.load('i64', at.register(frame, 16 * 8));
  const top = build.binary('shr', rip, build.const('i64', 31n));
  const good = build.binary(
    'and',
    build.compare('eq', segment, build.const('i64', 8n)),
    build.compare('eq', top, build.const('i64', 0x1ffffffffn)),
  );
  const code = build.select(good, build.const('i32', 1n), build.const('i32', 0n));
  build.emit({ op: 'portOut', port: build.const('i16', 0xf4n), source: code });
  build.return();
  return build.function;
}

const qemu = tool('qemu-system-x86_64');

describe('kernel images', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'verdigris-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it.skipIf(!qemu.present).each([
    ['PVH', { pvh: 'boot' }],
    ['Multiboot 1', { multiboot: 'boot' }],
    ['both protocols', { pvh: 'boot', multiboot: 'boot' }],
  ])(qemu.title('boot under QEMU by %s'), (_name, entries) => {
    const path = join(folder, 'kernel.elf');
    writeFileSync(path, emit(kernel(entries)).image);
    const machine = ['-display', 'none', '-serial', 'stdio', '-no-reboot', '-m', '64M'];
    const exit = ['-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04'];
    const { status, stdout } = spawnSync('qemu-system-x86_64', ['-kernel', path, ...machine, ...exit], {
      timeout: 30_000,
    });
    expect(stdout.toString()).toBe('hello from the higher half\n');
    expect(status).toBe(3);
  });

  const readelf = tool('readelf');
  it.skipIf(!readelf.present)(readelf.title('have no segment that is writable and executable, by readelf'), () => {
    const path = join(folder, 'segments.elf');
    writeFileSync(path, emit(kernel({ pvh: 'boot', multiboot: 'boot' })).image);
    const text = execFileSync('readelf', ['--wide', '--segments', '--notes', path], { encoding: 'utf8' });
    expect(text).not.toMatch(/RWE/);
    expect(text).toMatch(/Xen\s+0x00000008/);
  });

  it('are the same bytes when compiled twice', () => {
    const module = kernel({ pvh: 'boot', multiboot: 'boot' });
    expect(emit(module).image).toEqual(emit(kernel({ pvh: 'boot', multiboot: 'boot' })).image);
  });
});
