import { beforeAll, describe, expect, it } from 'vitest';
import { boot, type Machine, type MachineOptions, type Stop, serial } from '../../src/index.ts';
import { ENGINE } from '../engine.ts';
import { archive, bootArchive, initramfs, kernelImage } from './images.ts';

let kernel: Uint8Array;
let programs: Uint8Array;

beforeAll(() => {
  kernel = kernelImage();
  programs = initramfs();
}, 300_000);

/** Far more than any of these runs takes. */
const LIMIT = 400_000_000;

async function run(
  commandLine: string,
  options: MachineOptions = {},
): Promise<{ machine: Machine; stop: Stop; text: string }> {
  const machine = await boot(kernel, { ...ENGINE, initrd: programs, commandLine, ...options });
  const stop = machine.runSync({ maxInstructions: LIMIT });
  return { machine, stop, text: machine.serial.text.replaceAll('\r', '') };
}

const behind = (text: string, line: string): string => text.slice(text.indexOf(`${line}\n`) + line.length + 1);

describe('the compiled kernel on our machine', () => {
  it('boots, runs init, and powers off with its status', async () => {
    const { stop, text } = await run('');
    expect(stop).toEqual({ reason: 'power-off', status: 0 });
    expect(text.match(/\.\.\.\[\w+\]/g)).toEqual(Array(7).fill('...[ok]'));
    expect(text).toContain('BOOTOK\n[INIT] pid 1, parent 0, thread 1\n');
    expect(text).toContain('[INIT] 0 failures\n');
  });

  it('lists every process and thread that exists, and only those', async () => {
    const { text } = await run('');
    const threads = behind(text, '  TID   PID S PRIORITY  TICKS').split('\n').slice(0, 5);
    expect(threads.map((line) => line.trim().split(/\s+/).slice(0, 3))).toEqual(
      [1, 3, 4, 5, 6].map((tid) => [String(tid), '1', 'R']),
    );
    const processes = behind(text, '  PID  PPID S THREADS PAGES NAME').split('\n').slice(0, 3);
    expect(processes.map((line) => line.trim().split(/\s+/))).toEqual([
      ['1', '0', 'R', '1', expect.any(String), 'init'],
      ['2', '0', 'S', '1', expect.any(String), 'file-server'],
      ['10', '1', 'R', '1', expect.any(String), 'init'],
    ]);
  });

  it('does the same again: text, instruction count and state', async () => {
    const first = await run('');
    const second = await run('');
    expect(second.text).toBe(first.text);
    expect(second.machine.instructions).toBe(first.machine.instructions);
    expect(second.machine.stateHash()).toBe(first.machine.stateHash());
  });

  it('is entered by PVH and by Multiboot alike', async () => {
    const pvh = await run('init=/bin/hello', { protocol: 'pvh' });
    const multiboot = await run('init=/bin/hello', { protocol: 'multiboot' });
    expect(pvh.text).toContain('entered by PVH');
    expect(multiboot.text).toContain('entered by Multiboot');
    expect(behind(multiboot.text, 'BOOTOK')).toBe(behind(pvh.text, 'BOOTOK'));
  });

  it('works with little memory and with much', async () => {
    for (const memory of ['8M', '3G']) {
      const { stop } = await run('', { memory });
      expect(stop).toEqual({ reason: 'power-off', status: 0 });
    }
  });
});

