import { describe, expect, it } from 'vitest';
import { countInstructions } from '../../src/cli/bench/instruction-counts.ts';
import { tool } from './tools.ts';

const qemu = tool('qemu-system-x86_64');

/** The ones whose work is least. */
const GUESTS = [
  'aes',
  'modular-exponentiation',
  'queens',
  'rep-copy',
  'n-body',
  'mandelbrot',
  'string-scan',
  'division',
];

describe.skipIf(!qemu.present)(qemu.title("the benchmark's guests under QEMU with an instruction clock"), () => {
  it('come to the same checksums by the same number of instructions', { timeout: 60_000 }, async () => {
    const counts = await countInstructions(true, GUESTS);
    expect(counts.map(({ name }) => name)).toEqual(GUESTS);
    for (const { name, ours, qemu: theirs } of counts) {
      expect(theirs?.checksum, name).toBe(ours.checksum);
      // QEMU counts each iteration of REP.
      if (name !== 'rep-copy') expect(theirs?.instructions, name).toBe(ours.instructions);
    }
  });
});
