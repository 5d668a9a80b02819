/** Operands of instructions written in TypeScript: registers, effective addresses, segment checks and the stack. */

import { GuestException } from '../bus.ts';
import { byteRegister, HIGH_BYTE_REGISTERS, type Instruction, NO_REGISTER } from '../decode/instruction.ts';
import { FS, GPR, GS, MODE, SS } from '../layout.ts';
import type { CpuState, Segment } from '../state.ts';
import { isCanonical } from './addresses.ts';
import { Attributes } from './descriptors.ts';
import { generalProtection, stackFault } from './faults.ts';
import type { Width } from './linear-memory.ts';
import type { SystemUnit } from './system-unit.ts';
import { Vector } from './vectors.ts';

const RSP = 4;

/** @param register 0 to 15, or a high-byte register's number when `bits` is 8 @returns the low `bits`, zero-extended */
export function readRegister(state: CpuState, register: number, bits: number): bigint {
  if (register >= HIGH_BYTE_REGISTERS) return (state.gpr(register - HIGH_BYTE_REGISTERS) >> 8n) & 0xffn;
  return BigInt.asUintN(bits, state.gpr(register));
}

/** Writes 64 bits, zero-extends 32, and leaves the rest of the register alone for 16 and 8. */
export function writeRegister(state: CpuState, register: number, bits: number, value: bigint): void {
  if (bits >= 32) state.setGpr(register, BigInt.asUintN(bits, value));
  else if (bits === 16) state.view.setUint16(GPR + 8 * register, Number(value & 0xffffn), true);
  else if (register < HIGH_BYTE_REGISTERS) state.u8[GPR + 8 * register] = Number(value & 0xffn);
  else state.u8[GPR + 8 * (register - HIGH_BYTE_REGISTERS) + 1] = Number(value & 0xffn);
}

/** Offset of a memory operand within its segment, wrapped to the address size. */
export function effectiveAddress(system: SystemUnit, instruction: Instruction): bigint {
  const { state } = system;
  let address = (BigInt(instruction.displacementHigh) << 32n) | BigInt(instruction.displacement >>> 0);
  if (instruction.ripRelative) address += state.rip;
  if (instruction.base !== NO_REGISTER) address += state.gpr(instruction.base);
  if (instruction.index !== NO_REGISTER) address += state.gpr(instruction.index) << BigInt(instruction.scale);
  return BigInt.asUintN(instruction.addressSize, address);
}

/** What an access does; undefined when it only uses the address, for which a segment of any type serves. */
type IsWrite = boolean | undefined;

/**
 * Linear address of `bytes` at an offset in a segment.
 * @throws GuestException #GP(0), or #SS(0) for SS, where the segment or canonical form forbids the access
 */
export function linearAddress(state: CpuState, index: number, offset: bigint, bytes: number, write: IsWrite): bigint {
  const segment = state.segments[index] as Segment;
  const fault = index === SS ? stackFault : generalProtection;
  if (state.mode64) {
    const base = index === FS || index === GS ? segment.base : 0n;
    const address = BigInt.asUintN(64, base + offset);
    const last = BigInt.asUintN(64, address + BigInt(bytes - 1));
    if (!isCanonical(address) || !isCanonical(last)) throw fault();
    return address;
  }
  if (!segmentAllows(state, index, offset, bytes, write)) throw fault();
  return (segment.base + offset) & 0xffff_ffffn;
}

/** Whether a segment allows an access outside 64-bit mode: by its type in protected mode, and by its limit. */
export function segmentAllows(state: CpuState, index: number, offset: bigint, bytes: number, write: IsWrite): boolean {
  const segment = state.segments[index] as Segment;
  const { attributes } = segment;
  if ((state.mode & MODE.protected) !== 0) {
    if ((attributes & Attributes.UNUSABLE) !== 0) return false;
    const code = (attributes & Attributes.CODE) !== 0;
    if (write === true && (code || (attributes & Attributes.WRITABLE) === 0)) return false;
    if (write === false && code && (attributes & Attributes.READABLE) === 0) return false;
  }
  return offsetsAllowed(attributes, segment.limit, offset, bytes);
}

