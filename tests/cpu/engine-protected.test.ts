import { describe, expect, it } from 'vitest';
import { Cpu } from '../../src/cpu/cpu.ts';
import { ENGINE } from '../engine.ts';
import { emptyBus } from './long-mode.ts';

const HLT = 0xf4;

/** A processor in flat 32-bit protected mode without paging, as boot protocols hand over, but with the given limits. */
function protectedCpu(code: readonly number[], { codeLimit = 0xffffffff, dataLimit = 0xffffffff } = {}): Cpu {
  const cpu = new Cpu({ ...ENGINE, memoryBytes: 1 << 20, bus: emptyBus });
  const { state } = cpu;
  state.set64('cr0', 0x11n);
  state.set64('cr4', 0x200n);
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
  cpu.onEvent = ({ vector, rip, errorCode }) => {
    if (first === undefined && (vector === 12 || vector === 13)) expect(errorCode).toBe(0);
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

const [CX, SP, SI, DI] = [1, 4, 6, 7];
const [ES, DS] = [0, 3];
const START = 0x1000n;
const FAULT = { vector: 13, rip: START };
const STACK_FAULT = { vector: 12, rip: START };
/** Types of segments, 32-bit, present. */
const Type = {
  READ_ONLY: 0xc091,
  WRITABLE: 0xc093,
  DOWN: 0xc097,
  DOWN_16: 0x0097,
  EXECUTE_ONLY: 0xc099,
  NULL: 0x1_0000,
} as const;

/** A processor that is to execute the bytes and HLT with EDI at an offset in DS and ES, whose base is 0x10000. */
function segmented(code: readonly number[], offset: number, limit: number, attributes: number = Type.WRITABLE): Cpu {
  const cpu = protectedCpu([...code, HLT]);
  for (const index of [ES, DS]) Object.assign(cpu.state.segments[index]!, { base: 0x10000n, limit, attributes });
  cpu.state.setGpr(DI, BigInt(offset));
  cpu.state.setGpr(CX, 1n);
  return cpu;
}

describe('a data segment', () => {
  const accesses: Record<string, readonly [bytes: number, ...code: number[]]> = {
    'mov al, [edi]': [1, 0x8a, 0x07],
    'mov ax, [edi]': [2, 0x66, 0x8b, 0x07],
    'mov eax, [edi]': [4, 0x8b, 0x07],
    'mov [edi], eax': [4, 0x89, 0x07],
    'add [edi], eax': [4, 0x01, 0x07],
    'movq mm0, [edi]': [8, 0x0f, 0x6f, 0x07],
    'cmpxchg8b [edi]': [8, 0x0f, 0xc7, 0x0f],
    'movdqu [edi], xmm0': [16, 0xf3, 0x0f, 0x7f, 0x07],
    'fldenv [edi]': [28, 0xd9, 0x27],
    'bound eax, [edi]': [8, 0x62, 0x07],
    stosd: [4, 0xab],
    'rep stosd': [4, 0xf3, 0xab],
    scasw: [2, 0x66, 0xaf],
    'bts [edi], eax': [4, 0x0f, 0xab, 0x07],
  };
  for (const [text, [bytes, ...code]] of Object.entries(accesses)) {
    it(`has its limit checked for every byte of ${text}`, () => {
      expect(firstException(segmented(code, 0x7000, 0x7000 + bytes - 2))).toEqual(FAULT);
      expect(firstException(segmented(code, 0x7000, 0x7000 + bytes - 1))).toBeUndefined();
    });
  }

  it('that expands down has only offsets beyond its limit, up to 64 KiB or 4 GiB', () => {
    const load = [0x8b, 0x07];
    expect(firstException(segmented(load, 0x7000, 0x7000, Type.DOWN))).toEqual(FAULT);
    expect(firstException(segmented(load, 0x7001, 0x7000, Type.DOWN))).toBeUndefined();
    expect(firstException(segmented(load, 0xfffd, 0x7000, Type.DOWN))).toBeUndefined();
    expect(firstException(segmented(load, 0xfffd, 0x7000, Type.DOWN_16))).toEqual(FAULT);
    expect(firstException(segmented(load, 0xfffc, 0x7000, Type.DOWN_16))).toBeUndefined();
  });

  const reads = { 'mov eax, [edi]': [0x8b, 0x07], 'cmp [edi], eax': [0x39, 0x07], lodsd: [0xad], scasd: [0xaf] };
  const writes = { 'mov [edi], eax': [0x89, 0x07], 'add [edi], eax': [0x01, 0x07], stosd: [0xab], movsd: [0xa5] };
  for (const [text, code] of Object.entries(writes)) {
    it(`refuses ${text} when it is read-only`, () => {
      expect(firstException(segmented(code, 0x7000, 0xffff, Type.READ_ONLY))).toEqual(FAULT);
    });
  }
  for (const [text, code] of Object.entries({ ...reads, ...writes })) {
    it(`refuses ${text} when it is null or execute-only`, () => {
      for (const type of [Type.NULL, Type.EXECUTE_ONLY]) {
        expect(firstException(segmented(code, 0x7000, 0xffff, type))).toEqual(FAULT);
      }
    });
  }
  for (const [text, code] of Object.entries(reads)) {
    it(`allows ${text} when it is read-only`, () => {
      expect(firstException(segmented(code, 0x7000, 0xffff, Type.READ_ONLY))).toBeUndefined();
    });
  }

  it('is not written through CS, whatever its type, and read through CS if that is readable', () => {
    expect(firstException(segmented([0x2e, 0x89, 0x07], 0x7000, 0xffff))).toEqual(FAULT);
    expect(firstException(segmented([0x2e, 0x8b, 0x07], 0x7000, 0xffff))).toBeUndefined();
    const cpu = segmented([0x2e, 0x8b, 0x07], 0x7000, 0xffff);
    cpu.state.cs.attributes = Type.EXECUTE_ONLY;
    expect(firstException(cpu)).toEqual(FAULT);
  });

  it('stops a repeated string instruction at the element that does not fit, with the others done', () => {
    const cpu = segmented([0xf3, 0xa5], 0x7000, 0x7000 + 4 * 100 + 2);
    cpu.state.guestRam.fill(0x55, 0x11000, 0x12000);
    cpu.state.setGpr(SI, 0x1000n);
    cpu.state.setGpr(CX, 200n);
    expect(firstException(cpu)).toEqual(FAULT);
    expect([CX, SI, DI].map((register) => cpu.state.gpr(register))).toEqual([100n, 0x1190n, 0x7190n]);
    expect(cpu.guestRam[0x1718f]).toBe(0x55);
    expect(cpu.guestRam[0x17190]).toBe(0);
  });

  it('wraps offsets of 16 bits within a repeated string instruction', () => {
    const cpu = segmented([0x67, 0xf3, 0xaa], 0xfff0, 0xf_ffff);
    cpu.state.setGpr(0, 0x77n);
    cpu.state.setGpr(CX, 0x20n);
    expect(firstException(cpu)).toBeUndefined();
    expect([cpu.guestRam[0x1ffff], cpu.guestRam[0x20000], cpu.guestRam[0x1000f]]).toEqual([0x77, 0, 0x77]);
  });
});

describe('the stack segment', () => {
  /** A processor with ESP at an offset in SS, whose base is 0x20000. */
  function withStack(code: readonly number[], pointer: number, limit: number, attributes: number = Type.WRITABLE): Cpu {
    const cpu = protectedCpu([...code, HLT]);
    Object.assign(cpu.state.ss, { base: 0x20000n, limit, attributes });
    cpu.state.setGpr(SP, BigInt(pointer));
    cpu.state.setGpr(5, BigInt(pointer));
    cpu.refresh();
    return cpu;
  }

  const pops = {
    'pop eax': [0x58],
    popfd: [0x9d],
    leave: [0xc9],
    'mov eax, [ebp]': [0x8b, 0x45, 0],
    'mov eax, ss:[edi]': [0x36, 0x8b, 0x07],
  };
  for (const [text, code] of Object.entries(pops)) {
    it(`raises #SS for the last byte of ${text} beyond its limit`, () => {
      for (const [limit, expected] of [
        [0x7002, STACK_FAULT],
        [0x7003, undefined],
      ] as const) {
        const cpu = withStack(code, 0x7000, limit);
        cpu.state.setGpr(DI, 0x7000n);
        cpu.guestRam.set([2, 0, 0, 0], 0x27000);
        expect(firstException(cpu)).toEqual(expected);
      }
    });
  }

  const pushes = { 'push eax': [0x50], pushfd: [0x9c], 'call +0': [0xe8, 0, 0, 0, 0], 'enter 0, 0': [0xc8, 0, 0, 0] };
  for (const [text, code] of Object.entries(pushes)) {
    it(`that expands down raises #SS for ${text} at its limit, and ESP stays`, () => {
      const cpu = withStack(code, 0x7004, 0x7000, Type.DOWN);
      expect(firstException(cpu)).toEqual(STACK_FAULT);
      expect(cpu.state.gpr(SP)).toBe(0x7004n);
      expect(firstException(withStack(code, 0x7005, 0x7000, Type.DOWN))).toBeUndefined();
    });
  }

  it('has its base added by PUSHF and POPF', () => {
    const cpu = withStack([0x9c, 0x9d], 0x7004, 0xffff);
    cpu.guestRam.set([0xff], 0x7000);
    expect(firstException(cpu)).toBeUndefined();
    expect([cpu.guestRam[0x7000], cpu.guestRam[0x27000]]).toEqual([0xff, 2]);
  });

  it('of 16 bits does not let a push wrap around its limit', () => {
    expect(firstException(withStack([0x50], 2, 0xffff, 0x0093))).toEqual(STACK_FAULT);
    expect(firstException(withStack([0x50], 0, 0xffff, 0x0093))).toBeUndefined();
  });
});

describe('the code segment', () => {
  const branches: Record<string, readonly number[]> = {
    'jmp rel8': [0xeb, 0x7e],
    'jmp rel32': [0xe9, 0x7b, 0, 0, 0],
    'call rel32': [0xe8, 0x7b, 0, 0, 0],
    'jz rel8': [0x74, 0x7e],
    'jz rel32': [0x0f, 0x84, 0x7a, 0, 0, 0],
    'loop rel8': [0xe2, 0x7e],
    'jecxz rel8': [0xe3, 0x7e],
    'jmp eax': [0xff, 0xe0],
    'call eax': [0xff, 0xd0],
    ret: [0xc3],
  };
  /** ZF set, EAX and the top of the stack at 0x1080, where NOP and HLT are. */
  function branching(code: readonly number[], codeLimit: number): Cpu {
    const cpu = protectedCpu([...code, HLT], { codeLimit });
    cpu.guestRam.set([0x90, HLT], 0x1080);
    cpu.guestRam.set([0x80, 0x10, 0, 0], 0x8000);
    cpu.state.setGpr(0, 0x1080n);
    cpu.state.setGpr(CX, code[0] === 0xe3 ? 0n : 2n);
    cpu.state.rflags = 0x42;
    return cpu;
  }

  for (const [text, code] of Object.entries(branches)) {
    it(`has ${text} fault before it leaves the limit, and nothing else happen`, () => {
      const cpu = branching(code, 0x107f);
      const counter = cpu.state.gpr(CX);
      expect(firstException(cpu)).toEqual(FAULT);
      expect([cpu.state.gpr(SP), cpu.state.gpr(CX)]).toEqual([0x8000n, counter]);
      expect(firstException(branching(code, 0x1081))).toBeUndefined();
    });
  }

  it('lets conditional branches beyond its limit fall through', () => {
    // jnz, loop with ECX 1, jecxz with ECX 3 by then, all to beyond the limit
    const cpu = branching([0x75, 0x7e, 0xe2, 0x7e, 0xb1, 3, 0xe3, 0x7e], 0x1010);
    cpu.state.setGpr(CX, 1n);
    expect(firstException(cpu)).toBeUndefined();
    expect(cpu.state.gpr(CX)).toBe(3n);
  });

  it('ends at its limit in the next page too', () => {
    const code = [0xb8, 1, 2, 3, 4, HLT];
    for (const [codeLimit, expected] of [
      [0x2001, { vector: 13, rip: 0x1ffen }],
      [0x2003, undefined],
    ] as const) {
      const cpu = protectedCpu([], { codeLimit });
      cpu.guestRam.set(code, 0x1ffe);
      cpu.state.rip = 0x1ffen;
      expect(firstException(cpu)).toEqual(expected);
    }
  });
});
