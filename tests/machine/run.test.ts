import { describe, expect, it } from 'vitest';
import { serial } from '../../src/machine/condition.ts';
import { Machine, type MachineOptions } from '../../src/machine/machine.ts';
import { pvhImage } from './image-builder.ts';
import { type Action, type Script, scripted } from './scripted-processor.ts';

const COM1 = 0x3f8;
const nop: Action = () => {};
const halt: Action = () => 'halt';
const out =
  (port: number, value: number, width: 1 | 2 | 4 = 1): Action =>
  (bus) =>
    bus.writePort(port, width, value);
const print = (text: string): Action[] => [...text].map((letter) => out(COM1, letter.charCodeAt(0)));
const lapic =
  (offset: number, value: number): Action =>
  (bus) =>
    bus.writePhysical(0xfee0_0000 + offset, 4, value);
/** One-shot timer with divide by 1 on vector 0x40, running from the third instruction. */
const startTimer = (ticks: number) => [lapic(0x3e0, 0x0b), lapic(0x320, 0x40), lapic(0x380, ticks)];

function machine(script: Script | Action[], options: Omit<MachineOptions, 'memory'> = {}): Machine {
  const parts = Array.isArray(script) ? { actions: script } : script;
  return new Machine(pvhImage(new Uint8Array([0xf4])), { memory: '2M', ...options }, scripted(parts));
}

describe('a run ends', () => {
  it.each([
    ['with the value written to port 0xf4', [nop, out(0xf4, 7), nop], { reason: 'debug-exit', value: 7 }, 2],
    [
      'at power-off, with the status left at port 0xf5',
      [out(0xf5, 3), out(0x604, 0x2000, 2)],
      { reason: 'power-off', status: 3 },
      2,
    ],
    ['at a reset through port 0xcf9', [out(0xcf9, 6)], { reason: 'reset' }, 1],
    ['at a reset through the keyboard controller', [out(0x64, 0xfe)], { reason: 'reset' }, 1],
    ['when it halts with interrupts off', [nop, halt], { reason: 'halted' }, 2],
  ] as const)('%s', (_name, actions, stop, instructions) => {
    const guest = machine([...actions]);
    expect(guest.runSync()).toEqual(stop);
    expect(guest.instructions).toBe(instructions);
    expect(guest.runSync()).toEqual(stop);
  });

  it('at the instruction limit, exactly', () => {
    const guest = machine([]);
    expect(guest.runSync({ maxInstructions: 123_456 })).toEqual({ reason: 'limit' });
    expect(guest.instructions).toBe(123_456);
  });

  it('when it waits for an interrupt that nothing will raise', async () => {
    expect(machine({ actions: [halt], interruptsOn: true }).runSync()).toEqual({ reason: 'idle' });
    expect(await machine({ actions: [halt], interruptsOn: true }).run()).toEqual({ reason: 'idle' });
  });
});

describe('time', () => {
  it('delivers a timer interrupt at its exact instruction, set while the processor runs', () => {
    const taken: number[][] = [];
    const guest = machine({
      actions: startTimer(1000),
      interruptsOn: true,
      onInterrupt: (vector, count) => taken.push([vector, count]),
    });
    guest.runSync({ maxInstructions: 5000 });
    expect(taken).toEqual([[0x40, 1002]]);
  });

  it('skips halted time, which is not instructions', () => {
    const taken: number[] = [];
    const guest = machine({
      actions: [...startTimer(1_000_000_000), halt, out(0xf4, 1)],
      interruptsOn: true,
      onInterrupt: (_vector, count) => taken.push(count),
    });
    guest.runSync();
    expect(taken).toEqual([4]);
    expect(guest.instructions).toBe(5);
    expect(guest.clock.now).toBe(1_000_000_003);
  });

  it('does not hang on a timer that never wakes the processor', () => {
    const pit = [out(0x43, 0x34), out(0x40, 2), out(0x40, 0)];
    const guest = machine({ actions: [...pit, halt], interruptsOn: true });
    const before = performance.now();
    for (let stretch = 0; stretch < 3; stretch++) {
      const advance = guest.advance(1000);
      expect(advance.reason).toBe('waiting');
      if (advance.reason === 'waiting') guest.clock.skipTo(advance.wake ?? 0);
    }
    expect(performance.now() - before).toBeLessThan(1000);
  });
});

