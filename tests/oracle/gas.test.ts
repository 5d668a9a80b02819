import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/compiler/x64/assembler.ts';
import { tool } from './tools.ts';

/** What boot code, context switches and system call entries are made of, in syntax that GNU as reads as well. */
const texts: Record<'32' | '64', string> = {
  '64': `
mov [rdi], rsp
mov rsp, [rsi + 8]
push rbx
push r15
pop r12
pushfq
popfq
swapgs
mov gs:[16], rsp
mov rsp, gs:[8]
push qword ptr gs:[16]
sub rsp, 0x78
add rsp, 128
mov qword ptr [rsp + 0x70], -1
mov eax, 0x2b
mov ds, eax
mov es, eax
mov fs, ax
ltr ax
lgdt [rdi]
lidt [rdi + 16]
mov cr3, rdi
mov rax, cr2
mov cr4, rax
mov rcx, cr8
wrmsr
rdmsr
cpuid
rdtsc
xor edx, edx
shr rdx, 32
shl rax, cl
or rax, rdx
test byte ptr [rsp + 0x88], 3
cmp rax, 0x200
movzx ecx, byte ptr [rsi + rcx]
movsx rdx, word ptr [rsi]
lea rdx, [rax + rax*4 + 32]
lock xadd [rdi], eax
lock cmpxchg [rdi], rsi
xchg [rdi], al
bts qword ptr [rdi], 5
bsf rax, rcx
bswap rax
rep movsb
rep stosq
cld
cli
sti
hlt
pause
mfence
fxsave64 [rdi]
fxrstor64 [rsi]
ldmxcsr [rsp]
in al, dx
out dx, eax
in al, 0x60
out 0x43, al
invlpg [rdi]
iretq
sysretq
syscall
movupd xmm2, [rdi + rcx*8]
movapd [rsi], xmm11
movsd xmm0, [rdi + 8]
movsd [rdi + 8], xmm0
addpd xmm0, xmm9
sqrtsd xmm8, xmm1
cmppd xmm1, xmm2, 1
movmskpd eax, xmm1
cvtsi2sd xmm3, rax
cvttsd2si rcx, xmm3
movdqu xmm4, [rsi + rax]
pcmpeqb xmm4, xmm5
pmovmskb edx, xmm4
pshufd xmm6, xmm7, 0x4e
psrldq xmm6, 8
movd xmm1, esi
movq rax, xmm1
movq xmm1, rax
movq xmm1, qword ptr [rdi]
int3
ud2
leave
ret
`,
  '32': `
mov esp, 0x9000
mov eax, cr4
or eax, 0x20
mov cr4, eax
mov cr3, edi
mov ecx, 0xc0000080
rdmsr
wrmsr
lgdt [eax]
mov [edi + ecx*8 + 4], edx
mov dword ptr [edi], 0x83
push ebp
pop esi
rep stosd
bts eax, 31
xor ecx, ecx
cmp ecx, 512
inc ecx
`,
};

const gcc = tool('gcc');
const objdump = tool('objdump');

describe.skipIf(!gcc.present || !objdump.present)(objdump.title(gcc.title("the assembler beside GNU's")), () => {
  it.each(['64', '32'] as const)('%s-bit code means the same to objdump', (bits) => {
    const folder = mkdtempSync(join(tmpdir(), 'verdigris-'));
    try {
      const text = texts[bits];
      const source = join(folder, 'text.s');
      const theirs = join(folder, 'text.o');
      writeFileSync(source, `.intel_syntax noprefix\n${text}`);
      execFileSync('gcc', [`-m${bits}`, '-c', '-o', theirs, source]);
      const ours = join(folder, 'text.bin');
      writeFileSync(ours, assemble(text, Number(bits) as 32 | 64).bytes);
      const raw = ['-D', '-b', 'binary', '-m', bits === '64' ? 'i386:x86-64' : 'i386', ours];
      expect(listing(raw)).toEqual(listing(['-d', theirs]));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** The instructions that objdump prints, without addresses and bytes. */
function listing(args: readonly string[]): string[] {
  const output = execFileSync('objdump', ['-Mintel', '--no-show-raw-insn', ...args], { encoding: 'utf8' });
  return [...output.matchAll(/^\s+[0-9a-f]+:\s+(.*?)\s*$/gm)].map((match) => match[1]!.replace(/\s+/g, ' '));
}
