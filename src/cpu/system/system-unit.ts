/** The system side of the CPU in one object: memory management, events, debug registers and the instructions in TypeScript. */

import { type CpuBus, GuestException } from '../bus.ts';
import { FORMS } from '../decode/forms.ts';
import type { Instruction } from '../decode/instruction.ts';
import { FLAG } from '../flags.ts';
import { ATTENTION, FIELDS, MODE, SHADOW } from '../layout.ts';
import type { CpuState } from '../state.ts';
import { DebugRegisters, Dr6, Dr7 } from './debug-registers.ts';
import { EventDelivery, type EventSource } from './events.ts';
import { generalProtection, undefinedOpcode } from './faults.ts';
import { systemInstructions } from './instructions/table.ts';
import { LinearMemory } from './linear-memory.ts';
import { ModelSpecificRegisters } from './model-specific-registers.ts';
import { Access, PageWalker, type WalkLevel } from './page-walk.ts';
import { resetState } from './reset.ts';
import { Segmentation } from './segments.ts';
import { enterTask } from './task-switch.ts';
import { Fill, Tlb } from './tlb.ts';
import { requireVectors, usesVectors } from './vector-access.ts';
import { combine, Vector } from './vectors.ts';

/** Meaning of a mnemonic: RIP already points behind the instruction; a throw leaves the state as it was but for RIP. */
export type InstructionFunction = (system: SystemUnit, instruction: Instruction) => void;

/** The function of each form. */
const MEANINGS = FORMS.map(({ name, mnemonic }) => systemInstructions.get(name) ?? systemInstructions.get(mnemonic));

const FAULT_VECTOR_WORD = FIELDS.faultVector.address >> 2;
const FAULT_HAS_ERROR_CODE_WORD = FIELDS.faultHasErrorCode.address >> 2;
const FAULT_ERROR_CODE_WORD = FIELDS.faultErrorCode.address >> 2;
const SYSTEM_FLAGS_WORD = FIELDS.systemFlags.address >> 2;
const INTERRUPT_PENDING_WORD = FIELDS.interruptPending.address >> 2;
const ATTENTION_WORD = FIELDS.attention.address >> 2;
const HALTED_WORD = FIELDS.halted.address >> 2;
const SHADOW_WORD = FIELDS.interruptShadow.address >> 2;
const NMI_BLOCKED_WORD = FIELDS.nmiBlocked.address >> 2;

export interface SystemHooks {
  /** An event is about to be delivered; RIP is the address that will be saved. */
  event?(kind: EventSource | 'nmi', vector: number, errorCode: number | undefined, address: bigint | undefined): void;
  /** Whether `event` does anything now. */
  eventsObserved?(): boolean;
}

export class SystemUnit {
  readonly state: CpuState;
  readonly bus: CpuBus;
  readonly walker: PageWalker;
  readonly tlb: Tlb;
  readonly memory: LinearMemory;
  readonly segments: Segmentation;
  readonly events: EventDelivery;
  readonly debug: DebugRegisters;
  readonly msrs: ModelSpecificRegisters;
  readonly hooks: SystemHooks;
  /** The processor is to stop at the next instruction boundary, and a repeated INS or OUTS at the next iteration. */
  stopRequested = false;
  /**
   * What the instruction adds to the instruction count: 1, unless it is a repeated INS or OUTS that stopped with RIP on itself. Then
   * nothing, or what its pause costs.
   */
  charge = 1;
  /** Set by IRET: RF as it was just loaded holds for the next instruction. */
  resumeFlagLoaded = false;
  /** TF, RF and the shadow before the instruction that is being stepped; SYSCALL, SYSRET and INT n clear the first. */
  stepTrap = false;
  #stepResumes = false;
  #stepShadow = 0;

  constructor(state: CpuState, bus: CpuBus, hooks: SystemHooks = {}) {
    this.state = state;
    this.bus = bus;
    this.hooks = hooks;
    this.walker = new PageWalker(state);
    this.tlb = new Tlb(state, this.walker);
    this.memory = new LinearMemory(state, this.tlb, bus);
    this.segments = new Segmentation(state, this.memory);
    this.events = new EventDelivery(state, this.memory, this.segments, (selector, flags, external, errorCode) =>
      enterTask(this, selector, flags, external, errorCode),
    );
    this.debug = new DebugRegisters(state, this.tlb);
    this.msrs = new ModelSpecificRegisters(this);
    this.reset();
  }

  /** State after RESET (SDM vol. 3A table 9-1). */
  reset(): void {
    resetState(this.state);
    this.refresh();
  }

  /** Recomputes all that is derived from control, debug and descriptor registers, after a reset or a restored snapshot. */
  refresh(): void {
    this.state.updateMode();
    this.walker.configure();
    this.tlb.flush(false);
    this.debug.configure();
  }

