import { Cpu } from '../cpu/cpu.ts';
import type { CpuState } from '../cpu/state.ts';
import type { Machine } from '../machine/machine.ts';
import { describeStop, type Stop } from '../machine/stop.ts';
import type { DebugTarget, Delivery, StepResult, StopReason, StoreRecord } from './target.ts';
import { hexadecimal } from './value-printer.ts';

/** Instructions between two looks at `interrupt`. */
const stretch = 5_000_000;

/** Drives a Machine for the debugger: halted time is skipped, stores and deliveries of a step are collected. */
export class MachineTarget implements DebugTarget {
  readonly machine: Machine;
  readonly #processor: Cpu;
  /** Set to end a `resume` at its next stretch; cleared when it ends. */
  interrupt = false;

  /** @throws TypeError when the machine's processor is a test's own */
  constructor(machine: Machine) {
    if (!(machine.processor instanceof Cpu)) throw new TypeError('only the real processor can be debugged');
    this.machine = machine;
    this.#processor = machine.processor;
  }

  get state(): CpuState {
    return this.machine.state;
  }

  get instructionCount(): number {
    return this.machine.instructions;
  }

  readMemory(address: bigint, length: number): Uint8Array | undefined {
    const bytes = this.machine.readVirtual(address, length);
    return bytes.length === length ? bytes : undefined;
  }

  walk(address: bigint): ReturnType<Cpu['walk']> {
    return this.#processor.walk(address);
  }

  step(): StepResult {
    const stores: StoreRecord[] = [];
    const deliveries: Delivery[] = [];
    const processor = this.#processor;
    processor.onStore = (address, size) => stores.push({ address, size });
    processor.onEvent = (event) => deliveries.push(event);
    try {
      const stop = this.machine.step();
      return { stores, deliveries, ended: stop === undefined ? undefined : this.#endedBy(stop) };
    } finally {
      processor.onStore = undefined;
      processor.onEvent = undefined;
    }
  }

  async resume(until: number): Promise<StopReason> {
    this.interrupt = false;
    for (;;) {
      const next = Math.min(until, this.instructionCount + stretch);
      const stop = this.machine.runSync({ maxInstructions: next });
      if (stop.reason === 'breakpoint')
        return { kind: 'breakpoint', text: `breakpoint at ${hexadecimal(stop.address)}` };
      if (stop.reason === 'watchpoint') return { kind: 'watchpoint', text: `wrote to ${hexadecimal(stop.address)}` };
      if (stop.reason !== 'limit') return { kind: 'ended', text: `the machine ${describeStop(stop)}` };
      if (this.instructionCount >= until)
        return { kind: 'count', text: `reached instruction ${this.instructionCount}` };
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (this.interrupt) return { kind: 'interrupted', text: 'interrupted' };
    }
  }

  setBreakpoint(address: bigint): void {
    this.#processor.addBreakpoint(address);
  }

  clearBreakpoint(address: bigint): void {
    this.#processor.removeBreakpoint(address);
  }

  setWatchpoint(address: bigint, size: number): void {
    this.#processor.addWatchpoint(address, size);
  }

  clearWatchpoint(address: bigint): void {
    this.#processor.removeWatchpoint(address);
  }

  /** Breakpoints do not end a step: the instruction at one was asked for. */
  #endedBy(stop: Stop): string | undefined {
    return stop.reason === 'breakpoint' || stop.reason === 'watchpoint'
      ? undefined
      : `the machine ${describeStop(stop)}`;
  }
}
