/** x87 control instructions, environments and whole-state images, FXSAVE and FXRSTOR (SDM vol. 1 8.1.10, 10.5; vol. 2). */

import { GuestException } from '../bus.ts';
import type { Instruction } from '../decode/instruction.ts';
import { MxcsrMask } from '../floating-point/mxcsr.ts';
import { MODE, XMM } from '../layout.ts';
import type { CpuState } from '../state.ts';
import { Cr0, Cr4 } from '../system/control-bits.ts';
import { generalProtection, undefinedOpcode } from '../system/faults.ts';
import { operandAddress, readOperand, writeOperand, writeRegister } from '../system/operands.ts';
import { Access } from '../system/page-walk.ts';
import type { InstructionFunction, SystemUnit } from '../system/system-unit.ts';
import { Vector } from '../system/vectors.ts';
import { Status, X87 } from './unit.ts';

const RAX = 0;

/** @throws GuestException #NM when CR0.EM or CR0.TS keeps x87 instructions out */
export function requireX87({ state }: SystemUnit): void {
  if ((state.get('cr0') & (Cr0.EM | Cr0.TS)) !== 0) throw new GuestException(Vector.DEVICE_NOT_AVAILABLE);
}

/** @throws GuestException #MF when an unmasked exception is pending */
export function checkPending({ state }: SystemUnit): void {
  const pending = (state.get('x87Status') & Status.ERROR_SUMMARY) !== 0;
  if (pending && (state.get('cr0') & Cr0.NE) !== 0) throw new GuestException(Vector.X87_FLOATING_POINT);
}

function initialize(system: SystemUnit): void {
  requireX87(system);
  new X87(system.state).initialize();
}

function clearExceptions(system: SystemUnit): void {
  requireX87(system);
  const x87 = new X87(system.state);
  x87.status &= ~(Status.EXCEPTIONS | Status.STACK_FAULT | Status.ERROR_SUMMARY | Status.BUSY);
}

