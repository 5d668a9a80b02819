/** Hardware task switches of protected mode outside IA-32e mode (SDM vol. 3A chapter 8). */

import { GuestException } from '../bus.ts';
import { FLAG } from '../flags.ts';
import { CS, DS, ES, FS, GS, LDTR, SS, TR } from '../layout.ts';
import type { Segment } from '../state.ts';
import { Cr0 } from './control-bits.ts';
import { Dr6 } from './debug-registers.ts';
import { type Descriptor, SELECTOR_MASK, SystemType, TABLE_INDICATOR } from './descriptors.ts';
import { generalProtection, invalidTss, segmentNotPresent, stackFault } from './faults.ts';
import { writeCr3 } from './instructions/control-registers.ts';
import { StackCursor } from './operands.ts';
import { Access } from './page-walk.ts';
import type { SystemUnit } from './system-unit.ts';

/** Offsets of the fields of a task-state segment, and their width (SDM vol. 3A figures 8-2 and 8-10). */
interface Layout {
  readonly width: 2 | 4;
  /** The least limit of a whole one. */
  readonly limit: number;
  readonly instructionPointer: number;
  readonly flags: number;
  /** The eight general registers in encoding order. */
  readonly registers: number;
  /** ES, CS, SS, DS and, in a 32-bit one, FS and GS. */
  readonly segments: number;
  readonly segmentCount: 4 | 6;
  readonly localTable: number;
  readonly cr3: number | undefined;
  /** Bit 0: raise #DB when the task has been switched to. */
  readonly trap: number | undefined;
}

const LAYOUT_16: Layout = {
  ...{ width: 2, limit: 0x2b, instructionPointer: 0x0e, flags: 0x10, registers: 0x12, segments: 0x22, segmentCount: 4 },
  ...{ localTable: 0x2a, cr3: undefined, trap: undefined },
};
const LAYOUT_32: Layout = {
  ...{ width: 4, limit: 0x67, instructionPointer: 0x20, flags: 0x24, registers: 0x28, segments: 0x48, segmentCount: 6 },
  ...{ localTable: 0x60, cr3: 0x1c, trap: 0x64 },
};

const AVAILABLE: readonly number[] = [SystemType.AVAILABLE_TSS_16, SystemType.AVAILABLE_TSS];
const BUSY: readonly number[] = [SystemType.BUSY_TSS_16, SystemType.BUSY_TSS];
const BUSY_BIT = 2;
/** DR7's local enables and LE. */
const LOCAL_BREAKPOINTS = 0x155;

export function isTaskDescriptor({ isSystem, type }: Descriptor): boolean {
  return isSystem && (AVAILABLE.includes(type) || BUSY.includes(type) || type === SystemType.TASK_GATE);
}

/** Whether a TSS or TR, by the low bits of its attributes, has 32-bit fields. */
const layoutOf = (type: number): Layout => ((type & 8) !== 0 ? LAYOUT_32 : LAYOUT_16);

/** `call` nests: it links the new task to the old one, to which `return` goes back. Events through task gates are calls. */
type Kind = 'jump' | 'call' | 'return';

/** What a task switch loads from the new TSS before anything changes. */
interface TaskState {
  readonly instructionPointer: bigint;
  readonly flags: number;
  readonly registers: readonly bigint[];
  readonly selectors: readonly number[];
  readonly localTable: number;
  readonly cr3: bigint | undefined;
  readonly trap: boolean;
}

class TaskSwitch {
  readonly #system: SystemUnit;
  /** 1 in error codes when an event from outside the program is the cause. */
  readonly #external: number;

  constructor(system: SystemUnit, external: number) {
    this.#system = system;
    this.#external = external;
  }

  /**
   * @param savedFlags what the old task's EFLAGS are saved as
   * @throws GuestException before anything has changed; or, `inNewTask`, in the context of the new task
   */
  perform(selector: number, kind: Kind, savedFlags: number): void {
    const descriptor = this.#taskDescriptor(selector, kind);
    const layout = layoutOf(descriptor.type);
    const { state } = this.#system;
    const old = state.segments[TR] as Segment;
    this.#checkAccessible(selector, descriptor, kind);
    const next = this.#read(descriptor.base, layout);
    this.#save(old, kind === 'return' ? savedFlags & ~FLAG.NT : savedFlags);
    if (kind === 'call') this.#write(BigInt(descriptor.base), 2, BigInt(old.selector));
    else this.#setBusy(old.selector, false);
    if (kind !== 'return') this.#setBusy(selector, true);
    const attributes = descriptor.attributes | BUSY_BIT;
    this.#system.segments.fill(TR, selector, attributes, BigInt(descriptor.base), descriptor.limit);
    try {
      this.#load(next, layout, kind);
    } catch (exception) {
      if (exception instanceof GuestException) exception.inNewTask = true;
      throw exception;
    }
  }