/** Whether a segment's limit allows an access, by its attributes upward or downward. */
export function offsetsAllowed(attributes: number, limit: number, offset: bigint, bytes: number): boolean {
  const last = offset + BigInt(bytes - 1);
  const down = (attributes & (Attributes.CODE | Attributes.EXPAND_DOWN)) === Attributes.EXPAND_DOWN;
  if (!down) return last <= BigInt(limit);
  const top = (attributes & Attributes.DEFAULT_BIG) !== 0 ? 0xffff_ffffn : 0xffffn;
  return offset > BigInt(limit) && last <= top;
}

/** Linear address of the instruction's memory operand. */
export function operandAddress(system: SystemUnit, instruction: Instruction, bytes: number, write: IsWrite): bigint {
  return linearAddress(system.state, instruction.segment, effectiveAddress(system, instruction), bytes, write);
}

/** Reads data for the current privilege, with alignment check and data breakpoints. */
export function readData(system: SystemUnit, address: bigint, width: Width): bigint {
  checkAlignment(system.state, address, width);
  const value = system.memory.read(address, width, system.dataAccess);
  if (system.debug.dataActive) system.debug.dataAccess(address, width, false);
  return value;
}

/** Writes data for the current privilege, with alignment check and data breakpoints. */
export function writeData(system: SystemUnit, address: bigint, width: Width, value: bigint): void {
  checkAlignment(system.state, address, width);
  system.memory.write(address, width, value, system.dataAccess);
  if (system.debug.dataActive) system.debug.dataAccess(address, width, true);
}

function checkAlignment(state: CpuState, address: bigint, bytes: number): void {
  if ((state.mode & MODE.alignmentCheck) === 0) return;
  if (address % BigInt(bytes) !== 0n) throw new GuestException(Vector.ALIGNMENT_CHECK, 0);
}

/** Reads the ModRM.rm operand. @param bits 8, 16, 32 or 64 */
export function readOperand(system: SystemUnit, instruction: Instruction, bits: number): bigint {
  if (!instruction.memory) {
    const register = bits === 8 ? byteRegister(instruction.rm, instruction.rex) : instruction.rm;
    return readRegister(system.state, register, bits);
  }
  const width = (bits / 8) as Width;
  return readData(system, operandAddress(system, instruction, width, false), width);
}

/** Writes the ModRM.rm operand. @param bits 8, 16, 32 or 64 */
export function writeOperand(system: SystemUnit, instruction: Instruction, bits: number, value: bigint): void {
  if (!instruction.memory) {
    const register = bits === 8 ? byteRegister(instruction.rm, instruction.rex) : instruction.rm;
    writeRegister(system.state, register, bits, value);
    return;
  }
  const width = (bits / 8) as Width;
  writeData(system, operandAddress(system, instruction, width, true), width, value);
}

/** Pushes and pops against a private copy of the stack pointer, so that an instruction which faults has moved nothing. */
export class StackCursor {
  readonly #system: SystemUnit;
  readonly #bits: 16 | 32 | 64;
  #pointer: bigint;

  constructor(system: SystemUnit) {
    const { state } = system;
    this.#system = system;
    this.#bits = state.mode64 ? 64 : (state.mode & MODE.stack32) !== 0 ? 32 : 16;
    this.#pointer = BigInt.asUintN(this.#bits, state.gpr(RSP));
  }

  pop(width: 2 | 4 | 8): bigint {
    const address = linearAddress(this.#system.state, SS, this.#pointer, width, false);
    const value = readData(this.#system, address, width);
    this.skip(width);
    return value;
  }

  push(width: 2 | 4 | 8, value: bigint): void {
    const pointer = BigInt.asUintN(this.#bits, this.#pointer - BigInt(width));
    writeData(this.#system, linearAddress(this.#system.state, SS, pointer, width, true), width, value);
    this.#pointer = pointer;
  }

  /** Moves over bytes without reading them. */
  skip(bytes: number): void {
    this.#pointer = BigInt.asUintN(this.#bits, this.#pointer + BigInt(bytes));
  }

  /** Gives the stack pointer to the CPU. */
  commit(): void {
    const { state } = this.#system;
    if (this.#bits === 16) state.setGpr(RSP, (state.gpr(RSP) & ~0xffffn) | this.#pointer);
    else state.setGpr(RSP, this.#pointer);
  }
}
