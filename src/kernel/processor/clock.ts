/** Time: the TSC, measured against the 8254 once, and the timer interrupt that drives scheduling. */
import { cpu, pause, u32, u64 } from '#dialect';
import { greater, lesser } from '../memory/layout.ts';
import { drawSlice, isExploring } from '../sched/exploration.ts';
import { measuredTimerCounts, startPeriodicTimer, startSingleTimer, startTimerMeasurement } from './local-apic.ts';
import { countedClocks, PIT_HZ, startCounting } from './pit8254.ts';

export const NANOSECONDS = 1_000_000_000n;
/** Timer interrupts a second. */
export const TICK_HZ = 1000n;
/** How long a measurement takes: in clocks of the 8254 (5 ms), and as a part of a second by a TSC of known frequency. */
const MEASURED_CLOCKS = 5966;
const TSC_MEASUREMENT = 10_000n;
/** Spins between two looks at a clock: looking is slow, above all under emulation. */
const SPINS = 200;
/** CPUID leaf 15H: the TSC's frequency as a ratio to the crystal's. */
const TSC_LEAF = 0x15;

let tscStart: u64 = 0n;
/** TSC counts and APIC timer counts in a second. */
let tscHz: u64 = 1n;
let timerHz: u64 = 1n;

/** Finds out how fast both clocks run; time starts at zero here. */
export function calibrateClocks(): void {
  tscHz = announcedTscFrequency();
  if (tscHz === 0n) measureAgainstPit();
  measureAgainstTsc();
  tscStart = cpu.rdtsc();
}

/** The frequency that CPUID gives, in Hz; 0 when it does not. */
function announcedTscFrequency(): u64 {
  if (cpu.cpuidEax(0, 0) < TSC_LEAF) return 0n;
  const denominator = cpu.cpuidEax(TSC_LEAF, 0);
  const numerator = cpu.cpuidEbx(TSC_LEAF, 0);
  const crystal = cpu.cpuidEcx(TSC_LEAF, 0);
  if (denominator === 0 || numerator === 0 || crystal === 0) return 0n;
  return u64(u64(u64(crystal) * u64(numerator)) / u64(denominator));
}

/** Takes the middle one of three measurements: a host that pauses the machine in one of them does not matter. */
function measureAgainstPit(): void {
  const first = measureOnce();
  const second = measureOnce();
  const third = measureOnce();
  tscHz = greater(lesser(first, second), lesser(greater(first, second), third));
}

/** The TSC's frequency in Hz by the 8254. */
function measureOnce(): u64 {
  startCounting();
  const clocksBefore = countedClocks();
  const before = cpu.rdtsc();
  let clocks: u32 = 0;
  while (clocks < MEASURED_CLOCKS) {
    spin();
    clocks = u32(countedClocks() - clocksBefore);
  }
  const elapsed = u64(cpu.rdtsc() - before);
  return u64(u64(elapsed * u64(PIT_HZ)) / u64(clocks));
}

function measureAgainstTsc(): void {
  startTimerMeasurement();
  const wanted = u64(tscHz / TSC_MEASUREMENT);
  const before = cpu.rdtsc();
  const countsBefore = measuredTimerCounts();
  while (u64(cpu.rdtsc() - before) < wanted) spin();
  const elapsed = u64(cpu.rdtsc() - before);
  const counts = u32(measuredTimerCounts() - countsBefore);
  timerHz = u64(u64(u64(counts) * tscHz) / elapsed);
}

function spin(): void {
  for (let round: u32 = 0; round < SPINS; round++) pause();
}

export function startTicking(): void {
  if (isExploring()) {
    startSlice(false);
    return;
  }
  const counts = u32(timerHz / TICK_HZ);
  startPeriodicTimer(counts === 0 ? 1 : counts);
}

/** Lets a time slice begin whose length a seed draws; one of a tick while there is nobody to run. */
export function startSlice(isIdle: boolean): void {
  startSingleTimer(isIdle ? u32(tscHz / TICK_HZ) : drawSlice());
}

/** Whole ticks since the clocks were measured that `countTick` has not told yet. */
let toldTicks: u64 = 0n;

/** True once for each tick that has passed; for timers that do not run at the tick's rate. */
export function countTick(): boolean {
  const passed = u64(monotonicTime() / u64(NANOSECONDS / TICK_HZ));
  if (toldTicks >= passed) return false;
  toldTicks = passed;
  return true;
}

/** How far the calendar is ahead of the monotonic clock. */
let calendarOffset: u64 = 0n;

/** Nanoseconds since 1970-01-01 00:00 UTC. */
export function realTime(): u64 {
  return u64(monotonicTime() + calendarOffset);
}

export function setRealTime(time: u64): void {
  calendarOffset = u64(time - monotonicTime());
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
