import * as iced from 'iced-x86';
import { branchTarget, immediateValue, mnemonicText, registerName } from '../../src/cpu/decode/format.ts';
import type { Operand } from '../../src/cpu/decode/forms.ts';
import { type Instruction, NO_REGISTER } from '../../src/cpu/decode/instruction.ts';
import { operandRegister, operandWidth } from '../../src/cpu/decode/operands.ts';

/** Linear address at which both decoders are told the instruction stands. */
export const ADDRESS = 0x1234_5678n;

const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];

/** Extensions of iced's that the opcode table holds; everything else is undefined on our processor. */
const OURS = new Set(
  `INTEL8086 INTEL8086_ONLY INTEL186 INTEL286 INTEL386 INTEL486 X64 CPUID MSR TSC FPU FPU287 FPU387 CMOV MMX SSE SSE2 SSE3 FXSR CX8
   CMPXCHG16B PAUSE CLFSH BMI1 BMI2 ADX LZCNT POPCNT MOVBE SSE4_2 RDTSCP FSGSBASE INVPCID RDPID SMAP MULTIBYTENOP RDPMC SYSCALL SEP
   WBNOINVD`.split(/\s+/),
);

/** Instructions of those extensions that are absent all the same, and why. */
const ABSENT: Readonly<Record<string, string>> = {
  rsm: 'undefined outside system management mode',
  pcmpestri: 'SSE4.2 beyond CRC32',
  pcmpestri64: 'SSE4.2 beyond CRC32',
  pcmpestrm: 'SSE4.2 beyond CRC32',
  pcmpestrm64: 'SSE4.2 beyond CRC32',
  pcmpistri: 'SSE4.2 beyond CRC32',
  pcmpistrm: 'SSE4.2 beyond CRC32',
  pcmpgtq: 'SSE4.2 beyond CRC32',
};

/** In 0F 0D and 0F 18 to 0F 1F, processors without an extension execute its hints as NOP (SDM vol. 2B, NOP). */
const HINTS = new Set(
  `reservednop cldemote prefetch prefetchw prefetchwt1 prefetchreserved_3 prefetchreserved_4 prefetchreserved_5 prefetchreserved_6
   prefetchreserved_7 prefetchit0 prefetchit1 endbr64 endbr32 rdsspd rdsspq`.split(/\s+/),
);

/** Spellings that differ, theirs to ours. */
const SPELLING: Readonly<Record<string, string>> = {
  sal: 'shl',
  xlatb: 'xlat',
  wait: 'fwait',
  pushf: 'pushfw',
  popf: 'popfw',
  iret: 'iretw',
  pusha: 'pushaw',
  popa: 'popaw',
  wbnoinvd: 'wbinvd',
};

/** Our spellings that add what iced leaves out. */
const OUR_SPELLING: Readonly<Record<string, string>> = {
  callf: 'call',
  jmpf: 'jmp',
  retfw: 'retf',
  retfq: 'retf',
};

/** Names of the low words of the wider general registers. */
const WORD_NAMES: Readonly<Record<string, string>> = Object.fromEntries(
  [32, 64].flatMap((width) =>
    Array.from({ length: 16 }, (_, number) =>
      [width, 16].map((bits) => registerName({ file: 'general', number }, bits)),
    ),
  ),
);

const nameOf = (names: object, value: number) => String((names as Record<number, unknown>)[value]).toLowerCase();
const hexadecimal = (value: bigint) => value.toString(16);

/** In 64-bit mode only FS and GS have a base; iced reports the other overrides, we report the default segment. */
function segmentText(name: string, codeSize: number): string {
  return codeSize === 64 && name !== 'fs' && name !== 'gs' ? 'flat' : name;
}

function memoryText(width: number, segment: string, address: string): string {
  return `${width} ${segment}:[${address}]`;
}

function addressText(base: string, index: string, scale: number, displacement: bigint): string {
  return `${base}+${index}*${scale}+${hexadecimal(displacement)}`;
}

/** Widths of iced's immediate kinds, the extension counted. */
function immediateBits(kind: string): number {
  return Number(/(\d+)(?:_2nd)?$/.exec(kind)![1]);
}

