import type { Operand } from './forms.ts';
import { byteRegister, type Instruction } from './instruction.ts';

/** Widths in bits of the operand types that have only one. */
const WIDTHS: Readonly<Record<string, number>> = {
  '': 0,
  b: 8,
  w: 16,
  d: 32,
  q: 64,
  dq: 128,
  ps: 128,
  pd: 128,
  ss: 32,
  sd: 64,
  fs: 32,
  fd: 64,
  ft: 80,
  dt: 80,
  fx: 512 * 8,
  AL: 8,
  CL: 8,
  DX: 16,
  AX: 16,
  ST0: 80,
};

/**
 * Width of an operand in bits as this instruction has it: of what is accessed when it is in memory, else of the register's part or
 * the immediate after extension. 0 for memory that is only addressed.
 */
export function operandWidth(
  { method, type }: Operand,
  instruction: Pick<Instruction, 'operandSize' | 'memory' | 'codeSize'>,
): number {
  const size = instruction.operandSize;
  const y = size === 64 ? 64 : 32;
  switch (type) {
    case 'v':
    case 'rAX':
      return size;
    case 'z':
    case 'eAX':
      return method === 'I' ? size : Math.min(size, 32);
    case 'y':
      return y;
    case 'vw':
      return instruction.memory ? 16 : size;
    case 'yw':
      return instruction.memory ? 16 : y;
    case 'n':
      return instruction.codeSize === 64 ? 64 : 32;
    case 'p':
      return 16 + size;
    case 'a':
      return 2 * size;
    case 's':
      return instruction.codeSize === 64 ? 80 : 48;
    case 'fe':
      return (size === 16 ? 14 : 28) * 8;
    case 'fn':
      return (size === 16 ? 94 : 108) * 8;
    default:
      if (method === 'sI') return size;
      return WIDTHS[type] ?? 16;
  }
}

/** Which of the processor's register files a register operand is in. */
export type RegisterFile = 'general' | 'segment' | 'control' | 'debug' | 'mmx' | 'xmm' | 'x87';

/** A register operand: its file, and its number there; byte registers are numbered as `byteRegister` does. */
export interface RegisterOperand {
  readonly file: RegisterFile;
  readonly number: number;
}

const FIXED_REGISTERS: Readonly<Record<string, RegisterOperand>> = {
  AL: { file: 'general', number: 0 },
  AX: { file: 'general', number: 0 },
  rAX: { file: 'general', number: 0 },
  eAX: { file: 'general', number: 0 },
  CL: { file: 'general', number: 1 },
  DX: { file: 'general', number: 2 },
  ES: { file: 'segment', number: 0 },
  CS: { file: 'segment', number: 1 },
  SS: { file: 'segment', number: 2 },
  DS: { file: 'segment', number: 3 },
  FS: { file: 'segment', number: 4 },
  GS: { file: 'segment', number: 5 },
  ST0: { file: 'x87', number: 0 },
};

/** The register an operand names in this instruction; undefined when the operand is memory or an immediate. */
export function operandRegister(operand: Operand, instruction: Instruction): RegisterOperand | undefined {
  const general = (number: number): RegisterOperand => ({
    file: 'general',
    number: operand.type === 'b' ? byteRegister(number, instruction.rex) : number,
  });
  switch (operand.method) {
    case 'fixed':
      return FIXED_REGISTERS[operand.type];
    case 'G':
      return general(instruction.reg);
    case 'E':
      return instruction.memory ? undefined : general(instruction.rm);
    case 'R':
    case 'Z':
      return general(instruction.rm);
    case 'B':
      return general(instruction.vvvv);
    case 'S':
      return { file: 'segment', number: instruction.reg & 7 };
    case 'C':
      return { file: 'control', number: instruction.reg };
    case 'D':
      return { file: 'debug', number: instruction.reg };
    case 'V':
      return { file: 'xmm', number: instruction.reg };
    case 'U':
      return { file: 'xmm', number: instruction.rm };
    case 'W':
      return instruction.memory ? undefined : { file: 'xmm', number: instruction.rm };
    case 'P':
      return { file: 'mmx', number: instruction.reg & 7 };
    case 'N':
      return { file: 'mmx', number: instruction.rm & 7 };
    case 'Q':
      return instruction.memory ? undefined : { file: 'mmx', number: instruction.rm & 7 };
    case 'STi':
      return { file: 'x87', number: instruction.rm & 7 };
    default:
      return undefined;
  }
}
