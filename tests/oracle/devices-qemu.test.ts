import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Machine } from '../../src/machine/machine.ts';
import { ENGINE } from '../engine.ts';
import { tool } from './tools.ts';

const gcc = tool('gcc');
const qemu = tool('qemu-system-x86_64');

const FLAGS = [
  ...[
    '-m32',
    '-std=gnu11',
    '-O1',
    '-ffreestanding',
    '-fno-pic',
    '-no-pie',
    '-mgeneral-regs-only',
    '-nostdlib',
    '-static',
  ],
  ...['-fno-stack-protector', '-fcf-protection=none', '-fno-asynchronous-unwind-tables'],
  '-Wl,-Ttext-segment=0x100000,-z,noexecstack,--build-id=none,-z,noseparate-code',
];

/** Questions that QEMU answers otherwise than the data sheets, with the answer of the data sheets. */
const DATA_SHEET: Readonly<Record<string, string>> = {
  // PC16550D, 8.6: in loopback the modem outputs drive the inputs, changes and interrupts included. QEMU: levels only.
  'uart modem delta': 'b 0 0 1',
  // 8259A, "Edge and Level Triggered Modes": a request whose line falls before INTA is gone. QEMU: it stays latched.
  '8259 quiet': '1',
  // 8254, "Mode Definitions": the control word sets the output. QEMU: the output follows the old count.
  '8254 output low after mode 0': '0',
  '8254 output high after mode 2': '20',
  // SDM vol. 3A, 12.4.7.2: LVT mask bits cannot be cleared while the APIC is software-disabled. QEMU: they can.
  'lapic disabled masks': '10050 10700',
};

describe.skipIf(!gcc.present)(gcc.title('a kernel of questions about the devices'), () => {
  let folder = '';
  let ours: string[] = [];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'verdigris-devices-'));
    execFileSync('gcc', [...FLAGS, '-o', join(folder, 'kernel.elf'), join(import.meta.dirname, 'devices-kernel.c')]);
    const machine = new Machine(readFileSync(join(folder, 'kernel.elf')), { ...ENGINE, memory: '64M' });
    expect(machine.runSync({ maxInstructions: 500_000_000 })).toEqual({ reason: 'debug-exit', value: 0 });
    ours = machine.serial.text.trimEnd().split('\n');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('asks them all', () => {
    expect(ours.length).toBeGreaterThan(60);
    expect(ours.at(-1)).toBe('end');
  });

  it('answers as the data sheets say where QEMU does not', () => {
    for (const [question, answer] of Object.entries(DATA_SHEET)) expect(ours).toContain(`${question}: ${answer}`);
  });

  it.skipIf(!qemu.present)(qemu.title('and QEMU answers them alike'), () => {
    const { status } = spawnSync(
      'qemu-system-x86_64',
      [
        ...['-kernel', join(folder, 'kernel.elf'), '-m', '64', '-display', 'none', '-no-reboot'],
        ...['-serial', `file:${join(folder, 'serial')}`, '-device', 'isa-debug-exit,iobase=0xf4,iosize=4'],
      ],
      { timeout: 60_000 },
    );
    expect(status).toBe(1);
    const theirs = readFileSync(join(folder, 'serial'), 'latin1').trimEnd().split('\n');
    const shared = (lines: string[]) => lines.filter((line) => !(line.split(':')[0]! in DATA_SHEET));
    expect(shared(ours)).toEqual(shared(theirs));
  });
});
