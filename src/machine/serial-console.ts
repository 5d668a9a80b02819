import type { Alarm } from '../devices/device.ts';
import type { Uart16550 } from '../devices/uart16550.ts';
import type { VirtualClock } from './clock.ts';

/** Bytes typed at one exact moment of virtual time. A list of these replays a session. */
export interface TypedInput {
  /** Virtual time in nanoseconds. */
  readonly time: number;
  readonly bytes: readonly number[];
}

export interface SerialConsoleState {
  /** Bytes that have been typed and wait for room in the receiver. */
  waiting: number[];
  /** Input that is still to be typed. */
  scheduled: TypedInput[];
  recording: TypedInput[];
}

/** How much of the output is kept for `text`, in bytes. */
const OUTPUT_KEPT = 4 * 2 ** 20;

/**
 * What is at the other end of the serial line: listeners for output, and a keyboard whose bytes wait until the guest
 * listens. Every byte typed is recorded with its virtual time, so that a run can be repeated exactly.
 */
export class SerialConsole {
  /** Something is about to be typed. */
  onTyping?: () => void;
  /** Nobody will type any more. */
  onClosed?: () => void;

  readonly #clock: VirtualClock;
  readonly #uart: Uart16550;
  readonly #alarm: Alarm;
  readonly #listeners = new Set<(byte: number) => void>();
  #output: number[] = [];
  #waiting: number[] = [];
  #scheduled: TypedInput[] = [];
  #recording: TypedInput[] = [];
  #open = false;

  constructor(clock: VirtualClock, uart: Uart16550) {
    this.#clock = clock;
    this.#uart = uart;
    this.#alarm = clock.alarm('serial console input', () => this.#typeScheduled());
    uart.onTransmit = (byte) => this.#transmitted(byte);
    uart.onReceiverReady = () => this.#pump();
  }

  /** True while somebody may still type: a halted machine then waits for it, in real time. */
  get open(): boolean {
    return this.#open;
  }

  set open(value: boolean) {
    this.#open = value;
    if (!value) this.onClosed?.();
  }

  /** What the guest has sent, as UTF-8 text; only the last 4 MiB are kept. */
  get text(): string {
    return new TextDecoder().decode(new Uint8Array(this.#output));
  }

  /** Everything typed so far, for replay. */
  get recording(): readonly TypedInput[] {
    return this.#recording;
  }

  /** True while typed bytes have not reached the guest, or input is scheduled. */
  get hasInput(): boolean {
    return this.#waiting.length > 0 || this.#scheduled.length > 0;
  }

  /** @returns a function that ends the subscription */
  onByte(listener: (byte: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Types text or bytes: they arrive before the next instruction, or, when called from a listener while an instruction
   * runs, right behind that instruction.
   */
  type(input: string | Uint8Array): void {
    this.onTyping?.();
    const bytes = [...(typeof input === 'string' ? new TextEncoder().encode(input) : input)];
    this.schedule([{ time: this.#clock.arrivalTime, bytes }]);
  }

  /** Types bytes at given virtual times; times that have passed mean now. */
  schedule(inputs: readonly TypedInput[]): void {
    this.#scheduled.push(...inputs);
    this.#scheduled.sort((a, b) => a.time - b.time);
    this.#arm();
  }

  reset(): void {
    this.restore({ waiting: [], scheduled: [], recording: [] });
    this.#output = [];
  }

  save(): SerialConsoleState {
    return structuredClone({ waiting: this.#waiting, scheduled: this.#scheduled, recording: this.#recording });
  }

  restore(state: SerialConsoleState): void {
    const { waiting, scheduled, recording } = structuredClone(state);
    this.#waiting = waiting;
    this.#scheduled = scheduled;
    this.#recording = recording;
    this.#arm();
  }

  #arm(): void {
    const next = this.#scheduled[0];
    if (next === undefined) this.#alarm.clear();
    else this.#alarm.set(next.time);
  }

  #typeScheduled(): void {
    const now = this.#clock.now;
    while (this.#scheduled[0] !== undefined && this.#scheduled[0].time <= now) {
      const { bytes } = this.#scheduled.shift()!;
      this.#recording.push({ time: now, bytes });
      this.#waiting.push(...bytes);
    }
    this.#arm();
    this.#pump();
  }

  #pump(): void {
    while (this.#waiting.length > 0 && this.#uart.receiverReady) this.#uart.receive(this.#waiting.shift()!);
  }

  #transmitted(byte: number): void {
    this.#output.push(byte);
    if (this.#output.length >= 2 * OUTPUT_KEPT) this.#output = this.#output.slice(-OUTPUT_KEPT);
    for (const listener of this.#listeners) listener(byte);
  }
}
