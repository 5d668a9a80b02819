import type { CpuEvent } from '../cpu/cpu.ts';
import type { CpuState } from '../cpu/state.ts';
import type { WalkLevel } from '../cpu/system/page-walk.ts';

/** A store that the last step made: linear address and size in bytes. */
export interface StoreRecord {
  readonly address: bigint;
  readonly size: number;
}

/** An exception or interrupt that was delivered to the guest. */
export type Delivery = CpuEvent;

/** What one step did. */
export interface StepResult {
  readonly stores: readonly StoreRecord[];
  readonly deliveries: readonly Delivery[];
  /** Why the machine cannot go on, undefined while it can. */
  readonly ended: string | undefined;
}

/** Why `resume` came back. */
export interface StopReason {
  readonly kind: 'breakpoint' | 'watchpoint' | 'count' | 'ended' | 'interrupted';
  readonly text: string;
}

/** A machine as the debugger drives it. All reads are free of side effects. */
export interface DebugTarget {
  readonly state: CpuState;
  readonly instructionCount: number;
  /** `length` bytes at a linear address under the current translation; undefined where any of them is unmapped. */
  readMemory(address: bigint, length: number): Uint8Array | undefined;
  /** The page-table walk of a linear address, level by level. */
  walk(address: bigint): { readonly levels: readonly WalkLevel[]; readonly physical: number | undefined };
  /** Executes one instruction, or delivers what is pending before it. */
  step(): StepResult;
  /** Runs to a breakpoint, a watchpoint, the instruction count `until`, or the end. */
  resume(until: number): Promise<StopReason>;
  setBreakpoint(address: bigint): void;
  clearBreakpoint(address: bigint): void;
  setWatchpoint(address: bigint, size: number): void;
  clearWatchpoint(address: bigint): void;
}
