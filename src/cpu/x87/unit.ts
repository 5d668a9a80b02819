/** The x87 register stack with its tags, status and last-instruction pointers (SDM vol. 1 8.1). */

import { FIELDS, X87_REGISTERS } from '../layout.ts';
import type { CpuState } from '../state.ts';
import { Environment, Exception } from './environment.ts';
import { type Extended, fromBytes, INDEFINITE, kindOf, toBytes } from './extended.ts';

export const Status = {
  EXCEPTIONS: 0x3f,
  STACK_FAULT: 0x40,
  ERROR_SUMMARY: 0x80,
  C0: 1 << 8,
  C1: 1 << 9,
  C2: 1 << 10,
  C3: 1 << 14,
  TOP: 7 << 11,
  BUSY: 0x8000,
} as const;

const CONTROL_WORD = FIELDS.x87Control.address >> 2;
const STATUS_WORD = FIELDS.x87Status.address >> 2;
const TAG_WORD = FIELDS.x87Tag.address >> 2;
const CONTROL_INITIAL = 0x37f;
/** Bit 6 of the control word reads as one; bits 15:13 and 7 as zero. */
const CONTROL_WRITABLE = 0x1f3f;
const CONTROL_FIXED = 0x40;
const CONDITION_CODES = Status.C0 | Status.C1 | Status.C2 | Status.C3;
/** Unmasked exceptions that keep an instruction from having any result. */
const BEFORE_COMPUTATION = Exception.INVALID | Exception.DENORMAL | Exception.ZERO_DIVIDE;

/** Values of a register's two bits in the full tag word. */
const Tag = { VALID: 0, ZERO: 1, SPECIAL: 2, EMPTY: 3 } as const;

export class X87 {
  readonly #state: CpuState;

  constructor(state: CpuState) {
    this.#state = state;
  }

  get top(): number {
    return (this.status >> 11) & 7;
  }
  set top(value: number) {
    this.status = (this.status & ~Status.TOP) | ((value & 7) << 11);
  }

  get status(): number {
    return this.#state.i32[STATUS_WORD]!;
  }
  set status(value: number) {
    this.#state.i32[STATUS_WORD] = value & 0xffff;
  }

  get control(): number {
    return this.#state.i32[CONTROL_WORD]!;
  }
  /** Reserved bits are fixed, and ES follows the new masks. */
  set control(value: number) {
    this.#state.i32[CONTROL_WORD] = (value & CONTROL_WRITABLE) | CONTROL_FIXED;
    this.summarize();
  }

  /** One bit a physical register, set when it is not empty. */
  get tags(): number {
    return this.#state.i32[TAG_WORD]!;
  }
  set tags(value: number) {
    this.#state.i32[TAG_WORD] = value & 0xff;
  }

  /** State after FNINIT. The registers keep their contents. */
  initialize(): void {
    this.#state.set('x87Control', CONTROL_INITIAL);
    this.status = 0;
    this.tags = 0;
    this.#state.set('x87Opcode', 0);
    this.#state.set64('x87InstructionPointer', 0n);
    this.#state.set64('x87DataPointer', 0n);
  }

  /** ES and B say whether any exception flag is unmasked. */
  summarize(): void {
    const status = this.status & ~(Status.ERROR_SUMMARY | Status.BUSY);
    const unmasked = status & ~this.control & Status.EXCEPTIONS;
    this.status = unmasked === 0 ? status : status | Status.ERROR_SUMMARY | Status.BUSY;
  }

  #register(index: number): number {
    return (this.top + index) & 7;
  }

  isEmpty(index: number): boolean {
    return ((this.tags >> this.#register(index)) & 1) === 0;
  }

  /** Host address of ST(index). */
  address(index: number): number {
    return X87_REGISTERS + this.#register(index) * 16;
  }

  /** The ten bytes of ST(index), as a live view. */
  bytes(index: number): Uint8Array {
    const address = this.address(index);
    return this.#state.u8.subarray(address, address + 10);
  }

  /** ST(index), whether it is empty or not. */
  read(index: number): Extended {
    return fromBytes(this.bytes(index));
  }

  write(index: number, value: Extended): void {
    this.bytes(index).set(toBytes(value));
    this.tags |= 1 << this.#register(index);
  }

  free(index: number): void {
    this.tags &= ~(1 << this.#register(index));
  }

  pop(): void {
    this.free(0);
    this.top += 1;
  }

  environment(): Environment {
    return new Environment(this.control);
  }

  /** ST(index) as an operand: the indefinite and a stack fault when it is empty. */
  operand(env: Environment, index: number): Extended {
    if (!this.isEmpty(index)) return this.read(index);
    env.raise(Exception.INVALID | Exception.STACK);
    return INDEFINITE;
  }

  /**
   * Enters the exceptions of an instruction in the status word. C1 tells an inexact result's rounding. An unmasked exception
   * of the operands comes before any of the result.
   * @param blocking the exceptions that keep the result from being written when they are unmasked
   * @returns whether the instruction may write its result
   */
  settle(env: Environment, blocking: number = BEFORE_COMPUTATION): boolean {
    const accepted = (env.flags & ~env.masks & blocking) === 0;
    if (!accepted) env.flags &= BEFORE_COMPUTATION | Exception.STACK;
    const c1 = env.roundedUp && (env.flags & Exception.PRECISION) !== 0;
    this.condition(Status.C1, c1 ? Status.C1 : 0);
    this.status |= env.flags;
    this.summarize();
    return accepted;
  }

  /** Sets some condition codes. @param mask those that change */
  condition(mask: number, value: number): void {
    this.status = (this.status & ~(mask & CONDITION_CODES)) | value;
  }

  /**
   * Pushes a value, or the indefinite when the stack is full. A denormal is loaded even if #D is unmasked.
   * @param env with what producing the value raised; an underflow comes before an overflow
   */
  push(env: Environment, value: Extended): void {
    const full = !this.isEmpty(7) && (env.flags & Exception.STACK) === 0;
    if (full) {
      env.flags = Exception.INVALID | Exception.STACK;
      env.roundedUp = false;
    }
    const accepted = this.settle(env, Exception.INVALID);
    if (full) this.condition(Status.C1, Status.C1);
    if (!accepted) return;
    this.top -= 1;
    this.write(0, full ? INDEFINITE : value);
  }

  /** The full tag word, two bits a physical register. */
  get tagWord(): number {
    let word = 0;
    for (let register = 0; register < 8; register++) {
      word |= this.#tagOf((register - this.top) & 7) << (2 * register);
    }
    return word;
  }
  set tagWord(word: number) {
    let tags = 0;
    for (let register = 0; register < 8; register++) {
      if (((word >> (2 * register)) & 3) !== Tag.EMPTY) tags |= 1 << register;
    }
    this.tags = tags;
  }

  #tagOf(index: number): number {
    if (this.isEmpty(index)) return Tag.EMPTY;
    const kind = kindOf(this.read(index));
    if (kind === 'zero') return Tag.ZERO;
    return kind === 'normal' ? Tag.VALID : Tag.SPECIAL;
  }
}
