import { describe, expect, it } from 'vitest';
import { CODE, DATA, longModeCpu } from './long-mode.ts';

const HLT = 0xf4;

describe('straight-line code and loops', () => {
  it('executes a counted loop and counts every instruction', () => {
    // mov ecx, 1000; xor eax, eax; l: add eax, ecx; dec ecx; jnz l; hlt
    const cpu = longModeCpu([0xb9, 0xe8, 3, 0, 0, 0x31, 0xc0, 0x01, 0xc8, 0xff, 0xc9, 0x75, 0xfa, HLT]);
    expect(cpu.run(1e6).reason).toBe('halt');
    expect(cpu.state.gpr(0)).toBe(500500n);
    expect(cpu.instructionCount).toBe(2 + 3000 + 1);
  });

  it('stops after exactly as many instructions as asked, wherever that is', () => {
    const code = [0xb9, 0xe8, 3, 0, 0, 0x31, 0xc0, 0x01, 0xc8, 0xff, 0xc9, 0x75, 0xfa, HLT];
    for (let count = 0; count < 40; count++) {
      const whole = longModeCpu(code);
      const stepped = longModeCpu(code);
      expect(whole.run(count)).toEqual({ reason: 'budget' });
      for (let i = 0; i < count; i++) stepped.step();
      expect(whole.instructionCount).toBe(count);
      expect([whole.state.rip, whole.state.gpr(0), whole.state.gpr(1), whole.state.rflags]).toEqual([
        stepped.state.rip,
        stepped.state.gpr(0),
        stepped.state.gpr(1),
        stepped.state.rflags,
      ]);
    }
  });

  it('calls, returns, pushes and pops', () => {
    // call f; hlt; f: push rbx; mov ebx, 7; lea eax, [rbx+rbx*2]; pop rbx; ret
    const cpu = longModeCpu([0xe8, 1, 0, 0, 0, HLT, 0x53, 0xbb, 7, 0, 0, 0, 0x8d, 0x04, 0x5b, 0x5b, 0xc3]);
    const stack = cpu.state.gpr(4);
    expect(cpu.run(100).reason).toBe('halt');
    expect(cpu.state.gpr(0)).toBe(21n);
    expect(cpu.state.gpr(4)).toBe(stack);
  });

  it('reads and writes memory in every size, across pages too', () => {
    // mov rdi, DATA+0xffd; mov rax, 0x1122334455667788; mov [rdi], rax; movzx ecx, word [rdi+2]; add dword [rdi], 1; hlt
    const cpu = longModeCpu([
      ...[0x48, 0xc7, 0xc7, 0xfd, 0x0f, 0x20, 0],
      ...[0x48, 0xb8, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11],
      ...[0x48, 0x89, 0x07, 0x0f, 0xb7, 0x4f, 2, 0x83, 0x07, 1, HLT],
    ]);
    expect(cpu.run(100).reason).toBe('halt');
    expect(cpu.state.gpr(1)).toBe(0x5566n);
    const bytes = cpu.guestRam.subarray(DATA + 0xffd, DATA + 0x1005);
    expect([...bytes]).toEqual([0x89, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]);
  });

  it('shuts down when an exception cannot be delivered', () => {
    const cpu = longModeCpu([0x0f, 0x0b]);
    expect(cpu.run(100).reason).toBe('shutdown');
    expect(cpu.state.rip).toBe(BigInt(CODE));
  });
});
