import { describe, expect, it } from 'vitest';
import { STRING_LIMIT } from '../../src/cpu/layout.ts';
import { CODE, DATA, longModeCpu } from './long-mode.ts';

const HLT = 0xf4;
/** mov ecx, 3; mov edi, DATA; l: mov [rdi], ecx; add rdi, 4; dec ecx; jnz l; hlt */
const LOOP = [0xb9, 3, 0, 0, 0, 0xbf, 0, 0, 0x20, 0, 0x89, 0x0f, 0x48, 0x83, 0xc7, 4, 0xff, 0xc9, 0x75, 0xf6, HLT];
const BODY = BigInt(CODE + 10);

describe('breakpoints', () => {
  it('stop before the instruction, each time it is reached, and not when a run starts there', () => {
    const cpu = longModeCpu(LOOP);
    cpu.addBreakpoint(BODY);
    for (const remaining of [3n, 2n, 1n]) {
      expect(cpu.run(1e6)).toEqual({ reason: 'breakpoint', address: BODY });
      expect(cpu.state.rip).toBe(BODY);
      expect(cpu.state.gpr(1)).toBe(remaining);
    }
    expect(cpu.run(1e6).reason).toBe('halt');
  });

  it('are found when a budget ended right before them', () => {
    const cpu = longModeCpu(LOOP);
    cpu.addBreakpoint(BODY);
    expect(cpu.run(2)).toEqual({ reason: 'budget' });
    expect(cpu.run(1e6)).toEqual({ reason: 'breakpoint', address: BODY });
    expect(cpu.instructionCount).toBe(2);
  });

  it('are stepped over, and forgotten when removed', () => {
    const cpu = longModeCpu(LOOP);
    cpu.addBreakpoint(BODY);
    cpu.run(1e6);
    expect(cpu.step()).toEqual({ reason: 'budget' });
    expect(cpu.state.rip).toBe(BODY + 2n);
    cpu.removeBreakpoint(BODY);
    expect(cpu.run(1e6).reason).toBe('halt');
  });

  it('do not change the count', () => {
    const plain = longModeCpu(LOOP);
    const stopped = longModeCpu(LOOP);
    plain.run(1e6);
    stopped.addBreakpoint(BODY);
    while (stopped.run(1e6).reason !== 'halt');
    expect(stopped.instructionCount).toBe(plain.instructionCount);
  });
});

describe('watchpoints', () => {
  it('stop behind the instruction that wrote, for writes to these bytes only', () => {
    const cpu = longModeCpu(LOOP);
    cpu.addWatchpoint(BigInt(DATA + 4), 4);
    expect(cpu.run(1e6)).toEqual({ reason: 'watchpoint', address: BigInt(DATA + 4) });
    expect(cpu.state.rip).toBe(BODY + 2n);
    expect(cpu.state.gpr(1)).toBe(2n);
    expect(cpu.run(1e6).reason).toBe('halt');
  });
});

describe('observers', () => {
  it('hear of every store after its instruction', () => {
    const cpu = longModeCpu(LOOP);
    const stores: [bigint, number][] = [];
    cpu.onStore = (linear, size) => stores.push([linear, size]);
    for (let i = 0; i < 7; i++) cpu.step();
    expect(stores).toEqual([
      [BigInt(DATA), 4],
      [BigInt(DATA + 4), 4],
    ]);
    cpu.onStore = undefined;
    expect(cpu.run(1e6).reason).toBe('halt');
    expect(stores.length).toBe(2);
  });

  it('hear of exceptions', () => {
    const cpu = longModeCpu([0x0f, 0x0b]);
    const events: unknown[] = [];
    cpu.onEvent = (event) => events.push(event);
    cpu.run(10);
    expect(events[0]).toEqual({ kind: 'exception', vector: 6, rip: BigInt(CODE) });
  });
});

describe('self-modifying code', () => {
  it('executes what was just written, in the same run and in a page written over and over', () => {
    // mov ecx, 100; xor eax, eax; l: inc byte [rip+x] (the immediate below); add eax, imm8; dec ecx; jnz l; hlt
    const code = [0xb9, 100, 0, 0, 0, 0x31, 0xc0, 0xfe, 0x05, 2, 0, 0, 0, 0x83, 0xc0, 0, 0xff, 0xc9, 0x75, 0xf3, HLT];
    const cpu = longModeCpu(code);
    expect(cpu.run(1e6).reason).toBe('halt');
    expect(cpu.state.gpr(0)).toBe(5050n);
  });

  it('takes as long the two hundred thousandth time as the first', { timeout: 20_000 }, () => {
    const count = [0x40, 0x0d, 3, 0];
    const code = [0xb9, ...count, 0x31, 0xc0, 0xfe, 0x05, 2, 0, 0, 0, 0x83, 0xc0, 0, 0xff, 0xc9, 0x75, 0xf3, HLT];
    const cpu = longModeCpu(code);
    expect(cpu.run(1e6).reason).toBe('halt');
    expect(cpu.state.gpr(0)).toBe(0xfffe81a0n);
  });

  it('takes code that a loader changed once it is told', () => {
    const cpu = longModeCpu([0xb8, 1, 0, 0, 0, HLT]);
    cpu.run(10);
    cpu.guestRam[CODE + 1] = 2;
    cpu.invalidateCode(CODE + 1, 1);
    cpu.state.rip = BigInt(CODE);
    cpu.state.set('halted', 0);
    cpu.run(20);
    expect(cpu.state.gpr(0)).toBe(2n);
  });
});

describe('repeated string instructions', () => {
  it('move, fill and repeat overlapping bytes as a loop would', () => {
    // mov esi, DATA; mov edi, DATA+1; mov ecx, 5000; rep movsb; hlt
    const code = [0xbe, 0, 0, 0x20, 0, 0xbf, 1, 0, 0x20, 0, 0xb9, 0x88, 0x13, 0, 0, 0xf3, 0xa4, HLT];
    const cpu = longModeCpu(code);
    cpu.guestRam[DATA] = 0x5a;
    expect(cpu.run(1e6).reason).toBe('halt');
    expect(cpu.guestRam.subarray(DATA, DATA + 5001).every((byte) => byte === 0x5a)).toBe(true);
    expect(cpu.guestRam[DATA + 5001]).toBe(0);
    expect(cpu.instructionCount).toBe(5);
    expect([cpu.state.gpr(1), cpu.state.gpr(6), cpu.state.gpr(7)]).toEqual([
      0n,
      BigInt(DATA + 5000),
      BigInt(DATA + 5001),
    ]);
  });

  it('count once and for their pauses, and go downward', () => {
    // std; mov edi, DATA+0x3ffff8; mov ecx, 0x40000; mov rax, -1; rep stosq; hlt
    const code = [
      ...[0xfd, 0xbf, 0xf8, 0xff, 0x5f, 0, 0xb9, 0, 0, 4, 0],
      ...[0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff, 0xf3, 0x48, 0xab, HLT],
    ];
    const cpu = longModeCpu(code);
    expect(cpu.run(1e6).reason).toBe('halt');
    expect(cpu.instructionCount).toBe(6 + 3 * STRING_LIMIT);
    expect(cpu.state.gpr(7)).toBe(BigInt(DATA + 0x3ffff8 - 8 * 0x40000));
    expect(cpu.guestRam[DATA + 0x200000]).toBe(0xff);
  });
});
