/** The state after RESET and INIT-free power-up (SDM vol. 3A table 9-1). */

import { MxcsrReset } from '../floating-point/mxcsr.ts';
import { CS, FIELDS, type FieldName, GPR, LDTR, MTRRS, PDPTES, TR, X87_REGISTERS, XMM } from '../layout.ts';
import type { CpuState, Segment } from '../state.ts';
import { Cr0 } from './control-bits.ts';
import { PROCESSOR_SIGNATURE } from './cpuid.ts';
import { Dr6, Dr7 } from './debug-registers.ts';
import { Attributes, SystemType } from './descriptors.ts';
import { DEFAULT_PAT, MISC_ENABLE_RESET, MTRR_COUNT } from './model-specific-registers.ts';

const DATA = Attributes.PRESENT | Attributes.CODE_OR_DATA | Attributes.WRITABLE | Attributes.ACCESSED;
const CODE = DATA | Attributes.CODE;
const REAL_MODE_LIMIT = 0xffff;
const RDX = 2;

/** Fields that a reset does not clear: they belong to the engine. */
const ENGINE_FIELDS: readonly FieldName[] = [
  'fetchContext',
  'userFetchContext',
  'supervisorFetchContext',
  'tlbRead',
  'tlbWrite',
  'mode',
  'ramAddress',
  'stringLimit',
  'memoryBytes',
  'watchedPages',
  'spansUsed',
];

/** Registers as after a hardware reset. The caller recomputes what is derived from them. */
export function resetState(state: CpuState): void {
  for (const name of Object.keys(FIELDS) as FieldName[]) {
    if (ENGINE_FIELDS.includes(name)) continue;
    if (FIELDS[name].width === 8) state.set64(name, 0n);
    else state.set(name, 0);
  }
  state.u8.fill(0, GPR, GPR + 16 * 8);
  state.u8.fill(0, XMM, XMM + 16 * 16);
  state.u8.fill(0, X87_REGISTERS, X87_REGISTERS + 8 * 16);
  state.u8.fill(0, PDPTES, PDPTES + 4 * 8);
  state.u8.fill(0, MTRRS, MTRRS + MTRR_COUNT * 8);
  state.setGpr(RDX, BigInt(PROCESSOR_SIGNATURE));
  state.rip = 0xfff0n;
  state.set64('cr0', BigInt(Cr0.ET | Cr0.NW | Cr0.CD));
  state.set64('dr6', Dr6.FIXED);
  state.set64('dr7', Dr7.FIXED);
  state.set('gdtrLimit', REAL_MODE_LIMIT);
  state.set('idtrLimit', REAL_MODE_LIMIT);
  state.set('mxcsr', MxcsrReset);
  state.set('x87Control', 0x40);
  state.set64('pat', DEFAULT_PAT);
  state.set64('miscEnable', MISC_ENABLE_RESET);
  resetSegments(state);
  state.rflags = 0;
}

function resetSegments(state: CpuState): void {
  for (const segment of state.segments) fill(segment, 0, DATA, 0n);
  fill(state.segments[CS] as Segment, 0xf000, CODE, 0xffff_0000n);
  fill(state.segments[LDTR] as Segment, 0, Attributes.PRESENT | SystemType.LDT, 0n);
  fill(state.segments[TR] as Segment, 0, Attributes.PRESENT | SystemType.BUSY_TSS, 0n);
}

function fill(segment: Segment, selector: number, attributes: number, base: bigint): void {
  segment.selector = selector;
  segment.attributes = attributes;
  segment.base = base;
  segment.limit = REAL_MODE_LIMIT;
}
