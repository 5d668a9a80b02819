import { Decoder, DecoderOptions, Formatter, FormatterSyntax, OpKind, Register } from 'iced-x86';
import { describe, expect, it } from 'vitest';
import { CodeBuffer, EncodingError, encode, type Mode } from '../../../src/compiler/x64/encode.ts';
import { encodingRows } from '../../../src/compiler/x64/encodings.ts';
import { sseRows } from '../../../src/compiler/x64/encodings-sse.ts';
import type { MemoryOperand, Operand, Width } from '../../../src/compiler/x64/operands.ts';

const formatter = new Formatter(FormatterSyntax.Intel);

/** Iced's reading of the bytes: one line of Intel syntax, which must use every byte. */
function decode(bytes: readonly number[], mode: Mode): string {
  const decoder = new Decoder(mode, Uint8Array.from(bytes), DecoderOptions.None);
  const instruction = decoder.decode();
  const text = formatter.format(instruction);
  expect(instruction.length, text).toBe(bytes.length);
  instruction.free();
  decoder.free();
  return text;
}

function code(mnemonic: string, operands: Operand[], mode: Mode = 64, prefixes: string[] = []): number[] {
  const buffer = new CodeBuffer();
  encode(buffer, mnemonic, operands, mode, prefixes);
  return buffer.bytes;
}

const names: Record<Width, string[]> = {
  8: 'al cl dl bl spl bpl sil dil r8b r9b r10b r11b r12b r13b r14b r15b'.split(' '),
  16: 'ax cx dx bx sp bp si di r8w r9w r10w r11w r12w r13w r14w r15w'.split(' '),
  32: 'eax ecx edx ebx esp ebp esi edi r8d r9d r10d r11d r12d r13d r14d r15d'.split(' '),
  64: 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' '),
};
const reg = (register: number, width: Width): Operand => ({ kind: 'register', register, width });
const sizeNames = { 0: '', 8: 'byte ptr ', 16: 'word ptr ', 32: 'dword ptr ', 64: 'qword ptr ' };

const addresses: [Partial<MemoryOperand>, string][] = [
  [{ base: 0 }, '[rax]'],
  [{ base: 4 }, '[rsp]'],
  [{ base: 5 }, '[rbp]'],
  [{ base: 12 }, '[r12]'],
  [{ base: 13 }, '[r13]'],
  [{ base: 5, displacement: -8 }, '[rbp-8]'],
  [{ base: 13, displacement: 0x80 }, '[r13+80h]'],
  [{ base: 3, index: 9, scale: 8 }, '[rbx+r9*8]'],
  [{ base: 13, index: 13, scale: 4, displacement: 127 }, '[r13+r13*4+7Fh]'],
  [{ index: 1, scale: 2, displacement: 0x1000 }, '[rcx*2+1000h]'],
  [{ displacement: 0x28, segment: 'gs' }, 'gs:[28h]'],
];

describe('encoder', () => {
  it.each([8, 16, 32, 64] as const)('encodes every register pair of %d bits as iced reads it', (width) => {
    for (let left = 0; left < 16; left++) {
      for (let right = 0; right < 16; right++) {
        const text = decode(code('add', [reg(left, width), reg(right, width)]), 64);
        expect(text).toBe(`add ${names[width][left]},${names[width][right]}`);
      }
    }
  });

  it.each(addresses)('encodes address %j', (parts, text) => {
    for (const width of [8, 16, 32, 64] as const) {
      const memory: Operand = { kind: 'memory', width, displacement: 0, ...parts };
      expect(decode(code('mov', [reg(10, width), memory]), 64)).toBe(`mov ${names[width][10]},${text}`);
      expect(decode(code('neg', [memory]), 64)).toBe(`neg ${sizeNames[width]}${text}`);
    }
  });

  const immediates: [bigint, Width, number][] = [
    [127n, 64, 4],
    [-128n, 64, 4],
    [128n, 64, 7],
    [0xffffffffn, 32, 3],
    [0xfff0n, 16, 4],
    [0xffffffffffffffffn, 64, 4],
  ];
  it.each(immediates)('takes the shortest form for add of immediate %d at width %d', (value, width, length) => {
    expect(code('add', [reg(3, width), { kind: 'immediate', value }])).toHaveLength(length);
  });

  it('refuses an immediate that would change when sign-extended', () => {
    expect(() => code('add', [reg(3, 64), { kind: 'immediate', value: 0x80000000n }])).toThrow(EncodingError);
  });

  it('refuses 64-bit registers in 32-bit mode and high bytes beside REX', () => {
    expect(() => code('mov', [reg(0, 64), reg(1, 64)], 32)).toThrow(EncodingError);
    expect(() => code('mov', [{ kind: 'register', register: 0, width: 8, high: true }, reg(9, 8)])).toThrow(
      EncodingError,
    );
  });
});

