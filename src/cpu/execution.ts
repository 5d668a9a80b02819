import { FLAG } from './flags.ts';
import type { CodeCache } from './interpreter/code-cache.ts';
import * as R from './interpreter/records.ts';
import { Substitute } from './interpreter/substitute.ts';
import { ATTENTION, FIELDS, NO_FETCH_CONTEXT } from './layout.ts';
import type { CpuState } from './state.ts';
import type { SystemUnit } from './system/system-unit.ts';

/** Control may go on for this many instructions after its ticks are used up: through a run entered anywhere, and a run. */
export const MARGIN = 2 * R.RUN_LIMIT;
/** Ticks with which every taken branch comes back. */
export const NO_TICKS = -MARGIN;

const RIP_WORD = FIELDS.rip.address >> 2;
const INTERRUPT_PENDING_WORD = FIELDS.interruptPending.address >> 2;
const EXIT_REASON_WORD = FIELDS.exitReason.address >> 2;
const EXIT_RECORD_WORD = FIELDS.exitRecord.address >> 2;
const SYSTEM_FLAGS_WORD = FIELDS.systemFlags.address >> 2;
const FETCH_CONTEXT_WORD = FIELDS.fetchContext.address >> 2;
const ATTENTION_WORD = FIELDS.attention.address >> 2;
const DELIVERS_FAULTS_WORD = FIELDS.deliversFaults.address >> 2;
const CALLED_TICKS_WORD = FIELDS.calledTicks.address >> 2;
const CALLED_RECORD_WORD = FIELDS.calledRecord.address >> 2;
const OVERRUN_WORD = FIELDS.overrun.address >> 2;
const COVERED_WORD = FIELDS.covered.address >> 2;
const RESUME_TICKS_WORD = FIELDS.resumeTicks.address >> 2;

/** What is called of the interpreter's module. */
export interface InterpreterExports {
  /** See interpreter/exact-run.ts. */
  readonly run: (record: number, ticks: number, more: number) => number;
  readonly recordAfter: (record: number, count: number) => number;
}

/** Runs records and accounts for what retired: RIP and the instruction count are exact behind each call. */
export class Execution {
  instructionCount = 0;
  /** Record at which the interpreter came back; means nothing after R.EXIT.LOOKUP. */
  record = 0;

  readonly #state: CpuState;
  readonly #system: SystemUnit;
  readonly #cache: CodeCache;
  readonly #loop: InterpreterExports['run'];
  /** The record `count` instructions behind one; see interpreter/exact-run.ts. */
  readonly recordAfter: InterpreterExports['recordAfter'];
  /** While records run: the instruction count at which their ticks are used up. */
  #budget = 0;
  /** Events may be delivered while records run. */
  #mayDeliver = false;
  readonly #stop: Substitute;
  readonly #attending: Substitute;

  /** @param attend the handler that asks what is due before a record: Handlers.attend */
  constructor(state: CpuState, system: SystemUnit, cache: CodeCache, exports: InterpreterExports, attend: number) {
    this.#state = state;
    this.#system = system;
    this.#cache = cache;
    this.#loop = exports.run;
    this.recordAfter = exports.recordAfter;
    this.#stop = new Substitute(state.i32, R.PSEUDO.stop);
    this.#attending = new Substitute(state.i32, attend);
  }

