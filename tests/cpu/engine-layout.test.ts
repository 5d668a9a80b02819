import { expect, it } from 'vitest';
import * as layout from '../../src/cpu/layout.ts';

const { FIELDS } = layout;

it('gives every part of the CPU block bytes of its own', () => {
  const parts: [name: string, start: number, bytes: number][] = [
    ...Object.entries(FIELDS).map(([name, { address, width }]): [string, number, number] => [name, address, width]),
    ['gpr', layout.GPR, 16 * 8],
    ['zero slot', layout.ZERO_SLOT, 8],
    ['xmm', layout.XMM, 16 * 16],
    ['x87 registers', layout.X87_REGISTERS, 8 * 16],
    ['segments', layout.SEGMENTS, (layout.FLAT_SEGMENT + 1) * layout.SEGMENT_BYTES],
    ['scratch', layout.SCRATCH, 16],
    ['pdptes', layout.PDPTES, 4 * 8],
    ['mtrrs', layout.MTRRS, 28 * 8],
    ['exit record', layout.EXIT_RECORD, 64],
    ['indirect record', layout.INDIRECT_RECORD, 64],
    ['branch record', layout.BRANCH_RECORD, 64],
    ['tlbs', layout.tlbReadAddress(0), 2 * layout.MMU_INDEXES * layout.TLB_BYTES],
    ['empty tlb', layout.TLB_EMPTY, layout.TLB_BYTES],
    ['spans', layout.tlbReadAddress(0) + layout.SPAN_OFFSET, (2 * layout.MMU_INDEXES + 1) * layout.TLB_BYTES],
    ['jump cache', layout.JUMP_CACHE, layout.JUMP_CACHE_ENTRIES * layout.JUMP_CACHE_ENTRY_BYTES],
  ];
  parts.sort((a, b) => a[1] - b[1]);
  for (const [index, [name, start, bytes]] of parts.slice(0, -1).entries()) {
    const [next, nextStart] = parts[index + 1]!;
    expect(start + bytes, `${name} runs into ${next}`).toBeLessThanOrEqual(nextStart);
  }
});

it('keeps the spans and their status beside each TLB within the room of a TLB', () => {
  expect(layout.SPAN_STATUS + 4 - layout.SPAN_OFFSET).toBeLessThanOrEqual(layout.TLB_BYTES);
});
