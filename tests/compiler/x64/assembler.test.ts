import { Decoder, DecoderOptions, Formatter, FormatterSyntax } from 'iced-x86';
import { describe, expect, it } from 'vitest';
import { AssemblyError, assemble, assembleInto } from '../../../src/compiler/x64/assembler.ts';
import { CodeAssembler } from '../../../src/compiler/x64/code.ts';
import type { Mode } from '../../../src/compiler/x64/encode.ts';

const formatter = new Formatter(FormatterSyntax.Intel);
formatter.hexPrefix = '0x';
formatter.hexSuffix = '';
formatter.spaceAfterOperandSeparator = true;

/** The code as iced reads it back, one line an instruction. */
function disassemble(bytes: Uint8Array, mode: Mode, origin = 0n): string[] {
  const decoder = new Decoder(mode, bytes, DecoderOptions.None);
  decoder.ip = origin;
  const lines: string[] = [];
  while (decoder.canDecode) {
    const instruction = decoder.decode();
    lines.push(formatter.format(instruction));
    instruction.free();
  }
  decoder.free();
  return lines;
}

const read = (text: string, mode: Mode = 64): string[] => disassemble(assemble(text, mode).bytes, mode);

describe('assembler, 64-bit mode', () => {
  const lines: [string, string][] = [
    ['mov [rdi + 0x18], rsp', 'mov [rdi+0x18], rsp'],
    ['mov rax, qword ptr gs:[8]', 'mov rax, gs:[8]'],
    ['mov byte ptr [rax + rcx*4 - 1], 0x7f', 'mov byte ptr [rax+rcx*4-1], 0x7F'],
    ['movzx eax, word [rbp - 2]', 'movzx eax, word ptr [rbp-2]'],
    ['movsx rax, ecx', 'movsxd rax, ecx'],
    ['lea r10, [r12 + r13*8 + 0x1000]', 'lea r10, [r12+r13*8+0x1000]'],
    ['mov cr3, rax', 'mov cr3, rax'],
    ['mov rdx, cr2', 'mov rdx, cr2'],
    ['mov ds, ax', 'mov ds, ax'],
    ['ltr ax', 'ltr ax'],
    ['lidt [rdi]', 'lidt [rdi]'],
    ['invlpg [rsi]', 'invlpg [rsi]'],
    ['fxsave64 [rdi]', 'fxsave64 [rdi]'],
    ['fxrstor [rdi]', 'fxrstor [rdi]'],
    ['in al, dx', 'in al, dx'],
    ['out 0x80, al', 'out 0x80, al'],
    ['rep movsq', 'rep movsq [rdi], [rsi]'],
    ['repne scasb', 'repne scasb [rdi]'],
    ['lock cmpxchg [rdi], esi', 'lock cmpxchg [rdi], esi'],
    ['swapgs', 'swapgs'],
    ['iretq', 'iretq'],
    ['sysretq', 'sysretq'],
    ['wrmsr', 'wrmsr'],
    ['push 0', 'push 0'],
    ['pop qword ptr [rsp + 8]', 'pop qword ptr [rsp+8]'],
    ['test [rax], ecx', 'test [rax], ecx'],
    ['test ecx, [rax]', 'test [rax], ecx'],
    ['imul eax, 12', 'imul eax, 0xC'],
    ['shl rax, cl', 'shl rax, cl'],
    ['mov ah, 3', 'mov ah, 3'],
    ['mov rax, 0x123456789abcdef0', 'mov rax, 0x123456789ABCDEF0'],
    ["cmp al, 'A'", 'cmp al, 0x41'],
    ['and eax, ~(1 << 4 | 2)', 'and eax, 0xFFFFFFED'],
    ['jmp far [rax]', 'jmp far fword ptr [rax]'],
    ['int 0x80', 'int 0x80'],
    ['stac ; allow', 'stac'],
    ['movapd xmm12, xmmword ptr [rsi + rcx*8]', 'movapd xmm12, [rsi+rcx*8]'],
    ['movsd [rdi + 8], xmm3', 'movsd [rdi+8], xmm3'],
    ['mulpd xmm0, xmm15', 'mulpd xmm0, xmm15'],
    ['cvtsi2sd xmm1, rax', 'cvtsi2sd xmm1, rax'],
    ['pmovmskb r9d, xmm2', 'pmovmskb r9d, xmm2'],
    ['psrldq xmm9, 4', 'psrldq xmm9, 4'],
    ['movd xmm8, edi', 'movd xmm8, edi'],
    ['mov eax, 8 * (2 + 3) // forty', 'mov eax, 0x28'],
  ];
  it.each(lines)('%s', (text, expected) => {
    expect(read(text)).toEqual([expected]);
  });

  it('settles short and long jumps to labels in both directions', () => {
    const text = `start: jmp end\n.zero 200\nmiddle: jne middle\njmp start\nend: ret`;
    const { bytes, labels } = assemble(text, 64);
    expect(labels.get('end')).toBe(bytes.length - 1);
    expect(disassemble(bytes.slice(0, 5), 64)).toEqual([
      `jmp 0x${(bytes.length - 1).toString(16).toUpperCase().padStart(16, '0')}`,
    ]);
    expect([...bytes.slice(205, 207)]).toEqual([0x75, 0xfe]);
  });

  it('leaves addresses of symbols to the linker', () => {
    const { fixups } = assemble('mov rax, offset kernel + 8\nlea rcx, [table]\ncall handler\n.quad table - 1', 64);
    expect(fixups.map(({ kind, symbol, addend, size }) => [kind, symbol, addend, size])).toEqual([
      ['absoluteSigned', 'kernel', 8n, 4],
      ['relative', 'table', -4n, 4],
      ['relative', 'handler', -4n, 4],
      ['absolute', 'table', -1n, 8],
    ]);
  });

  it('makes addresses of its own labels relative to the code', () => {
    const { fixups } = assemble('nop\nhere: lea rax, [rel here]\n.quad here', 64, 'self');
    expect(fixups.map(({ symbol, addend }) => [symbol, addend])).toEqual([
      ['self', 1n - 4n],
      ['self', 1n],
    ]);
  });

  it('puts operands of the template in their places, at the width asked for', () => {
    const code = new CodeAssembler();
    const operands = new Map([['value', { kind: 'register', register: 9, width: 64 } as const]]);
    assembleInto(code, 'mov {value}, [{value} + 16]\nxor {value.32}, {value.32}', 64, { operands, labelPrefix: '' });
    expect(disassemble(code.finish().bytes, 64)).toEqual(['mov r9, [r9+0x10]', 'xor r9d, r9d']);
  });
});

