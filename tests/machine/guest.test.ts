import { describe, expect, it } from 'vitest';
import { boot, type Machine, MachineError, type MachineOptions, serial } from '../../src/index.ts';
import { ENGINE } from '../engine.ts';
import { concatenate, elfImage, multibootHeader, pvhImage } from './image-builder.ts';

const MOV_DX_COM1 = [0x66, 0xba, 0xf8, 0x03];
const OUT_DX_AL = 0xee;
const HLT = 0xf4;
const CLI_HLT = [0xfa, HLT];

/** mov al, byte; out dx, al; for each letter. */
const print = (text: string) => [
  ...MOV_DX_COM1,
  ...[...text].flatMap((letter) => [0xb0, letter.charCodeAt(0), OUT_DX_AL]),
];
/** mov al, value; out port, al */
const out8 = (port: number, value: number) => [0xb0, value, 0xe6, port];
/** mov dx, 0x604; mov ax, 0x2000; out dx, ax */
const POWER_OFF = [0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x20, 0x66, 0xef];

const guest = (code: number[], options: MachineOptions = {}): Promise<Machine> =>
  boot(pvhImage(new Uint8Array(code)), { memory: '4M', ...ENGINE, ...options });

describe('a guest of a few bytes', () => {
  it('prints on the serial port and leaves through port 0xf4', async () => {
    const machine = await guest([...print('Hi\n'), ...out8(0xf4, 3)]);
    expect(await machine.run()).toEqual({ reason: 'debug-exit', value: 3 });
    expect(machine.serial.text).toBe('Hi\n');
    expect(machine.instructions).toBe(1 + 3 * 2 + 2);
  });

  it('gives the host its turn within an instruction that would take for ever', { timeout: 60_000 }, async () => {
    // mov edi, 0xfd000000; mov ecx, -1; rep stosb
    const machine = await guest([0xbf, 0, 0, 0, 0xfd, 0xb9, 0xff, 0xff, 0xff, 0xff, 0xf3, 0xaa, HLT]);
    const turn = machine.advance(1000);
    expect(turn).toEqual({ reason: 'budget' });
    expect(machine.instructions).toBe(2 + 0x1_0000);
    setTimeout(() => machine.stop({ reason: 'condition' }), 10);
    expect(await machine.run()).toEqual({ reason: 'condition' });
  });

  it('powers the machine off with a status', async () => {
    const machine = await guest([...out8(0xf5, 42), ...POWER_OFF]);
    expect(await machine.run()).toEqual({ reason: 'power-off', status: 42 });
  });

  it('is waited for by what it prints', async () => {
    const machine = await guest([...print('init: ok'), ...CLI_HLT]);
    await machine.until(serial('init:'));
    expect(machine.serial.text).toBe('init:');
    await machine.until(serial('ok'));
    await expect(machine.until(serial('more'))).rejects.toThrow(MachineError);
  });

  it('finds its command line through EBX, from PVH and from Multiboot', async () => {
    const printString = [0xac, 0x84, 0xc0, 0x74, 0x03, OUT_DX_AL, 0xeb, 0xf8, ...CLI_HLT]; // lodsb; test al,al; jz; out; jmp
    const pvh = await guest([...MOV_DX_COM1, 0x8b, 0x73, 24, ...printString], { commandLine: 'init=/bin/sh' });
    await pvh.run();
    expect(pvh.serial.text).toBe('init=/bin/sh');

    const code = new Uint8Array([...MOV_DX_COM1, 0x8b, 0x73, 16, ...printString]);
    const image = elfImage({
      bits: 32,
      entry: 0x10_000c,
      segments: [{ physicalAddress: 0x10_0000, data: concatenate(multibootHeader(0), code) }],
    });
    const multiboot = await boot(image, { ...ENGINE, memory: '4M', commandLine: 'a b', imageName: 'k.elf' });
    await multiboot.run();
    expect(multiboot.serial.text).toBe('k.elf a b');
  });

  it('reads what is typed', async () => {
    const echo = [
      0x66,
      0xba,
      0xfd,
      0x03,
      0xec,
      0xa8,
      0x01,
      0x74,
      0xfb,
      0x66,
      0xba,
      0xf8,
      0x03,
      0xec,
      OUT_DX_AL,
      0xeb,
      0xef,
    ];
    const machine = await guest(echo);
    machine.serial.type('echo!');
    await machine.until(serial('echo!'), { maxInstructions: 10_000 });
  });

  it('that faults without an IDT ends in a triple fault', async () => {
    const machine = await guest([0x0f, 0x0b]);
    expect(await machine.run()).toEqual({ reason: 'triple-fault' });
  });
});

