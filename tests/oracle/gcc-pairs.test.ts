import { describe, expect, it } from 'vitest';
import { comparePair, PAIRS } from '../../src/cli/bench/compiler-pairs.ts';
import { tool } from './tools.ts';

const gcc = tool('gcc');

describe.skipIf(!gcc.present)(gcc.title('compiled code beside gcc -O1'), () => {
  it('covers at least eight programs', () => {
    expect(Object.keys(PAIRS).length).toBeGreaterThanOrEqual(8);
  });

  it.each(Object.keys(PAIRS))(
    '%s: same result, at most 1.5 times the bytes and twice the instructions',
    async (name) => {
      const { ours, gcc: theirs } = await comparePair(name);
      expect(ours.size).toBeLessThanOrEqual(1.5 * theirs.size);
      expect(ours.instructions).toBeLessThanOrEqual(2 * theirs.instructions);
    },
  );
});
