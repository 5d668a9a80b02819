import { beforeEach, describe, expect, it } from 'vitest';
import { CONTROL_WORD, COUNTER_0, COUNTER_2, Pit8254 } from '../../src/devices/pit8254.ts';
import { SystemControlB } from '../../src/devices/system-control-b.ts';
import { TestClock } from './test-clock.ts';

const PIT_HZ = 1_193_182;

let clock: TestClock;
let pit: Pit8254;
let outputs: boolean[];

const control = (word: number) => pit.write(CONTROL_WORD, 1, word);
const load = (counter: number, count: number) => {
  pit.write(counter, 1, count & 0xff);
  pit.write(counter, 1, count >> 8);
};
const count = (counter: number) => pit.read(counter, 1) | (pit.read(counter, 1) << 8);

/** Advances to the middle of the tick that is `ticks` after the tick of the program's last write at time zero. */
const toTick = (ticks: number) => clock.advance(Math.ceil(((ticks + 0.5) * 1e9) / PIT_HZ) - clock.now);

beforeEach(() => {
  clock = new TestClock();
  pit = new Pit8254(clock);
  outputs = [];
  pit.onOutput = (level) => outputs.push(level);
});

describe('mode 0, interrupt on terminal count', () => {
  it('raises the output one clock after the count has run out', () => {
    control(0x30);
    load(COUNTER_0, 10);
    expect(pit.output(0)).toBe(false);
    toTick(10);
    expect(pit.output(0)).toBe(false);
    toTick(11);
    expect(pit.output(0)).toBe(true);
    expect(outputs).toEqual([false, true]);
  });

  it('stops while the gate is low', () => {
    pit.setGate(2, true);
    control(0xb0);
    load(COUNTER_2, 100);
    toTick(41);
    pit.setGate(2, false);
    toTick(200);
    expect(count(COUNTER_2)).toBe(60);
    pit.setGate(2, true);
    toTick(259);
    expect(pit.output(2)).toBe(false);
    toTick(261);
    expect(pit.output(2)).toBe(true);
  });

  it('counts on past zero from 65535', () => {
    control(0x30);
    load(COUNTER_0, 5);
    toTick(9);
    expect(count(COUNTER_0)).toBe(0xfffd);
  });
});

describe('mode 1, one-shot', () => {
  it('lowers the output for the count after each trigger', () => {
    control(0xb2);
    load(COUNTER_2, 10);
    expect(pit.output(2)).toBe(true);
    pit.setGate(2, true);
    toTick(10);
    expect(pit.output(2)).toBe(false);
    toTick(11);
    expect(pit.output(2)).toBe(true);
  });
});

describe('mode 2, rate generator', () => {
  it('lowers the output for one clock in each period', () => {
    control(0x34);
    load(COUNTER_0, 100);
    toTick(99);
    expect(pit.output(0)).toBe(true);
    toTick(100);
    expect(pit.output(0)).toBe(false);
    toTick(101);
    expect(pit.output(0)).toBe(true);
    expect(outputs).toEqual([false, true]);
    expect(count(COUNTER_0)).toBe(100);
  });

  it('gives the PC its 18.2 Hz with a count of zero', () => {
    control(0x34);
    load(COUNTER_0, 0);
    clock.advance(1_000_000_000);
    expect(outputs.filter((level) => level).length).toBe(18);
  });

  it('takes a new count at the end of the period', () => {
    control(0x34);
    load(COUNTER_0, 100);
    toTick(51);
    load(COUNTER_0, 10);
    expect(count(COUNTER_0)).toBe(50);
    toTick(101);
    expect(count(COUNTER_0)).toBe(10);
  });
});

