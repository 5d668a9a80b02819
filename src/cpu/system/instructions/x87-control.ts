/** x87 control instructions, FXSAVE and FXRSTOR (SDM vol. 1 chapter 8 and 10.5; vol. 2). */

import { GuestException } from '../../bus.ts';
import type { Instruction } from '../../decode/instruction.ts';
import { MxcsrMask } from '../../floating-point/mxcsr.ts';
import { X87_REGISTERS, XMM } from '../../layout.ts';
import type { CpuState } from '../../state.ts';
import { Cr0, Cr4 } from '../control-bits.ts';
import { generalProtection, undefinedOpcode } from '../faults.ts';
import { operandAddress, readOperand, writeOperand, writeRegister } from '../operands.ts';
import { Access } from '../page-walk.ts';
import type { InstructionFunction, SystemUnit } from '../system-unit.ts';
import { Vector } from '../vectors.ts';

const CONTROL_INITIAL = 0x37f;
/** Bit 6 of the control word reads as one; bits 15:13 and 7 as zero. */
const CONTROL_WRITABLE = 0x1f3f;
const CONTROL_FIXED = 0x40;
const EXCEPTION_FLAGS = 0x3f;
const STACK_FAULT = 0x40;
const ERROR_SUMMARY = 0x80;
const BUSY = 0x8000;
const IMAGE_BYTES = 512;
const REGISTER_BYTES = 10;
const RAX = 0;

/** @throws GuestException #NM when CR0.EM or CR0.TS keeps x87 instructions out */
function requireX87({ state }: SystemUnit): void {
  if ((state.get('cr0') & (Cr0.EM | Cr0.TS)) !== 0) throw new GuestException(Vector.DEVICE_NOT_AVAILABLE);
}

/** @throws GuestException #MF when an unmasked exception is pending */
function checkPending({ state }: SystemUnit): void {
  const pending = (state.get('x87Status') & ERROR_SUMMARY) !== 0;
  if (pending && (state.get('cr0') & Cr0.NE) !== 0) throw new GuestException(Vector.X87_FLOATING_POINT);
}

/** ES and B say whether any exception flag is unmasked. */
function summarize(state: CpuState): void {
  const status = state.get('x87Status') & ~(ERROR_SUMMARY | BUSY);
  const unmasked = status & ~state.get('x87Control') & EXCEPTION_FLAGS;
  state.set('x87Status', unmasked === 0 ? status : status | ERROR_SUMMARY | BUSY);
}

function initialize(system: SystemUnit): void {
  requireX87(system);
  const { state } = system;
  state.set('x87Control', CONTROL_INITIAL);
  state.set('x87Status', 0);
  state.set('x87Tag', 0);
  state.set('x87Opcode', 0);
  state.set64('x87InstructionPointer', 0n);
  state.set64('x87DataPointer', 0n);
}

function clearExceptions(system: SystemUnit): void {
  requireX87(system);
  const { state } = system;
  state.set('x87Status', state.get('x87Status') & ~(EXCEPTION_FLAGS | STACK_FAULT | ERROR_SUMMARY | BUSY));
}

function loadControl(system: SystemUnit, instruction: Instruction): void {
  requireX87(system);
  checkPending(system);
  const value = Number(readOperand(system, instruction, 16));
  system.state.set('x87Control', (value & CONTROL_WRITABLE) | CONTROL_FIXED);
  summarize(system.state);
}

function storeControl(system: SystemUnit, instruction: Instruction): void {
  requireX87(system);
  writeOperand(system, instruction, 16, BigInt(system.state.get('x87Control')));
}

function storeStatus(system: SystemUnit, instruction: Instruction): void {
  requireX87(system);
  writeOperand(system, instruction, 16, BigInt(system.state.get('x87Status')));
}

function storeStatusInAx(system: SystemUnit): void {
  requireX87(system);
  writeRegister(system.state, RAX, 16, BigInt(system.state.get('x87Status')));
}

function wait(system: SystemUnit): void {
  const both = Cr0.MP | Cr0.TS;
  if ((system.state.get('cr0') & both) === both) throw new GuestException(Vector.DEVICE_NOT_AVAILABLE);
  checkPending(system);
}

/** FNENI, FNDISI and FNSETPM belong to the 8087 and 80287: no operation since. */
function legacyNoOperation(system: SystemUnit): void {
  requireX87(system);
}

/** Linear address of the 512-byte image, with the checks that FXSAVE and FXRSTOR share. */
function imageAddress(system: SystemUnit, instruction: Instruction, write: boolean): bigint {
  const cr0 = system.state.get('cr0');
  if ((cr0 & Cr0.EM) !== 0) throw undefinedOpcode();
  if ((cr0 & Cr0.TS) !== 0) throw new GuestException(Vector.DEVICE_NOT_AVAILABLE);
  const address = operandAddress(system, instruction, IMAGE_BYTES, write);
  if ((address & 15n) !== 0n) throw generalProtection();
  system.memory.check(address, IMAGE_BYTES, system.dataAccess | (write ? Access.WRITE : 0));
  return address;
}

