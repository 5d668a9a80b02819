import { beforeEach, describe, expect, it } from 'vitest';
import { Bus } from '../../src/machine/bus.ts';
import { Chipset } from '../../src/machine/chipset.ts';
import { VirtualClock } from '../../src/machine/clock.ts';
import { portMap } from '../../src/machine/port-map.ts';

let chipset: Chipset;
let bus: Bus;
let warnings: string[];

beforeEach(() => {
  const clock = new VirtualClock(() => 0);
  chipset = new Chipset(clock, { epoch: 0, memoryBytes: 2 ** 24 });
  bus = new Bus(clock, chipset);
  warnings = [];
  chipset.onWarning = (message) => warnings.push(message);
});

describe('ports', () => {
  it('belong to at most one range each', () => {
    const owners = new Map<number, string>();
    for (const { first, last, name } of portMap(chipset)) {
      for (let port = first; port <= last; port++) {
        expect(owners.get(port), `port ${port.toString(16)}`).toBeUndefined();
        owners.set(port, name);
      }
    }
  });

  it('split what is wider than the device, lowest port first', () => {
    const sent: number[] = [];
    chipset.uart.onTransmit = (byte) => sent.push(byte);
    bus.writePort(0x3f8, 2, 0x0f41);
    expect(sent).toEqual([0x41]);
    expect(bus.readPort(0x3f9, 1)).toBe(0x0f);
    bus.writePort(0x3ff, 1, 0x5a);
    expect(bus.readPort(0x3ff, 2)).toBe(0xff5a);
  });

  it('read as all ones where nothing answers, with a warning for those that no PC has', () => {
    expect(bus.readPort(0x1234, 1)).toBe(0xff);
    bus.writePort(0x1234, 1, 0);
    expect(bus.readPort(0x2fd, 1)).toBe(0xff);
    expect(bus.readPort(0xcfc, 4)).toBe(0xffff_ffff);
    expect(bus.readPort(0xffff, 4)).toBeGreaterThan(0);
    expect(warnings).toContain('bus: port 0x1234 is not implemented');
    expect(warnings.filter((text) => text.includes('0x1234'))).toHaveLength(1);
    expect(warnings.filter((text) => text.includes('0x2fd'))).toHaveLength(0);
  });

  it('keep a PCI probe away from the reset register', () => {
    let resets = 0;
    chipset.onReset = () => resets++;
    bus.writePort(0xcf8, 4, 0x8000_ff00);
    expect(resets).toBe(0);
    expect(bus.readPort(0xcf8, 4)).toBe(0xffff_ffff);
  });

  it('pass the whole value to the debug exit', () => {
    const values: number[] = [];
    chipset.debugExit.onExit = (value) => values.push(value);
    bus.writePort(0xf4, 4, 0x1234_5678);
    bus.writePort(0xf4, 1, 0x9a);
    expect(values).toEqual([0x1234_5678, 0x9a]);
    expect(bus.readPort(0xf5, 1)).toBe(0);
  });

  it('are peeked at without side effects', () => {
    chipset.uart.receive(0x41);
    expect(bus.peekPort(0x3f8, 1)).toBe(0x41);
    expect(bus.readPort(0x3f8, 1)).toBe(0x41);
  });
});

describe('device memory', () => {
  it('reaches the I/O APIC and the local APIC where it is mapped', () => {
    bus.writePhysical(0xfec0_0000, 4, 1);
    expect(bus.readPhysical(0xfec0_0010, 4)).toBe(0x0017_0011);
    expect(bus.readPhysical(0xfee0_0030, 4)).toBe(0x0005_0014);
    bus.writeMsr(0x1b, 0xfed0_0900n);
    expect(bus.readPhysical(0xfee0_0030, 4)).toBe(0xffff_ffff);
    expect(bus.readPhysical(0xfed0_0030, 4)).toBe(0x0005_0014);
  });

  it('reads as all ones elsewhere, and takes accesses of 8 bytes in halves', () => {
    expect(bus.readPhysical(0xd000_0000, 2)).toBe(0xffff);
    expect(bus.readPhysical(0xd000_0000, 8)).toBe(0xffff_ffff_ffff_ffffn);
    expect(bus.readPhysical(0xfee0_0030, 8)).toBe(0x0005_0014n);
    bus.writePhysical(0xfee0_0380, 8, 0x1_0000_0005n);
    expect(bus.readPhysical(0xfee0_0380, 4)).toBe(5);
  });
});

describe('interrupt lines', () => {
  it('take the serial port to the 8259 and on to the processor through LINT0', () => {
    chipset.lapic.enableVirtualWire();
    for (const [port, value] of [
      [0x20, 0x11],
      [0x21, 0x20],
      [0x21, 4],
      [0x21, 1],
      [0x21, 0xef],
    ] as const) {
      bus.writePort(port, 1, value);
    }
    bus.writePort(0x3f9, 1, 0x02);
    expect(bus.pendingInterrupt()).toBe(true);
    expect(bus.acknowledgeInterrupt()).toBe(0x24);
  });

  it('take the serial port to pin 4 of the I/O APIC', () => {
    chipset.lapic.enableVirtualWire();
    bus.writePhysical(0xfec0_0000, 4, 0x18);
    bus.writePhysical(0xfec0_0010, 4, 0x44);
    bus.writePort(0x3f9, 1, 0x02);
    expect(bus.acknowledgeInterrupt()).toBe(0x44);
  });

  it('share the task priority between CR8 and the local APIC', () => {
    bus.writeTaskPriority(9);
    expect(bus.readPhysical(0xfee0_0080, 4)).toBe(0x90);
    expect(bus.readTaskPriority()).toBe(9);
  });
});