  /** How an explicit data access of the current privilege walks the page tables. */
  get dataAccess(): number {
    return this.events.accessAt(this.state.cpl);
  }

  /** @throws GuestException as the instruction does; privilege is checked here for the forms marked `priv` */
  execute(instruction: Instruction): void {
    const form = instruction.description;
    if (form.privileged && this.state.cpl !== 0) throw generalProtection();
    if (usesVectors(form)) requireVectors(this.state);
    const meaning = MEANINGS[form.index];
    if (meaning === undefined) throw undefinedOpcode();
    meaning(this, instruction);
  }

  /**
   * TLB miss of a data access at the current privilege.
   * @param low bits 31:0 of the linear address and @param high bits 63:32, as i32
   * @returns a `Fill` code; for a page fault the fault fields are set
   */
  fill(low: number, high: number, write: 0 | 1): number {
    return this.#translate(low, high, this.dataAccess | (write === 0 ? 0 : Access.WRITE));
  }

  /** Translation of an instruction fetch at the current privilege; the physical address is `tlb.physical`. */
  fetch(low: number, high: number): number {
    return this.#translate(low, high, Access.FETCH | (this.state.cpl === 3 ? Access.USER : Access.SYSTEM));
  }

  #translate(low: number, high: number, access: number): number {
    const result = this.tlb.fill(low, high, access);
    if (result === Fill.PAGE_FAULT) {
      const words = this.state.i32;
      words[FAULT_VECTOR_WORD] = Vector.PAGE_FAULT;
      words[FAULT_ERROR_CODE_WORD] = this.tlb.errorCode;
      words[FAULT_HAS_ERROR_CODE_WORD] = 1;
      this.state.setHalves(FIELDS.faultAddress.address, low, high);
    }
    return result;
  }

  /** For debuggers: no fault, no accessed or dirty flag, supervisor rights. @returns the physical address, or undefined */
  translate(address: bigint): number | undefined {
    return this.walkReport(address).physical;
  }

  /** The entries that translate an address, topmost first, and where they lead. */
  walkReport(address: bigint): { levels: WalkLevel[]; physical: number | undefined } {
    const levels: WalkLevel[] = [];
    const [low, high] = [Number(BigInt.asIntN(32, address)), Number(BigInt.asIntN(32, address >> 32n))];
    const found = this.walker.inspect(low, high, Access.USER_PAGES_ALLOWED, levels);
    return { levels, physical: found ? this.walker.physical : undefined };
  }

  /**
   * Delivers an exception, and what is met on the way. RIP must be the address to save.
   * @returns false after a triple fault: the processor is shut down
   */
  deliver(exception: GuestException): boolean {
    return this.#deliver(exception.vector, 'exception', exception.errorCode, exception.address);
  }

  #deliver(vector: number, source: EventSource, errorCode?: number, address?: bigint): boolean {
    this.state.i32[HALTED_WORD] = 0;
    this.state.i32[SHADOW_WORD] = SHADOW.none;
    if (vector === Vector.PAGE_FAULT && address !== undefined) this.state.set64('cr2', address);
    let [current, origin, code, linear] = [vector, source, errorCode, address];
    for (;;) {
      if (current === Vector.DEBUG && origin === 'exception') this.#leaveGeneralDetect();
      this.hooks.event?.(origin, current, code, linear);
      try {
        this.events.enter(current, origin, code);
        return true;
      } catch (met) {
        if (!(met instanceof GuestException)) throw met;
        const outcome = origin === 'exception' ? combine(current, met.vector) : 'serial';
        if (met.vector === Vector.PAGE_FAULT && met.address !== undefined) this.state.set64('cr2', met.address);
        if (outcome === 'shutdown') return false;
        const double = outcome === 'double fault';
        [current, origin] = [double ? Vector.DOUBLE_FAULT : met.vector, 'exception'];
        [code, linear] = double ? [0, undefined] : [met.errorCode, met.address];
      }
    }
  }

  #leaveGeneralDetect(): void {
    this.state.set('dr7', this.state.get('dr7') & ~Dr7.GD);
  }

  /** Delivers an external interrupt. @returns false after a triple fault */
  interrupt(vector: number): boolean {
    return this.#deliver(vector, 'external');
  }

  /** Whether the driver has to go one instruction at a time, with `beforeInstruction` and `retired` around each. */
  get mustStep(): boolean {
    return (
      (this.state.systemFlags & (FLAG.TF | FLAG.RF)) !== 0 ||
      this.debug.instructionsActive ||
      this.state.interruptShadow !== SHADOW.none
    );
  }

  /** @throws GuestException #DB when an instruction breakpoint matches RIP */
  beforeInstruction(): void {
    const { state } = this;
    this.stepTrap = (state.systemFlags & FLAG.TF) !== 0;
    this.#stepShadow = state.interruptShadow;
    this.#stepResumes = (state.systemFlags & FLAG.RF) !== 0;
    this.resumeFlagLoaded = false;
    if (!this.debug.instructionsActive) return;
    this.debug.atInstruction(state.mode64 ? state.rip : (state.cs.base + state.rip) & 0xffff_ffffn);
  }

  /** After a stepped instruction that completed: the single-step trap, the end of RF and of the shadow over it. */
  retired(): void {
    const { state } = this;
    if (this.#stepResumes && !this.resumeFlagLoaded) state.set('systemFlags', state.systemFlags & ~FLAG.RF);
    this.paused();
    if (this.stepTrap && state.interruptShadow !== SHADOW.movSs) this.pendTrap(Dr6.BS);
  }

  /** After a stepped instruction that stopped between two iterations: the shadow over it ends there. */
  paused(): void {
    if (this.state.interruptShadow === this.#stepShadow) this.state.set('interruptShadow', SHADOW.none);
  }

  /** Has #DB delivered at the end of this instruction. @param bits for DR6 */
  pendTrap(bits: number): void {
    this.state.set('pendingDebug', this.state.pendingDebug | bits);
  }

  /** Whether an interrupt waits for RFLAGS.IF: an instruction that sets it must not go on to the next. */
  get interruptBlocked(): boolean {
    return (this.state.systemFlags & FLAG.IF) === 0 && this.bus.pendingInterrupt();
  }

  /** Whether the deliveries of events, or what they write, have to be reported: then an engine does none by itself. */
  get eventsObserved(): boolean {
    return this.memory.onWrite !== undefined || (this.hooks.eventsObserved?.() ?? false);
  }

  /** Whether `takeEvent` has something to deliver at this instruction boundary. */
  get eventPending(): boolean {
    const { state } = this;
    const shadow = state.interruptShadow;
    if (shadow === SHADOW.movSs) return false;
    if (state.pendingDebug !== 0) return true;
    if (state.nmiPending !== 0 && state.i32[NMI_BLOCKED_WORD] === 0) return true;
    return shadow === SHADOW.none && (state.systemFlags & FLAG.IF) !== 0 && this.bus.pendingInterrupt();
  }

  /** Tells the interpreter, which is running, what an access to a device may have changed. */
  noteEvents(): void {
    const words = this.state.i32;
    const waits = this.bus.pendingInterrupt();
    const isEnabled = (words[SYSTEM_FLAGS_WORD]! & FLAG.IF) !== 0;
    words[INTERRUPT_PENDING_WORD] = waits && !isEnabled ? 1 : 0;
    const isForDriver = this.stopRequested || (this.state.nmiPending | this.state.pendingDebug) !== 0;
    if (isForDriver) words[ATTENTION_WORD] = ATTENTION.driver;
    else words[ATTENTION_WORD] = waits && isEnabled ? ATTENTION.interrupt : ATTENTION.none;
  }

  /**
   * Delivers the pending event of highest priority (SDM vol. 3A table 6-2): debug traps, then NMI, then interrupts.
   * @returns false after a triple fault
   */
  takeEvent(): boolean {
    const { state } = this;
    const traps = state.pendingDebug;
    if (traps !== 0) {
      state.set('pendingDebug', 0);
      this.debug.record(traps);
      return this.#deliver(Vector.DEBUG, 'exception');
    }
    if (state.nmiPending !== 0 && state.i32[NMI_BLOCKED_WORD] === 0) {
      state.set('nmiPending', 0);
      state.set('nmiBlocked', 1);
      return this.#deliver(Vector.NMI, 'external');
    }
    return this.interrupt(this.bus.acknowledgeInterrupt());
  }

  /** An NMI has arrived; it is delivered at the next boundary that allows it. */
  raiseNmi(): void {
    this.state.set('nmiPending', 1);
  }

  /** INT n, INT3, INTO and INT1: enters the handler now, with the exceptions of delivery being the instruction's own. */
  softwareInterrupt(vector: number, source: EventSource): void {
    this.hooks.event?.(source, vector, undefined, undefined);
    this.events.enter(vector, source);
    this.stepTrap = false;
  }

  /** Takes over CR0, CR3, CR4 or EFER. @param flush whether cached translations may now be wrong */
  pagingChanged(flush: boolean): void {
    this.walker.configure();
    this.state.updateMode();
    if (flush) this.tlb.flush(false);
  }

  get protectedMode(): boolean {
    return (this.state.mode & MODE.protected) !== 0;
  }

  get longActive(): boolean {
    return (this.state.mode & MODE.longActive) !== 0;
  }
}
