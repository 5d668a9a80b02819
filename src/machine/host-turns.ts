import type { VirtualClock } from './clock.ts';
import type { SerialConsole } from './serial-console.ts';

/** How long the machine runs between two turns of the host's event loop, in milliseconds. */
const STRETCH_TIME = 20;
const FIRST_STRETCH = 1_000_000;
const SHORTEST_STRETCH = 10_000;
const LONGEST_STRETCH = 100_000_000;
/** Skipping halted time takes no turn until this much real time has passed, in milliseconds. */
const IDLE_TURN_TIME = 20;
const NANOSECONDS = 1_000_000;
/** How much real time, in virtual nanoseconds, may be made up for when a wait took longer than it should. */
const LARGEST_LAG = 100 * NANOSECONDS;
/** Longest delay that setTimeout takes, in milliseconds. */
const LONGEST_DELAY = 2 ** 31 - 1;

/** Shares the host's thread between the machine and the event loop. It decides when, never what. */
export class HostTurns {
  /** Instructions to run before the next turn. */
  stretch = FIRST_STRETCH;

  readonly #clock: VirtualClock;
  readonly #serial: SerialConsole;
  #lastTurn = performance.now();
  /** Real time that has passed in waits and virtual time has not, in nanoseconds. */
  #lag = 0;
  #interrupt: (() => void) | undefined;

  constructor(clock: VirtualClock, serial: SerialConsole) {
    this.#clock = clock;
    this.#serial = serial;
  }

  /** Ends a wait that is going on. */
  interrupt(): void {
    this.#interrupt?.();
  }

  /** Gives the event loop a turn, and sizes the next stretch by the time that the last one took. */
  async take(): Promise<void> {
    const elapsed = Math.max(0.1, performance.now() - this.#lastTurn);
    const sized = Math.floor(this.stretch * Math.min(4, STRETCH_TIME / elapsed));
    this.stretch = Math.min(LONGEST_STRETCH, Math.max(SHORTEST_STRETCH, sized));
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#lastTurn = performance.now();
  }

  /**
   * Lets halted time pass: in real time while the console is open, else at once.
   * @param wake the virtual time of the next alarm, or undefined when only input can wake the processor
   * @returns false when nothing ever will
   */
  async wait(wake: number | undefined): Promise<boolean> {
    if (this.#serial.open) {
      await this.#waitForInput(wake);
      return true;
    }
    if (wake === undefined) return false;
    this.#clock.skipTo(wake);
    if (performance.now() - this.#lastTurn > IDLE_TURN_TIME) await this.take();
    return true;
  }

  /** Virtual time follows real time until the alarm is due or something is typed. */
  async #waitForInput(wake: number | undefined): Promise<void> {
    const begun = performance.now();
    const start = this.#clock.now;
    const needed = (wake ?? Number.MAX_SAFE_INTEGER) - start;
    const catchUp = () => {
      const passed = this.#lag + Math.floor((performance.now() - begun) * NANOSECONDS);
      this.#clock.skipTo(start + Math.min(needed, passed));
      return passed - Math.min(needed, passed);
    };
    if (this.#lag < needed) await this.#sleep((needed - this.#lag) / NANOSECONDS, catchUp);
    else if (begun - this.#lastTurn > IDLE_TURN_TIME) await this.take();
    this.#lag = Math.min(LARGEST_LAG, catchUp());
  }

  /** @param typing called before what is typed is given its time */
  async #sleep(milliseconds: number, typing: () => void): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.min(LONGEST_DELAY, milliseconds));
      const end = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#serial.onTyping = () => {
        typing();
        end();
      };
      this.#serial.onClosed = end;
      this.#interrupt = end;
    });
    this.#interrupt = undefined;
    delete this.#serial.onTyping;
    delete this.#serial.onClosed;
    this.#lastTurn = performance.now();
  }
}
