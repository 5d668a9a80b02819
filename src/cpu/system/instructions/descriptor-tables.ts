/** Descriptor-table registers, segment registers and the instructions that look at descriptors (SDM vol. 2; vol. 3A 5.10). */

import type { Instruction } from '../../decode/instruction.ts';
import { FLAG } from '../../flags.ts';
import { DS, ES, FS, GS, LDTR, SHADOW, SS, TR } from '../../layout.ts';
import type { Segment } from '../../state.ts';
import { isCanonical } from '../addresses.ts';
import { type Descriptor, SELECTOR_MASK, SystemType, TABLE_INDICATOR } from '../descriptors.ts';
import { generalProtection, segmentNotPresent, undefinedOpcode } from '../faults.ts';
import {
  effectiveAddress,
  linearAddress,
  readData,
  readOperand,
  StackCursor,
  writeData,
  writeOperand,
  writeRegister,
} from '../operands.ts';
import { Access } from '../page-walk.ts';
import type { InstructionFunction, SystemUnit } from '../system-unit.ts';

function loadTable(base: 'gdtrBase' | 'idtrBase', limit: 'gdtrLimit' | 'idtrLimit'): InstructionFunction {
  return (system, instruction) => {
    const { state } = system;
    const width = state.mode64 ? 8 : 4;
    const offset = effectiveAddress(system, instruction);
    const bytes = readData(system, linearAddress(state, instruction.segment, offset, 2, false), 2);
    const baseOffset = BigInt.asUintN(instruction.addressSize, offset + 2n);
    let address = readData(system, linearAddress(state, instruction.segment, baseOffset, width, false), width);
    if (!state.mode64 && instruction.operandSize === 16) address &= 0xff_ffffn;
    if (!isCanonical(address)) throw generalProtection();
    state.set64(base, address);
    state.set(limit, Number(bytes));
  };
}

function storeTable(base: 'gdtrBase' | 'idtrBase', limit: 'gdtrLimit' | 'idtrLimit'): InstructionFunction {
  return (system, instruction) => {
    const { state } = system;
    const width = state.mode64 ? 8 : 4;
    const offset = effectiveAddress(system, instruction);
    const baseOffset = BigInt.asUintN(instruction.addressSize, offset + 2n);
    const limitAddress = linearAddress(state, instruction.segment, offset, 2, true);
    const baseAddress = linearAddress(state, instruction.segment, baseOffset, width, true);
    system.memory.check(baseAddress, width, system.dataAccess | Access.WRITE);
    writeData(system, limitAddress, 2, BigInt(state.get(limit)));
    writeData(system, baseAddress, width, state.get64(base));
  };
}

/** Reads an LDT or TSS descriptor, 16 bytes long in IA-32e mode, and loads LDTR or TR with it. */
function loadSystemSegment(system: SystemUnit, index: number, selector: number, types: readonly number[]): void {
  const code = selector & SELECTOR_MASK;
  const bytes = system.longActive ? 16 : 8;
  if ((selector & TABLE_INDICATOR) !== 0) throw generalProtection(code);
  const address = system.segments.address(selector, bytes);
  if (address === undefined) throw generalProtection(code);
  const descriptor = system.segments.read(selector);
  if (!descriptor.isSystem || !types.includes(descriptor.type)) throw generalProtection(code);
  if (!descriptor.present) throw segmentNotPresent(code);
  let base = BigInt(descriptor.base);
  if (bytes === 16) {
    const upper = system.memory.read(BigInt.asUintN(64, address + 8n), 8, Access.SYSTEM);
    base |= (upper & 0xffff_ffffn) << 32n;
    if (((upper >> 40n) & 0x1fn) !== 0n || !isCanonical(base)) throw generalProtection(code);
  }
  if (index === TR) {
    const busy = BigInt((descriptor.high >>> 8) & 0xff) | 2n;
    system.memory.write(BigInt.asUintN(64, address + 5n), 1, busy, Access.SYSTEM);
  }
  const attributes = descriptor.attributes | (index === TR ? 2 : 0);
  system.segments.fill(index, selector, attributes, base, descriptor.limit);
}

