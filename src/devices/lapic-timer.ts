import type { Alarm, Clock } from './device.ts';
import { TimerMode } from './lapic-registers.ts';

/** Nanoseconds in one tick of the APIC bus clock, before the divide configuration: 1 GHz. */
const BUS_TICK = 1;

export interface LapicTimerState {
  mode: number;
  masked: boolean;
  initialCount: number;
  divideConfiguration: number;
  /** Virtual time at which the count last started from initialCount. */
  start: number;
  /** IA32_TSC_DEADLINE as a decimal string: all 64 bits are kept. */
  tscDeadline: string;
  /** Virtual time of the next interrupt, or null. */
  deadline: number | null;
}

function powerOnState(): LapicTimerState {
  return {
    mode: TimerMode.OneShot,
    masked: true,
    initialCount: 0,
    divideConfiguration: 0,
    start: 0,
    tscDeadline: '0',
    deadline: null,
  };
}

/**
 * The local APIC's timer (SDM vol. 3A, 12.5.4). Counts are computed from the clock when they are read. A masked timer
 * counts but sets no alarm. In TSC-deadline mode the time-stamp counter is the clock: 1 GHz.
 */
export class LapicTimer {
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #fire: () => void;
  #state = powerOnState();

  /** @param fire called when an unmasked timer expires */
  constructor(clock: Clock, name: string, fire: () => void) {
    this.#clock = clock;
    this.#fire = fire;
    this.#alarm = clock.alarm(name, () => this.#expired());
  }

  get initialCount(): number {
    return this.#state.mode === TimerMode.TscDeadline ? 0 : this.#state.initialCount;
  }

  get currentCount(): number {
    const { mode, initialCount, start } = this.#state;
    if (mode === TimerMode.TscDeadline || initialCount === 0) return 0;
    const elapsed = Math.floor((this.#clock.now - start) / this.#divisor());
    if (mode === TimerMode.Periodic) return initialCount - (elapsed % initialCount);
    return Math.max(0, initialCount - elapsed);
  }

  get divideConfiguration(): number {
    return this.#state.divideConfiguration;
  }

  /** IA32_TSC_DEADLINE: zero when disarmed, after it expired and outside TSC-deadline mode. */
  get tscDeadline(): bigint {
    const deadline = BigInt(this.#state.tscDeadline);
    return deadline > BigInt(this.#clock.now) ? deadline : 0n;
  }

  /** Follows the LVT timer register. Changing to or from TSC-deadline mode disarms the timer. */
  configure(mode: number, masked: boolean): void {
    const state = this.#state;
    if (mode !== state.mode && (mode === TimerMode.TscDeadline || state.mode === TimerMode.TscDeadline)) {
      state.initialCount = 0;
      state.tscDeadline = '0';
    }
    state.mode = mode;
    state.masked = masked;
    this.#arm();
  }

  /** Starts the count, or stops it with zero. Ignored in TSC-deadline mode. */
  writeInitialCount(value: number): void {
    if (this.#state.mode === TimerMode.TscDeadline) return;
    this.#state.initialCount = value;
    this.#state.start = this.#clock.now;
    this.#arm();
  }

  /** A running count goes on from where it is, at the new rate. */
  writeDivideConfiguration(value: number): void {
    const state = this.#state;
    const counted = this.initialCount - this.currentCount;
    state.divideConfiguration = value & 0x0b;
    state.start = this.#clock.now - counted * this.#divisor();
    this.#arm();
  }

  /** Ignored outside TSC-deadline mode; zero disarms; a time that has passed fires at once. */
  writeTscDeadline(value: bigint): void {
    if (this.#state.mode !== TimerMode.TscDeadline) return;
    this.#state.tscDeadline = value.toString();
    if (value !== 0n && value <= BigInt(this.#clock.now)) this.#setAlarm(this.#state.masked ? null : this.#clock.now);
    else this.#arm();
  }

  reset(): void {
    this.restore(powerOnState());
  }

  save(): LapicTimerState {
    return { ...this.#state };
  }

  restore(state: LapicTimerState): void {
    this.#state = { ...state };
    this.#setAlarm(state.deadline);
  }

  /** Divide configuration bits 3, 1, 0: 000 is 2, 001 is 4, ... 110 is 128, 111 is 1; in nanoseconds. */
  #divisor(): number {
    const { divideConfiguration } = this.#state;
    const exponent = ((((divideConfiguration >> 1) & 4) | (divideConfiguration & 3)) + 1) & 7;
    return BUS_TICK * 2 ** exponent;
  }

  #arm(): void {
    this.#setAlarm(this.#state.masked ? null : this.#nextExpiry());
  }

  /** The next expiry after now, or null when the timer will not expire. */
  #nextExpiry(): number | null {
    const { mode, initialCount, start } = this.#state;
    const now = this.#clock.now;
    if (mode === TimerMode.TscDeadline) {
      const deadline = this.tscDeadline;
      return deadline === 0n || deadline > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(deadline);
    }
    if (initialCount === 0) return null;
    const period = initialCount * this.#divisor();
    if (mode === TimerMode.Periodic) return start + (Math.floor((now - start) / period) + 1) * period;
    return start + period > now ? start + period : null;
  }

  #setAlarm(deadline: number | null): void {
    this.#state.deadline = deadline;
    if (deadline === null) this.#alarm.clear();
    else this.#alarm.set(deadline);
  }

  #expired(): void {
    if (this.#state.mode === TimerMode.TscDeadline) this.#state.tscDeadline = '0';
    this.#arm();
    this.#fire();
  }
}
