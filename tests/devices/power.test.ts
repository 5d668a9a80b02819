import { describe, expect, it } from 'vitest';
import { AcpiPm, PM_TIMER, PM1_CONTROL } from '../../src/devices/acpi-pm.ts';
import { DebugConsole } from '../../src/devices/debug-console.ts';
import { DebugExit } from '../../src/devices/debug-exit.ts';
import { ExitStatus } from '../../src/devices/exit-status.ts';
import { COMMAND, DATA, I8042, STATUS } from '../../src/devices/i8042.ts';
import { ResetControl } from '../../src/devices/reset-control.ts';
import { TestClock } from './test-clock.ts';

/** Counts the calls of a callback. */
function counter(): { (): void; calls: number } {
  const call = () => {
    call.calls++;
  };
  call.calls = 0;
  return call;
}

describe('ACPI power management', () => {
  it('switches off for SLP_EN with the sleep type of S5', () => {
    const pm = new AcpiPm(new TestClock());
    pm.onPowerOff = counter();
    pm.write(PM1_CONTROL, 2, 0x0000);
    expect(pm.onPowerOff).toHaveProperty('calls', 0);
    pm.write(PM1_CONTROL, 2, 0x2000);
    expect(pm.onPowerOff).toHaveProperty('calls', 1);
    expect(pm.read(PM1_CONTROL, 2) & 0x2000).toBe(0);
  });

  it('warns of other sleep types instead', () => {
    const pm = new AcpiPm(new TestClock());
    const warnings: string[] = [];
    pm.onWarning = (text) => warnings.push(text);
    pm.onPowerOff = counter();
    pm.write(PM1_CONTROL, 2, 0x2400);
    expect(pm.onPowerOff).toHaveProperty('calls', 0);
    expect(warnings).toEqual(['ACPI power management: sleep type 1 is not implemented']);
  });

  it('counts its timer at 3.579545 MHz in 24 bits', () => {
    const clock = new TestClock();
    const pm = new AcpiPm(clock);
    clock.advance(1_000_000_000);
    expect(pm.read(PM_TIMER, 4)).toBe(3_579_545);
    clock.advance(4_000_000_000);
    expect(pm.read(PM_TIMER, 4)).toBe((5 * 3_579_545) % 2 ** 24);
    expect(pm.read(PM_TIMER + 1, 1)).toBe(((5 * 3_579_545) >> 8) & 0xff);
  });
});

describe('exit ports', () => {
  it('hand the value written to 0xf4 to the host', () => {
    const values: number[] = [];
    const port = new DebugExit();
    port.onExit = (value) => values.push(value);
    port.write(0, 1, 0x10);
    expect(values).toEqual([0x10]);
  });

  it('keep the status byte that a power-off reports', () => {
    const port = new ExitStatus();
    port.write(0, 1, 0x107);
    expect(port.status).toBe(7);
    const other = new ExitStatus();
    other.restore(port.save());
    expect(other.read()).toBe(7);
    other.reset();
    expect(other.status).toBe(0);
  });
});

it('recognises the debug console by what port 0xe9 reads, and passes bytes on', () => {
  const bytes: number[] = [];
  const console = new DebugConsole();
  console.onByte = (byte) => bytes.push(byte);
  console.write(0, 1, 0x41);
  expect(console.read()).toBe(0xe9);
  expect(bytes).toEqual([0x41]);
});

describe('keyboard controller', () => {
  it('resets the machine when command 0xfe pulses the reset line', () => {
    const controller = new I8042();
    controller.onReset = counter();
    controller.write(COMMAND, 1, 0xff);
    expect(controller.onReset).toHaveProperty('calls', 0);
    controller.write(COMMAND, 1, 0xfe);
    expect(controller.onReset).toHaveProperty('calls', 1);
  });

  it('resets the machine when the output port clears bit 0', () => {
    const controller = new I8042();
    controller.onReset = counter();
    controller.write(COMMAND, 1, 0xd1);
    controller.write(DATA, 1, 0xfe);
    expect(controller.onReset).toHaveProperty('calls', 1);
  });

  it('passes its self test and finds no keyboard', () => {
    const controller = new I8042();
    controller.write(COMMAND, 1, 0xaa);
    expect(controller.read(STATUS, 1) & 0x01).toBe(1);
    expect(controller.peek(DATA, 1)).toBe(0x55);
    expect(controller.read(DATA, 1)).toBe(0x55);
    expect(controller.read(STATUS, 1) & 0x01).toBe(0);
    controller.write(COMMAND, 1, 0xab);
    expect(controller.read(DATA, 1)).toBe(0x01);
  });

  it('keeps its command byte', () => {
    const controller = new I8042();
    controller.write(COMMAND, 1, 0x60);
    controller.write(DATA, 1, 0x47);
    controller.write(COMMAND, 1, 0xad);
    controller.write(COMMAND, 1, 0x20);
    expect(controller.read(DATA, 1)).toBe(0x57);
  });
});

it('resets the machine when bit 2 of port 0xcf9 rises', () => {
  const control = new ResetControl();
  control.onReset = counter();
  control.write(0, 1, 0x02);
  expect(control.onReset).toHaveProperty('calls', 0);
  control.write(0, 1, 0x06);
  expect(control.onReset).toHaveProperty('calls', 1);
  expect(control.read()).toBe(0x06);
});
