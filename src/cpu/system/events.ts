/** Delivery of interrupts and exceptions through the IDT (SDM vol. 3A chapter 6; vol. 2A, INT n: Operation). */

import { FLAG } from '../flags.ts';
import { CS, FIELDS, GPR, MODE, SEGMENT_BASE, SEGMENT_BYTES, SEGMENTS, SS, TR } from '../layout.ts';
import type { CpuState, Segment } from '../state.ts';
import { Cr4 } from './control-bits.ts';
import { Attributes, Descriptor, SELECTOR_MASK, SystemType } from './descriptors.ts';
import { generalProtection, invalidTss, segmentNotPresent, stackFault } from './faults.ts';
import { InnerStack } from './inner-stack.ts';
import type { LinearMemory, Width } from './linear-memory.ts';
import { offsetsAllowed } from './operands.ts';
import { Access } from './page-walk.ts';
import type { Segmentation } from './segments.ts';
import { ErrorCode, hasErrorCode, isFault } from './vectors.ts';

/** Where an event comes from: only INT n, INT3 and INTO look at the gate's DPL, and only they are not external. */
export type EventSource = 'exception' | 'software' | 'external';

/** Switches to the task of a task gate's selector: task-switch.ts. */
type EnterTask = (selector: number, flags: number, external: number, errorCode: number | undefined) => void;

interface Gate {
  readonly selector: number;
  /** Bits 31:0 and 63:32, as i32. */
  readonly offset: number;
  readonly offsetHigh: number;
  readonly ist: number;
  readonly type: number;
  readonly dpl: number;
  readonly present: boolean;
}

interface Target {
  readonly selector: number;
  readonly descriptor: Descriptor;
  readonly privilege: number;
}

const RSP = 4;
const CR4_WORD = FIELDS.cr4.address >> 2;
const FAULT_VECTOR_WORD = FIELDS.faultVector.address >> 2;
const FAULT_ERROR_CODE_WORD = FIELDS.faultErrorCode.address >> 2;
const FAULT_HAS_ERROR_CODE_WORD = FIELDS.faultHasErrorCode.address >> 2;
const EVENT_FLAGS_WORD = FIELDS.eventFlags.address >> 2;
const IDTR_LIMIT_WORD = FIELDS.idtrLimit.address >> 2;
const STACK_POINTER = GPR + 8 * RSP;
const INSTRUCTION_POINTER = FIELDS.rip.address;
const TASK_BASE = SEGMENTS + TR * SEGMENT_BYTES + SEGMENT_BASE;
/** Canonical addresses, as signed numbers, are below this in magnitude. */
const CANONICAL_HALF = 2 ** 47;

export class EventDelivery {
  readonly #state: CpuState;
  readonly #memory: LinearMemory;
  readonly #segments: Segmentation;
  readonly #enterTask: EnterTask;

  /** Delivers the event that the state's fields describe, if it can: an engine's function. @returns 0 when it cannot */
  engine: (() => number) | undefined;

  constructor(state: CpuState, memory: LinearMemory, segments: Segmentation, enterTask: EnterTask) {
    this.#state = state;
    this.#memory = memory;
    this.#segments = segments;
    this.#enterTask = enterTask;
  }

  /**
   * Enters the handler of a vector; RIP must be the address to save.
   * @throws GuestException met on the way, with no state changed but memory below the new stack pointer
   */
  enter(vector: number, source: EventSource, errorCode?: number): void {
    const mode = this.#state.mode;
    const code = source === 'exception' && hasErrorCode(vector) ? (errorCode ?? 0) : undefined;
    if (source !== 'software' && this.#isDelivered(vector, source, code)) return;
    const flags = this.#savedFlags(vector, source);
    if ((mode & MODE.protected) === 0) this.#enterReal(vector, flags);
    else if ((mode & MODE.longActive) !== 0) this.#enterLong(vector, source, flags, code);
    else this.#enterProtected(vector, source, flags, code);
  }

  /** @returns whether the engine has done it all, as it can in 64-bit mode */
  #isDelivered(vector: number, source: EventSource, errorCode: number | undefined): boolean {
    if (this.engine === undefined || this.#memory.onWrite !== undefined) return false;
    const words = this.#state.i32;
    words[FAULT_VECTOR_WORD] = vector;
    words[FAULT_ERROR_CODE_WORD] = errorCode ?? 0;
    words[FAULT_HAS_ERROR_CODE_WORD] = errorCode === undefined ? 0 : 1;
    words[EVENT_FLAGS_WORD] = source === 'exception' && isFault(vector) ? FLAG.RF : 0;
    return this.engine() !== 0;
  }

  #savedFlags(vector: number, source: EventSource): number {
    const flags = this.#state.rflags;
    return source === 'exception' && isFault(vector) ? flags | FLAG.RF : flags;
  }

