/**
 * System instructions that kernels execute by the million (SDM vol. 2). Each leaves whatever is rare or needs the driver (a fault, a
 * change of IF or TF) to its TypeScript function in ../system/instructions.
 */

import { FLAG, STATUS_FLAGS, SYSTEM_FLAGS } from '../flags.ts';
import { type FieldName, GS, MODE } from '../layout.ts';
import { type Context, i32, i64, type Semantics } from './context.ts';
import type { I32 } from './nodes.ts';

function privilege(c: Context): I32 {
  return i32.and(c.field('mode'), i32.const(MODE.cplMask));
}

/** CPL is not above IOPL. */
function ioPrivileged(c: Context): I32 {
  const level = i32.and(i32.shr_u(c.field('systemFlags'), i32.const(12)), i32.const(3));
  return i32.le_u(privilege(c), level);
}

/** RF and VM are pushed as zero. */
const pushFlags: Semantics = (c) => {
  const system = i32.and(c.field('systemFlags'), i32.const(~(FLAG.RF | FLAG.VM)));
  c.push(i64.extend_i32_u(i32.or(system, c.statusFlags())));
};

/** The system flags that POPF can change, with RF, which it clears: all but DF must stay as they are. */
const STAYING = SYSTEM_FLAGS & ~(FLAG.DF | FLAG.VM);

const popFlags: Semantics = (c) => {
  const system = c.field('systemFlags');
  const value = c.let(i32.wrap_i64(c.peekStack()));
  const reach = c.size === 16 ? (STAYING & 0xffff) | FLAG.RF : STAYING;
  const difference = i32.and(i32.xor(value, system), i32.const(reach));
  c.exactUnless(i32.eqz(difference));
  c.dropStack(i64.const(c.size / 8));
  c.setStatusFlags(i32.and(value, i32.const(STATUS_FLAGS)));
  const kept = i32.and(system, i32.const(~FLAG.DF));
  c.setField('systemFlags', i32.or(kept, i32.and(value, i32.const(FLAG.DF))));
};

const clearInterruptFlag: Semantics = (c) => {
  c.exactUnless(ioPrivileged(c));
  c.setField('systemFlags', i32.and(c.field('systemFlags'), i32.const(~FLAG.IF)));
};

const swapGs: Semantics = (c) => {
  c.exactUnless(i32.eqz(privilege(c)));
  const base = c.let(c.segmentBase(GS));
  const other = c.let(c.field64('kernelGsBase'));
  c.setSegmentBase(GS, other);
  c.setField64('kernelGsBase', base);
};

/** 64-bit mode in ring 0. */
function isKernel(c: Context): I32 {
  const mask = MODE.code64 | MODE.cplMask;
  return i32.eq(i32.and(c.field('mode'), i32.const(mask)), i32.const(MODE.code64));
}

/** MOV from a control register: its number decides what it does. */
export const CONTROL_READ = 'MOV_Rn_Cn';

/** CR8 is the interrupt controller's. */
export const readControlRegister: Semantics = (c) => {
  const names: Readonly<Record<number, FieldName>> = { 0: 'cr0', 2: 'cr2', 3: 'cr3', 4: 'cr4' };
  const name = names[c.variant.control];
  c.exactUnless(name === undefined ? i32.const(0) : isKernel(c));
  c.write(0, c.field64(name ?? 'cr0'), 64);
};

/** In 64-bit mode, of a page without code. */
const invalidatePage: Semantics = (c) => {
  c.exactUnless(isKernel(c));
  c.exactUnless(c.invalidatePage(c.operandAddress(8, false)));
};

export const SYSTEM: Readonly<Record<string, Semantics>> = {
  PUSHF: pushFlags,
  POPF: popFlags,
  CLI: clearInterruptFlag,
  SWAPGS: swapGs,
  INVLPG: invalidatePage,
};