describe('the serial console', () => {
  it('collects output and wakes whoever waits for it', async () => {
    const guest = machine([...print('boot\ninit: ok\n'), nop]);
    await guest.until(serial('init: ok'));
    expect(guest.serial.text).toBe('boot\ninit: ok');
    await expect(guest.until(serial('never'), { maxInstructions: 100 })).rejects.toThrow(
      /the machine reached the instruction limit before its serial output contained "never"; its output ends:\n.*init: ok/s,
    );
  });

  it('waits for regular expressions in a line', async () => {
    const guest = machine(print('pid 1\npid 42 done\n'));
    await guest.until(serial(/^pid \d+ done/));
    expect(guest.serial.text).toBe('pid 1\npid 42 done');
  });

  it('keeps typed bytes until the guest listens, then passes as many as fit', () => {
    const read: number[] = [];
    const receive: Action = (bus) => read.push(bus.readPort(COM1, 1));
    const guest = machine([nop, out(COM1 + 4, 0x02), receive, receive, receive]);
    guest.serial.type('abc');
    guest.runSync({ maxInstructions: 1 });
    expect(guest.chipset.uart.peek(5, 1) & 1).toBe(0);
    guest.runSync({ maxInstructions: 5 });
    expect(String.fromCharCode(...read)).toBe('abc');
  });

  it('records what is typed with its time, and replays it to the same state', () => {
    const echo: Action = (bus) => {
      if (bus.readPort(COM1 + 5, 1) & 1) bus.writePort(COM1, 1, bus.readPort(COM1, 1));
    };
    const actions = Array.from({ length: 500 }, () => echo);
    const live = machine(actions);
    live.runSync({ maxInstructions: 100 });
    live.serial.type('x');
    const unsubscribe = live.serial.onByte(() => live.serial.type('y'));
    live.runSync({ maxInstructions: 101 });
    unsubscribe();
    live.runSync({ maxInstructions: 300 });
    expect(live.serial.text).toBe('xy');
    expect(live.serial.recording.map(({ time }) => time)).toEqual([100, 101]);

    const replayed = machine(actions, { input: live.serial.recording });
    replayed.runSync({ maxInstructions: 300 });
    expect(replayed.serial.text).toBe('xy');
    expect(replayed.stateHash()).toBe(live.stateHash());
  });

  it('lets an open console wake a halted machine in real time', async () => {
    const listen = [out(COM1 + 4, 0x0b), out(COM1 + 1, 0x01)];
    const pic = [out(0x20, 0x11), out(0x21, 0x20), out(0x21, 4), out(0x21, 1), out(0x21, 0)];
    const guest = machine({
      actions: [...listen, ...pic, halt, out(0xf4, 1)],
      interruptsOn: true,
      onInterrupt: (vector, _count, bus) => {
        expect(vector).toBe(0x24);
        expect(bus.readPort(COM1, 1)).toBe(0x71);
      },
    });
    guest.serial.open = true;
    const stop = guest.run();
    setTimeout(() => guest.serial.type('q'), 20);
    expect(await stop).toEqual({ reason: 'debug-exit', value: 1 });
    expect(guest.clock.idle).toBeGreaterThan(5_000_000);
  });

  it('keeps virtual time close to real time while the console is open', async () => {
    const ticks: number[] = [];
    const periodic = [lapic(0x3e0, 0x0b), lapic(0x320, 0x2_0040), lapic(0x380, 1_000_000)];
    const guest = machine({
      actions: [...periodic, ...Array.from({ length: 1000 }, () => halt)],
      interruptsOn: true,
      onInterrupt: (_vector, _count, bus) => {
        ticks.push(performance.now());
        bus.writePhysical(0xfee0_00b0, 4, 0);
      },
    });
    guest.serial.open = true;
    setTimeout(() => guest.stop({ reason: 'interrupted' }), 200);
    const begun = performance.now();
    await guest.run();
    const elapsed = performance.now() - begun;
    expect(ticks.length).toBeGreaterThan(elapsed / 10);
    expect(ticks.length).toBeLessThanOrEqual(elapsed + 1);
  });

  it('ends the wait when the host wants no more', async () => {
    const guest = machine({ actions: [halt], interruptsOn: true });
    guest.serial.open = true;
    setTimeout(() => guest.stop({ reason: 'interrupted' }), 10);
    expect(await guest.run()).toEqual({ reason: 'interrupted' });
  });

  it('ends the wait when the console closes', async () => {
    const guest = machine({ actions: [halt], interruptsOn: true });
    guest.serial.open = true;
    setTimeout(() => {
      guest.serial.open = false;
    }, 10);
    expect(await guest.run()).toEqual({ reason: 'idle' });
  });
});

