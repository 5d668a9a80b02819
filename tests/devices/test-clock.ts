import { VirtualClock } from '../../src/machine/clock.ts';

/** A clock that moves only when a test says so. */
export class TestClock extends VirtualClock {
  constructor() {
    super(() => 0);
  }

  /** Lets `nanoseconds` pass, ringing every alarm at its own time. */
  advance(nanoseconds: number): void {
    const end = this.now + nanoseconds;
    for (;;) {
      const next = this.nextDeadline;
      if (next === undefined || next > end) break;
      this.skipTo(next);
      this.ringDue();
    }
    this.skipTo(end);
  }
}
