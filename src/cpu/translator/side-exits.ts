import * as R from '../interpreter/records.ts';
import { RECORD_ARENA, SIDE_EXIT_COUNTERS, SIDE_EXITS } from '../layout.ts';
import type { CpuState } from '../state.ts';

/** The counter of the arena's first record, unless masked. */
const FIRST_SLOT = RECORD_ARENA / R.RECORD_BYTES;
/** Counters that one review looks at. */
const WINDOW = 2048;

/** The counters of instructions that regions leave to the interpreter. */
export class SideExits {
  readonly #state: CpuState;
  readonly #counters: Int32Array;
  /** What each counter was when it was last looked at. */
  readonly #reviewed = new Int32Array(SIDE_EXIT_COUNTERS);
  #next = 0;

  constructor(state: CpuState) {
    this.#state = state;
    this.#counters = state.i32.subarray(SIDE_EXITS >> 2, (SIDE_EXITS >> 2) + SIDE_EXIT_COUNTERS);
  }

  /**
   * Looks at some of the counters.
   * @param used records of the arena in use
   * @returns the records left so many times since they were last looked at
   */
  review(times: number, used: number): number[] {
    const records: number[] = [];
    const limit = Math.min(used, SIDE_EXIT_COUNTERS);
    const end = Math.min(this.#next + WINDOW, limit);
    for (let number = this.#next; number < end; number++) {
      const slot = (FIRST_SLOT + number) & (SIDE_EXIT_COUNTERS - 1);
      const count = this.#counters[slot]!;
      const passed = (count - this.#reviewed[slot]!) | 0;
      if (passed === 0) continue;
      this.#reviewed[slot] = count;
      if (passed >= times) records.push(recordOf(slot));
    }
    this.#next = end < limit ? end : 0;
    return records;
  }

  /** @returns how often each instruction was left */
  ranking(): { rip: bigint; form: number; count: number }[] {
    return [...this.#counters].map((count, slot) => {
      const record = recordOf(slot);
      const form = this.#state.view.getUint16(record + R.FORM, true);
      return { count, rip: this.#state.u64[(record + R.RIP) >> 3]!, form };
    });
  }
}

/** The first record of the arena that a counter stands for. */
const recordOf = (slot: number): number =>
  RECORD_ARENA + ((slot - FIRST_SLOT) & (SIDE_EXIT_COUNTERS - 1)) * R.RECORD_BYTES;
