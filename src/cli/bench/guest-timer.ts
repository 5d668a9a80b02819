/** What a guest's run came to between the lines `begin` and `end CHECKSUM` that it prints around its work. */
export interface GuestRun {
  readonly checksum: string;
  readonly seconds: number;
}

/** Where a guest's work begins, and where it has ended. */
export type Edge = 'begin' | 'end';

/** Reads a guest's console and takes the time at its two lines. */
export class GuestTimer {
  checksum: string | undefined;
  #line = '';
  #begun: number | undefined;
  #ended: number | undefined;
  readonly #seconds: () => number;
  readonly #onEdge: (edge: Edge) => void;

  /**
   * @param seconds processor time used so far by what runs the guest
   * @param onEdge called when the work begins and when it has ended
   */
  constructor(seconds: () => number, onEdge: (edge: Edge) => void = () => {}) {
    this.#seconds = seconds;
    this.#onEdge = onEdge;
  }

  /** The console's next byte. */
  byte(value: number): void {
    if (value !== 0x0a) {
      if (value !== 0x0d) this.#line += String.fromCharCode(value);
      return;
    }
    const line = this.#line;
    this.#line = '';
    const end = /^end (\S+)$/.exec(line);
    if (line === 'begin') {
      this.#onEdge('begin');
      this.#begun = this.#seconds();
    } else if (end && this.#begun !== undefined) {
      this.#ended = this.#seconds();
      this.checksum = end[1]!;
      this.#onEdge('end');
    }
  }

  /** Undefined unless the guest has come to its end. */
  get run(): GuestRun | undefined {
    if (this.#begun === undefined || this.#ended === undefined || this.checksum === undefined) return undefined;
    return { checksum: this.checksum, seconds: this.#ended - this.#begun };
  }
}