describe('two runs of the same guest', () => {
  const code = [...print('x'), 0xff, 0xc3, 0x89, 0x1d, 0x00, 0x00, 0x20, 0x00, 0xeb, 0xf2]; // inc ebx; mov [0x200000], ebx; jmp
  it('agree in instruction count, output and state hash, however they are cut', async () => {
    const first = await guest(code);
    first.runSync({ maxInstructions: 100_000 });
    const second = await guest(code);
    for (let count = 0; count < 100_000; count += 777) second.advance(count);
    second.advance(100_000);
    expect(second.instructions).toBe(100_000);
    expect(second.serial.text).toBe(first.serial.text);
    expect(second.stateHash()).toBe(first.stateHash());
  });

  it('agree after one of them went through a snapshot', async () => {
    const first = await guest(code);
    first.runSync({ maxInstructions: 5000 });
    const snapshot = structuredClone(first.save());
    first.runSync({ maxInstructions: 9000 });
    const second = await guest(code);
    second.restore(snapshot);
    second.runSync({ maxInstructions: 9000 });
    expect(second.stateHash()).toBe(first.stateHash());
  });
});

describe('a debugger', () => {
  /** nop; mov eax, [0x200000]; inc eax; mov [0x200000], eax; jmp -13 */
  const counter = [0x90, 0xa1, 0, 0, 0x20, 0, 0xff, 0xc0, 0xa3, 0, 0, 0x20, 0, 0xeb, 0xf1];

  it('stops before the instruction at a breakpoint, each time round', async () => {
    const machine = await guest(counter);
    machine.processor.addBreakpoint(0x10_0006n);
    for (let round = 0; round < 3; round++) {
      expect(await machine.run()).toEqual({ reason: 'breakpoint', address: 0x10_0006n });
      expect(machine.state.rip).toBe(0x10_0006n);
      expect(machine.instructions).toBe(2 + 5 * round);
    }
    machine.processor.removeBreakpoint(0x10_0006n);
    expect(await machine.run({ maxInstructions: 100 })).toEqual({ reason: 'limit' });
  });

  it('stops behind the instruction that writes to a watched address', async () => {
    const machine = await guest(counter);
    machine.processor.addWatchpoint(0x20_0000n, 4);
    expect(await machine.run()).toMatchObject({ reason: 'watchpoint' });
    expect(machine.state.rip).toBe(0x10_000dn);
    expect(machine.readVirtual(0x20_0000n, 4)).toEqual(new Uint8Array([1, 0, 0, 0]));
  });

  it('steps one instruction at a time', async () => {
    const machine = await guest(counter);
    const addresses = Array.from({ length: 6 }, () => {
      expect(machine.step()).toBeUndefined();
      return Number(machine.state.rip & 0xffffn);
    });
    expect(addresses).toEqual([1, 6, 8, 0xd, 0, 1]);
    expect(machine.instructions).toBe(6);
  });
});

describe('every engine', () => {
  it('brings the same guest to the same state', async () => {
    const loop = [
      0xb9,
      0x00,
      0x80,
      0,
      0,
      0x01,
      0xc8,
      0x69,
      0xc0,
      0x0d,
      0x66,
      0x19,
      0x00,
      0xa3,
      0,
      0,
      0x20,
      0,
      0xe2,
      0xf1,
      ...out8(0xf4, 1),
    ];
    const hashes = await Promise.all(
      (['interpreter', 'translator', 'auto'] as const).map(async (engine) => {
        const machine = await guest(loop, { engine });
        expect(await machine.run()).toEqual({ reason: 'debug-exit', value: 1 });
        return `${machine.instructions} ${machine.stateHash()}`;
      }),
    );
    expect(new Set(hashes).size).toBe(1);
  });
});
