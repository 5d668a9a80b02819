import { Decoder } from '../cpu/decode/decoder.ts';
import { formatInstruction, type SymbolName } from '../cpu/decode/format.ts';
import { type CodeSize, Instruction } from '../cpu/decode/instruction.ts';
import { MODE } from '../cpu/layout.ts';
import type { CpuState } from '../cpu/state.ts';
import type { MemoryReader } from './value-printer.ts';

export interface DisassembledInstruction {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly mnemonic: string;
}

const longestInstruction = 15;
const decoder = new Decoder();
const instruction = new Instruction();

/** The size of code that the processor decodes now: 16, 32 or 64. */
export function codeSizeOf(state: CpuState): CodeSize {
  const mode = state.get('mode');
  if (mode & MODE.code64) return 64;
  return mode & MODE.code32 ? 32 : 16;
}

/** The bytes from `address` on, up to `length`, cut where memory ends. */
function readAsFarAsMapped(read: MemoryReader, address: bigint, length: number): Uint8Array {
  const whole = read(address, length);
  if (whole !== undefined) return whole;
  const toPageEnd = 4096 - Number(address & 0xfffn);
  return (toPageEnd < length ? read(address, toPageEnd) : undefined) ?? new Uint8Array(0);
}

/** Disassembles one instruction; bytes that are none come back as `(bad)` of length 1, unmapped memory as undefined. */
export function disassemble(
  read: MemoryReader,
  address: bigint,
  codeSize: CodeSize,
  symbol: SymbolName,
): DisassembledInstruction | undefined {
  const available = readAsFarAsMapped(read, address, longestInstruction);
  if (available.length === 0) return undefined;
  const padded = new Uint8Array(longestInstruction * 2);
  padded.set(available);
  const length = decoder.decode(padded, 0, available.length, codeSize, instruction);
  if (length <= 0) return { address, bytes: available.slice(0, 1), text: '(bad)', mnemonic: '(bad)' };
  return {
    address,
    bytes: available.slice(0, length),
    text: formatInstruction(instruction, address, symbol),
    mnemonic: instruction.description.mnemonic,
  };
}