/** One operand of an instruction that iced decoded. `addressSize` is the one we decoded: displacements are compared modulo it. */
function theirOperand(instruction: iced.Instruction, number: number, codeSize: number, addressSize: number): string {
  const kind = iced.OpKind[instruction.opKind(number)]!;
  if (kind === 'Register') {
    return nameOf(iced.Register, instruction.opRegister(number))
      .replace(/^st(\d)$/, 'st($1)')
      .replace(/^(r\d+)l$/, '$1b');
  }
  if (kind.startsWith('NearBranch')) return `-> ${hexadecimal(instruction.nearBranchTarget)}`;
  if (kind === 'FarBranch16') return `${instruction.farBranchSelector}:${instruction.farBranch16}`;
  if (kind === 'FarBranch32') return `${instruction.farBranchSelector}:${instruction.farBranch32}`;
  if (kind.startsWith('Immediate')) {
    return hexadecimal(BigInt.asUintN(immediateBits(kind), BigInt(instruction.immediate(number))));
  }
  const width = iced.MemorySizeExt.size(instruction.memorySize) * 8;
  const segment = segmentText(nameOf(iced.Register, instruction.memorySegment), codeSize);
  if (kind.startsWith('MemorySeg')) return memoryText(width, segment, kind.slice('MemorySeg'.length).toLowerCase());
  if (kind.startsWith('MemoryES')) {
    return memoryText(width, segmentText('es', codeSize), kind.slice('MemoryES'.length).toLowerCase());
  }
  const base = nameOf(iced.Register, instruction.memoryBase);
  const index = nameOf(iced.Register, instruction.memoryIndex);
  return memoryText(
    width,
    segment,
    addressText(
      base === 'rip' || base === 'eip' ? 'none' : base,
      index,
      index === 'none' ? 1 : instruction.memoryIndexScale,
      BigInt.asUintN(addressSize, instruction.memoryDisplacement),
    ),
  );
}

/** What iced decoded as `mnemonic operands length`, in our spelling; `undefined` when our processor must raise #UD. */
export function describeTheirs(instruction: iced.Instruction, codeSize: number, ours: Instruction): string {
  if (instruction.code === iced.Code.INVALID) return 'undefined';
  const mnemonic = nameOf(iced.Mnemonic, instruction.mnemonic);
  if (HINTS.has(mnemonic)) return `nop ${instruction.length}`;
  const features = [...instruction.cpuidFeatures()].map((feature) => String(iced.CpuidFeature[feature]));
  // Outside 64-bit mode Intel's processors do not know them (SDM vol. 2B, SYSCALL), though AMD's do.
  if (codeSize !== 64 && (mnemonic === 'syscall' || mnemonic === 'sysret')) return 'undefined';
  if (mnemonic in ABSENT || !features.every((feature) => OURS.has(feature))) return 'undefined';
  // Processors take F3 90 with REX.B as XCHG with R8, not as PAUSE.
  if (mnemonic === 'pause' && (ours.rex & 1) !== 0) return describeOurs(ours);
  let operands = Array.from({ length: instruction.opCount }, (_, number) =>
    theirOperand(instruction, number, codeSize, ours.addressSize),
  );
  if (mnemonic === 'xlatb') operands = [];
  // The destination of MASKMOV is written as an operand by iced, not by the manual.
  if (mnemonic.startsWith('maskmov')) operands = operands.slice(1);
  // The manual writes FCOM and its kin with one operand.
  if (/^fu?comp?$/.test(mnemonic) && operands.length === 2) operands = operands.slice(1);
  // ARPL, VERR and their kin only ever use 16 bits; iced shows the register as wide as the operand size.
  if (/^(arpl|verr|verw|lldt|ltr|lmsw)$/.test(mnemonic)) operands = operands.map((text) => WORD_NAMES[text] ?? text);
  if (mnemonic === 'nop' && operands.length > 0) operands = [];
  return [SPELLING[mnemonic] ?? mnemonic, ...operands, instruction.length].join(' ');
}

function ourOperand(operand: Operand, instruction: Instruction): string {
  const register = operandRegister(operand, instruction);
  const width = operandWidth(operand, instruction);
  if (register) return registerName(register, width);
  const { codeSize, addressSize } = instruction;
  const registerText = (number: number) =>
    number === NO_REGISTER ? 'none' : registerName({ file: 'general', number }, addressSize);
  const segment = segmentText(SEGMENTS[instruction.segment]!, codeSize);
  switch (operand.method) {
    case 'fixed':
      return operand.type;
    case 'I':
    case 'sI':
      if (operand.text === 'Ib' && instruction.description.mnemonic === 'ENTER')
        return hexadecimal(BigInt(instruction.immediate2));
      return hexadecimal(immediateValue(operand, instruction));
    case 'J':
      return `-> ${hexadecimal(branchTarget(instruction, ADDRESS))}`;
    case 'A':
      return `${instruction.immediate2}:${instruction.immediate >>> 0}`;
    case 'X':
      return memoryText(width, segment, registerText(6));
    case 'Y':
      return memoryText(width, segmentText('es', codeSize), registerText(7));
    default: {
      const start = instruction.ripRelative ? ADDRESS + BigInt(instruction.length) : 0n;
      const displacement =
        start + (BigInt(instruction.displacementHigh) << 32n) + BigInt(instruction.displacement >>> 0);
      return memoryText(
        width,
        segment,
        addressText(
          registerText(instruction.base),
          registerText(instruction.index),
          1 << instruction.scale,
          BigInt.asUintN(addressSize, displacement),
        ),
      );
    }
  }
}

/** What we decoded, in the same words. */
export function describeOurs(instruction: Instruction): string {
  const { operands } = instruction.description;
  const mnemonic = mnemonicText(instruction);
  const texts = mnemonic === 'nop' ? [] : operands.map((operand) => ourOperand(operand, instruction));
  return [OUR_SPELLING[mnemonic] ?? mnemonic, ...texts, instruction.length].join(' ');
}