  #code(selector: number): number {
    return (selector & SELECTOR_MASK) | this.#external;
  }

  #taskDescriptor(selector: number, kind: Kind): Descriptor {
    const fault = kind === 'return' ? invalidTss : generalProtection;
    const code = this.#code(selector);
    if ((selector & TABLE_INDICATOR) !== 0) throw fault(code);
    const descriptor = this.#system.segments.read(selector, fault, this.#external);
    const types = kind === 'return' ? BUSY : AVAILABLE;
    if (!descriptor.isSystem || !types.includes(descriptor.type)) throw fault(code);
    if (!descriptor.present) throw segmentNotPresent(code);
    if (descriptor.limit < layoutOf(descriptor.type).limit) throw invalidTss(code);
    return descriptor;
  }

  /** Both task-state segments and their descriptors must be mapped before the first of them changes. */
  #checkAccessible(selector: number, { base, type }: Descriptor, kind: Kind): void {
    const { memory, state } = this.#system;
    const old = state.segments[TR] as Segment;
    memory.check(old.base, layoutOf(old.attributes).limit + 1, Access.SYSTEM | Access.WRITE);
    const write = kind === 'call' ? Access.WRITE : 0;
    memory.check(BigInt(base), layoutOf(type).limit + 1, Access.SYSTEM | write);
    for (const each of [old.selector, selector]) {
      memory.check(this.#busyByte(each), 1, Access.SYSTEM | Access.WRITE);
    }
  }

  #busyByte(selector: number): bigint {
    return BigInt.asUintN(32, this.#system.state.get64('gdtrBase') + BigInt(selector & 0xfff8) + 5n);
  }

  #setBusy(selector: number, busy: boolean): void {
    const address = this.#busyByte(selector);
    const byte = this.#system.memory.read32(address, 1, Access.SYSTEM);
    this.#write(address, 1, BigInt(busy ? byte | BUSY_BIT : byte & ~BUSY_BIT));
  }

  #write(address: bigint, width: 1 | 2 | 4, value: bigint): void {
    this.#system.memory.write(BigInt.asUintN(32, address), width, value, Access.SYSTEM);
  }

  #read(base: number, layout: Layout): TaskState {
    const { memory } = this.#system;
    const field = (offset: number, width: 2 | 4 = layout.width): bigint =>
      memory.read(BigInt.asUintN(32, BigInt(base + offset)), width, Access.SYSTEM);
    const each = (count: number, offset: number): bigint[] =>
      Array.from({ length: count }, (_, index) => field(offset + index * layout.width));
    return {
      instructionPointer: field(layout.instructionPointer),
      flags: Number(field(layout.flags)),
      registers: each(8, layout.registers),
      selectors: each(layout.segmentCount, layout.segments).map((selector) => Number(selector & 0xffffn)),
      localTable: Number(field(layout.localTable, 2)),
      cr3: layout.cr3 === undefined ? undefined : field(layout.cr3),
      trap: layout.trap !== undefined && (field(layout.trap, 2) & 1n) !== 0n,
    };
  }

  /** RIP is the address to save. CR3 and LDTR are not saved. */
  #save({ base, attributes }: Segment, flags: number): void {
    const { state } = this.#system;
    const layout = layoutOf(attributes);
    const put = (offset: number, value: bigint, width: 2 | 4 = layout.width) =>
      this.#write(base + BigInt(offset), width, value);
    put(layout.instructionPointer, state.rip);
    put(layout.flags, BigInt(flags >>> 0));
    for (let register = 0; register < 8; register++) {
      put(layout.registers + register * layout.width, BigInt.asUintN(32, state.gpr(register)));
    }
    for (let index = 0; index < layout.segmentCount; index++) {
      put(layout.segments + index * layout.width, BigInt((state.segments[index] as Segment).selector), 2);
    }
  }

  #load(next: TaskState, layout: Layout, kind: Kind): void {
    const { state, segments } = this.#system;
    state.set64('cr0', state.get64('cr0') | BigInt(Cr0.TS));
    state.set('dr7', state.get('dr7') & ~LOCAL_BREAKPOINTS);
    this.#system.debug.configure();
    const high = layout.width === 2;
    state.rip = next.instructionPointer;
    const flags = high ? (state.rflags & ~0xffff) | next.flags : next.flags;
    state.rflags = (kind === 'call' ? flags | FLAG.NT : flags) & ~FLAG.VM;
    for (const [register, value] of next.registers.entries()) {
      const upper = high ? state.gpr(register) & 0xffff_0000n : 0n;
      state.setGpr(register, upper | value);
    }
    const selectors = [...next.selectors, 0, 0].slice(0, GS + 1);
    for (const [index, selector] of selectors.entries()) segments.loadNull(index, selector);
    segments.loadNull(LDTR, next.localTable);
    if (next.cr3 !== undefined && (state.get('cr0') & Cr0.PG) !== 0) writeCr3(this.#system, next.cr3);
    this.#loadLocalTable(next.localTable);
    this.#loadCode(selectors[CS]!);
    this.#loadStack(selectors[SS]!, selectors[CS]! & 3);
    for (const index of [ES, DS, FS, GS]) this.#loadData(index, selectors[index]!);
    if (next.instructionPointer > BigInt(state.cs.limit)) throw generalProtection(this.#external);
    if (next.trap) this.#system.pendTrap(Dr6.BT);
  }

  #loadLocalTable(selector: number): void {
    if ((selector & SELECTOR_MASK) === 0) return;
    const code = this.#code(selector);
    if ((selector & TABLE_INDICATOR) !== 0) throw invalidTss(code);
    const { segments } = this.#system;
    const descriptor = segments.read(selector, invalidTss, this.#external);
    if (!descriptor.isSystem || descriptor.type !== SystemType.LDT || !descriptor.present) throw invalidTss(code);
    segments.fill(LDTR, selector, descriptor.attributes, BigInt(descriptor.base), descriptor.limit);
  }

  /** The new task runs at the privilege that its CS selector names. */
  #loadCode(selector: number): void {
    const code = this.#code(selector);
    if ((selector & SELECTOR_MASK) === 0) throw invalidTss(code);
    const { segments } = this.#system;
    const descriptor = segments.read(selector, invalidTss, this.#external);
    const privilege = selector & 3;
    const allowed = descriptor.isConforming ? descriptor.dpl <= privilege : descriptor.dpl === privilege;
    if (!descriptor.isCode || !allowed) throw invalidTss(code);
    if (!descriptor.present) throw segmentNotPresent(code);
    segments.install(CS, selector, descriptor);
  }

  #loadStack(selector: number, privilege: number): void {
    if ((selector & SELECTOR_MASK) === 0) throw invalidTss(this.#code(selector));
    const { segments } = this.#system;
    const descriptor = segments.stackDescriptor(selector, privilege, invalidTss, stackFault, this.#external);
    segments.install(SS, selector, descriptor);
  }

  #loadData(index: number, selector: number): void {
    if ((selector & SELECTOR_MASK) === 0) return;
    const code = this.#code(selector);
    const { segments, state } = this.#system;
    const descriptor = segments.read(selector, invalidTss, this.#external);
    if (descriptor.isSystem || !descriptor.isReadable) throw invalidTss(code);
    const privilege = Math.max(state.cpl, selector & 3);
    if (!descriptor.isConforming && privilege > descriptor.dpl) throw invalidTss(code);
    if (!descriptor.present) throw segmentNotPresent(code);
    segments.install(index, selector, descriptor);
  }
}

/** Far JMP or CALL to a TSS, or to a task gate that leads to one. @param descriptor what the selector names */
export function transferToTask(
  system: SystemUnit,
  selector: number,
  descriptor: Descriptor,
  kind: 'jump' | 'call',
): void {
  const { state } = system;
  const code = selector & SELECTOR_MASK;
  if (descriptor.dpl < state.cpl || descriptor.dpl < (selector & 3)) throw generalProtection(code);
  const isGate = descriptor.type === SystemType.TASK_GATE;
  if (isGate && !descriptor.present) throw segmentNotPresent(code);
  new TaskSwitch(system, 0).perform(isGate ? descriptor.low >>> 16 : selector, kind, state.rflags);
}

/** IRET in a nested task: back to the task that the current TSS links to. */
export function returnToTask(system: SystemUnit): void {
  const { state, memory } = system;
  const link = memory.read32((state.segments[TR] as Segment).base, 2, Access.SYSTEM);
  new TaskSwitch(system, 0).perform(link, 'return', state.rflags);
}

/** An event that a task gate of the IDT takes. @param flags to be saved @param errorCode for the new task's stack */
export function enterTask(
  system: SystemUnit,
  selector: number,
  flags: number,
  external: number,
  errorCode: number | undefined,
): void {
  new TaskSwitch(system, external).perform(selector, 'call', flags);
  if (errorCode === undefined) return;
  try {
    const stack = new StackCursor(system);
    stack.push(layoutOf((system.state.segments[TR] as Segment).attributes).width, BigInt(errorCode));
    stack.commit();
  } catch (exception) {
    if (exception instanceof GuestException) exception.inNewTask = true;
    throw exception;
  }
}
