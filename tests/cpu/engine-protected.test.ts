import { expect, it } from 'vitest';
import { Cpu } from '../../src/cpu/cpu.ts';
import { emptyBus } from './long-mode.ts';

const HLT = 0xf4;

/** A processor in flat 32-bit protected mode without paging, as boot protocols hand over, but with the given limits. */
function protectedCpu(code: readonly number[], { codeLimit = 0xffffffff, dataLimit = 0xffffffff } = {}): Cpu {
  const cpu = new Cpu({ memoryBytes: 1 << 20, bus: emptyBus });
  const { state } = cpu;
  state.set64('cr0', 0x11n);
  for (const segment of state.segments) {
    Object.assign(segment, { selector: 0x10, attributes: 0xc093, base: 0n, limit: dataLimit });
  }
  Object.assign(state.cs, { selector: 8, attributes: 0xc09b, limit: codeLimit });
  state.guestRam.set(code, 0x1000);
  state.rip = 0x1000n;
  state.setGpr(4, 0x8000n);
  cpu.refresh();
  return cpu;
}

/** The vector of the first exception; with no IDT the processor then shuts down. */
function firstException(cpu: Cpu): { vector: number; rip: bigint } | undefined {
  let first: { vector: number; rip: bigint } | undefined;
  cpu.onEvent = ({ vector, rip }) => {
    first ??= { vector, rip };
  };
  cpu.run(100);
  return first;
}

it('executes 32-bit code with 16-bit operands, addresses and a segment base', () => {
  // mov ax, 0x1234; mov bx, 0x7000; mov [bx+2], ax (16-bit address); push eax; pop ecx; hlt
  const cpu = protectedCpu([
    ...[0x66, 0xb8, 0x34, 0x12, 0x66, 0xbb, 0, 0x70, 0x67, 0x66, 0x89, 0x47, 2, 0x50, 0x59, HLT],
  ]);
  cpu.state.segments[3]!.base = 0x10000n;
  expect(cpu.run(100).reason).toBe('halt');
  expect([...cpu.guestRam.subarray(0x17002, 0x17004)]).toEqual([0x34, 0x12]);
  expect(cpu.state.gpr(1)).toBe(0x1234n);
  expect(cpu.state.gpr(4)).toBe(0x8000n);
});

it('raises #GP for data beyond the limit and for code that runs into it', () => {
  // mov eax, [0x9000]
  expect(firstException(protectedCpu([0xa1, 0, 0x90, 0, 0, HLT], { dataLimit: 0x8fff }))).toEqual({
    vector: 13,
    rip: 0x1000n,
  });
  // nop; nop; mov eax, imm32, of which the limit leaves three bytes
  const code = [0x90, 0x90, 0xb8, 1, 2, 3, 4, HLT];
  expect(firstException(protectedCpu(code, { codeLimit: 0x1004 }))).toEqual({ vector: 13, rip: 0x1002n });
  expect(firstException(protectedCpu(code, { codeLimit: 0x1001 }))).toEqual({ vector: 13, rip: 0x1002n });
  expect(firstException(protectedCpu(code, { codeLimit: 0x1007 }))).toBeUndefined();
});