  #enterLong(vector: number, source: EventSource, flags: number, errorCode: number | undefined): void {
    const external = source === 'software' ? 0 : ErrorCode.EXTERNAL;
    const gate = this.#readGate(vector, 16, external);
    this.#checkGate(gate, vector, source, external, [SystemType.INTERRUPT_GATE, SystemType.TRAP_GATE]);
    const target = this.#target(gate.selector, external);
    if (!target.descriptor.isLong || target.descriptor.isBig) {
      throw generalProtection((gate.selector & SELECTOR_MASK) | external);
    }
    if (gate.offsetHigh >> 15 !== 0 && gate.offsetHigh >> 15 !== -1) throw generalProtection(external);
    this.#segments.markAccessed(target.selector, target.descriptor);
    const state = this.#state;
    const inner = target.privilege < state.cpl;
    const switches = inner || gate.ist !== 0;
    const stack = switches ? this.#stackFromTss(target.privilege, gate.ist, external) : state.signed(STACK_POINTER);
    const pointer = this.#pushLong(stack, flags, errorCode, this.accessAt(target.privilege), external);
    if (inner) this.#segments.loadNull(SS, target.privilege);
    state.setHalves(STACK_POINTER, pointer | 0, Math.floor(pointer / 2 ** 32));
    this.#arrive(target, gate, flags);
  }

  #enterProtected(vector: number, source: EventSource, flags: number, errorCode: number | undefined): void {
    const external = source === 'software' ? 0 : ErrorCode.EXTERNAL;
    const gate = this.#readGate(vector, 8, external);
    this.#checkGate(gate, vector, source, external, [
      SystemType.INTERRUPT_GATE_16,
      SystemType.TRAP_GATE_16,
      SystemType.INTERRUPT_GATE,
      SystemType.TRAP_GATE,
      SystemType.TASK_GATE,
    ]);
    if (gate.type === SystemType.TASK_GATE) {
      this.#enterTask(gate.selector, flags, external, errorCode);
      return;
    }
    const target = this.#target(gate.selector, external);
    if (gate.offset >>> 0 > target.descriptor.limit) throw generalProtection(external);
    this.#segments.markAccessed(target.selector, target.descriptor);
    const state = this.#state;
    const inner = target.privilege < state.cpl;
    const width = (gate.type & 8) !== 0 ? 4 : 2;
    const frame = [BigInt(flags), BigInt(state.cs.selector), state.rip];
    if (errorCode !== undefined) frame.push(BigInt(errorCode));
    if (inner) this.#enterInner(target, frame, width, external);
    else this.#pushLegacy(frame, width, external);
    this.#arrive(target, gate, flags);
  }

  /** Switches to the stack that the TSS names for the inner ring. */
  #enterInner(target: Target, frame: readonly bigint[], width: 2 | 4, external: number): void {
    const state = this.#state;
    const access = this.accessAt(target.privilege);
    const stack = new InnerStack(state, this.#memory, this.#segments, target.privilege, access, external);
    for (const value of [BigInt(state.ss.selector), state.gpr(4), ...frame]) stack.push(width, value);
    this.#segments.install(SS, stack.selector, stack.descriptor);
    state.setGpr(4, stack.pointer);
  }

  /** Real-address mode: an interrupt vector table of far pointers at IDTR.base. */
  #enterReal(vector: number, flags: number): void {
    const state = this.#state;
    if (vector * 4 + 3 > state.i32[IDTR_LIMIT_WORD]!) throw generalProtection();
    const pointer = this.#memory.read32(state.get64('idtrBase') + BigInt(vector * 4), 4, Access.SYSTEM);
    const frame = [BigInt(flags), BigInt(state.cs.selector), state.rip];
    this.#pushLegacy(frame, 2, 0);
    this.#segments.loadRealMode(CS, pointer >>> 16);
    state.rip = BigInt(pointer & 0xffff);
    state.rflags = flags & ~(FLAG.TF | FLAG.IF | FLAG.RF | FLAG.AC);
  }

  #readGate(vector: number, bytes: 8 | 16, external: number): Gate {
    const state = this.#state;
    const offset = vector * bytes;
    if (offset + bytes - 1 > state.i32[IDTR_LIMIT_WORD]!) throw generalProtection(offsetCode(vector, external));
    const address = state.signed(FIELDS.idtrBase.address) + offset;
    this.#memory.readHalves(address, Access.SYSTEM);
    const descriptor = new Descriptor(this.#memory.low >>> 0, this.#memory.high >>> 0);
    if (bytes === 16) this.#memory.readHalves(address + 8, Access.SYSTEM);
    return {
      selector: descriptor.low >>> 16,
      offset: (descriptor.high & 0xffff_0000) | (descriptor.low & 0xffff),
      offsetHigh: bytes === 16 ? this.#memory.low : 0,
      ist: bytes === 16 ? descriptor.high & 7 : 0,
      type: descriptor.isSystem ? descriptor.type : 0,
      dpl: descriptor.dpl,
      present: descriptor.present,
    };
  }

  #checkGate(gate: Gate, vector: number, source: EventSource, external: number, types: readonly number[]): void {
    const code = offsetCode(vector, external);
    if (!types.includes(gate.type)) throw generalProtection(code);
    if (source === 'software' && gate.dpl < this.#state.cpl) throw generalProtection(code);
    if (!gate.present) throw segmentNotPresent(code);
  }

  #target(selector: number, external: number): Target {
    if ((selector & SELECTOR_MASK) === 0) throw generalProtection(external);
    const code = (selector & SELECTOR_MASK) | external;
    const descriptor = this.#segments.read(selector, generalProtection, external);
    const cpl = this.#state.cpl;
    if (!descriptor.isCode || descriptor.dpl > cpl) throw generalProtection(code);
    if (!descriptor.present) throw segmentNotPresent(code);
    return { selector, descriptor, privilege: descriptor.isConforming ? cpl : descriptor.dpl };
  }

  /** RSP0 to RSP2 for an inner ring, or one of IST1 to IST7, as a signed number. */
  #stackFromTss(privilege: number, ist: number, external: number): number {
    const task = this.#state.segments[TR] as Segment;
    const offset = ist === 0 ? privilege * 8 + 4 : ist * 8 + 28;
    if (offset + 7 > task.limit) throw invalidTss((task.selector & SELECTOR_MASK) | external);
    this.#memory.readHalves(this.#state.signed(TASK_BASE) + offset, Access.SYSTEM);
    const { low, high } = this.#memory;
    if (high >> 15 !== 0 && high >> 15 !== -1) throw stackFault(external);
    return high * 2 ** 32 + (low >>> 0);
  }

  /**
   * Pushes SS, RSP, RFLAGS, CS, RIP and an error code. @param stack a signed number, inexact only where it is not canonical
   * @returns the new stack pointer
   */
  #pushLong(stack: number, flags: number, errorCode: number | undefined, access: number, external: number): number {
    const words = this.#state.i32;
    const top = stack - (stack & 15);
    const push = (slot: number, low: number, high: number): void => {
      const pointer = top - 8 * slot;
      if (pointer < -CANONICAL_HALF || pointer >= CANONICAL_HALF) throw stackFault(external);
      this.#memory.writeHalves(pointer, low, high, access);
    };
    push(1, this.#state.ss.selector, 0);
    push(2, words[STACK_POINTER >> 2]!, words[(STACK_POINTER >> 2) + 1]!);
    push(3, flags, 0);
    push(4, this.#state.cs.selector, 0);
    push(5, words[INSTRUCTION_POINTER >> 2]!, words[(INSTRUCTION_POINTER >> 2) + 1]!);
    if (errorCode === undefined) return top - 40;
    push(6, errorCode, 0);
    return top - 48;
  }

  /** Pushes on the current stack. */
  #pushLegacy(frame: readonly bigint[], width: Width & (2 | 4), external: number): void {
    const state = this.#state;
    const { base, limit, attributes } = state.ss;
    const top = state.gpr(4);
    const mask = (attributes & Attributes.DEFAULT_BIG) !== 0 ? 0xffff_ffffn : 0xffffn;
    let pointer = top & mask;
    for (const value of frame) {
      pointer = (pointer - BigInt(width)) & mask;
      if (!offsetsAllowed(attributes, limit, pointer, width)) throw stackFault(external);
      this.#memory.write((base + pointer) & 0xffff_ffffn, width, value, this.accessAt(state.cpl));
    }
    state.setGpr(4, (top & ~mask) | pointer);
  }

  /** How an explicit data access at a privilege level walks the page tables. */
  accessAt(privilege: number): number {
    if (privilege === 3) return Access.USER;
    const forbidden = (this.#state.i32[CR4_WORD]! & Cr4.SMAP) !== 0 && (this.#state.systemFlags & FLAG.AC) === 0;
    return forbidden ? Access.SYSTEM : Access.USER_PAGES_ALLOWED;
  }

  #arrive(target: Target, gate: Gate, flags: number): void {
    const state = this.#state;
    const { attributes, base, limit } = target.descriptor;
    const selector = (target.selector & SELECTOR_MASK) | target.privilege;
    this.#segments.fill(CS, selector, attributes | Attributes.ACCESSED, BigInt(base), limit);
    state.setHalves(INSTRUCTION_POINTER, gate.offset, gate.offsetHigh);
    const interrupt = (gate.type & 1) === 0 ? FLAG.IF : 0;
    state.rflags = flags & ~(FLAG.TF | FLAG.NT | FLAG.RF | FLAG.VM | interrupt);
  }
}

function offsetCode(vector: number, external: number): number {
  return (vector << 3) | ErrorCode.IDT | external;
}