/** Host address of the register that is ST(i). */
function stackRegister(state: CpuState, index: number): number {
  const top = (state.get('x87Status') >> 11) & 7;
  return X87_REGISTERS + ((top + index) & 7) * 16;
}

function vectorRegisters(state: CpuState): number {
  if ((state.get('cr4') & Cr4.OSFXSR) === 0) return 0;
  return state.mode64 ? 16 : 8;
}

/** Offsets of the FXSAVE image (SDM vol. 1 table 10-2). */
const Image = {
  CONTROL: 0,
  STATUS: 2,
  TAG: 4,
  OPCODE: 6,
  IP: 8,
  DP: 16,
  MXCSR: 24,
  MASK: 28,
  ST: 32,
  XMM: 160,
} as const;

function saveImage(system: SystemUnit, instruction: Instruction): void {
  const { state } = system;
  const address = imageAddress(system, instruction, true);
  const vectors = vectorRegisters(state);
  const image = new Uint8Array(Image.XMM + vectors * 16);
  const view = new DataView(image.buffer);
  view.setUint16(Image.CONTROL, state.get('x87Control'), true);
  view.setUint16(Image.STATUS, state.get('x87Status'), true);
  view.setUint8(Image.TAG, state.get('x87Tag'));
  view.setUint16(Image.OPCODE, state.get('x87Opcode'), true);
  const pointerMask = instruction.operandSize === 64 ? 0xffff_ffff_ffff_ffffn : 0xffff_ffff_ffffn;
  view.setBigUint64(Image.IP, state.get64('x87InstructionPointer') & pointerMask, true);
  view.setBigUint64(Image.DP, state.get64('x87DataPointer') & pointerMask, true);
  if (vectors > 0) {
    view.setUint32(Image.MXCSR, state.get('mxcsr'), true);
    view.setUint32(Image.MASK, MxcsrMask, true);
  }
  for (let i = 0; i < 8; i++) {
    const register = stackRegister(state, i);
    image.set(state.u8.subarray(register, register + REGISTER_BYTES), Image.ST + i * 16);
  }
  image.set(state.u8.subarray(XMM, XMM + vectors * 16), Image.XMM);
  system.memory.writeBytes(address, image, system.dataAccess);
}

function restoreImage(system: SystemUnit, instruction: Instruction): void {
  const { state } = system;
  const address = imageAddress(system, instruction, false);
  const vectors = vectorRegisters(state);
  const image = system.memory.readBytes(address, Image.XMM + vectors * 16, system.dataAccess);
  const view = new DataView(image.buffer);
  const mxcsr = view.getUint32(Image.MXCSR, true);
  if (vectors > 0 && (mxcsr & ~MxcsrMask) !== 0) throw generalProtection();
  const pointerMask = instruction.operandSize === 64 ? 0xffff_ffff_ffff_ffffn : 0xffff_ffff_ffffn;
  state.set('x87Control', (view.getUint16(Image.CONTROL, true) & CONTROL_WRITABLE) | CONTROL_FIXED);
  state.set('x87Status', view.getUint16(Image.STATUS, true));
  state.set('x87Tag', view.getUint8(Image.TAG));
  state.set('x87Opcode', view.getUint16(Image.OPCODE, true) & 0x7ff);
  state.set64('x87InstructionPointer', view.getBigUint64(Image.IP, true) & pointerMask);
  state.set64('x87DataPointer', view.getBigUint64(Image.DP, true) & pointerMask);
  summarize(state);
  for (let i = 0; i < 8; i++) {
    const offset = Image.ST + i * 16;
    state.u8.set(image.subarray(offset, offset + REGISTER_BYTES), stackRegister(state, i));
  }
  if (vectors > 0) state.set('mxcsr', mxcsr);
  state.u8.set(image.subarray(Image.XMM), XMM);
}

export const x87ControlInstructions: readonly (readonly [string, InstructionFunction])[] = [
  ['FNINIT', initialize],
  ['FNCLEX', clearExceptions],
  ['FLDCW', loadControl],
  ['FNSTCW', storeControl],
  ['FNSTSW_Mw', storeStatus],
  ['FNSTSW_AX', storeStatusInAx],
  ['FWAIT', wait],
  ['FNENI', legacyNoOperation],
  ['FNDISI', legacyNoOperation],
  ['FNSETPM', legacyNoOperation],
  ['FXSAVE', saveImage],
  ['FXRSTOR', restoreImage],
];
