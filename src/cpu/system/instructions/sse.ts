/** SSE instructions in TypeScript: floating point wherever the guards of semantics/sse-guards.ts turn it away, and masked moves. */

import { GuestException } from '../../bus.ts';
import type { Operand } from '../../decode/forms.ts';
import type { Instruction } from '../../decode/instruction.ts';
import { operandRegister, operandWidth } from '../../decode/operands.ts';
import { type ExactInstruction, exactInstructions } from '../../floating-point/instructions.ts';
import { FloatStatus } from '../../floating-point/mxcsr.ts';
import { XMM } from '../../layout.ts';
import type { CpuState } from '../../state.ts';
import { readMmx, requireMmx, takeStack, writeMmx } from '../../x87/mmx.ts';
import { Cr4 } from '../control-bits.ts';
import { generalProtection, undefinedOpcode } from '../faults.ts';
import { linearAddress, operandAddress, readData, readRegister, writeData, writeRegister } from '../operands.ts';
import { Access } from '../page-walk.ts';
import type { InstructionFunction, SystemUnit } from '../system-unit.ts';
import { Vector } from '../vectors.ts';

const RDI = 7;

function readXmm(state: CpuState, register: number): bigint {
  const index = (XMM >> 3) + 2 * register;
  return state.u64[index]! | (state.u64[index + 1]! << 64n);
}

function writeXmm(state: CpuState, register: number, value: bigint): void {
  const index = (XMM >> 3) + 2 * register;
  state.u64[index] = BigInt.asUintN(64, value);
  state.u64[index + 1] = value >> 64n;
}

function readMemory(system: SystemUnit, instruction: Instruction, bits: number): bigint {
  const address = operandAddress(system, instruction, bits / 8, false);
  if (bits < 128) return readData(system, address, bits === 64 ? 8 : 4);
  if ((address & 15n) !== 0n) throw generalProtection();
  const low = readData(system, address, 8);
  return low | (readData(system, address + 8n, 8) << 64n);
}

/** A register of either file, all of it, or memory of the operand's width. */
function readOperand(system: SystemUnit, instruction: Instruction, operand: Operand): bigint {
  const bits = operandWidth(operand, instruction);
  const register = operandRegister(operand, instruction);
  if (register === undefined) return readMemory(system, instruction, bits);
  if (register.file === 'xmm') return readXmm(system.state, register.number);
  if (register.file === 'mmx') return readMmx(system.state, register.number);
  return readRegister(system.state, register.number, bits);
}

/** @returns the width of the operand in an integer register or memory, when the instruction converts from or to one */
function integerWidth(instruction: Instruction, operands: readonly Operand[]): number | undefined {
  const integer = operands.find(({ method }) => method === 'E' || method === 'G');
  return integer && operandWidth(integer, instruction);
}

/** Sets the flags; an unmasked one stops the instruction: #XM, or #UD if the system has not said that it handles #XM. */
function settleExceptions(state: CpuState, status: FloatStatus): void {
  state.set('mxcsr', state.get('mxcsr') | status.reported);
  if (status.unmasked === 0) return;
  if ((state.get64('cr4') & BigInt(Cr4.OSXMMEXCPT)) === 0n) throw undefinedOpcode();
  throw new GuestException(Vector.SIMD_FLOATING_POINT);
}

function executeExactly(system: SystemUnit, instruction: Instruction, operate: ExactInstruction): void {
  const { state } = system;
  const { operands, mnemonic, feature } = instruction.description;
  const [destination, source] = operands as [Operand, Operand];
  const width = integerWidth(instruction, operands);
  const status = new FloatStatus(state.get('mxcsr'));
  const sourceValue = readOperand(system, instruction, source);
  const target = operandRegister(destination, instruction)!;
  const before = target.file === 'xmm' ? readXmm(state, target.number) : 0n;
  const result = operate(status, before, sourceValue, width ?? instruction.immediate & 0xff);
  settleExceptions(state, status);
  if (mnemonic.includes('COMIS')) state.setStatusFlags(Number(result));
  else if (target.file === 'xmm') writeXmm(state, target.number, result);
  else if (target.file === 'mmx') writeMmx(state, target.number, result);
  else writeRegister(state, target.number, width!, result);
  if (feature === 'mmx') takeStack(state);
}

/**
 * MASKMOVDQU and MASKMOVQ: store the bytes whose mask byte has its top bit set. Whatever the mask, all of them must be writable:
 * the manual leaves that to the processor, and this is what processors do.
 */
function storeMasked(system: SystemUnit, instruction: Instruction, count: 16 | 8, bytes: bigint, mask: bigint): void {
  const { state, memory } = system;
  const offset = BigInt.asUintN(instruction.addressSize, state.gpr(RDI));
  const address = linearAddress(state, instruction.segment, offset, count, true);
  memory.check(address, count, system.dataAccess | Access.WRITE);
  for (let i = 0n; i < count; i++) {
    if ((mask >> (8n * i + 7n)) & 1n) writeData(system, address + i, 1, (bytes >> (8n * i)) & 0xffn);
  }
}

function maskMove(system: SystemUnit, instruction: Instruction): void {
  const { state } = system;
  storeMasked(system, instruction, 16, readXmm(state, instruction.reg), readXmm(state, instruction.rm));
}

function maskMoveMmx(system: SystemUnit, instruction: Instruction): void {
  const { state } = system;
  requireMmx(system);
  storeMasked(system, instruction, 8, readMmx(state, instruction.reg & 7), readMmx(state, instruction.rm & 7));
  takeStack(state);
}

export const sseInstructions: ReadonlyMap<string, InstructionFunction> = new Map<string, InstructionFunction>([
  ...[...exactInstructions].map(([mnemonic, operate]): [string, InstructionFunction] => [
    mnemonic,
    (system, instruction) => executeExactly(system, instruction, operate),
  ]),
  ['MASKMOVDQU', maskMove],
  ['MASKMOVQ', maskMoveMmx],
]);
