import { x87ControlInstructions } from '../../x87/control.ts';
import { x87Instructions } from '../../x87/instructions.ts';
import type { InstructionFunction } from '../system-unit.ts';
import { controlRegisterInstructions } from './control-registers.ts';
import { descriptorInstructions } from './descriptor-tables.ts';
import { farTransferInstructions } from './far-transfers.ts';
import { flagAndPortInstructions } from './flags-and-ports.ts';
import { nearBranchInstructions } from './near-branches.ts';
import { processorInstructions } from './processor.ts';
import { sseInstructions } from './sse.ts';
import { systemCallInstructions } from './system-calls.ts';

/** Every instruction whose meaning is written in TypeScript, by form name (`MOV_Rn_Cn`) or, for all forms, by mnemonic. */
export const systemInstructions: ReadonlyMap<string, InstructionFunction> = new Map([
  ...controlRegisterInstructions,
  ...descriptorInstructions,
  ...farTransferInstructions,
  ...flagAndPortInstructions,
  ...nearBranchInstructions,
  ...processorInstructions,
  ...sseInstructions,
  ...systemCallInstructions,
  ...x87ControlInstructions,
  ...x87Instructions,
]);
