import { beforeAll, describe, expect, it } from 'vitest';
import { boot, type MachineOptions, serial } from '../../src/index.ts';
import { image, initramfs, kernelImage } from './images.ts';

let programs: Uint8Array;

beforeAll(() => {
  kernelImage();
  programs = initramfs({
    'bin/schedules': image('src/user/schedules.ts', 'user'),
    'bin/hostile': image('src/user/hostile.ts', 'user'),
  });
}, 300_000);

type Engine = Pick<MachineOptions, 'engine' | 'translator'>;

const INTERPRETER: Engine = { engine: 'interpreter' };
const EXPLORED = 'schedule-seed=0 init=/bin/schedules 0 20 3';
const SHELL = 'init=/bin/sh';

/** What is booted on each. */
const ENGINES: readonly [name: string, engine: Engine, commandLines: readonly string[]][] = [
  ['whatever is reached translated at once', { engine: 'translator' }, ['init=/bin/fault divide']],
  [
    'whatever is reached translated, in regions of 60 instructions',
    { engine: 'translator', translator: { regionLimit: 60 } },
    ['', SHELL],
  ],
  [
    'regions of one instruction',
    { engine: 'translator', translator: { regionLimit: 1 } },
    ['', 'init=/bin/fault divide', 'init=/bin/hostile 1 300', EXPLORED, SHELL],
  ],
  [
    'regions evicted all the time',
    { engine: 'translator', translator: { regionLimit: 12, capacity: 40_000 } },
    ['init=/bin/hello one two', 'init=/bin/hostile 1 300'],
  ],
  ['hot code translated', { engine: 'auto' }, ['', 'init=/bin/primes 20000', EXPLORED]],
];

const SESSION = ['help', 'run primes 5000', 'run sleep 100000 &', 'ps', 'run fault null', 'kill 3', 'exit 9'];

/** Everything that a run of the kernel comes to. */
async function outcome(commandLine: string, engine: Engine): Promise<unknown> {
  const options = { initrd: programs, commandLine, memory: '64M', ...engine };
  const machine = await boot(kernelImage(), options);
  if (commandLine === SHELL) {
    for (const command of SESSION) {
      await machine.until(serial('$ '), { maxInstructions: machine.instructions + 400_000_000 });
      machine.serial.type(`${command}\r`);
    }
  }
  const stop = machine.runSync({ maxInstructions: machine.instructions + 400_000_000 });
  return { stop, text: machine.serial.text, instructions: machine.instructions, state: machine.stateHash() };
}

const known = new Map<string, Promise<unknown>>();

function interpreted(commandLine: string): Promise<unknown> {
  const run = known.get(commandLine) ?? outcome(commandLine, INTERPRETER);
  known.set(commandLine, run);
  return run;
}

describe.each(ENGINES)('the kernel with %s does what it does on the interpreter', (_name, engine, commandLines) => {
  it.each([...commandLines])('"%s"', { timeout: 120_000 }, async (commandLine) => {
    const expected = await interpreted(commandLine);
    expect(expected).toMatchObject({ stop: { reason: 'power-off' } });
    expect(await outcome(commandLine, engine)).toEqual(expected);
  });
});
