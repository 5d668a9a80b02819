import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/compiler/x64/assembler.ts';
import type { Cpu, CpuOptions } from '../../src/cpu/cpu.ts';
import { CODE, DATA, emptyBus, longModeCpu } from './long-mode.ts';

type Options = Pick<CpuOptions, 'engine' | 'translator'>;
const TRANSLATED: readonly [string, Options][] = [
  ['whole regions', { engine: 'translator' }],
  ['regions of one instruction', { engine: 'translator', translator: { regionLimit: 1 } }],
];

const stateOf = (cpu: Cpu): string =>
  [
    ...[cpu.instructionCount, cpu.state.rip, cpu.state.rflags, cpu.state.get64('cr2')],
    ...Array.from({ length: 16 }, (_, register) => cpu.state.gpr(register)),
  ].join(' ');

/** A loop with a store, a call and a computed jump, run hot before anything is asked of it. */
const hotLoop = (tail: number) =>
  assemble(
    `
    mov rbx, ${DATA}
    mov ecx, 2000
    mov edx, ${CODE + tail}
  again:
    mov [rbx + 8], rcx
    call callee
    add rax, [rbx + 8]
    jmp rdx
  tail:
    sub ecx, 1
    jne again
    hlt
  callee:
    add [rbx + 16], eax
    rol rax, 7
    ret`,
    64,
  );
const HOT = hotLoop(hotLoop(0).labels.get('tail')!);

/** Stops a processor in every way at places that are translated by then. @returns what it came to each time */
function stopEverywhere(options: Options): string[] {
  const cpu = longModeCpu([...HOT.bytes], emptyBus, 8 << 20, options);
  const log: string[] = [];
  const run = (until: number) => {
    const { reason, address } = cpu.run(until);
    log.push(`${reason} ${address} ${stateOf(cpu)}`);
  };
  const place = (label: string) => BigInt(CODE + HOT.labels.get(label)!);
  run(5000);
  for (const label of ['callee', 'tail']) {
    cpu.addBreakpoint(place(label));
    for (let i = 0; i < 4; i++) run(1e6);
    cpu.removeBreakpoint(place(label));
    run(cpu.instructionCount + 777);
  }
  cpu.addWatchpoint(BigInt(DATA + 16), 2);
  for (let i = 0; i < 4; i++) run(1e6);
  cpu.removeWatchpoint(BigInt(DATA + 16));
  run(cpu.instructionCount + 501);
  for (let i = 0; i < 25; i++) log.push(`${cpu.step().reason} ${stateOf(cpu)}`);
  const stores: string[] = [];
  cpu.onStore = (linear, size) => stores.push(`${linear}+${size}`);
  run(cpu.instructionCount + 60);
  cpu.onStore = undefined;
  log.push(stores.join(' '));
  // The trap flag: #DB after each instruction, whose handler is missing, so that the processor shuts down.
  run(cpu.instructionCount + 1999);
  cpu.state.rflags |= 0x100;
  run(1e6);
  return log;
}

/** Small pages at 4 MiB, mapped to the two halves of 2 MiB of RAM by turns, while a loop walks over them. */
const PAGES = 0x400000;
const TABLE = 0x300000;
const REMAPPING = assemble(
  `
    mov rbx, ${PAGES}
    mov rdi, ${TABLE}
    mov ecx, 3000
    xor eax, eax
  again:
    imul r8d, ecx, 0x9e3779b1
    shr r8d, 20
    and r8d, 0x1f
    mov r9, r8
    shl r9, 12
    add rax, [rbx + r9]
    mov [rbx + r9 + 8], rax
    add rax, [rbx + r9 + 4088]
    add rax, [rbx + r9 + 4093]
    test ecx, 15
    jne next
    xor qword [rdi + r8 * 8], 0x20000
    test ecx, 16
    je reload
    invlpg [rbx + r9]
    jmp next
  reload:
    mov rdx, cr3
    mov cr3, rdx
  next:
    test ecx, 127
    jne last
    and qword [rdi + r8 * 8], -33
    and qword [rdi + r8 * 8 + 8], -65
  last:
    sub ecx, 1
    jne again
    mov rax, [rbx + 0x21000]
    hlt`,
  64,
);

function remap(options: Options): string[] {
  const cpu = longModeCpu([...REMAPPING.bytes], emptyBus, 8 << 20, options);
  const words = new DataView(cpu.state.guestRam.buffer, cpu.state.guestRam.byteOffset);
  for (let page = 0; page < 33; page++) {
    words.setBigUint64(TABLE + 8 * page, BigInt(0x500000 + page * 0x1000) | 3n, true);
    for (const half of [0x500000, 0x520000]) words.setUint32(half + page * 0x1000, page * 77 + (half >> 12), true);
  }
  const directory = 0x3000 + 8 * (PAGES >> 21);
  words.setBigUint64(directory, BigInt(TABLE) | 3n, true);
  cpu.refresh();
  const log: string[] = [];
  for (let until = 1000; ; until += 1000) {
    const { reason } = cpu.run(until);
    const entries = Array.from({ length: 33 }, (_, page) => words.getBigUint64(TABLE + 8 * page, true).toString(16));
    log.push(`${reason} ${stateOf(cpu)} ${entries.join(' ')}`);
    if (reason !== 'budget') return log;
  }
}

describe.each(TRANSLATED)('in %s', (_name, options) => {
  it('breakpoints, watchpoints, single steps, observed stores and the trap flag stop where the interpreter does', () => {
    const expected = stopEverywhere({ engine: 'interpreter' });
    expect(expected.filter((line) => line.startsWith('breakpoint')).length).toBe(8);
    expect(expected.filter((line) => line.startsWith('watchpoint')).length).toBe(4);
    expect(expected.at(-1)).toMatch(/^shutdown/);
    expect(stopEverywhere(options)).toEqual(expected);
  });

  it('mappings that change under a running loop mean the same, accessed and dirty flags included', () => {
    const expected = remap({ engine: 'interpreter' });
    expect(expected.at(-1)).toMatch(/^shutdown/);
    expect(new Set(expected.map((line) => line.split(' ').slice(-33).join())).size).toBeGreaterThan(10);
    expect(remap(options)).toEqual(expected);
  });
});
