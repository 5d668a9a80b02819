import { beforeEach, describe, expect, it } from 'vitest';
import * as Rtc from '../../src/devices/cmos-rtc.ts';
import { TestClock } from './test-clock.ts';

const SECOND = 1_000_000_000;

let clock: TestClock;
let rtc: Rtc.CmosRtc;
let interrupts: boolean[];

function read(register: number): number {
  rtc.write(Rtc.INDEX, 1, register);
  return rtc.read(Rtc.DATA, 1);
}

function write(register: number, value: number): void {
  rtc.write(Rtc.INDEX, 1, register);
  rtc.write(Rtc.DATA, 1, value);
}

const time = () => [Rtc.HOURS, Rtc.MINUTES, Rtc.SECONDS].map(read);
const date = () => [Rtc.CENTURY, Rtc.YEAR, Rtc.MONTH, Rtc.DAY_OF_MONTH, Rtc.DAY_OF_WEEK].map(read);

beforeEach(() => {
  clock = new TestClock();
  rtc = new Rtc.CmosRtc(clock, { epoch: Date.UTC(2026, 10, 24, 21, 59, 58) / 1000, memoryBytes: 256 * 2 ** 20 });
  interrupts = [];
  rtc.onInterrupt = (asserted) => interrupts.push(asserted);
});

describe('the date', () => {
  it('starts where the machine says and follows virtual time, in BCD', () => {
    expect(date()).toEqual([0x20, 0x26, 0x11, 0x24, 0x03]);
    expect(time()).toEqual([0x21, 0x59, 0x58]);
    clock.advance(2 * SECOND);
    expect(time()).toEqual([0x22, 0x00, 0x00]);
  });

  it('is binary when register B says so', () => {
    write(Rtc.REGISTER_B, 0x06);
    expect(time()).toEqual([21, 59, 58]);
  });

  it('has a PM bit with 12-hour clocks', () => {
    write(Rtc.REGISTER_B, 0x00);
    expect(read(Rtc.HOURS)).toBe(0x89);
    write(Rtc.HOURS, 0x12);
    expect(read(Rtc.HOURS)).toBe(0x12);
    write(Rtc.REGISTER_B, 0x02);
    expect(read(Rtc.HOURS)).toBe(0x00);
  });

  it('can be set while SET stops the clock', () => {
    write(Rtc.REGISTER_B, 0x82);
    write(Rtc.SECONDS, 0x30);
    write(Rtc.YEAR, 0x30);
    clock.advance(5 * SECOND);
    expect(read(Rtc.SECONDS)).toBe(0x30);
    write(Rtc.REGISTER_B, 0x02);
    clock.advance(SECOND);
    expect(read(Rtc.SECONDS)).toBe(0x31);
    expect(read(Rtc.YEAR)).toBe(0x30);
  });

  it('announces an update in the last 244 microseconds of a second', () => {
    expect(read(Rtc.REGISTER_A) & 0x80).toBe(0);
    clock.advance(SECOND - 100_000);
    expect(read(Rtc.REGISTER_A) & 0x80).toBe(0x80);
  });
});

describe('interrupts', () => {
  it('come once a second with the update interrupt, until register C is read', () => {
    write(Rtc.REGISTER_B, 0x12);
    clock.advance(SECOND);
    expect(interrupts).toEqual([true]);
    expect(read(Rtc.REGISTER_C)).toBe(0x90 | 0x40);
    expect(interrupts).toEqual([true, false]);
    expect(read(Rtc.REGISTER_C)).toBe(0);
  });

  it('come at the periodic rate', () => {
    write(Rtc.REGISTER_B, 0x42);
    let count = 0;
    rtc.onInterrupt = (asserted) => {
      if (asserted) count++;
    };
    for (let step = 0; step < 1024; step++) {
      clock.advance(SECOND / 1024);
      read(Rtc.REGISTER_C);
    }
    expect(count).toBe(1024);
  });

  it('come when the alarm matches, wildcards included', () => {
    write(Rtc.HOURS_ALARM, 0xff);
    write(Rtc.MINUTES_ALARM, 0x00);
    write(Rtc.SECONDS_ALARM, 0x01);
    write(Rtc.REGISTER_B, 0x22);
    clock.advance(2 * SECOND);
    expect(interrupts).toEqual([]);
    clock.advance(SECOND);
    expect(interrupts).toEqual([true]);
  });

  it('leave flags for polling when they are not enabled', () => {
    clock.advance(SECOND);
    expect(read(Rtc.REGISTER_C)).toBe(0x50);
    expect(interrupts).toEqual([]);
  });
});

it('tells how much memory the machine has', () => {
  const word = (low: number, high: number) => read(low) | (read(high) << 8);
  expect(word(0x15, 0x16)).toBe(640);
  expect(word(0x17, 0x18)).toBe(0xffff);
  expect(word(0x34, 0x35)).toBe((256 - 16) * 16);
});

it('keeps CMOS memory, ignoring the NMI bit of the index', () => {
  write(0x5a, 0xa5);
  expect(read(0xda)).toBe(0xa5);
});

it('continues after restore where it was saved', () => {
  write(Rtc.REGISTER_B, 0x12);
  clock.advance(SECOND / 2);
  const other = new Rtc.CmosRtc(clock, { epoch: 0, memoryBytes: 0 });
  other.restore(JSON.parse(JSON.stringify(rtc.save())));
  let asserted = false;
  other.onInterrupt = (level) => {
    asserted = level;
  };
  clock.advance(SECOND / 2);
  expect(asserted).toBe(true);
  expect(other.save()).toEqual(rtc.save());
});
