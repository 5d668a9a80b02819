import type { Clock, Stateful } from './device.ts';
import { ticksAt } from './frequency.ts';

/** The PC's timer clock. */
export const PIT_HZ = 1_193_182;

/** Read/write field of the control word, bits 5:4. */
const Access = { Latch: 0, Low: 1, High: 2, LowThenHigh: 3 } as const;

const STATUS_OUTPUT = 0x80;
const STATUS_NULL_COUNT = 0x40;

export interface PitChannelState {
  mode: number;
  access: number;
  bcd: boolean;
  gate: boolean;
  /** The count in force, 1 to 65536 (10000 in BCD). */
  reload: number;
  /** The tick from which the count in force counts down, or null when nothing counts. */
  start: number | null;
  /** Ticks counted when the gate stopped the counter (modes 0 and 4), or null while it runs. */
  held: number | null;
  /** A count that waits for the end of the period (modes 2, 3) or for a trigger (modes 1, 5). */
  nextReload: number | null;
  /** The tick at which a waiting count takes over in modes 2 and 3. */
  nextStart: number | null;
  writtenLow: number | null;
  readsHigh: boolean;
  latchedCount: number | null;
  latchedStatus: number | null;
}

function powerOnState(): PitChannelState {
  return {
    mode: 3,
    access: Access.LowThenHigh,
    bcd: false,
    gate: true,
    reload: 0x10000,
    start: null,
    held: null,
    nextReload: null,
    nextStart: null,
    writtenLow: null,
    readsHigh: false,
    latchedCount: null,
    latchedStatus: null,
  };
}

/**
 * One counter of an 8254 (data sheet, "Mode Definitions"). Before its first control word it counts nothing and its
 * output is high.
 */
