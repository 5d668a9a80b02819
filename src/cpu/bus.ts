/** What the CPU needs from the machine around it. The machine implements it; the CPU imports nothing from there. */
export interface CpuBus {
  /** @param width bytes: 1, 2 or 4 @returns the value zero-extended; an absent port reads as all ones */
  readPort(port: number, width: 1 | 2 | 4): number;
  writePort(port: number, width: 1 | 2 | 4, value: number): void;
  /** Physical addresses outside RAM only. @param address a safe integer @param width bytes; all ones where nothing answers */
  readPhysical(address: number, width: 1 | 2 | 4 | 8): number | bigint;
  writePhysical(address: number, width: 1 | 2 | 4 | 8, value: number | bigint): void;
  /** MSRs that live outside the core (APIC_BASE, x2APIC, TSC_DEADLINE). @returns undefined when there is none: #GP(0) */
  readMsr(index: number): bigint | undefined;
  /** @returns false when the MSR does not exist or refuses the value: #GP(0) */
  writeMsr(index: number, value: bigint): boolean;
  /** Virtual time in nanoseconds, an integer: what the time-stamp counter counts. */
  timeStampCounter(): number;
  /** CR8: bits 7:4 of the local APIC's task priority, 0 to 15. */
  readTaskPriority(): number;
  writeTaskPriority(value: number): void;
  /** Asked at instruction boundaries while RFLAGS.IF allows interrupts. */
  pendingInterrupt(): boolean;
  /** @returns the vector of the interrupt that is now in service */
  acknowledgeInterrupt(): number;
}

/**
 * A fault that an instruction written in TypeScript raises: the driver restores RIP and delivers it. It is thrown in the guest's
 * ordinary business and so is no Error: recording the host's stack would cost more than all the rest of a page fault.
 */
export class GuestException {
  readonly vector: number;
  readonly errorCode: number | undefined;
  readonly address: bigint | undefined;
  /** Raised by a task switch that had happened already: RIP is the new task's and stays. */
  inNewTask = false;

  /**
   * @param vector 0 to 31
   * @param errorCode pushed after the frame when the vector has one
   * @param address linear address for CR2, page faults only
   */
  constructor(vector: number, errorCode?: number, address?: bigint) {
    this.vector = vector;
    this.errorCode = errorCode;
    this.address = address;
  }
}
