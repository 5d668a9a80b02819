import type { Alarm, Clock } from '../devices/device.ts';

export interface VirtualClockState {
  /** Nanoseconds that passed while the processor was halted. */
  idle: number;
}

interface QueuedAlarm {
  readonly name: string;
  readonly order: number;
  readonly ring: () => void;
  deadline: number;
}

/**
 * Virtual time. One retired instruction takes one nanosecond, so the time-stamp counter runs at 1 GHz; a halted
 * processor skips to the next alarm. Time is therefore `instructions retired + idle time`, the same in every run.
 * Alarms are one sorted queue: nothing polls.
 */
export class VirtualClock implements Clock {
  /** The earliest deadline has become earlier than it was. */
  onEarlierDeadline?: () => void;
  /** True while the processor executes: what arrives then arrives behind the current instruction. */
  running = false;

  readonly #instructions: () => number;
  readonly #queue: QueuedAlarm[] = [];
  #idle = 0;
  #created = 0;

  /** @param instructions the number of instructions retired so far */
  constructor(instructions: () => number) {
    this.#instructions = instructions;
  }

  get now(): number {
    return this.#instructions() + this.#idle;
  }

  /** The first moment at which something from outside the machine can arrive. */
  get arrivalTime(): number {
    return this.running ? this.now + 1 : this.now;
  }

  /** Nanoseconds that passed while the processor was halted. */
  get idle(): number {
    return this.#idle;
  }

  /** Virtual time of the earliest alarm, or undefined when none is set. */
  get nextDeadline(): number | undefined {
    return this.#queue[0]?.deadline;
  }

  alarm(name: string, ring: () => void): Alarm {
    const alarm: QueuedAlarm = { name, ring, order: this.#created++, deadline: 0 };
    return {
      set: (deadline) => {
        this.#remove(alarm);
        alarm.deadline = deadline;
        this.#insert(alarm);
        if (this.#queue[0] === alarm) this.onEarlierDeadline?.();
      },
      clear: () => this.#remove(alarm),
    };
  }

  /** Rings, in order, the alarms that are due now. An alarm that sets itself to a time already past rings next call. */
  ringDue(): void {
    const now = this.now;
    if ((this.nextDeadline ?? Number.POSITIVE_INFINITY) > now) return;
    const due = this.#queue.filter((alarm) => alarm.deadline <= now);
    for (const alarm of due) {
      if (!this.#queue.includes(alarm) || alarm.deadline > now) continue;
      this.#remove(alarm);
      alarm.ring();
    }
  }

  /** Lets time pass without instructions. */
  skipTo(time: number): void {
    this.#idle += Math.max(0, time - this.now);
  }

  save(): VirtualClockState {
    return { idle: this.#idle };
  }

  /** Alarms are restored by the devices that own them. */
  restore(state: VirtualClockState): void {
    this.#idle = state.idle;
  }

  #insert(alarm: QueuedAlarm): void {
    const queue = this.#queue;
    let position = queue.push(alarm) - 1;
    for (; position > 0 && ringsBefore(alarm, queue[position - 1]!); position--) queue[position] = queue[position - 1]!;
    queue[position] = alarm;
  }

  #remove(alarm: QueuedAlarm): void {
    const queue = this.#queue;
    const position = queue.indexOf(alarm);
    if (position < 0) return;
    for (let next = position + 1; next < queue.length; next++) queue[next - 1] = queue[next]!;
    queue.pop();
  }
}

function ringsBefore(one: QueuedAlarm, other: QueuedAlarm): boolean {
  return one.deadline < other.deadline || (one.deadline === other.deadline && one.order < other.order);
}