describe('assembler, 32-bit mode', () => {
  const lines: [string, string][] = [
    ['mov cr0, eax', 'mov cr0, eax'],
    ['lgdt [0x1000]', 'lgdt [0x1000]'],
    ['mov [ebx + ecx*8 + 4], eax', 'mov [ebx+ecx*8+4], eax'],
    ['push ebp', 'push ebp'],
    ['jmp 0x08:0x100000', 'jmp far 0x00100000, 8'],
    ['popfd', 'popfd'],
    ['rep stosd', 'rep stosd [edi]'],
    ['bts eax, 8', 'bts eax, 8'],
  ];
  it.each(lines)('%s', (text, expected) => {
    expect(read(text, 32)).toEqual([expected]);
  });

  it('goes over to 64-bit code where the text says so', () => {
    const { bytes, labels } = assemble('.code32\njmp 0x08:long\n.code64\nlong: mov rax, rsp', 32);
    expect(disassemble(bytes.slice(labels.get('long')), 64)).toEqual(['mov rax, rsp']);
  });

  it('counts physical addresses of high symbols in 32 bits', () => {
    const [fixup] = assemble('mov eax, offset kernel - 0xffffffff80000000', 32).fixups;
    expect(fixup).toMatchObject({ kind: 'absolute', size: 4, addend: -0xffffffff80000000n });
  });
});

describe('assembler errors name the line and the reason', () => {
  const wrong: [string, RegExp][] = [
    ['nop\nfrobnicate rax', /line 2: unknown instruction 'frobnicate'/],
    ['mov [rax], 5', /line 1: no encoding of 'mov'/],
    ['mov rax, [rax + rsp*2]', /rsp cannot be an index/],
    ['mov rax, [rax*3]', /scale 3/],
    ['mov eax, table * 2', /only a constant can be added/],
    ['mov eax, {nothing}', /no operand 'nothing'/],
    ['add eax, 0x1ffffffff', /no encoding/],
    ['here: here: nop', /defined twice/],
  ];
  it.each(wrong)('%s', (text, reason) => {
    expect(() => assemble(text, 64)).toThrow(reason);
    expect(() => assemble(text, 64)).toThrow(AssemblyError);
  });

  it('a jump to nowhere', () => {
    expect(() => assemble('jmp nowhere_near', 64)).not.toThrow();
    expect(() => assemble('top: loop bottom\n.zero 300\nbottom: ret', 64)).toThrow(/cannot reach 'bottom'/);
  });
});