function requireProtectedMode(system: SystemUnit): void {
  if (!system.protectedMode) throw undefinedOpcode();
}

function loadLocalDescriptorTable(system: SystemUnit, instruction: Instruction): void {
  requireProtectedMode(system);
  const selector = Number(readOperand(system, instruction, 16));
  if ((selector & SELECTOR_MASK) === 0) system.segments.loadNull(LDTR, selector);
  else loadSystemSegment(system, LDTR, selector, [SystemType.LDT]);
}

function loadTaskRegister(system: SystemUnit, instruction: Instruction): void {
  requireProtectedMode(system);
  const selector = Number(readOperand(system, instruction, 16));
  if ((selector & SELECTOR_MASK) === 0) throw generalProtection();
  const types = system.longActive
    ? [SystemType.AVAILABLE_TSS]
    : [SystemType.AVAILABLE_TSS, SystemType.AVAILABLE_TSS_16];
  loadSystemSegment(system, TR, selector, types);
}

function storeSelector(index: number): InstructionFunction {
  return (system, instruction) => {
    requireProtectedMode(system);
    const bits = instruction.memory ? 16 : instruction.operandSize;
    writeOperand(system, instruction, bits, BigInt((system.state.segments[index] as Segment).selector));
  };
}

function setZeroFlag(system: SystemUnit, zero: boolean): void {
  const flags = system.state.rflags;
  system.state.setStatusFlags(zero ? flags | FLAG.ZF : flags & ~FLAG.ZF);
}

/** The descriptor of a selector that the current privilege may look at; undefined otherwise. */
function visibleDescriptor(system: SystemUnit, selector: number): Descriptor | undefined {
  if ((selector & SELECTOR_MASK) === 0) return undefined;
  const descriptor = system.segments.find(selector);
  if (descriptor === undefined) return undefined;
  const privilege = Math.max(system.state.cpl, selector & 3);
  return descriptor.isConforming || privilege <= descriptor.dpl ? descriptor : undefined;
}

const { AVAILABLE_TSS_16, LDT, BUSY_TSS_16, CALL_GATE_16, TASK_GATE, AVAILABLE_TSS, BUSY_TSS, CALL_GATE } = SystemType;
const LAR_TYPES = [AVAILABLE_TSS_16, LDT, BUSY_TSS_16, CALL_GATE_16, TASK_GATE, AVAILABLE_TSS, BUSY_TSS, CALL_GATE];
const LAR_TYPES_LONG: readonly number[] = [LDT, AVAILABLE_TSS, BUSY_TSS, CALL_GATE];
const LSL_TYPES = [AVAILABLE_TSS_16, LDT, BUSY_TSS_16, AVAILABLE_TSS, BUSY_TSS];
const LSL_TYPES_LONG: readonly number[] = [LDT, AVAILABLE_TSS, BUSY_TSS];

/** LAR and LSL. @param result what of the descriptor goes to the register */
function inspectDescriptor(
  types: readonly number[],
  typesLong: readonly number[],
  result: (descriptor: Descriptor) => number,
): InstructionFunction {
  return (system, instruction) => {
    requireProtectedMode(system);
    const selector = Number(readOperand(system, instruction, 16));
    const descriptor = visibleDescriptor(system, selector);
    const allowed = system.longActive ? typesLong : types;
    const valid = descriptor !== undefined && (!descriptor.isSystem || allowed.includes(descriptor.type));
    setZeroFlag(system, valid);
    if (!valid) return;
    writeRegister(system.state, instruction.reg, instruction.operandSize, BigInt(result(descriptor) >>> 0));
  };
}

function verify(allows: (descriptor: Descriptor) => boolean): InstructionFunction {
  return (system, instruction) => {
    requireProtectedMode(system);
    const descriptor = visibleDescriptor(system, Number(readOperand(system, instruction, 16)));
    setZeroFlag(system, descriptor !== undefined && !descriptor.isSystem && allows(descriptor));
  };
}

