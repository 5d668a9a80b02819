import { describe, expect, it } from 'vitest';
import { Decoder } from '../../src/cpu/decode/decoder.ts';
import { formatInstruction } from '../../src/cpu/decode/format.ts';
import { type CodeSize, Instruction } from '../../src/cpu/decode/instruction.ts';

const decoder = new Decoder();
const instruction = new Instruction();
const ADDRESS = 0x401000n;

/** The text of the instruction at ADDRESS whose bytes are given in hexadecimal. */
function format(
  hexadecimal: string,
  codeSize: CodeSize = 64,
  symbol?: (address: bigint) => string | undefined,
): string {
  const bytes = Uint8Array.from(hexadecimal.match(/../g)!, (pair) => Number.parseInt(pair, 16));
  expect(decoder.decode(bytes, 0, bytes.length, codeSize, instruction)).toBe(bytes.length);
  return formatInstruction(instruction, ADDRESS, symbol);
}

describe('disassembly', () => {
  it.each([
    ['4801d8', 'add rax, rbx'],
    ['f0488344c8f005', 'lock add qword ptr [rax+rcx*8-0x10], 0x5'],
    ['4883c0ff', 'add rax, -0x1'],
    ['8a25f0ffffff', 'mov ah, byte ptr [rip -> 0x400ff6]'],
    ['408ae5', 'mov spl, bpl'],
    ['65488b042528000000', 'mov rax, qword ptr gs:[0x28]'],
    ['7502', 'jne 0x401004'],
    ['e8fbffffff', 'call 0x401000'],
    ['f348ab', 'rep stosq qword ptr es:[rdi], rax'],
    ['f2ae', 'repne scasb al, byte ptr es:[rdi]'],
    ['f3a6', 'repe cmpsb byte ptr ds:[rsi], byte ptr es:[rdi]'],
    ['4898', 'cdqe'],
    ['48cf', 'iretq'],
    ['e300', 'jrcxz 0x401002'],
    ['67e300', 'jecxz 0x401003'],
    ['90', 'nop'],
    ['f390', 'pause'],
    ['0f1f440000', 'nop dword ptr [rax+rax]'],
    ['660f6fc1', 'movdqa xmm0, xmm1'],
    ['f20f1005f8ffffff', 'movsd xmm0, qword ptr [rip -> 0x401000]'],
    ['c8100001', 'enter 0x10, 0x1'],
    ['d9c1', 'fld st(1)'],
    ['0f22d8', 'mov cr3, rax'],
    ['c4e278f2c3', 'andn eax, eax, ebx'],
  ])('%s is %s', (bytes, text) => {
    expect(format(bytes)).toBe(text);
  });

  it('follows the code size', () => {
    expect(format('50', 32)).toBe('push eax');
    expect(format('8b4508', 32)).toBe('mov eax, dword ptr [ebp+0x8]');
    expect(format('8b4002', 16)).toBe('mov ax, word ptr [bx+si+0x2]');
    expect(format('ea785634120800', 32)).toBe('jmpf 0x8:0x12345678');
  });

  it('names branch targets and addresses by symbols', () => {
    const symbol = (address: bigint) =>
      address === 0x401004n ? 'loop_head' : address === 0x400ff6n ? 'table+0x6' : undefined;
    expect(format('7502', 64, symbol)).toBe('jne loop_head');
    expect(format('8a25f0ffffff', 64, symbol)).toBe('mov ah, byte ptr [rip -> table+0x6]');
  });
});
