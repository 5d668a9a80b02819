import { beforeEach, describe, expect, it } from 'vitest';
import { Lapic } from '../../src/devices/lapic.ts';
import * as R from '../../src/devices/lapic-registers.ts';
import { TestClock } from './test-clock.ts';

const DISABLED = 0xfee0_0100n;
const XAPIC = 0xfee0_0900n;
const X2APIC = 0xfee0_0d00n;
const INVALID = 0xfee0_0500n;

let lapic: Lapic;

const msr = (offset: number) => 0x800 + (offset >> 4);
const read = (offset: number) => lapic.readMsr(msr(offset));
const write = (offset: number, value: bigint) => lapic.writeMsr(msr(offset), value);
const setBase = (...values: bigint[]) => values.map((value) => lapic.writeMsr(R.IA32_APIC_BASE, value));

beforeEach(() => {
  lapic = new Lapic(new TestClock(), { id: 0x21 });
});

describe('IA32_APIC_BASE', () => {
  it.each([
    ['xAPIC to x2APIC', [X2APIC], true],
    ['x2APIC to disabled', [X2APIC, DISABLED], true],
    ['disabled to xAPIC', [DISABLED, XAPIC], true],
    ['x2APIC to xAPIC', [X2APIC, XAPIC], false],
    ['disabled to x2APIC', [DISABLED, X2APIC], false],
    ['xAPIC to EXTD without EN', [INVALID], false],
  ])('%s is allowed or #GP(0)', (_name, steps, allowed) => {
    expect(setBase(...steps).at(-1)).toBe(allowed);
  });

  it('refuses reserved bits and addresses beyond the physical width', () => {
    expect(setBase(XAPIC | 1n, XAPIC | 0x200n, XAPIC | (1n << 40n))).toEqual([false, false, false]);
    expect(lapic.readMsr(R.IA32_APIC_BASE)).toBe(0xfee0_0800n);
  });

  it('moves the xAPIC page, and takes it away outside xAPIC mode', () => {
    setBase(0x1_2345_6900n);
    expect(lapic.mmioBase).toBe(0x1_2345_6000);
    setBase(X2APIC);
    expect(lapic.mmioBase).toBeUndefined();
    setBase(DISABLED);
    expect(lapic.mmioBase).toBeUndefined();
  });

  it('resets the registers when it disables the APIC', () => {
    lapic.write(R.SVR, 4, 0x1ff);
    setBase(DISABLED, XAPIC);
    expect(lapic.read(R.SVR, 4)).toBe(0xff);
  });
});

describe('x2APIC registers', () => {
  beforeEach(() => {
    lapic.write(R.SVR, 4, 0x1ff);
    setBase(X2APIC);
  });

  it('show a 32-bit identifier and a logical identifier made from it', () => {
    expect(read(R.ID)).toBe(0x21n);
    expect(read(R.LDR)).toBe(0x0002_0002n);
  });

  it('raise #GP(0) in xAPIC mode', () => {
    setBase(DISABLED, XAPIC);
    expect(read(R.ID)).toBeUndefined();
    expect(write(R.EOI, 0n)).toBe(false);
  });

  it.each([
    ['DFR', R.DFR],
    ['ICR high', R.ICR_HIGH],
    ['EOI, which is write-only', R.EOI],
    ['SELF IPI, which is write-only', R.SELF_IPI],
    ['a hole', 0x040],
  ])('have no readable %s', (_name, offset) => {
    expect(read(offset)).toBeUndefined();
  });

  it.each([
    ['ID', R.ID, 0n],
    ['LDR', R.LDR, 0n],
    ['version', R.VERSION, 0n],
    ['current count', R.CURRENT_COUNT, 0n],
    ['a non-zero EOI', R.EOI, 1n],
    ['a non-zero ESR', R.ESR, 1n],
    ['reserved TPR bits', R.TPR, 0x100n],
    ['the upper half of a 32-bit register', R.INITIAL_COUNT, 1n << 32n],
    ['reserved LVT bits', R.LVT_TIMER, 0x8_0000n],
    ['reserved ICR bits', R.ICR_LOW, 0x2000n],
  ])('refuse a write of %s', (_name, offset, value) => {
    expect(write(offset, value)).toBe(false);
  });

  it('are no others whose numbers end alike', () => {
    setBase(X2APIC);
    expect(lapic.readMsr(msr(R.VERSION) + 2 ** 28)).toBeUndefined();
    expect(lapic.writeMsr(msr(R.EOI) + 2 ** 28, 0n)).toBe(false);
  });

  it('send with one 64-bit ICR write, broadcast and logical included', () => {
    const vectors: number[] = [];
    write(R.ICR_LOW, (0x21n << 32n) | 0x42n);
    write(R.ICR_LOW, (0xffff_ffffn << 32n) | 0x4fn);
    write(R.ICR_LOW, (0x0002_0003n << 32n) | 0x0860n);
    write(R.ICR_LOW, (0x0002_0001n << 32n) | 0x0870n);
    while (lapic.interruptPending) {
      vectors.push(lapic.acknowledge());
      write(R.EOI, 0n);
    }
    expect(vectors).toEqual([0x60, 0x4f, 0x42]);
    expect(read(R.ICR_LOW)).toBe((0x0002_0001n << 32n) | 0x0870n);
  });

  it('send to themselves through SELF IPI', () => {
    expect(write(R.SELF_IPI, 0x55n)).toBe(true);
    expect(lapic.acknowledge()).toBe(0x55);
  });

  it('share their state with the xAPIC door', () => {
    write(R.TPR, 0x30n);
    expect(lapic.taskPriorityClass).toBe(3);
    expect(read(R.SVR)).toBe(0x1ffn);
  });
});
