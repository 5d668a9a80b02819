/** x87 control instructions, environments and whole-state images, FXSAVE and FXRSTOR (SDM vol. 1 8.1.10, 10.5; vol. 2). */

import { GuestException } from '../bus.ts';
import type { Instruction } from '../decode/instruction.ts';
import { MxcsrMask } from '../floating-point/mxcsr.ts';
import { FIELDS, MODE, XMM } from '../layout.ts';
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
/** Indexes of 32-bit words of the FXSAVE image (SDM vol. 1 table 10-2). Registers take four each. */
const Image = {
  CONTROL_STATUS: 0,
  TAG_OPCODE: 1,
  IP: 2,
  DP: 4,
  MXCSR: 6,
  MASK: 7,
  ST: 8,
  XMM: 40,
  END: 104,
} as const;
const CR0_WORD = FIELDS.cr0.address >> 2;
const CR4_WORD = FIELDS.cr4.address >> 2;
const MXCSR_WORD = FIELDS.mxcsr.address >> 2;
const OPCODE_WORD = FIELDS.x87Opcode.address >> 2;
const X87_IP = FIELDS.x87InstructionPointer.address;
const X87_DP = FIELDS.x87DataPointer.address;

/** Linear address of the 512-byte image, with the checks that FXSAVE and FXRSTOR share. */
function imageAddress(system: SystemUnit, instruction: Instruction, write: boolean): bigint {
  const cr0 = system.state.i32[CR0_WORD]!;
  if ((cr0 & Cr0.EM) !== 0) throw undefinedOpcode();
  if ((cr0 & Cr0.TS) !== 0) throw new GuestException(Vector.DEVICE_NOT_AVAILABLE);
  const address = operandAddress(system, instruction, FX_IMAGE_BYTES, write);
  if ((address & 15n) !== 0n) throw generalProtection();
  system.memory.check(address, FX_IMAGE_BYTES, system.dataAccess | (write ? Access.WRITE : 0));
  return address;
}

/** Without CR4.OSFXSR the image leaves MXCSR and the XMM registers out. */
function vectorRegisters(state: CpuState): number {
  if ((state.i32[CR4_WORD]! & Cr4.OSFXSR) === 0) return 0;
  return state.mode64 ? 16 : 8;
}

/** The image that is being saved or restored. */
const image = new Int32Array(Image.END);
const imageBytes = new Uint8Array(image.buffer);

/** The part of it that has a meaning. */
function usedBytes(vectors: number): Uint8Array {
  return imageBytes.subarray(0, (Image.XMM + vectors * 4) * 4);
}

function saveImage(system: SystemUnit, instruction: Instruction): void {
  const { state } = system;
  const words = state.i32;
  const address = imageAddress(system, instruction, true);
  const vectors = vectorRegisters(state);
  const x87 = new X87(state);
  image[Image.CONTROL_STATUS] = x87.control | (x87.status << 16);
  image[Image.TAG_OPCODE] = x87.tags | (words[OPCODE_WORD]! << 16);
  savePointer(words, Image.IP, X87_IP, instruction);
  savePointer(words, Image.DP, X87_DP, instruction);
  image[Image.MXCSR] = vectors > 0 ? words[MXCSR_WORD]! : 0;
  image[Image.MASK] = vectors > 0 ? MxcsrMask : 0;
  for (let i = 0; i < 8; i++) {
    const register = x87.address(i) >> 2;
    const at = Image.ST + i * 4;
    image[at] = words[register]!;
    image[at + 1] = words[register + 1]!;
    image[at + 2] = words[register + 2]! & 0xffff;
    image[at + 3] = 0;
  }
  for (let i = 0; i < vectors * 4; i++) image[Image.XMM + i] = words[(XMM >> 2) + i]!;
  system.memory.writeBytes(address, usedBytes(vectors), system.dataAccess);
}

/** Without REX.W the pointers are 32 bits and a selector, which is zero here. */
function savePointer(words: Int32Array, at: number, field: number, instruction: Instruction): void {
  image[at] = words[field >> 2]!;
  image[at + 1] = instruction.operandSize === 64 ? words[(field >> 2) + 1]! : 0;
}

function restoreImage(system: SystemUnit, instruction: Instruction): void {
  const { state } = system;
  const words = state.i32;
  const address = imageAddress(system, instruction, false);
  const vectors = vectorRegisters(state);
  system.memory.readInto(usedBytes(vectors), address, system.dataAccess);
  const mxcsr = image[Image.MXCSR]!;
  if (vectors > 0 && (mxcsr & ~MxcsrMask) !== 0) throw generalProtection();
  const x87 = new X87(state);
  x87.status = image[Image.CONTROL_STATUS]! >>> 16;
  x87.tags = image[Image.TAG_OPCODE]! & 0xff;
  x87.control = image[Image.CONTROL_STATUS]! & 0xffff;
  words[OPCODE_WORD] = (image[Image.TAG_OPCODE]! >>> 16) & 0x7ff;
  const high = instruction.operandSize === 64 ? -1 : 0;
  state.setHalves(X87_IP, image[Image.IP]!, image[Image.IP + 1]! & high);
  state.setHalves(X87_DP, image[Image.DP]!, image[Image.DP + 1]! & high);
  for (let i = 0; i < 8; i++) {
    const register = x87.address(i) >> 2;
    const at = Image.ST + i * 4;
    words[register] = image[at]!;
    words[register + 1] = image[at + 1]!;
    words[register + 2] = image[at + 2]! & 0xffff;
  }
  if (vectors > 0) words[MXCSR_WORD] = mxcsr;
  for (let i = 0; i < vectors * 4; i++) words[(XMM >> 2) + i] = image[Image.XMM + i]!;
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
