import { type CpuBus, GuestException } from '../bus.ts';
import { DecodeError, Decoder, MAX_LENGTH } from '../decode/decoder.ts';
import { FORMS } from '../decode/forms.ts';
import { Instruction } from '../decode/instruction.ts';
import { MODE, STRING_LIMIT } from '../layout.ts';
import { Context, type Variant } from '../semantics/context.ts';
import { semanticsOf } from '../semantics/index.ts';
import type { Bits, Program } from '../semantics/nodes.ts';
import { CONTROL_READ } from '../semantics/system.ts';
import { CpuState } from '../state.ts';
import { leavesSegment } from '../system/instructions/near-branches.ts';
import { readData, writeData } from '../system/operands.ts';
import { Access } from '../system/page-walk.ts';
import { SystemUnit } from '../system/system-unit.ts';
import { Fill } from '../system/tlb.ts';
import { Evaluator, type OracleMemory } from './evaluate.ts';

const PAGE = 4096;
const RSP = 4;
const INVALID_OPCODE = 6;
const GENERAL_PROTECTION = 13;
const PAGE_FAULT = 14;

export interface OracleExit {
  readonly reason: 'budget' | 'halt' | 'shutdown' | 'stop';
}

/** Guest memory with the rights of the current privilege. */
class PrivilegedMemory implements OracleMemory {
  readonly #system: SystemUnit;

  constructor(system: SystemUnit) {
    this.#system = system;
  }

  read(address: bigint, bits: Bits): bigint {
    if (bits < 128) return readData(this.#system, address, (bits / 8) as 1 | 2 | 4 | 8);
    this.#system.memory.check(address, 16, this.#system.dataAccess);
    return this.read(address, 64) | (this.read(BigInt.asUintN(64, address + 8n), 64) << 64n);
  }

  write(address: bigint, bits: Bits, value: bigint): void {
    if (bits < 128) {
      writeData(this.#system, address, (bits / 8) as 1 | 2 | 4 | 8, BigInt.asUintN(bits, value));
      return;
    }
    this.checkWrite(address, bits);
    this.write(address, 64, value);
    this.write(BigInt.asUintN(64, address + 8n), 64, value >> 64n);
  }

  checkWrite(address: bigint, bits: Bits): void {
    this.#system.memory.check(address, bits / 8, this.#system.dataAccess | Access.WRITE);
  }
}

/**
 * A whole processor that evaluates the semantics on bigints, instruction by instruction, with no cache of anything but recorded
 * programs: what the fast engines are compared with.
 */
export class OracleProcessor {
  readonly state: CpuState;
  readonly system: SystemUnit;
  instructionCount = 0;
  #stopRequested = false;
  readonly #decoder = new Decoder();
  readonly #instruction = new Instruction();
  readonly #evaluator: Evaluator;
  readonly #programs = new Map<string, Program | undefined>();
  readonly #fetched = new Uint8Array(2 * MAX_LENGTH);

  constructor({ memoryBytes, bus }: { memoryBytes: number; bus: CpuBus }) {
    this.state = new CpuState(memoryBytes);
    this.system = new SystemUnit(this.state, bus);
    this.#evaluator = new Evaluator(this.state, new PrivilegedMemory(this.system));
  }

  /** Makes a running processor come back at the next instruction boundary. */
  requestStop(): void {
    this.#stopRequested = true;
  }

  /** Nothing to forget: every instruction is fetched and decoded anew. */
  invalidateCode(): void {}

  /** Runs until that many instructions have retired, or something stops it. */
  run(until: number): OracleExit {
    for (;;) {
      if (this.#stopRequested) {
        this.#stopRequested = false;
        return { reason: 'stop' };
      }
      if (this.system.eventPending) {
        if (!this.system.takeEvent()) return { reason: 'shutdown' };
      } else if (this.state.get('halted')) return { reason: 'halt' };
      else if (this.instructionCount >= until) return { reason: 'budget' };
      else {
        const exit = this.step();
        if (exit) return exit;
      }
    }
  }

  /** Executes one instruction or delivers one event. @returns why it cannot go on, if so */
  step(): OracleExit | undefined {
    const { state, system } = this;
    if (system.eventPending) return system.takeEvent() ? undefined : { reason: 'shutdown' };
    if (state.get('halted')) return { reason: 'halt' };
    const rip = state.rip;
    try {
      const stepping = system.mustStep;
      if (stepping) system.beforeInstruction();
      // A single step of a repeated string instruction is one iteration.
      const oneIteration = stepping && system.stepTrap;
      state.set('stringLimit', oneIteration ? 1 : STRING_LIMIT);
      this.#fetch();
      const charge = this.#execute();
      this.instructionCount += charge;
      if (stepping && (charge === 1 || oneIteration)) system.retired();
      else if (stepping) system.paused();
    } catch (error) {
      if (!(error instanceof GuestException)) throw error;
      if (!error.inNewTask) state.rip = rip;
      if (!system.deliver(error)) return { reason: 'shutdown' };
    }
    return undefined;
  }

  /** Decodes the instruction at RIP. @throws GuestException #UD, #GP(0) or a page fault at the byte that cannot be fetched */
  #fetch(): void {
    const { state } = this;
    const mode = state.get('mode');
    const codeSize = mode & MODE.code64 ? 64 : mode & MODE.code32 ? 32 : 16;
    if (codeSize !== 64 && state.rip > BigInt(state.cs.limit)) throw new GuestException(GENERAL_PROTECTION, 0);
    const linear = codeSize === 64 ? state.rip : BigInt.asUintN(32, state.rip + state.cs.base);
    const first = PAGE - Number(linear & 0xfffn);
    const allowed = codeSize === 64 ? MAX_LENGTH : Math.min(MAX_LENGTH, state.cs.limit + 1 - Number(state.rip));
    this.#fetched.set(this.#codeBytes(linear, first), 0);
    let length = this.#decoder.decode(this.#fetched, 0, Math.min(first, allowed), codeSize, this.#instruction);
    if (length === DecodeError.Incomplete && first < allowed) {
      this.#fetched.set(this.#codeBytes(linear + BigInt(first), PAGE), first);
      length = this.#decoder.decode(this.#fetched, 0, allowed, codeSize, this.#instruction);
    }
    if (length === DecodeError.Undefined) throw new GuestException(INVALID_OPCODE);
    if (length < 0) throw new GuestException(GENERAL_PROTECTION, 0);
  }

  /** At most MAX_LENGTH bytes of code, not beyond the page. */
  #codeBytes(linear: bigint, available: number): Uint8Array {
    const { system, state } = this;
    // Masked, not BigInt.asIntN: V8 11.3 aborts when it optimises that over a value that was chosen by a condition.
    const fill = system.fetch(Number(linear & 0xffff_ffffn) | 0, Number(linear >> 32n) | 0);
    if (fill === Fill.NON_CANONICAL) throw new GuestException(GENERAL_PROTECTION, 0);
    if (fill === Fill.PAGE_FAULT) throw new GuestException(PAGE_FAULT, system.tlb.errorCode, linear);
    const { physical } = system.tlb;
    const length = Math.min(available, MAX_LENGTH);
    // Outside RAM every byte reads as FF, and FF FF is no instruction.
    if (fill === Fill.DEVICE) throw new GuestException(INVALID_OPCODE);
    return state.guestRam.subarray(physical, physical + length);
  }