function loadControl(system: SystemUnit, instruction: Instruction): void {
  requireX87(system);
  checkPending(system);
  new X87(system.state).control = Number(readOperand(system, instruction, 16));
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

const REGISTER_IMAGE_BYTES = 80;

/** Seven words of 16 or 32 bits; the 32-bit form has ones above its control, status and tag words and the last selector. */
function environmentBytes(instruction: Instruction): 14 | 28 {
  return instruction.operandSize === 16 ? 14 : 28;
}

/** Real-address mode splits the pointers otherwise (SDM vol. 1 figures 8-9 to 8-12). */
function encodeEnvironment(state: CpuState, x87: X87, bytes: 14 | 28): Uint8Array {
  const wide = bytes === 28;
  const image = new Uint8Array(bytes);
  const view = new DataView(image.buffer);
  const put = (index: number, value: number): void => {
    if (wide) view.setUint32(index * 4, value, true);
    else view.setUint16(index * 2, value, true);
  };
  const high = wide ? 0xffff_0000 : 0;
  const instructionPointer = Number(BigInt.asUintN(32, state.get64('x87InstructionPointer')));
  const dataPointer = Number(BigInt.asUintN(32, state.get64('x87DataPointer')));
  const opcode = state.get('x87Opcode');
  put(0, x87.control | high);
  put(1, x87.status | high);
  put(2, x87.tagWord | high);
  put(3, instructionPointer);
  put(5, dataPointer);
  if ((state.get('mode') & MODE.protected) !== 0) {
    put(4, wide ? opcode << 16 : 0);
    put(6, high);
  } else {
    put(4, wide ? ((instructionPointer >>> 16) << 12) | opcode : ((instructionPointer >>> 16) << 12) | opcode);
    put(6, (dataPointer >>> 16) << 12);
  }
  return image;
}

function decodeEnvironment(state: CpuState, x87: X87, image: Uint8Array, bytes: 14 | 28): void {
  const view = new DataView(image.buffer);
  const wide = bytes === 28;
  const get = (index: number): number => (wide ? view.getUint32(index * 4, true) : view.getUint16(index * 2, true));
  const isProtected = (state.get('mode') & MODE.protected) !== 0;
  const upper = (index: number): number => (isProtected ? 0 : ((get(index) >>> 12) << 16) >>> 0);
  state.set('x87Opcode', (isProtected && wide ? get(4) >>> 16 : isProtected ? 0 : get(4)) & 0x7ff);
  state.set64('x87InstructionPointer', BigInt((get(3) | upper(4)) >>> 0));
  state.set64('x87DataPointer', BigInt((get(5) | upper(6)) >>> 0));
  x87.status = get(1);
  x87.tagWord = get(2);
  x87.control = get(0);
}

function storeEnvironment(system: SystemUnit, instruction: Instruction): void {
  requireX87(system);
  const bytes = environmentBytes(instruction);
  const address = operandAddress(system, instruction, bytes, true);
  const x87 = new X87(system.state);
  system.memory.writeBytes(address, encodeEnvironment(system.state, x87, bytes), system.dataAccess);
  x87.control |= Status.EXCEPTIONS;
}

function loadEnvironment(system: SystemUnit, instruction: Instruction): void {
  requireX87(system);
  checkPending(system);
  const bytes = environmentBytes(instruction);
  const address = operandAddress(system, instruction, bytes, false);
  const image = system.memory.readBytes(address, bytes, system.dataAccess);
  decodeEnvironment(system.state, new X87(system.state), image, bytes);
}

function saveState(system: SystemUnit, instruction: Instruction): void {
  requireX87(system);
  const bytes = environmentBytes(instruction);
  const address = operandAddress(system, instruction, bytes + REGISTER_IMAGE_BYTES, true);
  const x87 = new X87(system.state);
  const image = new Uint8Array(bytes + REGISTER_IMAGE_BYTES);
  image.set(encodeEnvironment(system.state, x87, bytes));
  for (let i = 0; i < 8; i++) image.set(x87.bytes(i), bytes + i * 10);
  system.memory.writeBytes(address, image, system.dataAccess);
  x87.initialize();
}

function restoreState(system: SystemUnit, instruction: Instruction): void {
  requireX87(system);
  checkPending(system);
  const bytes = environmentBytes(instruction);
  const address = operandAddress(system, instruction, bytes + REGISTER_IMAGE_BYTES, false);
  const image = system.memory.readBytes(address, bytes + REGISTER_IMAGE_BYTES, system.dataAccess);
  const x87 = new X87(system.state);
  decodeEnvironment(system.state, x87, image, bytes);
  for (let i = 0; i < 8; i++) x87.bytes(i).set(image.subarray(bytes + i * 10, bytes + i * 10 + 10));
}

const FX_IMAGE_BYTES = 512;
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

/** Linear address of the 512-byte image, with the checks that FXSAVE and FXRSTOR share. */
function imageAddress(system: SystemUnit, instruction: Instruction, write: boolean): bigint {
  const cr0 = system.state.get('cr0');
  if ((cr0 & Cr0.EM) !== 0) throw undefinedOpcode();
  if ((cr0 & Cr0.TS) !== 0) throw new GuestException(Vector.DEVICE_NOT_AVAILABLE);
  const address = operandAddress(system, instruction, FX_IMAGE_BYTES, write);
  if ((address & 15n) !== 0n) throw generalProtection();
  system.memory.check(address, FX_IMAGE_BYTES, system.dataAccess | (write ? Access.WRITE : 0));
  return address;
}

/** Without CR4.OSFXSR the image leaves MXCSR and the XMM registers out. */
function vectorRegisters(state: CpuState): number {
  if ((state.get('cr4') & Cr4.OSFXSR) === 0) return 0;
  return state.mode64 ? 16 : 8;
}

/** Without REX.W the pointers are 32 bits and a selector, which is zero here. */
function pointerMask(instruction: Instruction): bigint {
  return instruction.operandSize === 64 ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn;
}

function saveImage(system: SystemUnit, instruction: Instruction): void {
  const { state } = system;
  const address = imageAddress(system, instruction, true);
  const vectors = vectorRegisters(state);
  const x87 = new X87(state);
  const image = new Uint8Array(Image.XMM + vectors * 16);
  const view = new DataView(image.buffer);
  view.setUint16(Image.CONTROL, x87.control, true);
  view.setUint16(Image.STATUS, x87.status, true);
  view.setUint8(Image.TAG, x87.tags);
  view.setUint16(Image.OPCODE, state.get('x87Opcode'), true);
  view.setBigUint64(Image.IP, state.get64('x87InstructionPointer') & pointerMask(instruction), true);
  view.setBigUint64(Image.DP, state.get64('x87DataPointer') & pointerMask(instruction), true);
  if (vectors > 0) {
    view.setUint32(Image.MXCSR, state.get('mxcsr'), true);
    view.setUint32(Image.MASK, MxcsrMask, true);
  }
  for (let i = 0; i < 8; i++) image.set(x87.bytes(i), Image.ST + i * 16);
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
  const x87 = new X87(state);
  x87.status = view.getUint16(Image.STATUS, true);
  x87.tags = view.getUint8(Image.TAG);
  x87.control = view.getUint16(Image.CONTROL, true);
  state.set('x87Opcode', view.getUint16(Image.OPCODE, true) & 0x7ff);
  state.set64('x87InstructionPointer', view.getBigUint64(Image.IP, true) & pointerMask(instruction));
  state.set64('x87DataPointer', view.getBigUint64(Image.DP, true) & pointerMask(instruction));
  for (let i = 0; i < 8; i++) x87.bytes(i).set(image.subarray(Image.ST + i * 16, Image.ST + i * 16 + 10));
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
  ['FNSTENV', storeEnvironment],
  ['FLDENV', loadEnvironment],
  ['FNSAVE', saveState],
  ['FRSTOR', restoreState],
  ['FXSAVE', saveImage],
  ['FXRSTOR', restoreImage],
];
