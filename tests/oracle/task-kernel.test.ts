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
  ...['-m32', '-std=gnu11', '-O1', '-ffreestanding', '-fno-pic', '-fno-pie', '-mgeneral-regs-only', '-nostdlib'],
  ...['-fno-stack-protector', '-fcf-protection=none', '-fno-asynchronous-unwind-tables', '-static', '-no-pie'],
  '-Wl,-Ttext-segment=0x100000,-z,noexecstack,--build-id=none,-z,max-page-size=4096,-z,noseparate-code',
];

/**
 * Where QEMU's TCG is unlike processors: how the answer begins by the manual (vector, error code, task it arrived in), and what QEMU
 * leaves out.
 */
const UNLIKE: Readonly<Record<string, readonly [answer: string, reason: string]>> = {
  jump_in_memory: ['ffffffff 0 30', 'it mixes lazy flags into those of the new task'],
  call_and_leave: ['ffffffff 0 30', 'it mixes lazy flags into those of the old task'],
  local_breakpoints: ['ffffffff 0 30', 'it leaves LE set'],
  trap_on_arrival: ['1 0 30', 'it knows no T flag'],
  gate_to_local: ['d c c8', 'it raises #TS where JMP raises #GP (SDM vol. 2A, JMP)'],
  bad_stack_absent: ['c 70 c0', 'it raises #NP for a stack (SDM vol. 3A table 8-1)'],
  gate_beyond_limit: ['d 0 c8', 'it checks no limits'],
  user_gate_small_stack: ['c 90 0', 'it checks no limits'],
  user_gate_absent_stack: ['c 70 0', 'it raises #TS for an absent stack (SDM vol. 2A, CALL)'],
  user_interrupt_small_stack: ['c 90 0', 'it checks no limits'],
  stack_fault_in_delivery: ['c 0 c0', 'it checks no limits'],
  double_fault: ['8 0 d0', 'it checks no limits'],
};

const nameOf = (line: string): string => line.split(':')[0]!;

describe.skipIf(!gcc.present)(gcc.title('a kernel of questions about tasks and call gates'), () => {
  let folder = '';
  let ours: string[] = [];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'verdigris-tasks-'));
    execFileSync('gcc', [...FLAGS, '-o', join(folder, 'kernel.elf'), join(import.meta.dirname, 'task-kernel.c')]);
    const machine = new Machine(readFileSync(join(folder, 'kernel.elf')), { ...ENGINE, memory: '64M' });
    expect(machine.runSync({ maxInstructions: 2_000_000 })).toEqual({ reason: 'debug-exit', value: 0 });
    ours = machine.serial.text.trimEnd().split('\n');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('asks them all', () => {
    expect(ours.length).toBeGreaterThan(75);
    expect(ours.at(-1)).toBe('end');
  });

  it.each(Object.entries(UNLIKE))('answers %s as the manual does', (name, [answer]) => {
    const line = ours.find((each) => nameOf(each) === name);
    expect(line).toMatch(new RegExp(`^${name}: ${answer} `));
  });

  it.skipIf(!qemu.present)(qemu.title('and QEMU answers the others alike'), () => {
    const { status } = spawnSync(
      'qemu-system-x86_64',
      [
        ...['-kernel', join(folder, 'kernel.elf'), '-cpu', 'max', '-m', '64', '-display', 'none', '-no-reboot'],
        ...['-serial', `file:${join(folder, 'serial')}`, '-device', 'isa-debug-exit,iobase=0xf4,iosize=4'],
      ],
      { timeout: 60_000 },
    );
    expect(status).toBe(1);
    const theirs = readFileSync(join(folder, 'serial'), 'latin1').trimEnd().split('\n');
    const comparable = (lines: readonly string[]) => lines.filter((line) => !(nameOf(line) in UNLIKE));
    expect(comparable(ours)).toEqual(comparable(theirs));
  });
});
