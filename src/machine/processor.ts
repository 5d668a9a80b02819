import type { CpuBus } from '../cpu/bus.ts';
import type { CpuState } from '../cpu/state.ts';

/** Why a processor came back from `run` or `step`. */
export interface ProcessorExit {
  /** `stop`: requestStop was called. `shutdown`: a triple fault. */
  readonly reason: 'budget' | 'halt' | 'shutdown' | 'breakpoint' | 'watchpoint' | 'stop';
  /** Linear address of the breakpoint or of the watched access. */
  readonly address?: bigint;
}

/** What the machine needs of a processor; src/cpu/cpu.ts has the real one. */
export interface Processor {
  readonly state: CpuState;
  /** Instructions retired since power-on. Exact whenever a bus callback runs; the current instruction does not count. */
  readonly instructionCount: number;
  /** Runs until that many instructions have retired, or something stops it. */
  run(until: number): ProcessorExit;
  /** Executes one instruction, or delivers one interrupt. */
  step(): ProcessorExit;
  /** Makes a running processor come back at the next instruction boundary. */
  requestStop(): void;
  raiseNmi(): void;
  reset(): void;
  /** @returns the physical address behind a linear one, or undefined; changes nothing and never faults */
  translate(linear: bigint): number | undefined;
  /** A named record of everything but RAM. */
  save(): unknown;
  restore(state: unknown): void;
}

/** @param options.memoryBytes RAM from physical address 0 */
export type ProcessorFactory = (options: { memoryBytes: number; bus: CpuBus }) => Processor;
