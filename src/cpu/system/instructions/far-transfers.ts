/** Far JMP, CALL and RET, IRET, and the software interrupts (SDM vol. 2: Operation of each; vol. 3A 5.8, 5.14). */

import type { Instruction } from '../../decode/instruction.ts';
import { FLAG } from '../../flags.ts';
import { CS, SS } from '../../layout.ts';
import { isCanonical } from '../addresses.ts';
import { Attributes, type Descriptor, SELECTOR_MASK } from '../descriptors.ts';
import { generalProtection, segmentNotPresent, stackFault, undefinedOpcode } from '../faults.ts';
import { effectiveAddress, linearAddress, readData, StackCursor } from '../operands.ts';
import type { InstructionFunction, SystemUnit } from '../system-unit.ts';
import { isTaskDescriptor, returnToTask, transferToTask } from '../task-switch.ts';
import { Vector } from '../vectors.ts';
import { callInner, isCallGate, readCallGate } from './call-gates.ts';

const RSP = 4;

interface FarPointer {
  readonly selector: number;
  readonly offset: bigint;
}

type OperandWidth = 2 | 4 | 8;

function widthOf(instruction: Instruction): OperandWidth {
  return (instruction.operandSize / 8) as OperandWidth;
}

function immediatePointer(_system: SystemUnit, instruction: Instruction): FarPointer {
  const offset = BigInt.asUintN(instruction.operandSize, BigInt(instruction.immediate >>> 0));
  return { selector: instruction.immediate2 & 0xffff, offset };
}

function memoryPointer(system: SystemUnit, instruction: Instruction): FarPointer {
  const width = widthOf(instruction);
  const address = effectiveAddress(system, instruction);
  const selectorAddress = BigInt.asUintN(instruction.addressSize, address + BigInt(width));
  const { state } = system;
  const offset = readData(system, linearAddress(state, instruction.segment, address, width, false), width);
  const selector = readData(system, linearAddress(state, instruction.segment, selectorAddress, 2, false), 2);
  return { selector: Number(selector), offset };
}

/** Whether a code segment is entered in 64-bit mode. */
function isLong(system: SystemUnit, descriptor: Descriptor): boolean {
  return system.longActive && descriptor.isLong;
}

/** The instruction pointer must be canonical in 64-bit code and within the limit elsewhere. */
function checkTarget(system: SystemUnit, descriptor: Descriptor, offset: bigint): void {
  const valid = isLong(system, descriptor) ? isCanonical(offset) : offset <= BigInt(descriptor.limit);
  if (!valid) throw generalProtection();
}

function enterCode(
  system: SystemUnit,
  selector: number,
  descriptor: Descriptor,
  offset: bigint,
  privilege: number,
): void {
  system.segments.install(CS, (selector & SELECTOR_MASK) | privilege, descriptor);
  system.state.rip = offset;
}

/** Checks a code segment that JMP or CALL names directly. */
function checkDirect(system: SystemUnit, selector: number, descriptor: Descriptor): void {
  const code = selector & SELECTOR_MASK;
  const { cpl } = system.state;
  const allowed = descriptor.isConforming ? descriptor.dpl <= cpl : (selector & 3) <= cpl && descriptor.dpl === cpl;
  if (!allowed || (isLong(system, descriptor) && descriptor.isBig)) throw generalProtection(code);
  if (!descriptor.present) throw segmentNotPresent(code);
}

type Kind = 'code' | 'call gate' | 'task';

/** What a far JMP or CALL names: code, a call gate or, outside IA-32e mode, a task. */
function readTarget(system: SystemUnit, selector: number): { descriptor: Descriptor; kind: Kind } {
  if ((selector & SELECTOR_MASK) === 0) throw generalProtection();
  const descriptor = system.segments.read(selector);
  if (descriptor.isCode) return { descriptor, kind: 'code' };
  if (isCallGate(system, descriptor)) return { descriptor, kind: 'call gate' };
  if (isTaskDescriptor(descriptor) && !system.longActive) return { descriptor, kind: 'task' };
  throw generalProtection(selector & SELECTOR_MASK);
}

function farJump(pointer: (system: SystemUnit, instruction: Instruction) => FarPointer): InstructionFunction {
  return (system, instruction) => {
    const { selector, offset } = pointer(system, instruction);
    if (!system.protectedMode) {
      realTransfer(system, selector, offset);
      return;
    }
    const { descriptor, kind } = readTarget(system, selector);
    const { cpl } = system.state;
    if (kind === 'task') {
      transferToTask(system, selector, descriptor, 'jump');
      return;
    }
    if (kind === 'code') {
      checkDirect(system, selector, descriptor);
      checkTarget(system, descriptor, offset);
      enterCode(system, selector, descriptor, offset, cpl);
      return;
    }
    const call = readCallGate(system, selector, descriptor);
    if (!call.target.isConforming && call.target.dpl !== cpl) throw generalProtection(call.selector & SELECTOR_MASK);
    checkTarget(system, call.target, call.offset);
    enterCode(system, call.selector, call.target, call.offset, cpl);
  };
}

