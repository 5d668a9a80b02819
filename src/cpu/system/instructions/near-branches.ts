/**
 * Near branches outside 64-bit mode whose target, known from the instruction, lies beyond the limit of CS: they fault if they are
 * taken (SDM vol. 2A, Jcc). All others are in semantics/control.ts.
 */

import type { Instruction } from '../../decode/instruction.ts';
import { conditionHolds } from '../../flags.ts';
import type { CpuState } from '../../state.ts';
import { generalProtection } from '../faults.ts';
import { readRegister, writeRegister } from '../operands.ts';
import type { InstructionFunction, SystemUnit } from '../system-unit.ts';

const RCX = 1;
const [EQUAL, NOT_EQUAL] = [4, 5];

/** @returns whether the branch at RIP, whose target the instruction tells, leaves CS's limit when it is taken */
export function leavesSegment({ rip, cs, mode64 }: CpuState, instruction: Instruction): boolean {
  if (mode64 || !instruction.description.operands.some(({ method }) => method === 'J')) return false;
  const target = rip + BigInt(instruction.length + instruction.immediate);
  return BigInt.asUintN(instruction.operandSize === 16 ? 16 : 32, target) > BigInt(cs.limit);
}

const always = (): void => {
  throw generalProtection();
};

function conditional({ state }: SystemUnit, { opcode }: Instruction): void {
  if (conditionHolds(opcode & 15, state.rflags)) throw generalProtection();
}

function ifCounterZero({ state }: SystemUnit, { addressSize }: Instruction): void {
  if (readRegister(state, RCX, addressSize) === 0n) throw generalProtection();
}

const loop =
  (condition: number | undefined): InstructionFunction =>
  ({ state }, { addressSize }) => {
    const count = BigInt.asUintN(addressSize, readRegister(state, RCX, addressSize) - 1n);
    const goesOn = condition === undefined || conditionHolds(condition, state.rflags);
    if (count !== 0n && goesOn) throw generalProtection();
    writeRegister(state, RCX, addressSize, count);
  };

export const nearBranchInstructions: readonly (readonly [string, InstructionFunction])[] = [
  ['JMP_Jb', always],
  ['JMP_Jz', always],
  ['CALL_Jz', always],
  ['Jcc_Jb', conditional],
  ['Jcc_Jz', conditional],
  ['JCXZ_Jb', ifCounterZero],
  ['LOOP_Jb', loop(undefined)],
  ['LOOPE_Jb', loop(EQUAL)],
  ['LOOPNE_Jb', loop(NOT_EQUAL)],
];
