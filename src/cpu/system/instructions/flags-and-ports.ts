/** RFLAGS under IOPL, and port input and output under IOPL and the I/O permission bitmap (SDM vol. 1 chapter 19; vol. 2). */

import { FORMS } from '../../decode/forms.ts';
import type { Instruction } from '../../decode/instruction.ts';
import { FLAG } from '../../flags.ts';
import { ES, SHADOW, STRING_LIMIT, TR } from '../../layout.ts';
import type { Segment } from '../../state.ts';
import { SystemType } from '../descriptors.ts';
import { generalProtection } from '../faults.ts';
import { linearAddress, readData, readRegister, StackCursor, writeData, writeRegister } from '../operands.ts';
import { Access } from '../page-walk.ts';
import type { InstructionFunction, SystemUnit } from '../system-unit.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RSI = 6;
const RDI = 7;

function ioPrivileged({ state }: SystemUnit): boolean {
  return state.cpl <= (state.systemFlags & FLAG.IOPL) >> 12;
}

function clearInterruptFlag(system: SystemUnit): void {
  if (!ioPrivileged(system)) throw generalProtection();
  system.state.set('systemFlags', system.state.systemFlags & ~FLAG.IF);
}

/** Interrupts stay off for one more instruction, unless they were on already. */
function setInterruptFlag(system: SystemUnit): void {
  if (!ioPrivileged(system)) throw generalProtection();
  const { state } = system;
  const flags = state.systemFlags;
  if ((flags & FLAG.IF) === 0) state.set('interruptShadow', SHADOW.sti);
  state.set('systemFlags', flags | FLAG.IF);
}

function pushFlags(system: SystemUnit, instruction: Instruction): void {
  const stack = new StackCursor(system);
  const image = system.state.rflags & ~(FLAG.RF | FLAG.VM);
  stack.push((instruction.operandSize / 8) as 2 | 4 | 8, BigInt(image));
  stack.commit();
}

function popFlags(system: SystemUnit, instruction: Instruction): void {
  const { state } = system;
  const stack = new StackCursor(system);
  const value = Number(stack.pop((instruction.operandSize / 8) as 2 | 4 | 8) & 0xffff_ffffn);
  let mask = FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF | FLAG.TF | FLAG.DF | FLAG.OF | FLAG.NT;
  if (instruction.operandSize !== 16) mask |= FLAG.AC | FLAG.ID;
  if (ioPrivileged(system)) mask |= FLAG.IF;
  if (state.cpl === 0) mask |= FLAG.IOPL;
  stack.commit();
  const cleared = instruction.operandSize === 16 ? FLAG.RF : FLAG.RF | FLAG.VIF | FLAG.VIP;
  state.rflags = (state.rflags & ~(mask | cleared)) | (value & mask);
}

/** @throws GuestException #GP(0) when neither IOPL nor the TSS's bitmap allows the ports */
function checkPort(system: SystemUnit, port: number, width: number): void {
  if (!system.protectedMode || ioPrivileged(system)) return;
  const task = system.state.segments[TR] as Segment;
  if ((task.attributes & 0xf) !== SystemType.BUSY_TSS || task.limit < 103) throw generalProtection();
  const bitmap = system.memory.read32(task.base + 102n, 2, Access.SYSTEM);
  const offset = bitmap + (port >>> 3);
  if (offset + 1 > task.limit) throw generalProtection();
  const bits = system.memory.read32(task.base + BigInt(offset), 2, Access.SYSTEM);
  if (((bits >>> (port & 7)) & ((1 << width) - 1)) !== 0) throw generalProtection();
}

type PortWidth = 1 | 2 | 4;

/** A 64-bit operand size means 32 bits here. */
function portWidth(instruction: Instruction): PortWidth {
  return Math.min(instruction.operandSize / 8, 4) as PortWidth;
}

const IMMEDIATE_PORT = FORMS.map(({ operands }) => operands.some(({ method }) => method === 'I'));

