import { expect, it } from 'vitest';
import { assemble } from '../../src/compiler/x64/assembler.ts';
import type { Cpu, CpuOptions } from '../../src/cpu/cpu.ts';
import { CODE, DATA, emptyBus, longModeCpu } from './long-mode.ts';

const PAGE = 0x1000;
const KERNEL_STACK = DATA + 0x8000;
const TABLE = DATA + 0x9000;
const GDT = DATA + 0xa000;
const [KERNEL, FIRST_CALL, SECOND_CALL, SHARED, USER] = [1, 2, 3, 4, 5].map((page) => CODE + page * PAGE) as [
  number,
  number,
  number,
  number,
  number,
];
const CALLS = 3;

/**
 * A user program that calls a kernel for ever, which calls one of several functions by a table and returns in one of two ways: each
 * part in a page of its own.
 */
const PARTS: readonly [place: number, text: string][] = [
  [CODE, `mov rcx, ${USER}\n mov r11, 0x2\n sysretq`],
  [
    KERNEL,
    `swapgs
     mov [${DATA}], rsp
     mov rsp, ${KERNEL_STACK}
     push rcx
     push r11
     mov rax, [${TABLE} + rdi * 8]
     call rax
     pop r11
     pop rcx
     test edi, edi
     jne byFrame
     mov rsp, [${DATA}]
     swapgs
     sysretq
     byFrame: or r11d, 0x10000
     push 0x1b
     push qword ptr [${DATA}]
     push r11
     push 0x23
     push rcx
     swapgs
     iretq`,
  ],
  [FIRST_CALL, `mov eax, ${SHARED}\n call rax\n add rax, 5\n ret`],
  [SECOND_CALL, `xor eax, eax\n sub rax, rdi\n adc rbx, 3\n ret`],
  [SHARED, `mov eax, [${DATA} + 8]\n inc dword ptr [${DATA} + 8]\n ret`],
  [
    USER,
    `mov ebp, ${CALLS}
     again: xor edi, edi
     dec ebp
     jne chosen
     mov ebp, ${CALLS}
     inc edi
     chosen: syscall
     add r8, rax
     rol r8, 3
     test r15, r15
     jne never
     jmp again
     never: ud2`,
  ],
];

function machine(options: Pick<CpuOptions, 'engine' | 'translator'>): Cpu {
  const code = new Uint8Array(6 * PAGE);
  for (const [place, text] of PARTS) code.set(assemble(text, 64).bytes, place - CODE);
  const cpu = longModeCpu([...code], emptyBus, 8 << 20, options);
  const { state } = cpu;
  state.set64('star', (0x10n << 48n) | (8n << 32n));
  state.set64('lstar', BigInt(KERNEL));
  state.set64('kernelGsBase', 0x1234n);
  state.set64('sfmask', 0x40400n);
  state.set64('gdtrBase', BigInt(GDT));
  state.set('gdtrLimit', 0x27);
  const words: readonly [place: number, value: bigint][] = [
    [TABLE, BigInt(FIRST_CALL)],
    [TABLE + 8, BigInt(SECOND_CALL)],
    [GDT + 0x18, 0x00cf_f300_0000_ffffn],
    [GDT + 0x20, 0x00af_fb00_0000_ffffn],
  ];
  for (const [place, value] of words) state.view.setBigUint64(state.ramAddress + place, value, true);
  return cpu;
}

function stateOf(cpu: Cpu): unknown {
  const { state } = cpu;
  const registers = Array.from({ length: 16 }, (_, index) => state.gpr(index));
  return [cpu.instructionCount, state.rip, state.rflags, state.cpl, state.cs.selector, state.ss.selector, registers];
}

/** Ways out of regions taken so far. */
const exits = (cpu: Cpu): number =>
  cpu.translator!.exits(Number.POSITIVE_INFINITY).reduce((sum, { count }) => sum + count, 0);

it('grows regions along the calls, returns, system calls and interrupt returns by which they are left, until control stays inside', () => {
  const reference = machine({ engine: 'interpreter' });
  const candidate = machine({ translator: { threshold: 2, batch: 1, review: 2, manyExits: 10 } });
  const step = 99_991;
  for (let until = step; until < 80 * step; until += step) {
    for (const cpu of [reference, candidate]) expect(cpu.run(until).reason).toBe('budget');
    expect(stateOf(candidate)).toEqual(stateOf(reference));
  }
  const before = exits(candidate);
  candidate.run(candidate.instructionCount + 1_000_000);
  expect(exits(candidate) - before).toBeLessThan(100);
});
