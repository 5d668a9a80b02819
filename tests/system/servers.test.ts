import { beforeAll, describe, expect, it } from 'vitest';
import { boot, serial } from '../../src/index.ts';
import { ENGINE } from '../engine.ts';
import { image, initramfs, kernelImage } from './images.ts';

const LIMIT = 400_000_000;
let programs: Uint8Array;

beforeAll(() => {
  kernelImage();
  programs = initramfs({ 'bin/capabilities': image('tests/system/programs/capabilities.ts', 'user') });
}, 300_000);

/** Our shell on the console; gives what it answers to a command. */
async function session(): Promise<(command: string) => Promise<string>> {
  const machine = await boot(kernelImage(), { ...ENGINE, initrd: programs, commandLine: 'init=/bin/sh' });
  await machine.until(serial('$ '), { maxInstructions: LIMIT });
  return async (command) => {
    const before = machine.serial.text.length;
    machine.serial.type(`${command}\r`);
    const stop = await machine.run({ until: serial('$ '), maxInstructions: machine.instructions + LIMIT });
    const text = machine.serial.text.slice(before).replaceAll('\r', '');
    return stop.reason === 'condition' ? text : `${text}${JSON.stringify(stop)}`;
  };
}

describe('the file server', () => {
  it('is a process like others, and programs come through it', async () => {
    const type = await session();
    expect(await type('ps')).toMatch(/2 +0 S +1 +\d+ file-server\n/);
    expect(await type('run hello')).toContain('hello from process 3');
  });

  it('fails the calls of its clients with EIO when it is killed, and the kernel carries on', async () => {
    const type = await session();
    expect(await type('run sleep 3600000 &')).toContain('[3]\n');
    expect(await type('kill -9 2')).not.toContain('error');
    expect(await type('run hello')).toContain('hello: error 5\nstatus 127\n');
    const processes = await type('ps');
    expect(processes).toContain('sleep\n');
    expect(processes).not.toContain('file-server');
    expect(await type('kill 3')).not.toContain('error');
    expect(await type('ps')).toContain('[3] ended, status 15\n');
    expect(await type('exit 4')).toContain('{"reason":"power-off","status":4}');
  });
});

describe('a program with a server of its own', () => {
  it('calls it with words and buffers, and is told when a capability is revoked and when the server dies', async () => {
    const machine = await boot(kernelImage(), { ...ENGINE, initrd: programs, commandLine: 'init=/bin/capabilities' });
    const stop = machine.runSync({ maxInstructions: LIMIT });
    expect(machine.serial.text).not.toContain('FAILED');
    expect(machine.serial.text.match(/ ok\r\n/g)).toHaveLength(9);
    expect(stop).toEqual({ reason: 'power-off', status: 0 });
  });
});
