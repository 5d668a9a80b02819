import { expect, it } from 'vitest';
import { VirtualClock } from '../../src/machine/clock.ts';

it('adds idle time to retired instructions', () => {
  let instructions = 100;
  const clock = new VirtualClock(() => instructions);
  clock.skipTo(250);
  instructions += 10;
  expect(clock.now).toBe(260);
  expect(clock.save()).toEqual({ idle: 150 });
  clock.skipTo(10);
  expect(clock.now).toBe(260);
});

it('rings alarms in the order of their deadlines, then of their creation', () => {
  let now = 0;
  const clock = new VirtualClock(() => now);
  const rung: string[] = [];
  const first = clock.alarm('first', () => rung.push('first'));
  const second = clock.alarm('second', () => rung.push('second'));
  const third = clock.alarm('third', () => rung.push('third'));
  third.set(10);
  second.set(20);
  first.set(20);
  expect(clock.nextDeadline).toBe(10);
  now = 20;
  clock.ringDue();
  expect(rung).toEqual(['third', 'first', 'second']);
  expect(clock.nextDeadline).toBeUndefined();
});

it('rings once an alarm that was set twice, and never one that was cleared', () => {
  let now = 0;
  const clock = new VirtualClock(() => now);
  const rung: number[] = [];
  const moved = clock.alarm('moved', () => rung.push(now));
  const cleared = clock.alarm('cleared', () => rung.push(-1));
  moved.set(5);
  moved.set(7);
  cleared.set(6);
  cleared.clear();
  for (now = 0; now < 10; now++) clock.ringDue();
  expect(rung).toEqual([7]);
});

it('does not hang on an alarm that sets itself to the past', () => {
  const clock = new VirtualClock(() => 100);
  let rings = 0;
  const alarm = clock.alarm('greedy', () => {
    rings++;
    alarm.set(50);
  });
  alarm.set(50);
  clock.ringDue();
  expect(rings).toBe(1);
  expect(clock.nextDeadline).toBe(50);
});
