import { describe, expect, it } from 'vitest';
import { verdigris } from './verdigris.ts';

const MIB = 2 ** 20;

async function peakOf(memory: string, ...more: string[]): Promise<number> {
  const { stderr } = await verdigris(['boot', '--memory', memory, '--json', ...more]);
  return JSON.parse(stderr).peakMemory;
}

const HELLO = ['--append', 'init=/bin/hello'];

describe('verdigris boot --memory 3G', () => {
  it("takes no more of the host's memory than one with 64M, give or take 64 MiB", async () => {
    const [small, large] = [await peakOf('64M', ...HELLO), await peakOf('3G', ...HELLO)];
    expect(small).toBeGreaterThan(20 * MIB);
    expect(large - small).toBeLessThan(64 * MIB);
  });
});

describe('verdigris boot --memory 256M', () => {
  it("takes less than 300 MiB of the host's memory", async () => {
    const [short, long] = [await peakOf('256M'), await peakOf('256M', '--append', 'init=/bin/primes 2000000')];
    expect(short).toBeGreaterThan(20 * MIB);
    expect(short).toBeLessThan(300 * MIB);
    expect(long).toBeLessThan(300 * MIB);
  });
});
