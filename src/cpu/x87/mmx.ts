/** The MMX registers: the significands of R0 to R7, whatever the top of the stack (SDM vol. 3A chapter 12). */

import { X87_REGISTERS } from '../layout.ts';
import type { CpuState } from '../state.ts';
import { Cr0 } from '../system/control-bits.ts';
import { undefinedOpcode } from '../system/faults.ts';
import type { SystemUnit } from '../system/system-unit.ts';
import { checkPending, requireX87 } from './control.ts';
import { X87 } from './unit.ts';

/** @throws GuestException #UD by CR0.EM, #NM by CR0.TS, #MF when an unmasked x87 exception is pending */
export function requireMmx(system: SystemUnit): void {
  if ((system.state.get('cr0') & Cr0.EM) !== 0) throw undefinedOpcode();
  requireX87(system);
  checkPending(system);
}

/** @param register 0 to 7 */
export function readMmx(state: CpuState, register: number): bigint {
  return state.u64[(X87_REGISTERS >> 3) + 2 * register]!;
}

/** Sign and exponent become ones. @param register 0 to 7 @param value its low 64 bits count */
export function writeMmx(state: CpuState, register: number, value: bigint): void {
  const index = (X87_REGISTERS >> 3) + 2 * register;
  state.u64[index] = value;
  state.u64[index + 1] = 0xffffn;
}

/** What every MMX instruction but EMMS leaves behind: no register empty, the top of the stack at R0. */
export function takeStack(state: CpuState): void {
  const x87 = new X87(state);
  x87.top = 0;
  x87.tags = 0xff;
}