describe('the same run', () => {
  const actions = [...startTimer(500), ...print('hello')];
  const build = () =>
    machine({ actions, interruptsOn: true, onInterrupt: (_v, _c, bus) => bus.writePhysical(0xfee0_00b0, 4, 0) });

  it('has the same hash however it is cut into stretches', () => {
    const whole = build();
    whole.runSync({ maxInstructions: 2000 });
    const cut = build();
    for (let count = 0; count <= 2000; count += 7) cut.advance(count);
    cut.advance(2000);
    expect(cut.stateHash()).toBe(whole.stateHash());
  });

  it('goes on from a snapshot to the same hash', () => {
    const whole = build();
    whole.runSync({ maxInstructions: 300 });
    const snapshot = whole.save();
    whole.runSync({ maxInstructions: 2000 });
    const other = build();
    other.restore(snapshot);
    expect(other.instructions).toBe(300);
    other.runSync({ maxInstructions: 2000 });
    expect(other.stateHash()).toBe(whole.stateHash());
  });

  it('has another hash when one byte of memory differs', () => {
    const guest = build();
    const before = guest.stateHash();
    guest.state.guestRam[0x12_3456] = 1;
    expect(guest.stateHash()).not.toBe(before);
  });
});

describe('memory', () => {
  it('is read by linear address, devices by peeking, without disturbing them', () => {
    const guest = machine([lapic(0x80, 0x50)]);
    guest.runSync({ maxInstructions: 1 });
    expect(guest.readVirtual(0x10_0000n, 2)).toEqual(new Uint8Array([0xf4, 0]));
    expect(guest.readVirtual(0xfee0_0080n, 4)).toEqual(new Uint8Array([0x50, 0, 0, 0]));
    expect(guest.readVirtual(0xffff_fffen, 8)).toHaveLength(2);
    expect(guest.readVirtual(0x8000_0000n, 2)).toEqual(new Uint8Array([0xff, 0xff]));
  });

  it.each(['512K', '4G', 'lots', '1.5M', 4097])('cannot be of size %s', (memory) => {
    expect(() => new Machine(pvhImage(new Uint8Array(1)), { memory }, scripted({ actions: [] }))).toThrow(
      `the memory size ${memory} is not a multiple of 4 KiB between 1M and 3G`,
    );
  });

  it('is paid for only when it is touched, up to 3 GiB', () => {
    const resident = () => process.memoryUsage.rss();
    const before = resident();
    const guest = new Machine(pvhImage(new Uint8Array([0xf4])), { memory: '3G' }, scripted({ actions: [] }));
    guest.state.guestRam[0xbfff_ffff] = 1;
    expect(guest.stateHash()).toMatch(/^[0-9a-f]{16}$/);
    expect(resident() - before).toBeLessThan(200 * 2 ** 20);
  });
});

describe('the entry state', () => {
  it('is 32-bit protected mode with flat segments and the boot information in EBX', () => {
    const { state, entry } = machine([]);
    expect(state.rip).toBe(0x10_0000n);
    expect(state.gpr(3)).toBe(BigInt(entry.ebx));
    expect(state.get64('cr0')).toBe(0x11n);
    expect(state.rflags).toBe(2);
    for (const segment of state.segments.slice(0, 6)) expect([segment.base, segment.limit]).toEqual([0n, 0xffff_ffff]);
  });
});
