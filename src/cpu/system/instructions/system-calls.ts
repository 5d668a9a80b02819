/** SYSCALL, SYSRET, SYSENTER, SYSEXIT, SWAPGS and the FS and GS base instructions (SDM vol. 2; vol. 3A 5.8.7, 5.8.8). */

import type { Instruction } from '../../decode/instruction.ts';
import { FLAG } from '../../flags.ts';
import { CS, FS, GS, SS } from '../../layout.ts';
import type { Segment } from '../../state.ts';
import { isCanonical } from '../addresses.ts';
import { Cr4, Efer } from '../control-bits.ts';
import { Dr6 } from '../debug-registers.ts';
import { Attributes, SELECTOR_MASK } from '../descriptors.ts';
import { generalProtection, undefinedOpcode } from '../faults.ts';
import { readRegister, writeRegister } from '../operands.ts';
import type { InstructionFunction, SystemUnit } from '../system-unit.ts';

const RCX = 1;
const RDX = 2;
const RSP = 4;
const R11 = 11;

const FLAT_LIMIT = 0xffff_ffff;
const PRESENT_DATA =
  Attributes.PRESENT | Attributes.CODE_OR_DATA | Attributes.WRITABLE | Attributes.ACCESSED | Attributes.GRANULARITY;
const DATA = PRESENT_DATA | Attributes.DEFAULT_BIG;
const CODE_64 = PRESENT_DATA | Attributes.CODE | Attributes.LONG;
const CODE_32 = PRESENT_DATA | Attributes.CODE | Attributes.DEFAULT_BIG;

/** CS and SS are loaded with fixed flat segments; the descriptor tables are not looked at. */
function loadFlat(system: SystemUnit, code: number, stack: number, privilege: number, attributes: number): void {
  const level = privilege << 5;
  system.segments.fill(CS, (code & SELECTOR_MASK) | privilege, attributes | level, 0n, FLAT_LIMIT);
  system.segments.fill(SS, (stack & SELECTOR_MASK) | privilege, DATA | level, 0n, FLAT_LIMIT);
}

/** The trap flag that SYSCALL and SYSRET leave, not the one they found, decides on their own single-step trap. */
function stepByNewFlag(system: SystemUnit): void {
  system.stepTrap = false;
  if ((system.state.get('systemFlags') & FLAG.TF) !== 0) system.pendTrap(Dr6.BS);
}

function systemCall(system: SystemUnit): void {
  const { state } = system;
  if ((state.get('efer') & Efer.SCE) === 0 || !state.mode64) throw undefinedOpcode();
  const selector = Number((state.get64('star') >> 32n) & 0xffffn);
  const flags = state.rflags;
  state.setGpr(RCX, state.rip);
  state.setGpr(R11, BigInt(flags & ~FLAG.RF));
  state.rip = state.get64('lstar');
  loadFlat(system, selector, selector + 8, 0, CODE_64);
  state.rflags = flags & ~(state.get('sfmask') | FLAG.RF);
  stepByNewFlag(system);
}

/** A return address that is not canonical raises #GP(0) while still in ring 0. */
function systemReturn(system: SystemUnit, instruction: Instruction): void {
  const { state } = system;
  if ((state.get('efer') & Efer.SCE) === 0 || !state.mode64) throw undefinedOpcode();
  if (state.cpl !== 0) throw generalProtection();
  const wide = instruction.operandSize === 64;
  const target = readRegister(state, RCX, wide ? 64 : 32);
  if (!isCanonical(target)) throw generalProtection();
  const selector = Number((state.get64('star') >> 48n) & 0xffffn);
  state.rip = target;
  loadFlat(system, wide ? selector + 16 : selector, selector + 8, 3, wide ? CODE_64 : CODE_32);
  state.rflags = Number(state.gpr(R11) & 0x3c_7fd7n);
  stepByNewFlag(system);
}

function systemEnter(system: SystemUnit): void {
  const { state } = system;
  const selector = state.get('sysenterCs') & 0xffff;
  if (!system.protectedMode || (selector & SELECTOR_MASK) === 0) throw generalProtection();
  const bits = system.longActive ? 64 : 32;
  loadFlat(system, selector, selector + 8, 0, system.longActive ? CODE_64 : CODE_32);
  state.setGpr(RSP, BigInt.asUintN(bits, state.get64('sysenterEsp')));
  state.rip = BigInt.asUintN(bits, state.get64('sysenterEip'));
  state.rflags = state.rflags & ~(FLAG.IF | FLAG.VM | FLAG.RF);
}

function systemExit(system: SystemUnit, instruction: Instruction): void {
  const { state } = system;
  const selector = state.get('sysenterCs') & 0xffff;
  if (!system.protectedMode || (selector & SELECTOR_MASK) === 0) throw generalProtection();
  const wide = instruction.operandSize === 64;
  const [pointer, target] = [readRegister(state, RCX, wide ? 64 : 32), readRegister(state, RDX, wide ? 64 : 32)];
  if (!isCanonical(pointer) || !isCanonical(target)) throw generalProtection();
  const code = selector + (wide ? 32 : 16);
  loadFlat(system, code, code + 8, 3, wide ? CODE_64 : CODE_32);
  state.setGpr(RSP, pointer);
  state.rip = target;
}

function swapGs({ state }: SystemUnit): void {
  const segment = state.segments[GS] as Segment;
  const base = segment.base;
  segment.base = state.get64('kernelGsBase');
  state.set64('kernelGsBase', base);
}

function readBase(index: number): InstructionFunction {
  return ({ state }, instruction) => {
    if ((state.get('cr4') & Cr4.FSGSBASE) === 0) throw undefinedOpcode();
    writeRegister(state, instruction.rm, instruction.operandSize, (state.segments[index] as Segment).base);
  };
}

function writeBase(index: number): InstructionFunction {
  return ({ state }, instruction) => {
    if ((state.get('cr4') & Cr4.FSGSBASE) === 0) throw undefinedOpcode();
    const base = readRegister(state, instruction.rm, instruction.operandSize);
    if (!isCanonical(base)) throw generalProtection();
    (state.segments[index] as Segment).base = base;
  };
}

export const systemCallInstructions: readonly (readonly [string, InstructionFunction])[] = [
  ['SYSCALL', systemCall],
  ['SYSRET', systemReturn],
  ['SYSENTER', systemEnter],
  ['SYSEXIT', systemExit],
  ['SWAPGS', swapGs],
  ['RDFSBASE', readBase(FS)],
  ['RDGSBASE', readBase(GS)],
  ['WRFSBASE', writeBase(FS)],
  ['WRGSBASE', writeBase(GS)],
];
