import { beforeEach, describe, expect, it } from 'vitest';
import { Lapic } from '../../src/devices/lapic.ts';
import * as R from '../../src/devices/lapic-registers.ts';
import { TestClock } from './test-clock.ts';

const ONE_SHOT = 0;
const PERIODIC = 0x2_0000;
const TSC_DEADLINE = 0x4_0000;
const DIVIDE_BY_1 = 0x0b;

let clock: TestClock;
let lapic: Lapic;

const read = (offset: number) => lapic.read(offset, 4);
const write = (offset: number, value: number) => lapic.write(offset, 4, value);

/** Whether the timer's interrupt has come since the last question. */
function fired(): boolean {
  if (!lapic.interruptPending) return false;
  expect(lapic.acknowledge()).toBe(0x40);
  write(R.EOI, 0);
  return true;
}

beforeEach(() => {
  clock = new TestClock();
  lapic = new Lapic(clock);
  write(R.SVR, 0x1ff);
  write(R.DIVIDE_CONFIGURATION, DIVIDE_BY_1);
});

describe('one-shot mode', () => {
  beforeEach(() => write(R.LVT_TIMER, ONE_SHOT | 0x40));

  it('counts down to zero, interrupts once and stays there', () => {
    write(R.INITIAL_COUNT, 100);
    clock.advance(40);
    expect(read(R.CURRENT_COUNT)).toBe(60);
    expect(fired()).toBe(false);
    clock.advance(60);
    expect(fired()).toBe(true);
    expect(read(R.CURRENT_COUNT)).toBe(0);
    clock.advance(1000);
    expect(fired()).toBe(false);
    expect(read(R.INITIAL_COUNT)).toBe(100);
  });

  it('stops when the initial count becomes zero', () => {
    write(R.INITIAL_COUNT, 100);
    write(R.INITIAL_COUNT, 0);
    clock.advance(1000);
    expect(fired()).toBe(false);
    expect(read(R.CURRENT_COUNT)).toBe(0);
  });

  it('counts without interrupting while it is masked', () => {
    write(R.LVT_TIMER, R.LVT_MASKED | 0x40);
    write(R.INITIAL_COUNT, 100);
    clock.advance(30);
    expect(read(R.CURRENT_COUNT)).toBe(70);
    clock.advance(100);
    write(R.LVT_TIMER, 0x40);
    clock.advance(100);
    expect(fired()).toBe(false);
  });
});

describe('the divide configuration', () => {
  it.each([
    [0x0, 2],
    [0x1, 4],
    [0x2, 8],
    [0x3, 16],
    [0x8, 32],
    [0x9, 64],
    [0xa, 128],
    [0xb, 1],
  ])('%#x divides by %i', (configuration, divisor) => {
    write(R.DIVIDE_CONFIGURATION, configuration);
    write(R.INITIAL_COUNT, 1000);
    clock.advance(divisor * 10);
    expect(read(R.CURRENT_COUNT)).toBe(990);
    clock.advance(divisor - 1);
    expect(read(R.CURRENT_COUNT)).toBe(990);
  });

  it('changes the rate of a running count and not the count', () => {
    write(R.LVT_TIMER, 0x40);
    write(R.INITIAL_COUNT, 100);
    clock.advance(50);
    write(R.DIVIDE_CONFIGURATION, 0x1);
    expect(read(R.CURRENT_COUNT)).toBe(50);
    clock.advance(196);
    expect(read(R.CURRENT_COUNT)).toBe(1);
    clock.advance(4);
    expect(fired()).toBe(true);
  });
});

describe('periodic mode', () => {
  it('interrupts at each period without drift', () => {
    write(R.LVT_TIMER, PERIODIC | 0x40);
    write(R.INITIAL_COUNT, 100);
    for (let period = 0; period < 5; period++) {
      clock.advance(99);
      expect(fired()).toBe(false);
      clock.advance(1);
      expect(fired()).toBe(true);
      expect(read(R.CURRENT_COUNT)).toBe(100);
    }
  });

  it('keeps its phase across a mask', () => {
    write(R.LVT_TIMER, PERIODIC | 0x40);
    write(R.INITIAL_COUNT, 100);
    write(R.LVT_TIMER, PERIODIC | R.LVT_MASKED | 0x40);
    clock.advance(250);
    expect(fired()).toBe(false);
    write(R.LVT_TIMER, PERIODIC | 0x40);
    clock.advance(49);
    expect(fired()).toBe(false);
    clock.advance(1);
    expect(fired()).toBe(true);
  });
});

describe('TSC-deadline mode', () => {
  beforeEach(() => write(R.LVT_TIMER, TSC_DEADLINE | 0x40));

  it('interrupts once when the time-stamp counter reaches the deadline, and clears it', () => {
    lapic.writeMsr(R.IA32_TSC_DEADLINE, 500n);
    expect(lapic.readMsr(R.IA32_TSC_DEADLINE)).toBe(500n);
    clock.advance(499);
    expect(fired()).toBe(false);
    clock.advance(1);
    expect(fired()).toBe(true);
    expect(lapic.readMsr(R.IA32_TSC_DEADLINE)).toBe(0n);
  });

  it('fires at once for a deadline that has passed', () => {
    clock.advance(1000);
    lapic.writeMsr(R.IA32_TSC_DEADLINE, 10n);
    clock.advance(1);
    expect(fired()).toBe(true);
  });

  it('disarms with zero and ignores the initial count', () => {
    lapic.writeMsr(R.IA32_TSC_DEADLINE, 500n);
    lapic.writeMsr(R.IA32_TSC_DEADLINE, 0n);
    write(R.INITIAL_COUNT, 100);
    expect(read(R.INITIAL_COUNT)).toBe(0);
    expect(read(R.CURRENT_COUNT)).toBe(0);
    clock.advance(1000);
    expect(fired()).toBe(false);
  });

  it('keeps a deadline that will never come', () => {
    lapic.writeMsr(R.IA32_TSC_DEADLINE, 0xffff_ffff_ffff_ffffn);
    expect(lapic.readMsr(R.IA32_TSC_DEADLINE)).toBe(0xffff_ffff_ffff_ffffn);
    clock.advance(1_000_000);
    expect(fired()).toBe(false);
  });

  it('is disarmed by leaving the mode', () => {
    lapic.writeMsr(R.IA32_TSC_DEADLINE, 500n);
    write(R.LVT_TIMER, ONE_SHOT | 0x40);
    clock.advance(1000);
    expect(fired()).toBe(false);
    lapic.writeMsr(R.IA32_TSC_DEADLINE, 2000n);
    expect(lapic.readMsr(R.IA32_TSC_DEADLINE)).toBe(0n);
  });
});
