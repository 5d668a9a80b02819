import type { Clock, Device, Width } from './device.ts';
import { timeOfTick } from './frequency.ts';
import { PIT_HZ, PitChannel, type PitChannelState } from './pit8254-channel.ts';

// Ports (8254 data sheet): counters 0 to 2, then the control word.
export const COUNTER_0 = 0;
export const COUNTER_1 = 1;
export const COUNTER_2 = 2;
export const CONTROL_WORD = 3;

const READ_BACK = 3;
const READ_BACK_NO_COUNT = 0x20;
const READ_BACK_NO_STATUS = 0x10;

export interface Pit8254State {
  channels: PitChannelState[];
}

/** An 8254 interval timer. Counts are computed from the clock when they are read; only counter 0's output sets alarms. */
export class Pit8254 implements Device<Pit8254State> {
  /** The output of counter 0 changed: IRQ 0. */
  onOutput?: (level: boolean) => void;

  readonly #channels: readonly [PitChannel, PitChannel, PitChannel];
  readonly #edge;
  #output = true;

  constructor(clock: Clock) {
    this.#channels = [new PitChannel(clock), new PitChannel(clock), new PitChannel(clock)];
    this.#edge = clock.alarm('pit8254 counter 0', () => this.#updateOutput());
    this.reset();
  }

  /** The level of a counter's output. */
  output(channel: 0 | 1 | 2): boolean {
    return this.#channels[channel].output;
  }

  /** Drives a counter's gate. On a PC only counter 2's gate is wired, to port 0x61. */
  setGate(channel: 0 | 1 | 2, level: boolean): void {
    this.#channels[channel].setGate(level);
    this.#updateOutput();
  }

  read(offset: number, _width: Width): number {
    return this.#channels[offset]?.read() ?? 0xff;
  }

  peek(offset: number, _width: Width): number {
    return this.#channels[offset]?.peek() ?? 0xff;
  }

  write(offset: number, _width: Width, value: number): void {
    const byte = value & 0xff;
    if (offset !== CONTROL_WORD) this.#channels[offset]?.write(byte);
    else if (byte >> 6 === READ_BACK) this.#readBack(byte);
    else this.#channels[byte >> 6]?.control(byte);
    this.#updateOutput();
  }

  reset(): void {
    for (const channel of this.#channels) channel.reset();
    this.#channels[2].setGate(false);
    this.#updateOutput();
  }

  save(): Pit8254State {
    return { channels: this.#channels.map((channel) => channel.save()) };
  }

  restore(state: Pit8254State): void {
    for (const [index, channel] of this.#channels.entries()) channel.restore(state.channels[index]!);
    this.#output = this.#channels[0].output;
    this.#armEdge();
  }

  #readBack(command: number): void {
    for (const [index, channel] of this.#channels.entries()) {
      if ((command & (2 << index)) === 0) continue;
      if ((command & READ_BACK_NO_STATUS) === 0) channel.latchStatus();
      if ((command & READ_BACK_NO_COUNT) === 0) channel.latchCount();
    }
  }

  #updateOutput(): void {
    const output = this.#channels[0].output;
    this.#armEdge();
    if (output === this.#output) return;
    this.#output = output;
    this.onOutput?.(output);
  }

  #armEdge(): void {
    const tick = this.#channels[0].nextEdge();
    if (tick === null) this.#edge.clear();
    else this.#edge.set(timeOfTick(tick, PIT_HZ));
  }
}