  /**
   * Runs records from one on.
   * @param ticks instructions after which the first taken branch comes back
   * @param more instructions that may be executed behind them, as far as runs end within them
   * @param overrun instructions by which translated regions may exceed both
   * @returns an R.EXIT
   */
  run(record: number, ticks: number, more = 0, overrun = 0): number {
    const words = this.#state.i32;
    words[OVERRUN_WORD] = overrun;
    words[COVERED_WORD] = 0;
    words[INTERRUPT_PENDING_WORD] = this.#system.interruptBlocked ? 1 : 0;
    words[ATTENTION_WORD] = ATTENTION.none;
    this.#budget = this.instructionCount + ticks;
    this.#mayDeliver = ticks !== NO_TICKS;
    words[DELIVERS_FAULTS_WORD] = this.#mayDeliver && !this.#system.eventsObserved ? 1 : 0;
    const resumed = words[SYSTEM_FLAGS_WORD]! & FLAG.RF;
    const left = this.#loop(record, ticks + this.#cache.position(record), more);
    this.#attending.remove();
    const reason = words[EXIT_REASON_WORD]!;
    if (reason === R.EXIT.LOOKUP) {
      this.instructionCount = this.#budget - left;
      if (resumed === 0) this.#endResumption(left);
      if (this.#state.fetchContext !== NO_FETCH_CONTEXT) return reason;
      this.#state.updateMode();
      return R.EXIT.BOUNDARY;
    }
    const at = words[EXIT_RECORD_WORD]!;
    this.record = at;
    this.#arrive(at, left, resumed !== 0);
    return reason;
  }

  /** Makes RIP, RF and the instruction count those before a record. @param resumes RF was set when records began to run */
  #arrive(record: number, ticks: number, resumes: boolean): void {
    const words = this.#state.i32;
    const left = ticks - this.#cache.position(record);
    this.instructionCount = this.#budget - left;
    if (!resumes) this.#endResumption(left);
    words[RIP_WORD] = words[(record + R.RIP) >> 2]!;
    words[RIP_WORD + 1] = words[(record + R.RIP + 4) >> 2]!;
  }

  /** While records run: makes the instruction count exact for an instruction on the slow path. */
  reachCalled(): void {
    const words = this.#state.i32;
    this.instructionCount = this.#budget - words[CALLED_TICKS_WORD]! + this.#cache.position(words[CALLED_RECORD_WORD]!);
  }

  /** While records run: the instruction before this record, under way, may have made something due. */
  attendBefore(record: number): void {
    this.#system.noteEvents();
    if (this.#state.i32[ATTENTION_WORD] !== ATTENTION.none) this.#attending.place(record);
  }

  /** See Imports.attend: only what needs nothing else of the driver is delivered here. */
  attend(record: number, ticks: number): number {
    const words = this.#state.i32;
    const system = this.#system;
    this.#attending.remove();
    const isInterrupt = words[ATTENTION_WORD] === ATTENTION.interrupt;
    if (!isInterrupt || !this.#mayDeliver || !this.#state.mode64) {
      words[EXIT_REASON_WORD] = R.EXIT.STOP;
      return 0;
    }
    this.#arrive(record, ticks, false);
    if (!system.interrupt(system.bus.acknowledgeInterrupt())) {
      words[EXIT_REASON_WORD] = R.EXIT.SHUTDOWN;
      return 0;
    }
    system.noteEvents();
    if (words[ATTENTION_WORD] !== ATTENTION.none) words[FETCH_CONTEXT_WORD] = NO_FETCH_CONTEXT;
    return 1;
  }

  /** Runs from one record on to a taken branch, or to the record `stop` in the same run. @returns an R.EXIT */
  runTo(stop: number, record: number): number {
    this.#stop.place(stop);
    const reason = this.run(record, NO_TICKS);
    this.#stop.remove();
    return reason;
  }

  /**
   * Runs records from one on until the run that comes next does not end within what is left of `count` instructions. The run of `record`
   * itself must end within them.
   * @returns an R.EXIT
   */
  approach(record: number, count: number): number {
    return this.run(record, count - MARGIN, MARGIN);
  }

  /** Clears the RF that an IRET has set meanwhile, unless no instruction has retired behind it. */
  #endResumption(left: number): void {
    const words = this.#state.i32;
    if ((words[SYSTEM_FLAGS_WORD]! & FLAG.RF) !== 0 && words[RESUME_TICKS_WORD] !== left)
      words[SYSTEM_FLAGS_WORD]! &= ~FLAG.RF;
  }
}