describe('mode 3, square wave', () => {
  it('is high for the first half of the period and counts by two', () => {
    control(0x36);
    load(COUNTER_0, 100);
    toTick(11);
    expect(count(COUNTER_0)).toBe(80);
    toTick(50);
    expect(pit.output(0)).toBe(true);
    toTick(51);
    expect(pit.output(0)).toBe(false);
    toTick(101);
    expect(pit.output(0)).toBe(true);
  });

  it('is high one clock longer for an odd count', () => {
    control(0x36);
    load(COUNTER_0, 5);
    const levels = Array.from({ length: 10 }, (_, tick) => {
      toTick(tick + 1);
      return pit.output(0) ? 1 : 0;
    });
    expect(levels).toEqual([1, 1, 1, 0, 0, 1, 1, 1, 0, 0]);
  });
});

describe('modes 4 and 5, strobes', () => {
  it('lower the output for one clock when the count has run out', () => {
    control(0x38);
    load(COUNTER_0, 10);
    toTick(11);
    expect(pit.output(0)).toBe(false);
    toTick(12);
    expect(pit.output(0)).toBe(true);
    expect(outputs).toEqual([false, true]);
  });

  it('wait for a trigger in mode 5', () => {
    control(0xba);
    load(COUNTER_2, 10);
    toTick(20);
    expect(pit.output(2)).toBe(true);
    pit.setGate(2, true);
    toTick(31);
    expect(pit.output(2)).toBe(false);
  });
});

describe('reading', () => {
  it('returns a latched count while the counter goes on', () => {
    control(0x34);
    load(COUNTER_0, 1000);
    toTick(101);
    control(0x00);
    toTick(201);
    expect(count(COUNTER_0)).toBe(900);
    expect(count(COUNTER_0)).toBe(800);
  });

  it('latches status and count with the read-back command, status first', () => {
    control(0x34);
    load(COUNTER_0, 1000);
    toTick(101);
    control(0xc2);
    toTick(151);
    expect(pit.read(COUNTER_0, 1)).toBe(0xb4);
    expect(count(COUNTER_0)).toBe(900);
  });

  it('shows a null count until the count is loaded', () => {
    control(0x30);
    control(0xe2);
    expect(pit.read(COUNTER_0, 1)).toBe(0x70);
  });

  it('counts in decimal when asked to', () => {
    control(0x35);
    load(COUNTER_0, 0x1000);
    toTick(2);
    expect(count(COUNTER_0)).toBe(0x0999);
  });

  it('keeps to one byte in the one-byte access modes', () => {
    control(0x14);
    pit.write(COUNTER_0, 1, 50);
    toTick(11);
    expect(pit.read(COUNTER_0, 1)).toBe(40);
    expect(pit.read(COUNTER_0, 1)).toBe(40);
  });

  it('does not move the byte pointer when it is a peek', () => {
    control(0x34);
    load(COUNTER_0, 0x1234);
    pit.peek(COUNTER_0, 1);
    expect(count(COUNTER_0)).toBe(0x1234);
  });
});

describe('port 0x61', () => {
  it('gates counter 2 and shows its output, as calibration loops expect', () => {
    const port = new SystemControlB(clock, pit);
    port.write(0, 1, 0x01);
    control(0xb0);
    load(COUNTER_2, 100);
    expect(port.read(0, 1) & 0x21).toBe(0x01);
    toTick(101);
    expect(port.read(0, 1) & 0x20).toBe(0x20);
  });

  it('toggles the refresh bit with time', () => {
    const port = new SystemControlB(clock, pit);
    const first = port.read(0, 1) & 0x10;
    clock.advance(15_085);
    expect(port.read(0, 1) & 0x10).not.toBe(first);
  });
});

it('continues after restore where it was saved', () => {
  control(0x34);
  load(COUNTER_0, 100);
  toTick(30);
  const other = new Pit8254(clock);
  other.restore(JSON.parse(JSON.stringify(pit.save())));
  expect(other.save()).toEqual(pit.save());
  const edges: boolean[] = [];
  other.onOutput = (level) => edges.push(level);
  toTick(101);
  expect(edges).toEqual([false, true]);
});
