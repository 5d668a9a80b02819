import { beforeAll, describe, expect, it } from 'vitest';
import { packArchive } from '../../src/cli/archive.ts';
import { coldProgram } from '../../src/cli/bench/cold-code.ts';
import { GuestTimer } from '../../src/cli/bench/guest-timer.ts';
import { runOnMachine } from '../../src/cli/bench/on-machine.ts';
import { type BenchReport, formatBench } from '../../src/cli/bench/report.ts';
import { buildImages, compileProgram } from '../../src/cli/images.ts';
import { queens } from '../bench/guests/queens.ts';

function feed(timer: GuestTimer, text: string): void {
  for (const byte of new TextEncoder().encode(text)) timer.byte(byte);
}

describe('the timer of a guest', () => {
  it('takes the time between begin and end, and reads the checksum', () => {
    let now = 1;
    const timer = new GuestTimer(() => now);
    feed(timer, 'booting\nbegin\r\n');
    now = 3.5;
    feed(timer, 'end 42');
    expect(timer.run).toBeUndefined();
    feed(timer, '\n');
    now = 9;
    expect(timer.run).toEqual({ checksum: '42', seconds: 2.5 });
  });

  it('knows no run of a guest that began nothing', () => {
    const timer = new GuestTimer(() => 0);
    feed(timer, 'end 42\n');
    expect(timer.run).toBeUndefined();
  });
});

describe('guests', { timeout: 180_000 }, () => {
  let kernel: Uint8Array;
  let program: Uint8Array;
  beforeAll(async () => {
    kernel = (await buildImages()).kernel;
    program = await compileProgram('tests/bench/guests.ts');
  }, 240_000);

  const image = (data: Uint8Array, argument: string) => {
    return { kernel, initramfs: packArchive([{ name: 'bench', data }]), commandLine: `init=/bench ${argument}` };
  };

  it('compute on the machine what they compute in Node, by as many instructions on every engine', () => {
    const interpreted = runOnMachine(image(program, 'queens'), 'interpreter');
    const translated = runOnMachine(image(program, 'queens'), 'auto');
    expect([interpreted.checksum, translated.checksum]).toEqual([String(queens()), String(queens())]);
    expect(translated.instructions).toBe(interpreted.instructions);
  });

  it('of cold code execute every instruction once', () => {
    const { checksum, instructions } = runOnMachine(image(coldProgram(), ''), 'interpreter');
    expect(checksum).toBe('0');
    // 12,000 functions of eight instructions, each with its call and return; and the two system calls of the lines.
    expect(instructions).toBeGreaterThan(120_000);
    expect(instructions).toBeLessThan(125_000);
  });
});

describe('the report', () => {
  const report: BenchReport = {
    engines: ['interpreter', 'auto'],
    rounds: 3,
    versions: { node: '20', QEMU: undefined },
    guests: [
      {
        name: 'sieve',
        kind: 'compute',
        instructions: 2e8,
        checksum: '1',
        qemuSeconds: 0.1,
        engines: { interpreter: { seconds: 0.4, ratio: 0.25 }, auto: { seconds: 0.1, ratio: 1 } },
      },
      {
        name: 'cold-code',
        kind: 'cold',
        instructions: 1e5,
        checksum: '0',
        qemuSeconds: undefined,
        engines: { interpreter: { seconds: 0.05, ratio: undefined }, auto: { seconds: 0.06, ratio: undefined } },
      },
    ],
    geometricMeans: { interpreter: 0.25, auto: 1 },
    pairs: [{ name: 'bits', ours: { size: 80, instructions: 1200 }, gcc: { size: 100, instructions: 1000 } }],
    boot: { firstByte: { processor: 0.4, wall: 0.5 }, powerOff: { processor: 0.6, wall: 0.8 }, status: 0 },
  };

  it('shows instructions a second, ratios, cold code, boot times and the pairs against gcc', () => {
    const text = formatBench(report);
    expect(text).toMatch(/^sieve +200\.0 M +2000 +500 +0\.25x +2000 +1\.00x$/m);
    expect(text).toMatch(/^geometric mean +0\.25x +1\.00x$/m);
    expect(text).toContain('cold code, interpreter: 0.50 us for each of 100000 instructions');
    expect(text).toContain('boot to power-off: 0.60 s of processor time, 0.80 s in all');
    expect(text).toMatch(/^bits .*0\.80x.*1\.20x/m);
    expect(text).toContain('QEMU absent');
  });
});