  /** @returns what the instruction adds to the count: 1 when it has retired, else it is to be started again */
  #execute(): number {
    const { state, system } = this;
    const instruction = this.#instruction;
    const start = state.rip;
    const next = BigInt.asUintN(state.mode64 ? 64 : 32, start + BigInt(instruction.length));
    const program = leavesSegment(state, instruction) ? undefined : this.#program();
    const outcome = program && this.#usable() ? this.#evaluate(program) : 'leave';
    if (outcome === 'jumped') return 1;
    if (outcome === 'restart') return state.get('stringLimit') === STRING_LIMIT ? STRING_LIMIT : 0;
    state.rip = next;
    if (outcome === 'next') return 1;
    system.charge = 1;
    system.execute(instruction);
    return system.charge;
  }

  #evaluate(program: Program): ReturnType<Evaluator['execute']> {
    const instruction = this.#instruction;
    // POP computes an address based on RSP after it has moved RSP (SDM vol. 2B, POP).
    if (instruction.description.mnemonic === 'POP' && instruction.memory && instruction.base === RSP) {
      instruction.displacement += instruction.operandSize / 8;
    }
    return this.#evaluator.execute(program, instruction);
  }

  /** Whether the state allows SSE, if the instruction is about XMM registers or MXCSR; else the system raises what it must. */
  #usable(): boolean {
    const { feature, mnemonic, operands } = this.#instruction.description;
    if (feature !== 'sse' && feature !== 'sse2' && feature !== 'mmx') return true;
    const concerned = operands.some(({ method }) => 'VWU'.includes(method)) || mnemonic.endsWith('MXCSR');
    return !concerned || (this.state.get('mode') & MODE.sse) !== 0;
  }

  #program(): Program | undefined {
    const { form, operandSize, addressSize, memory, opcode, repeat } = this.#instruction;
    const stackSize = this.state.mode64 ? 64 : this.state.get('mode') & MODE.stack32 ? 32 : 16;
    const control = FORMS[form]!.name === CONTROL_READ ? this.#instruction.reg : 0;
    const key = [form, operandSize, addressSize, stackSize, memory, opcode & 15, control, repeat].join();
    if (!this.#programs.has(key)) {
      const { description } = this.#instruction;
      const semantics = semanticsOf(description);
      const variant: Variant = {
        form: description,
        operandSize: description.sized || description.byte ? operandSize : 32,
        addressSize,
        stackSize,
        memory,
        condition: description.encoding.includes('+cc') ? opcode & 15 : 0,
        control,
        repeat: description.string ? repeat : 0,
        countNonzero: false,
      };
      this.#programs.set(key, semantics && Context.record(variant, semantics));
    }
    return this.#programs.get(key);
  }
}