/** The port is in DX or in an immediate byte. */
function portNumber(system: SystemUnit, instruction: Instruction): number {
  return IMMEDIATE_PORT[instruction.form] ? instruction.immediate & 0xff : Number(readRegister(system.state, RDX, 16));
}

function readPort(system: SystemUnit, port: number, width: PortWidth): bigint {
  system.debug.portAccess(port, width);
  return BigInt(system.bus.readPort(port, width) >>> 0);
}

function writePort(system: SystemUnit, port: number, width: PortWidth, value: bigint): void {
  system.debug.portAccess(port, width);
  system.bus.writePort(port, width, Number(BigInt.asUintN(8 * width, value)));
}

function input(system: SystemUnit, instruction: Instruction): void {
  const [port, width] = [portNumber(system, instruction), portWidth(instruction)];
  checkPort(system, port, width);
  writeRegister(system.state, RAX, 8 * width, readPort(system, port, width));
}

function output(system: SystemUnit, instruction: Instruction): void {
  const [port, width] = [portNumber(system, instruction), portWidth(instruction)];
  checkPort(system, port, width);
  writePort(system, port, width, readRegister(system.state, RAX, 8 * width));
}

/** One element of INS: the destination is checked before the port is read, so that nothing read is lost. */
function inputElement(system: SystemUnit, instruction: Instruction, port: number, width: PortWidth): void {
  const { state } = system;
  const offset = readRegister(state, RDI, instruction.addressSize);
  const address = linearAddress(state, ES, offset, width, true);
  system.memory.check(address, width, system.dataAccess | Access.WRITE);
  writeData(system, address, width, readPort(system, port, width));
  advance(system, instruction, RDI, width);
}

function outputElement(system: SystemUnit, instruction: Instruction, port: number, width: PortWidth): void {
  const { state } = system;
  const offset = readRegister(state, RSI, instruction.addressSize);
  const value = readData(system, linearAddress(state, instruction.segment, offset, width, false), width);
  writePort(system, port, width, value);
  advance(system, instruction, RSI, width);
}

function advance(system: SystemUnit, instruction: Instruction, register: number, width: number): void {
  const { state } = system;
  const step = (state.systemFlags & FLAG.DF) === 0 ? BigInt(width) : -BigInt(width);
  writeRegister(state, register, instruction.addressSize, state.gpr(register) + step);
}

/**
 * INS and OUTS, repeated or not. A repetition stops between iterations when an event is due, and pauses as the other string
 * instructions do: RIP then stays on the instruction, which has not retired.
 */
function stringTransfer(element: typeof inputElement): InstructionFunction {
  return (system, instruction) => {
    const { state } = system;
    const [port, width] = [Number(readRegister(state, RDX, 16)), portWidth(instruction)];
    checkPort(system, port, width);
    if (instruction.repeat === 0) {
      element(system, instruction, port, width);
      return;
    }
    const bits = instruction.addressSize;
    while (readRegister(state, RCX, bits) !== 0n) {
      element(system, instruction, port, width);
      const left = readRegister(state, RCX, bits) - 1n;
      writeRegister(state, RCX, bits, left);
      if (left === 0n) return;
      const pauses = left % BigInt(STRING_LIMIT) === 0n;
      if (pauses || system.stepTrap || state.pendingDebug !== 0 || system.stopRequested) {
        state.rip -= BigInt(instruction.length);
        system.charge = pauses ? STRING_LIMIT : 0;
        return;
      }
    }
  };
}

export const flagAndPortInstructions: readonly (readonly [string, InstructionFunction])[] = [
  ['CLI', clearInterruptFlag],
  ['STI', setInterruptFlag],
  ['PUSHF', pushFlags],
  ['POPF', popFlags],
  ['IN', input],
  ['OUT', output],
  ['INS', stringTransfer(inputElement)],
  ['OUTS', stringTransfer(outputElement)],
];
