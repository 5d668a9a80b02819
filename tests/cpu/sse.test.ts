import { describe, expect, it } from 'vitest';
import type { Cpu } from '../../src/cpu/cpu.ts';
import { XMM } from '../../src/cpu/layout.ts';
import { CODE, DATA, longModeCpu } from './long-mode.ts';

const HLT = 0xf4;
const RAX = 0;
const RDI = 7;

/** A processor about to execute the bytes, then HLT, with RDI at DATA. */
function processor(code: readonly number[]): Cpu {
  const cpu = longModeCpu([...code, HLT]);
  cpu.state.setGpr(RDI, BigInt(DATA));
  return cpu;
}

/** What stopped the bytes: the first exception delivered, or undefined when HLT was reached. */
function firstException(cpu: Cpu): { vector: number; errorCode?: number; rip: bigint } | undefined {
  let first: { vector: number; errorCode?: number; rip: bigint } | undefined;
  cpu.onEvent = ({ vector, errorCode, rip }) => {
    first ??= errorCode === undefined ? { vector, rip } : { vector, errorCode, rip };
  };
  cpu.run(cpu.instructionCount + 20);
  return first;
}

function setXmm(cpu: Cpu, register: number, ...doubles: number[]): void {
  doubles.forEach((value, lane) => {
    cpu.state.view.setFloat64(XMM + 16 * register + 8 * lane, value, true);
  });
}

const double = (cpu: Cpu, register: number, lane = 0): number =>
  cpu.state.view.getFloat64(XMM + 16 * register + 8 * lane, true);

const start = BigInt(CODE);

describe('16-byte memory operands', () => {
  const aligned: Record<string, number[]> = {
    'movaps xmm1, [rdi]': [0x0f, 0x28, 0x0f],
    'movaps [rdi], xmm1': [0x0f, 0x29, 0x0f],
    'movapd xmm1, [rdi]': [0x66, 0x0f, 0x28, 0x0f],
    'movdqa xmm1, [rdi]': [0x66, 0x0f, 0x6f, 0x0f],
    'movdqa [rdi], xmm1': [0x66, 0x0f, 0x7f, 0x0f],
    'movntps [rdi], xmm1': [0x0f, 0x2b, 0x0f],
    'movntdq [rdi], xmm1': [0x66, 0x0f, 0xe7, 0x0f],
    'addps xmm1, [rdi]': [0x0f, 0x58, 0x0f],
    'sqrtpd xmm1, [rdi]': [0x66, 0x0f, 0x51, 0x0f],
    'paddb xmm1, [rdi]': [0x66, 0x0f, 0xfc, 0x0f],
    'pshufd xmm1, [rdi], 0': [0x66, 0x0f, 0x70, 0x0f, 0],
    'cvtps2dq xmm1, [rdi]': [0x66, 0x0f, 0x5b, 0x0f],
  };
  for (const [text, code] of Object.entries(aligned)) {
    it(`${text} raises #GP(0) when misaligned, and nothing else happens`, () => {
      for (const offset of [1, 4, 8, 15]) {
        const cpu = processor(code);
        cpu.state.setGpr(RDI, BigInt(DATA + offset));
        setXmm(cpu, 1, 1.5, 2.5);
        expect(firstException(cpu)).toEqual({ vector: 13, errorCode: 0, rip: start });
        expect([double(cpu, 1), double(cpu, 1, 1)]).toEqual([1.5, 2.5]);
        expect(cpu.guestRam.subarray(DATA, DATA + 32).every((byte) => byte === 0)).toBe(true);
      }
      expect(firstException(processor(code))).toBeUndefined();
    });
  }

  const unaligned: Record<string, number[]> = {
    'movups xmm1, [rdi]': [0x0f, 0x10, 0x0f],
    'movups [rdi], xmm1': [0x0f, 0x11, 0x0f],
    'movupd xmm1, [rdi]': [0x66, 0x0f, 0x10, 0x0f],
    'movdqu xmm1, [rdi]': [0xf3, 0x0f, 0x6f, 0x0f],
    'movdqu [rdi], xmm1': [0xf3, 0x0f, 0x7f, 0x0f],
    'addsd xmm1, [rdi]': [0xf2, 0x0f, 0x58, 0x0f],
    'movhps xmm1, [rdi]': [0x0f, 0x16, 0x0f],
  };
  for (const [text, code] of Object.entries(unaligned)) {
    it(`${text} takes any address, across a page too`, () => {
      for (const offset of [1, 0xff9]) {
        const cpu = processor(code);
        cpu.state.setGpr(RDI, BigInt(DATA + offset));
        expect(firstException(cpu)).toBeUndefined();
      }
    });
  }

  it("the seed's bootstrap: an entry with a stack off by 8 spills xmm0 with movaps and gets #GP(0)", () => {
    const cpu = processor([0x0f, 0x29, 0x44, 0x24, 0xf0]);
    cpu.state.setGpr(4, BigInt(DATA + 0x100 - 8));
    expect(firstException(cpu)).toEqual({ vector: 13, errorCode: 0, rip: start });
  });
});

