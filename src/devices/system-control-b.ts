import type { Clock, Device, Width } from './device.ts';
import type { Pit8254 } from './pit8254.ts';

const TIMER_2_GATE = 0x01;
const SPEAKER_DATA = 0x02;
const REFRESH_TOGGLE = 0x10;
const TIMER_2_OUTPUT = 0x20;
const WRITABLE = 0x0f;

/** Nanoseconds between two memory refresh requests, which toggle bit 4. */
const REFRESH_PERIOD = 15_085;

export interface SystemControlBState {
  control: number;
}

/** System control port B, 0x61: the gate and the output of timer 2, the speaker, the refresh toggle. */
export class SystemControlB implements Device<SystemControlBState> {
  /** What the speaker is told: the level of the speaker data bit. */
  onSpeaker?: (level: boolean) => void;

  readonly #clock: Clock;
  readonly #pit: Pit8254;
  #control = 0;

  constructor(clock: Clock, pit: Pit8254) {
    this.#clock = clock;
    this.#pit = pit;
  }

  read(offset: number, width: Width): number {
    return this.peek(offset, width);
  }

  peek(_offset: number, _width: Width): number {
    const refresh = Math.floor(this.#clock.now / REFRESH_PERIOD) % 2 === 1 ? REFRESH_TOGGLE : 0;
    return this.#control | refresh | (this.#pit.output(2) ? TIMER_2_OUTPUT : 0);
  }

  write(_offset: number, _width: Width, value: number): void {
    const changed = this.#control ^ value;
    this.#control = value & WRITABLE;
    if ((changed & TIMER_2_GATE) !== 0) this.#pit.setGate(2, (value & TIMER_2_GATE) !== 0);
    if ((changed & SPEAKER_DATA) !== 0) this.onSpeaker?.((value & SPEAKER_DATA) !== 0);
  }

  reset(): void {
    this.#control = 0;
  }

  save(): SystemControlBState {
    return { control: this.#control };
  }

  restore(state: SystemControlBState): void {
    this.#control = state.control;
  }
}
