/** Width of one access, in bytes. The bus splits wider ones. */
export type Width = 1 | 2 | 4;

/** A range of ports or addresses. Offsets count bytes from its first one; values are unsigned. */
export interface Registers {
  read(offset: number, width: Width): number;
  write(offset: number, width: Width, value: number): void;
  /** What `read` would return, without any of its side effects: for debuggers and traces. */
  peek(offset: number, width: Width): number;
}

/**
 * `State` is a named record of plain values (numbers, strings, booleans, null, arrays and records of them), so that a
 * snapshot is JSON.
 */
export interface Stateful<State> {
  /** Back to the state after power-on. Callbacks stay connected. */
  reset(): void;
  save(): State;
  restore(state: State): void;
}

/** A chip with one range of registers. */
export interface Device<State> extends Registers, Stateful<State> {}

/** One deadline of one device. An alarm that is set twice rings once, at the later setting's time. */
export interface Alarm {
  /** @param deadline virtual time in nanoseconds; a time that has passed rings at the next opportunity */
  set(deadline: number): void;
  clear(): void;
}

/** The only notion of time a device has. */
export interface Clock {
  /** Virtual time in nanoseconds, a safe integer that never decreases. */
  readonly now: number;
  /** Creates an alarm that is not set. Alarms due at the same time ring in the order of their creation. */
  alarm(name: string, ring: () => void): Alarm;
}

/** Reports each register that a device does not implement once, by name. */
export class UnimplementedRegisters {
  readonly #part: string;
  readonly #report: (message: string) => void;
  readonly #reported = new Set<string>();

  constructor(part: string, report: (message: string) => void) {
    this.#part = part;
    this.#report = report;
  }

  warn(register: string): void {
    if (this.#reported.has(register)) return;
    this.#reported.add(register);
    this.#report(`${this.#part}: ${register} is not implemented`);
  }
}
