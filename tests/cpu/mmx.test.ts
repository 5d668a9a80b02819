import { describe, expect, it } from 'vitest';
import type { Cpu } from '../../src/cpu/cpu.ts';
import { X87_REGISTERS } from '../../src/cpu/layout.ts';
import { cpuid } from '../../src/cpu/system/cpuid.ts';
import { CODE, DATA, longModeCpu } from './long-mode.ts';

const HLT = 0xf4;
/** Behind it no page is mapped. */
const MAPPED_END = 0x4000_0000;
const [RAX, RDI] = [0, 7];
const EM = 4n;
const TS = 8n;
const NE = 0x20n;

/** A processor about to execute the bytes, then HLT, with RDI at DATA. */
function processor(...code: number[]): Cpu {
  const cpu = longModeCpu([...code, HLT]);
  cpu.state.setGpr(RDI, BigInt(DATA));
  return cpu;
}

/** Runs to HLT. @returns the first exception delivered on the way */
function run(cpu: Cpu): { vector: number; rip: bigint } | undefined {
  let first: { vector: number; rip: bigint } | undefined;
  cpu.onEvent = ({ vector, rip }) => {
    first ??= { vector, rip };
  };
  cpu.run(cpu.instructionCount + 20);
  return first;
}

function setMm(cpu: Cpu, register: number, value: bigint): void {
  cpu.state.view.setBigUint64(X87_REGISTERS + 16 * register, value, true);
}
const mm = (cpu: Cpu, register: number): bigint => cpu.state.view.getBigUint64(X87_REGISTERS + 16 * register, true);
const signAndExponent = (cpu: Cpu, register: number): number =>
  cpu.state.view.getUint16(X87_REGISTERS + 16 * register + 8, true);
const top = (cpu: Cpu): number => (cpu.state.get('x87Status') >> 11) & 7;

const PADDB_MM1_MM2 = [0x0f, 0xfc, 0xca];
const MOVQ_MM1_MEMORY = [0x0f, 0x6f, 0x0f];
const MOVQ_MEMORY_MM1 = [0x0f, 0x7f, 0x0f];
const MOVQ2DQ_XMM1_MM2 = [0xf3, 0x0f, 0xd6, 0xca];
const CVTPI2PS_XMM1_MEMORY = [0x0f, 0x2a, 0x0f];
const CVTPI2PD_XMM1_MEMORY = [0x66, 0x0f, 0x2a, 0x0f];
const MASKMOVQ_MM1_MM2 = [0x0f, 0xf7, 0xca];
const EMMS = [0x0f, 0x77];
const FLD1 = [0xd9, 0xe8];

describe('MMX registers', () => {
  it('are the significands of the x87 registers, whatever the top of the stack', () => {
    const cpu = processor(...FLD1, ...PADDB_MM1_MM2);
    setMm(cpu, 1, 0x0102_0304_0506_07ffn);
    setMm(cpu, 2, 0x0101_0101_0101_0101n);
    expect(run(cpu)).toBeUndefined();
    expect(mm(cpu, 1)).toBe(0x0203_0405_0607_0800n);
    expect(mm(cpu, 7)).toBe(1n << 63n);
  });

  it('that are written get a sign and exponent of ones; those that are read keep theirs', () => {
    const cpu = processor(...PADDB_MM1_MM2);
    run(cpu);
    expect([signAndExponent(cpu, 1), signAndExponent(cpu, 2)]).toEqual([0xffff, 0]);
  });

  it('are not extended by REX', () => {
    const cpu = processor(0x4f, ...PADDB_MM1_MM2);
    setMm(cpu, 2, 5n);
    run(cpu);
    expect(mm(cpu, 1)).toBe(5n);
  });

  it.each([
    ['paddb mm1, mm2', PADDB_MM1_MM2],
    ['movq mm1, [rdi]', MOVQ_MM1_MEMORY],
    ['movq [rdi], mm1', MOVQ_MEMORY_MM1],
    ['movq2dq xmm1, mm2', MOVQ2DQ_XMM1_MM2],
    ['cvtpi2ps xmm1, [rdi]', CVTPI2PS_XMM1_MEMORY],
    ['maskmovq mm1, mm2', MASKMOVQ_MM1_MM2],
  ])('%s leaves the x87 stack full with its top at 0', (_, code) => {
    const cpu = processor(...FLD1, ...code);
    expect(run(cpu)).toBeUndefined();
    expect([top(cpu), cpu.state.get('x87Tag')]).toEqual([0, 0xff]);
  });

  it('cvtpi2pd xmm1, [rdi] leaves the x87 stack alone', () => {
    const cpu = processor(...FLD1, ...CVTPI2PD_XMM1_MEMORY);
    run(cpu);
    expect([top(cpu), cpu.state.get('x87Tag')]).toEqual([7, 0x80]);
  });

  it('EMMS empties the stack and puts its top at 0', () => {
    const cpu = processor(...FLD1, ...EMMS);
    run(cpu);
    expect([top(cpu), cpu.state.get('x87Tag')]).toEqual([0, 0]);
  });

  it('nothing has happened when the memory operand faults', () => {
    for (const code of [MOVQ_MM1_MEMORY, MOVQ_MEMORY_MM1]) {
      const cpu = processor(...FLD1, ...code);
      cpu.state.setGpr(RDI, 1n << 40n);
      expect(run(cpu)).toEqual({ vector: 14, rip: BigInt(CODE + 2) });
      expect([top(cpu), cpu.state.get('x87Tag')]).toEqual([7, 0x80]);
    }
  });

  it('are read from memory by the low unpacks as 32 bits, the last of a page too', () => {
    const cpu = processor(0x0f, 0x60, 0x0f);
    cpu.state.setGpr(RDI, BigInt(MAPPED_END - 4));
    expect(run(cpu)).toBeUndefined();
  });

  it('are read from memory of any alignment', () => {
    const cpu = processor(0x0f, 0x60, 0x0f);
    cpu.state.setGpr(RDI, BigInt(DATA + 1));
    cpu.state.guestRam.set([1, 2, 3, 4, 5, 6, 7, 8], DATA + 1);
    expect(run(cpu)).toBeUndefined();
    expect(mm(cpu, 1)).toBe(0x0400_0300_0200_0100n);
  });

  it('MASKMOVQ stores the bytes whose mask has its top bit set', () => {
    const cpu = processor(...MASKMOVQ_MM1_MM2);
    setMm(cpu, 1, 0x8877_6655_4433_2211n);
    setMm(cpu, 2, 0x80ff_007f_0000_0080n);
    run(cpu);
    expect([...cpu.guestRam.subarray(DATA, DATA + 8)]).toEqual([0x11, 0, 0, 0, 0, 0, 0x77, 0x88]);
  });

  it('PMOVMSKB and PEXTRW reach general registers, zero-extended', () => {
    const cpu = processor(0x0f, 0xd7, 0xc2, 0x0f, 0xc5, 0xca, 0x07);
    setMm(cpu, 2, 0x8000_0000_0000_0080n);
    cpu.state.setGpr(RAX, ~0n & 0xffff_ffff_ffff_ffffn);
    run(cpu);
    expect([cpu.state.gpr(0), cpu.state.gpr(1)]).toEqual([0x81n, 0x8000n]);
  });
});