/** Operands for one pattern of the table: something legal, away from the special encodings. */
function sampleOperand(pattern: string, width: Width, mode: Mode): Operand {
  const general = mode === 64 ? 9 : 3;
  if (pattern === 'r') return reg(general, width);
  if (pattern === 'rm') return { kind: 'memory', width, base: 6, displacement: 16 };
  if (pattern === 'acc') return reg(0, width);
  if (/^r\d/.test(pattern)) return reg(pattern === 'r8' ? 3 : general, Number(pattern.slice(1)) as Width);
  if (/^rm\d/.test(pattern)) {
    return { kind: 'memory', width: Number(pattern.slice(2)) as Width, base: 6, displacement: 16 };
  }
  if (pattern === 'm') return { kind: 'memory', width: 0, base: 6, displacement: 16 };
  if (pattern === 'al') return reg(0, 8);
  if (pattern === 'cl') return reg(1, 8);
  if (pattern === 'dx') return reg(2, 16);
  if (pattern === 'sreg') return { kind: 'segment', register: 5 };
  if (pattern === 'creg') return { kind: 'control', register: 4 };
  if (pattern === 'x') return { kind: 'xmm', register: 9 };
  if (pattern === 'xr') return { kind: 'xmm', register: 10 };
  if (pattern === 'xm') return { kind: 'memory', width: 0, base: 6, displacement: 16 };
  if (pattern === 'dreg') return { kind: 'debug', register: 7 };
  if (pattern === 'rel8' || pattern === 'rel32')
    return { kind: 'target', label: 'x', ...(pattern === 'rel32' ? { symbol: true as const } : {}) };
  if (pattern === 'far') return { kind: 'far', selector: 8, offset: { kind: 'immediate', value: 0x1234n } };
  const value = {
    one: 1n,
    i8: 5n,
    u8: 5n,
    u16: 5n,
    i16: 0x1234n,
    iz: 0x1234n,
    i32: 0x12345678n,
    i64: 0x123456789abcdef0n,
  }[pattern];
  return { kind: 'immediate', value: value! };
}

/** Mnemonics that iced prints under another name. */
const otherNames: Record<string, string> = {
  sal: 'shl',
  movabs: 'mov',
  jmpf: 'jmp',
  callf: 'call',
  pushf: 'pushfq',
  popf: 'popfq',
  iret: 'iretd',
  int3: 'int3',

  retf: 'ret',
  retfq: 'data64',
  sysretq: 'sysretq',
  popfd: 'popfd',
  pushfd: 'pushfd',
  fxsave64: 'fxsave64',
};
const conditionAliases: Record<string, string> = {
  c: 'b',
  nae: 'b',
  nb: 'ae',
  nc: 'ae',
  z: 'e',
  nz: 'ne',
  na: 'be',
  nbe: 'a',
  pe: 'p',
  po: 'np',
  nge: 'l',
  nl: 'ge',
  ng: 'le',
  nle: 'g',
};

function expectedName(mnemonic: string, mode: Mode, isSseComparison: boolean): string {
  const match = /^(j|set|cmov)(\w+)$/.exec(mnemonic);
  // SSE comparisons are named by their predicate, which is 5 in these samples.
  if (isSseComparison) return mnemonic.replace('cmp', 'cmpnlt');
  if (match && conditionAliases[match[2]!] && !mnemonic.startsWith('jmp'))
    return match[1]! + conditionAliases[match[2]!];
  if (mode === 32 && (mnemonic === 'pushf' || mnemonic === 'popf')) return `${mnemonic}d`;
  return otherNames[mnemonic] ?? mnemonic;
}

describe('encoding table', () => {
  for (const row of encodingRows) {
    it(`iced reads '${row}' as the same instruction`, () => {
      const [left, right] = row.split(' | ') as [string, string];
      const [mnemonic, list = ''] = left.split(' ') as [string, string?];
      const mode: Mode = right.includes('no64') ? 32 : 64;
      const patterns = list === '' ? [] : list.split(',');
      const variable = patterns.some((pattern) => pattern === 'r' || pattern === 'rm' || pattern === 'acc');
      for (const width of variable ? ([16, 32, 64] as const) : ([32] as const)) {
        if (width === 64 && (mode === 32 || mnemonic === 'in' || mnemonic === 'out')) continue;
        const operands = patterns.map((pattern) => sampleOperand(pattern, width, mode));
        const bytes = code(mnemonic, operands, mode);
        const text = decode(bytes, mode);
        expect(text.split(' ')[0]).toBe(
          expectedName(mnemonic, mode, mnemonic.startsWith('cmp') && patterns[0] === 'x'),
        );
        checkOperands(bytes, mode, operands, text);
      }
    });
  }
  for (const row of sseRows) {
    const [mnemonic, list] = row.split(' | ')[0]!.split(' ') as [string, string];
    const patterns = list.split(',');
    if (!patterns.includes('xm')) continue;
    it(`iced reads '${row}' between registers`, () => {
      const operands = patterns.map((pattern): Operand => {
        return pattern === 'xm' ? { kind: 'xmm', register: 10 } : sampleOperand(pattern, 32, 64);
      });
      expect(decode(code(mnemonic, operands), 64)).toContain('xmm10');
    });
  }
});

function checkOperands(bytes: readonly number[], mode: Mode, operands: readonly Operand[], text: string): void {
  for (const operand of operands) {
    if (operand.kind === 'register' && operand.width !== 8) {
      const name = names[operand.width][operand.register]!;
      if (!/^(xchg|in|out|mov [c-g]s)/.test(text)) expect(text).toContain(name);
    }
    if (operand.kind === 'xmm') expect(text).toContain(`xmm${operand.register}`);
    if (operand.kind === 'memory') expect(text).toMatch(/\[[re]si\+10h\]/);
  }
  const decoder = new Decoder(mode, Uint8Array.from(bytes), DecoderOptions.None);
  const instruction = decoder.decode();
  for (let index = 0; index < instruction.opCount; index++) {
    if (instruction.opKind(index) === OpKind.Memory) expect(instruction.memoryBase).not.toBe(Register.None);
  }
  instruction.free();
  decoder.free();
}