export class PitChannel implements Stateful<PitChannelState> {
  readonly #clock: Clock;
  #state = powerOnState();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get output(): boolean {
    this.#settle();
    const { mode, reload, start } = this.#state;
    if (start === null) return mode !== 0;
    const elapsed = this.#elapsed();
    switch (mode) {
      case 0:
      case 1:
        return elapsed >= reload;
      case 2:
        return !this.#running() || elapsed % reload !== reload - 1;
      case 3:
        return !this.#running() || elapsed % reload < Math.ceil(reload / 2);
      default:
        return elapsed !== reload;
    }
  }

  /** A rising gate triggers modes 1 and 5 and restarts modes 2 and 3; a low one stops modes 0, 2, 3 and 4. */
  setGate(level: boolean): void {
    this.#settle();
    const state = this.#state;
    const rising = level && !state.gate;
    const falling = !level && state.gate;
    const counts = state.mode === 0 || state.mode === 4;
    if (falling && counts && state.start !== null) state.held = this.#elapsed();
    state.gate = level;
    if (!rising) return;
    if (!counts) {
      this.#restart();
    } else if (state.held !== null) {
      state.start = this.#tick() - state.held;
      state.held = null;
    }
  }

  /** A control word that names this counter: a counter latch command, or a new mode. */
  control(word: number): void {
    const access = (word >> 4) & 3;
    if (access === Access.Latch) {
      this.latchCount();
      return;
    }
    const mode = (word >> 1) & 7;
    this.#state = {
      ...powerOnState(),
      gate: this.#state.gate,
      access,
      mode: mode > 5 ? mode - 4 : mode,
      bcd: (word & 1) !== 0,
    };
  }

  write(byte: number): void {
    const state = this.#state;
    if (state.access === Access.Low) {
      this.#load(byte);
    } else if (state.access === Access.High) {
      this.#load(byte << 8);
    } else if (state.writtenLow === null) {
      state.writtenLow = byte;
      if (state.mode === 0) state.start = null;
    } else {
      const low = state.writtenLow;
      state.writtenLow = null;
      this.#load((byte << 8) | low);
    }
  }

  read(): number {
    const value = this.peek();
    const state = this.#state;
    if (state.latchedStatus !== null) {
      state.latchedStatus = null;
      return value;
    }
    if (state.access === Access.LowThenHigh) state.readsHigh = !state.readsHigh;
    if (state.access !== Access.LowThenHigh || !state.readsHigh) state.latchedCount = null;
    return value;
  }

  peek(): number {
    const state = this.#state;
    if (state.latchedStatus !== null) return state.latchedStatus;
    const count = state.latchedCount ?? this.#count();
    const high = state.access === Access.High || (state.access === Access.LowThenHigh && state.readsHigh);
    return high ? count >> 8 : count & 0xff;
  }

  /** A second latch before the first is read changes nothing. */
  latchCount(): void {
    this.#state.latchedCount ??= this.#count();
  }

  latchStatus(): void {
    const { access, mode, bcd, start, nextReload } = this.#state;
    const nullCount = start === null || nextReload !== null || this.#tick() < start;
    this.#state.latchedStatus ??=
      (this.output ? STATUS_OUTPUT : 0) |
      (nullCount ? STATUS_NULL_COUNT : 0) |
      (access << 4) |
      (mode << 1) |
      (bcd ? 1 : 0);
  }

  /** The tick of the next change of the output, or null when it will not change by itself. */
  nextEdge(): number | null {
    this.#settle();
    const { mode, reload, start } = this.#state;
    if (start === null || !this.#running()) return null;
    const elapsed = this.#elapsed();
    const period = start + Math.floor(elapsed / reload) * reload;
    const phase = elapsed % reload;
    switch (mode) {
      case 0:
      case 1:
        return elapsed < reload ? start + reload : null;
      case 2:
        return phase < reload - 1 ? period + reload - 1 : period + reload;
      case 3:
        return phase < Math.ceil(reload / 2) ? period + Math.ceil(reload / 2) : period + reload;
      default:
        if (elapsed < reload) return start + reload;
        return elapsed === reload ? start + reload + 1 : null;
    }
  }

  reset(): void {
    this.#state = powerOnState();
  }

  save(): PitChannelState {
    return { ...this.#state };
  }

  restore(state: PitChannelState): void {
    this.#state = { ...state };
  }

  #tick(): number {
    return ticksAt(this.#clock.now, PIT_HZ);
  }

  #running(): boolean {
    const { mode, gate } = this.#state;
    return gate || mode === 1 || mode === 5;
  }

  /** Ticks counted since `start`; the tick that loads the count is not one of them. */
  #elapsed(): number {
    const { start, held } = this.#state;
    return held ?? Math.max(0, this.#tick() - (start ?? this.#tick()));
  }

  #load(written: number): void {
    this.#settle();
    const state = this.#state;
    const count = state.bcd ? fromBcd(written) || 10_000 : written || 0x1_0000;
    if (state.mode === 1 || state.mode === 5) {
      state.nextReload = count;
    } else if ((state.mode === 2 || state.mode === 3) && state.start !== null && state.gate) {
      state.nextReload = count;
      state.nextStart = state.start + (Math.floor(this.#elapsed() / state.reload) + 1) * state.reload;
    } else {
      state.reload = count;
      state.start = this.#tick() + 1;
      state.held = state.gate ? null : 0;
    }
  }

  /** A trigger: the waiting count, or the old one again, starts at the next tick. */
  #restart(): void {
    const state = this.#state;
    if (state.nextReload === null && state.start === null) return;
    state.reload = state.nextReload ?? state.reload;
    state.nextReload = null;
    state.nextStart = null;
    state.start = this.#tick() + 1;
    state.held = null;
  }

  /** Lets a waiting count of modes 2 and 3 take over when its time has come. */
  #settle(): void {
    const state = this.#state;
    if (state.nextReload === null || state.nextStart === null || this.#tick() < state.nextStart) return;
    state.reload = state.nextReload;
    state.start = state.nextStart;
    state.nextReload = null;
    state.nextStart = null;
  }

  /** The counting element as the guest reads it: 16 bits, binary or BCD. */
  #count(): number {
    this.#settle();
    const { mode, reload, start, bcd } = this.#state;
    const modulus = bcd ? 10_000 : 0x1_0000;
    const elapsed = this.#elapsed();
    let count = reload;
    if (start !== null && mode === 2) count = reload - (elapsed % reload);
    else if (start !== null && mode === 3) count = squareWaveCount(reload, elapsed % reload);
    else if (start !== null) count = reload - (elapsed % modulus) + modulus;
    count %= modulus;
    return bcd ? toBcd(count) : count;
  }
}

/** Mode 3 counts by two, once through each half of the period. */
function squareWaveCount(reload: number, phase: number): number {
  const half = Math.ceil(reload / 2);
  const even = reload - (reload % 2);
  return even - 2 * (phase < half ? phase : phase - half);
}

function fromBcd(value: number): number {
  return (value >> 12) * 1000 + ((value >> 8) & 15) * 100 + ((value >> 4) & 15) * 10 + (value & 15);
}

function toBcd(value: number): number {
  const digit = (unit: number) => Math.floor(value / unit) % 10;
  return (digit(1000) << 12) | (digit(100) << 8) | (digit(10) << 4) | digit(1);
}