function realTransfer(system: SystemUnit, selector: number, offset: bigint): void {
  if (offset > BigInt(system.state.cs.limit)) throw generalProtection();
  system.segments.loadRealMode(CS, selector);
  system.state.rip = offset;
}

function farCall(pointer: (system: SystemUnit, instruction: Instruction) => FarPointer): InstructionFunction {
  return (system, instruction) => {
    const { state } = system;
    const { selector, offset } = pointer(system, instruction);
    const stack = new StackCursor(system);
    const pushReturn = (width: OperandWidth): void => {
      stack.push(width, BigInt(state.cs.selector));
      stack.push(width, state.rip);
    };
    if (!system.protectedMode) {
      pushReturn(widthOf(instruction));
      realTransfer(system, selector, offset);
      stack.commit();
      return;
    }
    const { descriptor, kind } = readTarget(system, selector);
    if (kind === 'task') {
      transferToTask(system, selector, descriptor, 'call');
      return;
    }
    if (kind === 'code') {
      checkDirect(system, selector, descriptor);
      checkTarget(system, descriptor, offset);
      pushReturn(widthOf(instruction));
      enterCode(system, selector, descriptor, offset, state.cpl);
      stack.commit();
      return;
    }
    const call = readCallGate(system, selector, descriptor);
    checkTarget(system, call.target, call.offset);
    if (!call.target.isConforming && call.target.dpl < state.cpl) {
      callInner(system, call);
      return;
    }
    pushReturn(call.width);
    enterCode(system, call.selector, call.target, call.offset, state.cpl);
    stack.commit();
  };
}

/** Checks a code selector popped by RET or IRET. */
function returnDescriptor(system: SystemUnit, selector: number): Descriptor {
  if ((selector & SELECTOR_MASK) === 0) throw generalProtection();
  const code = selector & SELECTOR_MASK;
  const descriptor = system.segments.read(selector);
  const rpl = selector & 3;
  if (!descriptor.isCode || rpl < system.state.cpl) throw generalProtection(code);
  if (descriptor.isConforming ? descriptor.dpl > rpl : descriptor.dpl !== rpl) throw generalProtection(code);
  if (isLong(system, descriptor) && descriptor.isBig) throw generalProtection(code);
  if (!descriptor.present) throw segmentNotPresent(code);
  return descriptor;
}

/** Checks a stack selector popped by RET or IRET. @returns undefined for a null selector, which 64-bit code inside ring 3 may have */
function returnStack(system: SystemUnit, selector: number, target: Descriptor, rpl: number): Descriptor | undefined {
  if ((selector & SELECTOR_MASK) !== 0) {
    return system.segments.stackDescriptor(selector, rpl, generalProtection, stackFault);
  }
  if (!isLong(system, target) || rpl === 3) throw generalProtection();
  return undefined;
}

interface Return {
  readonly selector: number;
  readonly descriptor: Descriptor;
  readonly offset: bigint;
  /** Null selector when the descriptor is undefined. */
  readonly stack: { readonly selector: number; readonly descriptor: Descriptor | undefined; readonly pointer: bigint };
}

/** Installs CS, SS and the stack pointer of a return that also pops the stack, and clears what the outer ring may not hold. */
function returnWithStack(system: SystemUnit, { selector, descriptor, offset, stack }: Return): void {
  const { state } = system;
  const rpl = selector & 3;
  const outer = rpl > state.cpl;
  if (stack.descriptor !== undefined) system.segments.markAccessed(stack.selector, stack.descriptor);
  enterCode(system, selector, descriptor, offset, rpl);
  if (stack.descriptor === undefined) system.segments.loadNull(SS, stack.selector);
  else system.segments.install(SS, stack.selector, stack.descriptor);
  const big = (state.ss.attributes & Attributes.DEFAULT_BIG) !== 0;
  if (state.mode64) state.setGpr(RSP, stack.pointer);
  else if (big) state.setGpr(RSP, BigInt.asUintN(32, stack.pointer));
  else state.setGpr(RSP, (state.gpr(RSP) & ~0xffffn) | BigInt.asUintN(16, stack.pointer));
  if (outer) system.segments.dropInaccessible(rpl);
}

