import type { Operand } from './forms.ts';
import { HIGH_BYTE_REGISTERS, type Instruction, NO_REGISTER } from './instruction.ts';
import { operandRegister, operandWidth, type RegisterOperand } from './operands.ts';

/** Names an address for the reader (`memory_copy+0x10`), or undefined where no symbol stands. */
export type SymbolName = (address: bigint) => string | undefined;

const CONDITIONS = ['o', 'no', 'b', 'ae', 'e', 'ne', 'be', 'a', 's', 'ns', 'p', 'np', 'l', 'ge', 'le', 'g'];

/** Names of the general registers of 64, 32, 16 and 8 bits; AH to BH follow at HIGH_BYTE_REGISTERS. */
const LEGACY = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
const EXTENDED = ['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];
const HIGH_BYTES = ['ah', 'ch', 'dh', 'bh'];
const GENERAL: Readonly<Record<number, readonly string[]>> = {
  64: [...LEGACY.map((name) => `r${name}`), ...EXTENDED],
  32: [...LEGACY.map((name) => `e${name}`), ...EXTENDED.map((name) => `${name}d`)],
  16: [...LEGACY, ...EXTENDED.map((name) => `${name}w`)],
  8: [...'acdb']
    .map((letter) => `${letter}l`)
    .concat(
      'spl',
      'bpl',
      'sil',
      'dil',
      EXTENDED.map((name) => `${name}b`),
    ),
};

const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
const FILE_PREFIXES = { control: 'cr', debug: 'dr', mmx: 'mm', xmm: 'xmm' } as const;

/** Mnemonics that say their operand size, by index of 8, 16, 32, 64 bits. */
const SIZED_MNEMONICS: Readonly<Record<string, readonly string[]>> = {
  CBW: ['', 'cbw', 'cwde', 'cdqe'],
  CWD: ['', 'cwd', 'cdq', 'cqo'],
  PUSHF: ['', 'pushfw', 'pushfd', 'pushfq'],
  POPF: ['', 'popfw', 'popfd', 'popfq'],
  PUSHA: ['', 'pushaw', 'pushad', ''],
  POPA: ['', 'popaw', 'popad', ''],
  IRET: ['', 'iretw', 'iretd', 'iretq'],
  RETF: ['', 'retfw', 'retf', 'retfq'],
  SYSRET: ['', 'sysret', 'sysret', 'sysretq'],
  SYSEXIT: ['', 'sysexit', 'sysexit', 'sysexitq'],
  FXSAVE: ['', 'fxsave', 'fxsave', 'fxsave64'],
  FXRSTOR: ['', 'fxrstor', 'fxrstor', 'fxrstor64'],
};

const FAMILIES: Readonly<Record<string, string>> = { Jcc: 'j', SETcc: 'set', CMOVcc: 'cmov' };
/** The sixteen general registers in encoding order, by their 64-bit names. */
export const GENERAL_REGISTERS: readonly string[] = GENERAL[64]!;

const WIDTH_NAMES: Readonly<Record<number, string>> = {
  8: 'byte ptr ',
  16: 'word ptr ',
  32: 'dword ptr ',
  48: 'fword ptr ',
  64: 'qword ptr ',
  80: 'tbyte ptr ',
  128: 'xmmword ptr ',
};

const sizeIndex = (size: number) => 31 - Math.clz32(size >> 3);

/** The mnemonic in lower case, with condition, operand or address size spelled out: `jne`, `movsq`, `cdqe`, `jrcxz`. */
export function mnemonicText(instruction: Instruction): string {
  const { mnemonic, string } = instruction.description;
  const family = FAMILIES[mnemonic];
  if (family) return family + CONDITIONS[instruction.opcode & 15];
  const sized = SIZED_MNEMONICS[mnemonic]?.[sizeIndex(instruction.operandSize)];
  if (sized) return sized;
  if (mnemonic === 'JCXZ') return ['', 'jcxz', 'jecxz', 'jrcxz'][sizeIndex(instruction.addressSize)]!;
  if (string) {
    const size =
      mnemonic === 'INS' || mnemonic === 'OUTS' ? Math.min(instruction.operandSize, 32) : instruction.operandSize;
    return mnemonic.toLowerCase() + 'bwdq'[sizeIndex(size)];
  }
  return mnemonic.toLowerCase();
}

/** Name of a register operand of the given width in bits. */
export function registerName({ file, number }: RegisterOperand, width: number): string {
  if (file === 'general') {
    if (number >= HIGH_BYTE_REGISTERS) return HIGH_BYTES[number - HIGH_BYTE_REGISTERS]!;
    return GENERAL[width]![number]!;
  }
  if (file === 'segment') return SEGMENTS[number]!;
  if (file === 'x87') return `st(${number})`;
  return FILE_PREFIXES[file] + number;
}

/** Hexadecimal with its sign, as displacements and immediates are written. */
function signed(value: bigint): string {
  return value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

/** A 64-bit value from its two signed halves. */
function combine(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

/** The immediate as the operand size shows it, unsigned. */
export function immediateValue(operand: Operand, instruction: Instruction): bigint {
  const value = combine(instruction.immediate, instruction.immediateHigh);
  return BigInt.asUintN(Math.max(8, operandWidth(operand, instruction)), value);
}

/** Target of a near branch at `address`. */
export function branchTarget(instruction: Instruction, address: bigint): bigint {
  const target = address + BigInt(instruction.length) + combine(instruction.immediate, instruction.immediateHigh);
  return BigInt.asUintN(instruction.codeSize === 64 ? 64 : instruction.operandSize, target);
}

/** Address that a RIP-relative or absolute memory operand names, without its segment's base. */
function staticAddress(instruction: Instruction, address: bigint): bigint {
  const displacement = combine(instruction.displacement, instruction.displacementHigh);
  const base = instruction.ripRelative ? address + BigInt(instruction.length) : 0n;
  return BigInt.asUintN(instruction.addressSize, base + displacement);
}

/** The text between the brackets of a memory operand. */
function addressText(instruction: Instruction, address: bigint, symbol: SymbolName): string {
  const { base, index, addressSize } = instruction;
  if (base === NO_REGISTER && index === NO_REGISTER) {
    const target = staticAddress(instruction, address);
    const text = symbol(target) ?? `0x${target.toString(16)}`;
    return instruction.ripRelative ? `${addressSize === 64 ? 'rip' : 'eip'} -> ${text}` : text;
  }
  const names = GENERAL[addressSize]!;
  const parts = [];
  if (base !== NO_REGISTER) parts.push(names[base]!);
  if (index !== NO_REGISTER)
    parts.push(instruction.scale ? `${names[index]}*${1 << instruction.scale}` : names[index]!);
  const text = parts.join('+');
  const displacement = BigInt(instruction.displacement);
  return displacement === 0n ? text : `${text}${displacement > 0n ? '+' : ''}${signed(displacement)}`;
}

function memoryText(operand: Operand, instruction: Instruction, address: bigint, symbol: SymbolName): string {
  const names = GENERAL[instruction.addressSize]!;
  const width = WIDTH_NAMES[operandWidth(operand, instruction)] ?? '';
  if (operand.method === 'Y') return `${width}es:[${names[7]}]`;
  const segment = instruction.segmentOverridden ? `${SEGMENTS[instruction.segment]}:` : '';
  if (operand.method === 'X') return `${width}${segment || 'ds:'}[${names[6]}]`;
  return `${width}${segment}[${addressText(instruction, address, symbol)}]`;
}

function operandText(operand: Operand, instruction: Instruction, address: bigint, symbol: SymbolName): string {
  const register = operandRegister(operand, instruction);
  if (register) return registerName(register, operandWidth(operand, instruction));
  switch (operand.method) {
    case 'fixed':
      return operand.type;
    case 'I':
      if (operand.type === 'b' && instruction.description.mnemonic === 'ENTER')
        return `0x${instruction.immediate2.toString(16)}`;
      return `0x${immediateValue(operand, instruction).toString(16)}`;
    case 'sI':
      return signed(BigInt(instruction.immediate));
    case 'J': {
      const target = branchTarget(instruction, address);
      return symbol(target) ?? `0x${target.toString(16)}`;
    }
    case 'A':
      return `0x${instruction.immediate2.toString(16)}:0x${(instruction.immediate >>> 0).toString(16)}`;
    default:
      return memoryText(operand, instruction, address, symbol);
  }
}

function prefixText(instruction: Instruction): string {
  const { mnemonic, string, encoding } = instruction.description;
  const lock = instruction.lock ? 'lock ' : '';
  if (!string || instruction.repeat === 0 || encoding.startsWith('F')) return lock;
  if (instruction.repeat === 0xf2) return `${lock}repne `;
  return `${lock}${mnemonic === 'CMPS' || mnemonic === 'SCAS' ? 'repe' : 'rep'} `;
}

/**
 * The instruction in Intel syntax: `lock add qword ptr [rax+rcx*8-0x10], 5`.
 *
 * @param address linear address of its first byte, for branch targets and RIP-relative operands.
 * @param symbol names addresses; without it they are hexadecimal.
 */
export function formatInstruction(
  instruction: Instruction,
  address: bigint,
  symbol: SymbolName = () => undefined,
): string {
  const { operands } = instruction.description;
  const mnemonic = prefixText(instruction) + mnemonicText(instruction);
  if (operands.length === 0) return mnemonic;
  return `${mnemonic} ${operands.map((operand) => operandText(operand, instruction, address, symbol)).join(', ')}`;
}
