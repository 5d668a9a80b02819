import { describe, expect, it } from 'vitest';
import { formatReport, rankExits, reportRun, type TranslatorExit } from '../../src/cli/run-report.ts';
import { Machine } from '../../src/machine/machine.ts';
import { pvhImage } from '../machine/image-builder.ts';
import { verdigris } from './verdigris.ts';

describe('the ranking of exits from translated code', () => {
  it('sums up by cause and instruction, the most frequent first, and names the hottest place', () => {
    const exits = [
      { kind: 'interpreted', count: 5, rip: 0x1000n, instruction: 'OUT_DX_AL' },
      { kind: 'ordinary', count: 7, rip: 0x2000n, instruction: 'RET' },
      { kind: 'interpreted', count: 9, rip: 0x3000n, instruction: 'OUT_DX_AL' },
      { kind: 'ordinary', count: 1, rip: 0x4000n, instruction: 'OUT_DX_AL' },
    ] as const;
    expect(rankExits(exits)).toEqual([
      { cause: 'interpreted', instruction: 'OUT_DX_AL', count: 14, places: 2, hottest: '0x3000' },
      { cause: 'ordinary', instruction: 'RET', count: 7, places: 1, hottest: '0x2000' },
      { cause: 'ordinary', instruction: 'OUT_DX_AL', count: 1, places: 1, hottest: '0x4000' },
    ]);
  });

  it('is part of the report, as lines before the instruction count', async () => {
    const report = {
      ...reportRun(new Machine(pvhImage(new Uint8Array([0xf4]))), { reason: 'power-off', status: 0 }, 1, undefined),
      translatorExits: rankExits([{ kind: 'interpreted', count: 3, rip: 0x40n, instruction: 'SYSCALL' }]),
    };
    const text = formatReport(report, { reason: 'power-off', status: 0 });
    expect(text).toMatch(/translator exit +3 interpreted SYSCALL at 1 place, 0x40\n/);
    expect(text.trimEnd().split('\n').at(-1)).toMatch(/instructions 0$/);
  });
});

describe('verdigris boot --json', () => {
  it('ranks the exits of translated code, and of an interpreted run there are none', async () => {
    const exitsWith = async (engine: string): Promise<TranslatorExit[]> => {
      const line = ['boot', '--engine', engine, '--max-instructions', '20000', '--json'];
      return JSON.parse((await verdigris(line)).stderr).translatorExits;
    };
    const counts = (await exitsWith('translator')).map(({ count }) => count);
    expect(counts.length).toBeGreaterThan(0);
    expect(counts).toEqual(counts.toSorted((a, b) => b - a));
    expect(await exitsWith('interpreter')).toEqual([]);
  });
});
