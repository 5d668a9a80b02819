/** Time: the TSC, measured against the 8254 once, and the timer interrupt that drives scheduling. */
import { cpu, u32, u64 } from '#dialect';
import { measuredTimerCounts, startPeriodicTimer, startTimerMeasurement } from './local-apic.ts';
import { isCountdownOver, PIT_HZ, startCountdown } from './pit8254.ts';

export const NANOSECONDS = 1_000_000_000n;
/** Timer interrupts a second. */
export const TICK_HZ = 1000n;
/** How much of a second the measurement takes, as a divisor. */
const MEASUREMENT = 200;

let tscStart: u64 = 0n;
/** TSC counts and APIC timer counts in a second. */
let tscHz: u64 = 1n;
let timerHz: u64 = 1n;

/** Measures both clocks; time starts at zero here. */
export function calibrateClocks(): void {
  startTimerMeasurement();
  startCountdown(u32(PIT_HZ / MEASUREMENT));
  const before = cpu.rdtsc();
  const countsBefore = measuredTimerCounts();
  while (!isCountdownOver());
  const after = cpu.rdtsc();
  const counts = u32(measuredTimerCounts() - countsBefore);
  tscHz = u64(u64(after - before) * u64(MEASUREMENT));
  timerHz = u64(u64(counts) * u64(MEASUREMENT));
  tscStart = after;
}

export function startTicking(): void {
  const counts = u32(timerHz / TICK_HZ);
  startPeriodicTimer(counts === 0 ? 1 : counts);
}

/** Nanoseconds since the clocks were measured. */
export function monotonicTime(): u64 {
  const elapsed = u64(cpu.rdtsc() - tscStart);
  const seconds = u64(elapsed / tscHz);
  const rest = u64(elapsed % tscHz);
  return u64(seconds * NANOSECONDS + u64(u64(rest * NANOSECONDS) / tscHz));
}

export function tscFrequency(): u64 {
  return tscHz;
}