function farReturn(system: SystemUnit, instruction: Instruction): void {
  const { state } = system;
  const width = widthOf(instruction);
  const release = instruction.description.operands.length > 0 ? instruction.immediate & 0xffff : 0;
  const cursor = new StackCursor(system);
  const offset = cursor.pop(width);
  const selector = Number(cursor.pop(width) & 0xffffn);
  if (!system.protectedMode) {
    realTransfer(system, selector, offset);
    cursor.skip(release);
    cursor.commit();
    return;
  }
  const descriptor = returnDescriptor(system, selector);
  cursor.skip(release);
  if ((selector & 3) === state.cpl) {
    checkTarget(system, descriptor, offset);
    enterCode(system, selector, descriptor, offset, state.cpl);
    cursor.commit();
    return;
  }
  const pointer = cursor.pop(width);
  const stackSelector = Number(cursor.pop(width) & 0xffffn);
  const stack = returnStack(system, stackSelector, descriptor, selector & 3);
  checkTarget(system, descriptor, offset);
  const target = { selector: stackSelector, descriptor: stack, pointer: pointer + BigInt(release) };
  returnWithStack(system, { selector, descriptor, offset, stack: target });
}

/** RFLAGS bits that IRET may change with the privilege it runs at. */
function writableFlags(system: SystemUnit, width: OperandWidth): number {
  const { cpl, rflags } = system.state;
  let mask = FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF | FLAG.TF | FLAG.DF | FLAG.OF | FLAG.NT;
  if (width !== 2) mask |= FLAG.RF | FLAG.AC | FLAG.ID;
  if (cpl <= (rflags & FLAG.IOPL) >> 12) mask |= FLAG.IF;
  if (cpl === 0) mask |= FLAG.IOPL | (width === 2 ? 0 : FLAG.VIF | FLAG.VIP);
  return mask;
}

function loadFlags(system: SystemUnit, value: bigint, width: OperandWidth, mask: number): void {
  const flags = Number(value & 0xffff_ffffn);
  system.state.rflags = (system.state.rflags & ~mask) | (flags & mask);
  system.resumeFlagLoaded = width !== 2;
}

function interruptReturn(system: SystemUnit, instruction: Instruction): void {
  const { state } = system;
  state.set('nmiBlocked', 0);
  const width = widthOf(instruction);
  if (system.protectedMode && (state.get('systemFlags') & FLAG.NT) !== 0) {
    if (system.longActive) throw generalProtection();
    returnToTask(system);
    return;
  }
  const cursor = new StackCursor(system);
  const offset = cursor.pop(width);
  const selector = Number(cursor.pop(width) & 0xffffn);
  const flags = cursor.pop(width);
  const mask = writableFlags(system, width);
  if (!system.protectedMode) {
    realTransfer(system, selector, offset);
    cursor.commit();
    loadFlags(system, flags, width, mask);
    return;
  }
  const withStack = state.mode64 || (selector & 3) > state.cpl;
  const pointer = withStack ? cursor.pop(width) : 0n;
  const stackSelector = withStack ? Number(cursor.pop(width) & 0xffffn) : 0;
  const descriptor = returnDescriptor(system, selector);
  if (!withStack) {
    checkTarget(system, descriptor, offset);
    enterCode(system, selector, descriptor, offset, state.cpl);
    cursor.commit();
    loadFlags(system, flags, width, mask);
    return;
  }
  const stack = returnStack(system, stackSelector, descriptor, selector & 3);
  checkTarget(system, descriptor, offset);
  returnWithStack(system, {
    selector,
    descriptor,
    offset,
    stack: { selector: stackSelector, descriptor: stack, pointer },
  });
  loadFlags(system, flags, width, mask);
}

function overflowInterrupt(system: SystemUnit): void {
  if ((system.state.rflags & FLAG.OF) !== 0) system.softwareInterrupt(Vector.OVERFLOW, 'software');
}

function raiseUndefinedOpcode(): never {
  throw undefinedOpcode();
}

export const farTransferInstructions: readonly (readonly [string, InstructionFunction])[] = [
  ['JMPF_Ap', farJump(immediatePointer)],
  ['JMPF_Mp', farJump(memoryPointer)],
  ['CALLF_Ap', farCall(immediatePointer)],
  ['CALLF_Mp', farCall(memoryPointer)],
  ['RETF', farReturn],
  ['IRET', interruptReturn],
  ['INT', (system, instruction) => system.softwareInterrupt(instruction.immediate & 0xff, 'software')],
  ['INT3', (system) => system.softwareInterrupt(Vector.BREAKPOINT, 'software')],
  ['INT1', (system) => system.softwareInterrupt(Vector.DEBUG, 'external')],
  ['INTO', overflowInterrupt],
  ['UD0', raiseUndefinedOpcode],
  ['UD1', raiseUndefinedOpcode],
  ['UD2', raiseUndefinedOpcode],
];
