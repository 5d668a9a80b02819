import { beforeAll, describe, expect, it } from 'vitest';
import { DebugImage } from '../../src/debugger/debug-image.ts';
import { disassemble } from '../../src/debugger/disassembly.ts';
import { readElf } from '../../src/machine/boot/elf.ts';
import { kernelImage } from './images.ts';

let kernel: DebugImage;

beforeAll(() => {
  kernel = new DebugImage('kernel.elf', readElf(kernelImage()));
}, 300_000);

/** The instructions of a function of the compiled kernel. */
function codeOf(name: string): string[] {
  const { address, size } = kernel.symbols.matching(name)[0]!;
  const lines: string[] = [];
  for (let at = address; at < address + BigInt(size); ) {
    const instruction = disassemble(
      (from, length) => kernel.bytesAt(from, length),
      at,
      64,
      () => undefined,
    )!;
    lines.push(instruction.text);
    at += BigInt(instruction.bytes.length);
  }
  return lines;
}

describe('ids', () => {
  it('are counted by lock xadd: pids, and tids which are drawn from the same', () => {
    expect(codeOf('allocPid').some((line) => line.startsWith('lock xadd '))).toBe(true);
    const tid = codeOf('allocTid').join('\n');
    const pid = kernel.symbols.matching('allocPid')[0]!.address.toString(16);
    expect(tid).toMatch(new RegExp(`lock xadd |(call|jmp) .*${pid}`));
  });
});