describe('when SSE may execute', () => {
  const addps = [0x0f, 0x58, 0xc1];
  const sfence = [0x0f, 0xae, 0xf8];
  const prefetch = [0x0f, 0x18, 0x0f];
  const movnti = [0x0f, 0xc3, 0x07];
  const EM = 1n << 2n;
  const TS = 1n << 3n;
  const OSFXSR = 1n << 9n;

  function withControl(code: readonly number[], change: (cpu: Cpu) => void) {
    const cpu = processor(code);
    change(cpu);
    cpu.system.refresh();
    return firstException(cpu);
  }

  it('CR0.EM makes it undefined, before CR0.TS is looked at', () => {
    expect(withControl(addps, ({ state }) => state.set64('cr0', state.get64('cr0') | EM | TS))?.vector).toBe(6);
  });
  it('CR0.TS makes it not available', () => {
    expect(withControl(addps, ({ state }) => state.set64('cr0', state.get64('cr0') | TS))?.vector).toBe(7);
  });
  it('without CR4.OSFXSR it is undefined', () => {
    expect(withControl(addps, ({ state }) => state.set64('cr4', state.get64('cr4') & ~OSFXSR))?.vector).toBe(6);
  });
  it('fences, prefetches and MOVNTI need none of it', () => {
    for (const code of [sfence, prefetch, movnti]) {
      const off = withControl(code, ({ state }) => {
        state.set64('cr0', state.get64('cr0') | EM | TS);
        state.set64('cr4', state.get64('cr4') & ~OSFXSR);
      });
      expect(off).toBeUndefined();
    }
  });
});

describe('MXCSR', () => {
  const ldmxcsr = [0x0f, 0xae, 0x17];
  const stmxcsr = [0x0f, 0xae, 0x1f];
  const divsd = [0xf2, 0x0f, 0x5e, 0xc1];
  const cvtsd2si = [0xf2, 0x48, 0x0f, 0x2d, 0xc0];
  const OSXMMEXCPT = 1n << 10n;

  it('is loaded and stored, and refuses bits that do not exist', () => {
    const cpu = processor([...ldmxcsr, ...stmxcsr]);
    cpu.state.view.setUint32(cpu.state.ramAddress + DATA, 0xffff, true);
    expect(firstException(cpu)).toBeUndefined();
    expect(cpu.state.get('mxcsr')).toBe(0xffff);
    const refused = processor(ldmxcsr);
    refused.state.view.setUint32(refused.state.ramAddress + DATA, 0x11f80, true);
    expect(firstException(refused)).toEqual({ vector: 13, errorCode: 0, rip: start });
    expect(refused.state.get('mxcsr')).toBe(0x1f80);
  });

  it('collects the flags of masked exceptions', () => {
    const cpu = processor(divsd);
    setXmm(cpu, 0, 1);
    setXmm(cpu, 1, 0);
    expect(firstException(cpu)).toBeUndefined();
    expect(double(cpu, 0)).toBe(Number.POSITIVE_INFINITY);
    expect(cpu.state.get('mxcsr')).toBe(0x1f84);
  });

  it('an unmasked exception raises #XM with its flag set and no result', () => {
    const cpu = processor(divsd);
    setXmm(cpu, 0, 1);
    setXmm(cpu, 1, 0);
    cpu.state.set('mxcsr', 0x1d80);
    cpu.state.set64('cr4', cpu.state.get64('cr4') | OSXMMEXCPT);
    cpu.system.refresh();
    expect(firstException(cpu)).toEqual({ vector: 19, rip: start });
    expect(double(cpu, 0)).toBe(1);
    expect(cpu.state.get('mxcsr')).toBe(0x1d84);
  });

  it('or #UD while CR4.OSXMMEXCPT is clear', () => {
    const cpu = processor(divsd);
    setXmm(cpu, 0, 1);
    setXmm(cpu, 1, 0);
    cpu.state.set('mxcsr', 0x1d80);
    cpu.state.set64('cr4', cpu.state.get64('cr4') & ~OSXMMEXCPT);
    cpu.system.refresh();
    expect(firstException(cpu)).toEqual({ vector: 6, rip: start });
  });

  it('chooses how results are rounded', () => {
    const rounded = [0x1f80, 0x3f80, 0x5f80, 0x7f80].map((mxcsr) => {
      const cpu = processor(cvtsd2si);
      setXmm(cpu, 0, -2.5);
      cpu.state.set('mxcsr', mxcsr);
      expect(firstException(cpu)).toBeUndefined();
      return Number(BigInt.asIntN(64, cpu.state.gpr(RAX)));
    });
    expect(rounded).toEqual([-2, -3, -2, -2]);
    const third = [0x1f80, 0x3f80, 0x5f80, 0x7f80].map((mxcsr) => {
      const cpu = processor(divsd);
      setXmm(cpu, 0, 1);
      setXmm(cpu, 1, 3);
      cpu.state.set('mxcsr', mxcsr);
      cpu.run(cpu.instructionCount + 20);
      return double(cpu, 0) > 1 / 3;
    });
    expect(third).toEqual([false, false, true, false]);
  });
});

describe('a loop of scalar doubles', () => {
  // l: addsd xmm0, xmm1; mulsd xmm1, xmm2; dec ecx; jnz l
  const code = [0xf2, 0x0f, 0x58, 0xc1, 0xf2, 0x0f, 0x59, 0xca, 0xff, 0xc9, 0x75, 0xf4];

  it('gives what the host language gives, and is counted to the instruction', () => {
    const cpu = processor(code);
    cpu.state.setGpr(1, 1000n);
    setXmm(cpu, 0, 0);
    setXmm(cpu, 1, 1);
    setXmm(cpu, 2, 0.999);
    expect(cpu.run(1e6).reason).toBe('halt');
    let [sum, term] = [0, 1];
    for (let i = 0; i < 1000; i++) {
      sum += term;
      term *= 0.999;
    }
    expect([double(cpu, 0), double(cpu, 1)]).toEqual([sum, term]);
    expect(cpu.instructionCount).toBe(4001);
    expect(cpu.state.get('mxcsr')).toBe(0x1fa0);
  });
});
