import type { CpuOptions, RunExit } from '../cpu/cpu.ts';
import type { CpuSnapshot } from '../cpu/cpu-snapshot.ts';
import type { CpuState } from '../cpu/state.ts';
import type { Translator } from '../cpu/translator/translator.ts';

/** What the machine needs of a processor; src/cpu/cpu.ts has the real one. */
export interface Processor {
  readonly state: CpuState;
  /** Instructions retired since power-on. Exact whenever a bus callback runs; the current instruction does not count. */
  readonly instructionCount: number;
  /** What translates hot code, if anything does. */
  readonly translator?: Pick<Translator, 'exits'> | undefined;
  /** Runs until that many instructions have retired, or something stops it. */
  run(until: number): RunExit;
  /** Executes one instruction, or delivers one interrupt. */
  step(): RunExit;
  /** Makes a running processor come back at the next instruction boundary. */
  requestStop(): void;
  raiseNmi(): void;
  /** The state after a hardware reset. */
  reset(): void;
  /** The boot state has been written into `state`: recomputes what is derived from it. */
  refresh(): void;
  /** @returns the physical address behind a linear one, or undefined; changes nothing and never faults */
  translate(linear: bigint): number | undefined;
  /** Makes `run` stop before the instruction at a linear address, except when it starts there. */
  addBreakpoint(linear: bigint): void;
  removeBreakpoint(linear: bigint): void;
  /** Makes `run` stop behind an instruction that writes to any of these bytes. */
  addWatchpoint(linear: bigint, bytes: number): void;
  removeWatchpoint(linear: bigint): void;
  /** A named record of everything but RAM. */
  save(): CpuSnapshot;
  restore(snapshot: CpuSnapshot): void;
}

/** @param options.memoryBytes RAM from physical address 0 */
export type ProcessorFactory = (options: CpuOptions) => Processor;