describe('MMX instructions', () => {
  const all = { PADDB_MM1_MM2, MOVQ_MEMORY_MM1, MOVQ2DQ_XMM1_MM2, EMMS, MASKMOVQ_MM1_MM2 };
  const forms = Object.entries(all);

  /** With control bits set or cleared before anything runs, and perhaps an unmasked exception waiting. */
  function controlled(code: readonly number[], set: bigint, clear = 0n, pending = false): Cpu {
    const cpu = processor(...code);
    cpu.state.set64('cr0', (cpu.state.get64('cr0') | set) & ~clear);
    if (pending) {
      cpu.state.set('x87Control', 0x37e);
      cpu.state.set('x87Status', 0x8081);
    }
    cpu.refresh();
    return cpu;
  }

  it.each(forms)('%s raises #UD by CR0.EM, whatever else is wrong', (_, code) => {
    expect(run(controlled(code, EM | TS, 0n, true))?.vector).toBe(6);
  });

  it.each(forms)('%s raises #NM by CR0.TS', (_, code) => {
    expect(run(controlled(code, TS, 0n, true))?.vector).toBe(7);
  });

  it.each(forms)('%s raises #MF when an unmasked x87 exception is pending', (_, code) => {
    expect(run(controlled(code, 0n, 0n, true))?.vector).toBe(16);
  });

  it.each(forms)('%s ignores the pending exception without CR0.NE', (_, code) => {
    expect(run(controlled(code, 0n, NE, true))).toBeUndefined();
  });

  it('need CR4.OSFXSR only for XMM registers', () => {
    const vectors = [PADDB_MM1_MM2, MASKMOVQ_MM1_MM2, MOVQ2DQ_XMM1_MM2].map((code) => {
      const cpu = processor(...code);
      cpu.state.set64('cr4', cpu.state.get64('cr4') & ~0x200n);
      cpu.refresh();
      return run(cpu)?.vector;
    });
    expect(vectors).toEqual([undefined, undefined, 6]);
  });

  it('CVTPS2PI raises #XM for an unmasked exception and changes nothing else', () => {
    const cpu = processor(...FLD1, 0x0f, 0x2d, 0xca);
    cpu.state.set('mxcsr', 0x1f00);
    cpu.state.xmm(2).set([0, 0, 0xc0, 0x7f]);
    expect(run(cpu)?.vector).toBe(19);
    expect([top(cpu), cpu.state.get('x87Tag'), cpu.state.get('mxcsr')]).toEqual([7, 0x80, 0x1f01]);
  });

  it('are advertised', () => {
    const context = { apicId: 0, apicEnabled: true, in64BitMode: true };
    expect((cpuid(1, 0, context).edx >> 23) & 1).toBe(1);
  });
});
