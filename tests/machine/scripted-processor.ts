import type { CpuBus } from '../../src/cpu/bus.ts';
import type { RunExit } from '../../src/cpu/cpu.ts';
import { type CpuSnapshot, captureCpu, restoreCpu } from '../../src/cpu/cpu-snapshot.ts';
import { FLAG } from '../../src/cpu/flags.ts';
import { CpuState } from '../../src/cpu/state.ts';
import type { Processor, ProcessorFactory } from '../../src/machine/processor.ts';

/** One instruction of a script. It halts the processor by returning 'halt'. */
export type Action = (bus: CpuBus, state: CpuState) => unknown;

export interface Script {
  readonly actions: readonly Action[];
  /** Called for each interrupt taken, instead of an instruction. */
  readonly onInterrupt?: (vector: number, instructionCount: number, bus: CpuBus) => void;
  readonly interruptsOn?: boolean;
}

/** A processor whose instructions are functions; behind the last one it executes `nop` for ever. */
export class ScriptedProcessor implements Processor {
  readonly state: CpuState;
  instructionCount = 0;

  readonly #bus: CpuBus;
  readonly #script: Script;
  #halted = false;
  #stopRequested = false;

  constructor(script: Script, memoryBytes: number, bus: CpuBus) {
    this.state = new CpuState(memoryBytes);
    this.#bus = bus;
    this.#script = script;
  }

  run(until: number): RunExit {
    this.#stopRequested = false;
    if (this.#script.interruptsOn) this.state.rflags = FLAG.IF;
    for (;;) {
      const interruptible = (this.state.rflags & FLAG.IF) !== 0;
      if (interruptible && this.#bus.pendingInterrupt()) {
        this.#halted = false;
        this.#script.onInterrupt?.(this.#bus.acknowledgeInterrupt(), this.instructionCount, this.#bus);
        continue;
      }
      if (this.#stopRequested) return { reason: 'stop' };
      if (this.#halted) return { reason: 'halt' };
      if (this.instructionCount >= until) return { reason: 'budget' };
      const action = this.#script.actions[this.instructionCount];
      if (action?.(this.#bus, this.state) === 'halt') this.#halted = true;
      this.instructionCount++;
    }
  }

  step(): RunExit {
    return this.run(this.instructionCount + 1);
  }

  requestStop(): void {
    this.#stopRequested = true;
  }

  raiseNmi(): void {
    this.#halted = false;
  }

  reset(): void {
    this.#halted = false;
  }

  refresh(): void {
    this.state.updateMode();
  }

  translate(linear: bigint): number | undefined {
    return linear < 0x1_0000_0000n ? Number(linear) : undefined;
  }

  addBreakpoint(): void {
    throw new Error('a script has no addresses');
  }

  removeBreakpoint(): void {}

  addWatchpoint(): void {
    throw new Error('a script has no addresses');
  }

  removeWatchpoint(): void {}

  save(): CpuSnapshot {
    this.state.set('halted', this.#halted ? 1 : 0);
    return captureCpu(this.state, this.instructionCount);
  }

  restore(snapshot: CpuSnapshot): void {
    restoreCpu(this.state, snapshot);
    this.instructionCount = snapshot.instructionCount;
    this.#halted = this.state.get('halted') !== 0;
  }
}

export function scripted(script: Script): ProcessorFactory {
  return ({ memoryBytes, bus }) => new ScriptedProcessor(script, memoryBytes, bus);
}
