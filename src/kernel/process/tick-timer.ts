import type { u64 } from '#dialect';

/** A timer that ticks of processor time drive. Both in ticks; `left` is 0 while it is not running. */
export class TickTimer {
  left: u64 = 0n;
  interval: u64 = 0n;
}