function adjustPrivilege(system: SystemUnit, instruction: Instruction): void {
  requireProtectedMode(system);
  const destination = readOperand(system, instruction, 16);
  const privilege = system.state.gpr(instruction.reg) & 3n;
  const raise = (destination & 3n) < privilege;
  if (raise) writeOperand(system, instruction, 16, (destination & ~3n) | privilege);
  setZeroFlag(system, raise);
}

function storeSegmentRegister(system: SystemUnit, instruction: Instruction): void {
  const bits = instruction.memory ? 16 : instruction.operandSize;
  const segment = system.state.segments[instruction.reg & 7] as Segment;
  writeOperand(system, instruction, bits, BigInt(segment.selector));
}

function loadSegmentRegister(system: SystemUnit, instruction: Instruction): void {
  const index = instruction.reg & 7;
  system.segments.load(index, Number(readOperand(system, instruction, 16)));
  if (index === SS) system.state.set('interruptShadow', SHADOW.movSs);
}

function popSegmentRegister(index: number): InstructionFunction {
  return (system, instruction) => {
    const stack = new StackCursor(system);
    const selector = stack.pop((instruction.operandSize / 8) as 2 | 4 | 8);
    system.segments.load(index, Number(selector & 0xffffn));
    stack.commit();
    if (index === SS) system.state.set('interruptShadow', SHADOW.movSs);
  };
}

/** LDS, LES, LFS, LGS, LSS. */
function loadFarPointer(index: number): InstructionFunction {
  return (system, instruction) => {
    const { state } = system;
    const width = (instruction.operandSize / 8) as 2 | 4 | 8;
    const offset = effectiveAddress(system, instruction);
    const selectorOffset = BigInt.asUintN(instruction.addressSize, offset + BigInt(width));
    const pointer = readData(system, linearAddress(state, instruction.segment, offset, width, false), width);
    const selector = readData(system, linearAddress(state, instruction.segment, selectorOffset, 2, false), 2);
    system.segments.load(index, Number(selector));
    writeRegister(state, instruction.reg, instruction.operandSize, pointer);
  };
}

export const descriptorInstructions: readonly (readonly [string, InstructionFunction])[] = [
  ['LGDT', loadTable('gdtrBase', 'gdtrLimit')],
  ['LIDT', loadTable('idtrBase', 'idtrLimit')],
  ['SGDT', storeTable('gdtrBase', 'gdtrLimit')],
  ['SIDT', storeTable('idtrBase', 'idtrLimit')],
  ['LLDT', loadLocalDescriptorTable],
  ['LTR', loadTaskRegister],
  ['SLDT', storeSelector(LDTR)],
  ['STR', storeSelector(TR)],
  ['LAR', inspectDescriptor(LAR_TYPES, LAR_TYPES_LONG, ({ high }) => high & 0x00ff_ff00)],
  ['LSL', inspectDescriptor(LSL_TYPES, LSL_TYPES_LONG, ({ limit }) => limit)],
  ['VERR', verify(({ isReadable }) => isReadable)],
  ['VERW', verify(({ isWritable }) => isWritable)],
  ['ARPL', adjustPrivilege],
  ['MOV_Evw_Sw', storeSegmentRegister],
  ['MOV_Sw_Evw', loadSegmentRegister],
  ['POP_ES', popSegmentRegister(ES)],
  ['POP_SS', popSegmentRegister(SS)],
  ['POP_DS', popSegmentRegister(DS)],
  ['POP_FS', popSegmentRegister(FS)],
  ['POP_GS', popSegmentRegister(GS)],
  ['LES', loadFarPointer(ES)],
  ['LDS', loadFarPointer(DS)],
  ['LSS', loadFarPointer(SS)],
  ['LFS', loadFarPointer(FS)],
  ['LGS', loadFarPointer(GS)],
];
