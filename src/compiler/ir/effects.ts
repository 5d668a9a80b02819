import type { Instruction } from './module.ts';

/** Operations on registers alone. */
const registerOps = new Set<string>(
  (
    'const copy neg not byteSwap bitScanForward bitScanReverse add sub mul and or xor shl shr sar rotl ' +
    'mulHighUnsigned mulHighSigned divUnsigned divSigned remUnsigned remSigned zeroExtend signExtend truncate ' +
    'compare select addressOf bind'
  ).split(' '),
);

/** Whether the instruction may be dropped when nothing reads its result. */
export function isRemovable(instruction: Instruction): boolean {
  return registerOps.has(instruction.op) || (instruction.op === 'load' && !instruction.volatile);
}
