import { describe, expect, it } from 'vitest';
import { verdigris } from './verdigris.ts';

const MIB = 2 ** 20;

async function peakOf(memory: string): Promise<number> {
  const { stderr } = await verdigris(['boot', '--append', 'init=/bin/hello', '--memory', memory, '--json']);
  return JSON.parse(stderr).peakMemory;
}

describe('verdigris boot --memory 3G', () => {
  it("takes no more of the host's memory than one with 64M, give or take 64 MiB", async () => {
    const [small, large] = [await peakOf('64M'), await peakOf('3G')];
    expect(small).toBeGreaterThan(20 * MIB);
    expect(large - small).toBeLessThan(64 * MIB);
  });
});
