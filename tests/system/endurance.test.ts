import { beforeAll, describe, expect, it } from 'vitest';
import { boot } from '../../src/index.ts';
import { ENGINE } from '../engine.ts';
import { image, initramfs, kernelImage } from './images.ts';

const LIMIT = 2_000_000_000;
let programs: Uint8Array;

beforeAll(() => {
  kernelImage();
  programs = initramfs({
    'bin/schedules': image('src/user/schedules.ts', 'user'),
    'bin/hostile': image('src/user/hostile.ts', 'user'),
    'bin/multitude': image('tests/system/programs/multitude.ts', 'user'),
  });
}, 300_000);

async function run(commandLine: string) {
  const machine = await boot(kernelImage(), { ...ENGINE, initrd: programs, commandLine, memory: '64M' });
  const stop = machine.runSync({ maxInstructions: LIMIT });
  const text = machine.serial.text.replaceAll('\r', '');
  return { machine, stop, text, result: text.match(/^\[(?:SCHEDULES|HOSTILE)\].*$/gm) };
}

/** A failing range is run again, and stepped through, by `verdigris boot --schedule-seed 0 --append 'init=/bin/schedules FROM TO DEPTH'`. */
describe('futexes, join, fork and wait, signals and pipes hold under every schedule that a seed draws', () => {
  it.each([
    ['uniformly', 0],
    ['by random priorities with three change points (PCT)', 3],
  ])('%s: 1,000 seeds', { timeout: 300_000 }, async (_how, depth) => {
    const { stop, result } = await run(`schedule-seed=0 init=/bin/schedules 0 1000 ${depth}`);
    expect(result).toEqual(['[SCHEDULES] 1000 seeds hold']);
    expect(stop).toEqual({ reason: 'power-off', status: 0 });
  });

  it('and the same seed gives the same schedule, another seed another', async () => {
    const states = [];
    for (const seed of [5, 5, 6]) {
      const { machine } = await run(`schedule-seed=0 init=/bin/schedules ${seed} ${seed + 1}`);
      states.push(machine.instructions);
    }
    expect(states[1]).toBe(states[0]);
    expect(states[2]).not.toBe(states[0]);
  });
});

describe('many processes and threads', () => {
  it('come and go, 3,000 and 1,000 and 256 of them, and leave nothing behind', { timeout: 300_000 }, async () => {
    const { stop, text } = await run('init=/bin/multitude');
    const many = [
      '1,000 processes alive, and then EAGAIN ok',
      'processes as before ok',
      '256 threads in one process, and no more ok',
    ];
    expect(text.match(/^.* (?:ok|FAILED)$/gm)).toEqual([
      '3,000 times fork, exec and wait ok',
      'memory as before ok',
      ...many,
      ...many,
      'memory as after the first time ok',
    ]);
    expect(stop).toEqual({ reason: 'power-off', status: 0 });
  });
});

describe('hostile system calls', () => {
  it('100,000 of them leave no fault in the kernel, and nothing behind', { timeout: 300_000 }, async () => {
    const { stop, result } = await run('init=/bin/hostile 1 100000');
    expect(result).toEqual([expect.stringMatching(/^\[HOSTILE\] \d+ calls, 0 failures$/)]);
    expect(stop).toEqual({ reason: 'power-off', status: 0 });
  });
});
