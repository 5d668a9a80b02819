const SECOND = 1_000_000_000;

/**
 * How many ticks of an oscillator have passed at a virtual time. Exact: seconds and the rest are scaled apart, so that
 * no product leaves the safe integers.
 * @param time nanoseconds
 * @param hertz below 9 million
 */
export function ticksAt(time: number, hertz: number): number {
  const seconds = Math.floor(time / SECOND);
  return seconds * hertz + Math.floor(((time % SECOND) * hertz) / SECOND);
}

/** The first virtual time, in nanoseconds, at which `ticksAt` is `tick`. */
export function timeOfTick(tick: number, hertz: number): number {
  const seconds = Math.floor(tick / hertz);
  return seconds * SECOND + Math.ceil(((tick % hertz) * SECOND) / hertz);
}