describe('init= on the command line', () => {
  it('chooses the program and gives it its arguments', async () => {
    const { stop, text } = await run('quiet init=/bin/hello one  two three');
    expect(stop).toEqual({ reason: 'power-off', status: 7 });
    expect(behind(text, 'BOOTOK')).toMatch(/^hello from process 1 one two three\n/);
  });

  it('says in one line why a program cannot be started', async () => {
    const damaged = bootArchive({ 'bin/text': Buffer.from('not a program'), 'bin/empty': new Uint8Array(0) });
    const cases = { '/bin/none': 2, '/bin/text': 8, '/bin/empty': 8, '/bin': 13 };
    for (const [path, error] of Object.entries(cases)) {
      const { stop, text } = await run(`init=${path}`, { initrd: damaged });
      expect(text).toContain(`[PROCESS] init could not be started: error ${error}\n`);
      expect(stop).toEqual({ reason: 'power-off', status: 126 });
    }
  });

  it('says so when there is no file server, or none that starts', async () => {
    const damaged = { 'sbin/file-server': Buffer.from('not a program') };
    for (const [files, error] of [
      [{}, 2],
      [damaged, 8],
    ] as const) {
      const { stop, text } = await run('', { initrd: archive(files) });
      expect(text).toContain(`[PROCESS] the initramfs has no file server that can be started: error ${error}\n`);
      expect(stop).toEqual({ reason: 'power-off', status: 126 });
    }
  });

  it('survives a truncated initramfs', async () => {
    for (const length of [0, 50, 111, 400, programs.length - 600]) {
      const { stop } = await run('init=/bin/none', { initrd: programs.subarray(0, length) });
      expect(stop).toEqual({ reason: 'power-off', status: 126 });
    }
  });
});

describe('exceptions of user programs', () => {
  const signals = { null: 11, kernel: 11, divide: 8, undefined: 4, privileged: 11, breakpoint: 5, misaligned: 11 };
  for (const [kind, signal] of Object.entries(signals)) {
    it(`${kind}: ends the program with signal ${signal}`, async () => {
      const { stop, text } = await run(`init=/bin/fault ${kind}`);
      expect(text).toContain(`init was killed by signal ${signal}\n`);
      expect(stop).toEqual({ reason: 'power-off', status: 128 + signal });
    });
  }
});

describe('the shell', () => {
  async function session(): Promise<(command: string) => Promise<string>> {
    const machine = await boot(kernel, { ...ENGINE, initrd: programs, commandLine: 'init=/bin/sh' });
    await machine.until(serial('$ '), { maxInstructions: LIMIT });
    return async (command) => {
      const before = machine.serial.text.length;
      machine.serial.type(`${command}\r`);
      const stop = await machine.run({ until: serial('$ '), maxInstructions: machine.instructions + LIMIT });
      const text = machine.serial.text.slice(before).replaceAll('\r', '');
      return stop.reason === 'condition' ? text : `${text}${JSON.stringify(stop)}`;
    };
  }

  it('echoes, edits, runs programs and reports their ends', async () => {
    const type = await session();
    expect(await type('help')).toContain('run PROGRAM [ARG] [&]');
    expect(await type('run hello a b')).toContain('hello from process 3 a b\nstatus 7\n');
    expect(await type('run fault divide')).toContain('killed by signal 8\n');
    expect(await type('runx\x7f nothing')).toContain('nothing: error 2\nstatus 127\n');
    expect(await type('bogus')).toContain('bogus: no such command');
    expect(await type('run primes 1000')).toContain('168 primes below 1000\n');
  });

  it('lists, signals and reaps what runs in the background', async () => {
    const type = await session();
    expect(await type('run sleep 3600000 &')).toContain('[3]\n');
    expect(await type('ps')).toMatch(/3 +1 S +1 +\d+ sleep\n/);
    expect(await type('threads 3')).toMatch(/3 +3 S/);
    expect(await type('kill -19 3')).not.toContain('error');
    expect(await type('ps')).toMatch(/3 +1 T +1 +\d+ sleep\n/);
    expect(await type('kill 3')).not.toContain('error');
    expect(await type('kill -18 3')).not.toContain('error');
    expect(await type('')).toContain('[3] ended, status 15\n');
    expect(await type('ps')).not.toContain('sleep');
    expect(await type('kill 3')).toContain('kill: error 3\n');
    expect(await type('exit 9')).toContain('{"reason":"power-off","status":9}');
  });
});
