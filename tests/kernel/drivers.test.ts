import { beforeEach, describe, expect, it } from 'vitest';
import { plug } from '../../src/compiler/library/socket.ts';
import { hasInput, takeInput } from '../../src/kernel/console/line-discipline.ts';
import { print } from '../../src/kernel/console/print.ts';
import { enableSerialInterrupt, initializeSerial } from '../../src/kernel/console/serial.ts';
import { collectInput } from '../../src/kernel/console/terminal.ts';
import { initializeTermios } from '../../src/kernel/console/termios.ts';
import { getKernelRoot } from '../../src/kernel/memory/address-space.ts';
import { DEVICE_BASE, USER_END } from '../../src/kernel/memory/layout.ts';
import { entryFrame, readEntry } from '../../src/kernel/memory/page-table.ts';
import { calibrateClocks, monotonicTime, startTicking, tscFrequency } from '../../src/kernel/processor/clock.ts';
import { readCalendarClock } from '../../src/kernel/processor/cmos-clock.ts';
import { Vector } from '../../src/kernel/processor/interrupts.ts';
import { routeSerialInterrupt } from '../../src/kernel/processor/io-apic.ts';
import { endInterrupt, initializeLocalApic } from '../../src/kernel/processor/local-apic.ts';
import { maskLegacyInterrupts, PIC_VECTOR_BASE } from '../../src/kernel/processor/pic8259.ts';
import { powerOff } from '../../src/kernel/processor/power.ts';
import { Bus } from '../../src/machine/bus.ts';
import { Chipset } from '../../src/machine/chipset.ts';
import { VirtualClock } from '../../src/machine/clock.ts';
import { startMachine } from './fake-machine.ts';

/** Each port access, device access and RDTSC takes this many nanoseconds of virtual time. */
const ACCESS = 20;

let now: number;
let clock: VirtualClock;
let chipset: Chipset;
let bus: Bus;
/** Has CPUID announce the TSC's frequency, as our processor does. */
let announcesTsc: boolean;

class PoweredOff extends Error {}

/** The kernel's drivers meet the machine's own chips: no processor in between. */
beforeEach(() => {
  startMachine(4);
  now = 0;
  announcesTsc = false;
  clock = new VirtualClock(() => now);
  chipset = new Chipset(clock, { epoch: 0, memoryBytes: 4 * 2 ** 20 });
  bus = new Bus(clock, chipset);
  const pass = (): void => {
    now += ACCESS;
    clock.ringDue();
  };
  plug({
    readPort: (port, size) => {
      pass();
      return bus.readPort(port, size);
    },
    writePort: (port, size, value) => {
      pass();
      bus.writePort(port, size, value);
    },
    load: (address, size) => (isDevice(address) ? BigInt(bus.readPhysical(physical(address), size)) : undefined),
    store: (address, size, value) => {
      if (!isDevice(address)) return false;
      pass();
      bus.writePhysical(physical(address), size, value);
      return true;
    },
    privileged: (name, operands) => {
      if (name === 'rdtsc') pass();
      if (name === 'rdtsc') return BigInt(clock.now);
      if (name === 'rdmsr') return bus.readMsr(Number(operands[0])) ?? 0n;
      if (name === 'wrmsr') bus.writeMsr(Number(operands[0]), BigInt(operands[1] ?? 0));
      if (name === 'cpuidEax') return operands[0] === 0 ? 0x16 : announcesTsc ? 1 : 0;
      if (name === 'cpuidEbx') return 1;
      if (name === 'cpuidEcx') return 1_000_000_000;
      if (name === 'hlt') throw new PoweredOff();
      return 0;
    },
  });
});

const isDevice = (address: bigint): boolean =>
  address >= DEVICE_BASE && address < DEVICE_BASE + 0x10_0000n && address > USER_END;
const physical = (address: bigint): number =>
  Number(entryFrame(readEntry(getKernelRoot(), address)) + (address & 0xfffn));

function pass(nanoseconds: number): void {
  now += nanoseconds;
  clock.ringDue();
}

