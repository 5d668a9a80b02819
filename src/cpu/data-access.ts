import type { DebugStops } from './debug-stops.ts';
import { ACCESS_KINDS } from './interpreter/lower.ts';
import * as R from './interpreter/records.ts';
import { DEVICE_HOST } from './interpreter/shared-functions.ts';
import { FIELDS, TLB_ENTRIES, TLB_SLOW_WATCH, tlbReadAddress, tlbWriteAddress } from './layout.ts';
import type { PendingFault } from './pending-fault.ts';
import type { CpuState } from './state.ts';
import type { SystemUnit } from './system/system-unit.ts';
import { Fill } from './system/tlb.ts';
import { Vector } from './system/vectors.ts';

const PAGE = 4096;
const EXIT_REASON_WORD = FIELDS.exitReason.address >> 2;
const DEVICE_ACCESS_WORD = FIELDS.deviceAccess.address >> 2;
const DEVICE_PAGE_WORD = FIELDS.devicePage.address >> 2;

/** The slow path of data accesses: what the TLB does not answer for, and watched pages. */
export class DataAccess {
  readonly #state: CpuState;
  readonly #system: SystemUnit;
  readonly #stops: DebugStops;
  readonly #fault: PendingFault;

  constructor(state: CpuState, system: SystemUnit, stops: DebugStops, fault: PendingFault) {
    this.#state = state;
    this.#system = system;
    this.#stops = stops;
    this.#fault = fault;
  }

  /** The slow path's translation: see Imports.fill. */
  fill(low: number, high: number, size: number, flags: number): number {
    const state = this.#state;
    const write = (flags & 1) as 0 | 1;
    const forbidden = low === 0 && high === -0x80000000;
    const code = forbidden ? Fill.NON_CANONICAL : this.#system.fill(low, high, write);
    switch (code) {
      case Fill.RAM:
        if (this.#isWatched(low, write) && !this.#watchedAccess(low, high, size, write)) return 0;
        if (write === 1 && state.storesObserved) this.#stops.stored(linearAddress(low, high), size);
        return state.ramAddress + this.#system.tlb.physical;
      case Fill.DEVICE:
        state.i32[DEVICE_PAGE_WORD] = Math.floor(this.#system.tlb.physical / PAGE);
        return DEVICE_HOST;
      case Fill.NON_CANONICAL:
        this.#raiseNonCanonical(flags >> 1);
        break;
      default:
        this.#fault.pageFault();
    }
    state.i32[EXIT_REASON_WORD] = R.EXIT.FAULT;
    return 0;
  }

  #raiseNonCanonical(kind: number): void {
    if (kind === ACCESS_KINDS.operand) this.#fault.raiseOperand();
    else this.#fault.raise(kind === ACCESS_KINDS.stack ? Vector.STACK_FAULT : Vector.GENERAL_PROTECTION, 0);
  }

  #isWatched(low: number, write: number): boolean {
    const index = this.#state.mmuIndex(this.#state.cpl);
    const tlb = write ? tlbWriteAddress(index) : tlbReadAddress(index);
    const tag = this.#state.i32[(tlb >> 2) + ((low >>> 12) & (TLB_ENTRIES - 1)) * 4]!;
    return (tag & (PAGE - 1)) === TLB_SLOW_WATCH;
  }

  /** @returns whether the access may go on now */
  #watchedAccess(low: number, high: number, size: number, write: number): boolean {
    if (this.#state.i32[DEVICE_ACCESS_WORD]! === 0) {
      this.#state.i32[EXIT_REASON_WORD] = R.EXIT.DEVICE;
      return false;
    }
    const linear = linearAddress(low, high);
    const { debug } = this.#system;
    if (debug.dataActive) debug.dataAccess(linear, size, write === 1);
    if (write && !this.#state.storesObserved) this.#stops.stored(linear, size);
    return true;
  }
}

const linearAddress = (low: number, high: number): bigint =>
  BigInt.asUintN(64, (BigInt(high) << 32n) | BigInt(low >>> 0));