describe('the serial console', () => {
  it('sends what is printed, with a carriage return before each newline', () => {
    const sent: number[] = [];
    chipset.uart.onTransmit = (byte: number) => sent.push(byte);
    initializeSerial();
    print`pid ${7} of ${0xffff_ffff_ffff_ffffn}: ${-3}\n`;
    expect(String.fromCharCode(...sent)).toBe('pid 7 of 18446744073709551615: -3\r\n');
  });

  it('keeps a line that was typed until it is taken', () => {
    initializeSerial();
    initializeTermios();
    enableSerialInterrupt();
    for (const byte of Buffer.from('typed\r')) chipset.uart.receive(byte);
    collectInput();
    expect(hasInput()).toBe(true);
    const taken: number[] = [];
    takeInput(taken as never, 100);
    expect(String.fromCharCode(...taken)).toBe('typed\n');
    expect(hasInput()).toBe(false);
  });
});

describe('the 8259 pair', () => {
  it('is moved off the exception vectors and masked', () => {
    maskLegacyInterrupts();
    expect([bus.readPort(0x21, 1), bus.readPort(0xa1, 1)]).toEqual([0xff, 0xff]);
    expect(PIC_VECTOR_BASE).toBeGreaterThanOrEqual(32);
  });
});

describe('the clocks', () => {
  it.each([true, false])('are measured to within one percent (TSC frequency announced: %s)', (announced) => {
    announcesTsc = announced;
    expect(initializeLocalApic().ok).toBe(true);
    calibrateClocks();
    expect(Math.abs(Number(tscFrequency()) / 1e9 - 1)).toBeLessThan(0.01);
    const before = monotonicTime();
    pass(5_000_000);
    expect(Math.abs(Number(monotonicTime() - before) / 5_000_000 - 1)).toBeLessThan(0.01);
  });

  it('tick a thousand times a second', () => {
    expect(initializeLocalApic().ok).toBe(true);
    announcesTsc = true;
    calibrateClocks();
    startTicking();
    let ticks = 0;
    for (let step = 0; step < 100; step++) {
      pass(100_000);
      if (!bus.pendingInterrupt()) continue;
      expect(bus.acknowledgeInterrupt()).toBe(Vector.TIMER);
      endInterrupt();
      ticks++;
    }
    expect(Math.abs(ticks - 10)).toBeLessThanOrEqual(1);
  });
});

describe('the serial interrupt', () => {
  it('reaches the processor through the I/O APIC, once for each arrival', () => {
    initializeSerial();
    expect(initializeLocalApic().ok).toBe(true);
    expect(routeSerialInterrupt().ok).toBe(true);
    enableSerialInterrupt();
    expect(bus.pendingInterrupt()).toBe(false);
    for (let round = 0; round < 3; round++) {
      chipset.uart.receive(65 + round);
      pass(10_000_000);
      expect(bus.pendingInterrupt()).toBe(true);
      expect(bus.acknowledgeInterrupt()).toBe(Vector.SERIAL);
      collectInput();
      endInterrupt();
      const taken: number[] = [];
      takeInput(taken as never, 1);
      expect(taken).toEqual([65 + round]);
      expect(bus.pendingInterrupt()).toBe(false);
    }
  });
});

describe('the calendar clock', () => {
  it.each([0, 951_826_000, 1_709_251_199, 1_764_000_000, 4_102_444_700])(
    'tells %d seconds as the chip does',
    (epoch) => {
      chipset = new Chipset(clock, { epoch, memoryBytes: 4 * 2 ** 20 });
      bus = new Bus(clock, chipset);
      const expected = epoch === 0 ? 3_155_760_000 : epoch;
      expect(Number(readCalendarClock()) - expected).toBeLessThanOrEqual(1);
      expect(Number(readCalendarClock()) - expected).toBeGreaterThanOrEqual(0);
    },
  );
});

describe('powering off', () => {
  it('gives the machine its status before it goes', () => {
    const statuses: number[] = [];
    chipset.acpiPm.onPowerOff = () => statuses.push(chipset.exitStatus.status);
    expect(() => powerOff(42)).toThrow(PoweredOff);
    expect(statuses).toEqual([42]);
  });
});
