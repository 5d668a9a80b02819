import { beforeEach, describe, expect, it } from 'vitest';
import { COMMAND, DATA, Pic8259, type Pic8259Chip } from '../../src/devices/pic8259.ts';

let pic: Pic8259;

function initialise(chip: Pic8259Chip, base: number, cascade: number, word4 = 0x01): void {
  chip.write(COMMAND, 1, 0x11);
  chip.write(DATA, 1, base);
  chip.write(DATA, 1, cascade);
  chip.write(DATA, 1, word4);
  chip.write(DATA, 1, 0);
}

const command = (value: number) => pic.master.write(COMMAND, 1, value);
const requests = () => {
  command(0x0a);
  return pic.master.read(COMMAND, 1);
};
const inService = () => {
  command(0x0b);
  return pic.master.read(COMMAND, 1);
};

beforeEach(() => {
  pic = new Pic8259();
  initialise(pic.master, 0x20, 0x04);
  initialise(pic.slave, 0x28, 0x02);
});

describe('priorities', () => {
  it('serves the lowest IRQ first and holds back lower priorities until EOI', () => {
    pic.setIrq(5, true);
    pic.setIrq(3, true);
    expect(pic.acknowledge()).toBe(0x23);
    expect(pic.interrupt).toBe(false);
    pic.setIrq(1, true);
    expect(pic.interrupt).toBe(true);
    expect(pic.acknowledge()).toBe(0x21);
    expect(inService()).toBe(0x0a);
    command(0x20);
    expect(inService()).toBe(0x08);
    command(0x20);
    expect(pic.acknowledge()).toBe(0x25);
  });

  it('reaches the slave through IRQ 2', () => {
    pic.setIrq(8, true);
    expect(pic.interrupt).toBe(true);
    expect(pic.acknowledge()).toBe(0x28);
    expect(inService()).toBe(0x04);
  });

  it('rotates with the rotating EOI', () => {
    pic.setIrq(0, true);
    pic.acknowledge();
    command(0xa0);
    pic.setIrq(0, false);
    pic.setIrq(0, true);
    pic.setIrq(1, true);
    expect(pic.acknowledge()).toBe(0x21);
  });

  it('takes the lowest priority from the set-priority command', () => {
    command(0xc0 | 4);
    pic.setIrq(0, true);
    pic.setIrq(5, true);
    expect(pic.acknowledge()).toBe(0x25);
  });
});

describe('masking', () => {
  it('holds back a masked request and delivers it once unmasked', () => {
    pic.master.write(DATA, 1, 0xff);
    pic.setIrq(0, true);
    expect(pic.interrupt).toBe(false);
    expect(requests()).toBe(0x01);
    pic.master.write(DATA, 1, 0xfe);
    expect(pic.acknowledge()).toBe(0x20);
  });

  it('lets special mask mode pass lower priorities', () => {
    pic.setIrq(1, true);
    pic.acknowledge();
    pic.setIrq(6, true);
    expect(pic.interrupt).toBe(false);
    command(0x68);
    pic.master.write(DATA, 1, 0x02);
    expect(pic.acknowledge()).toBe(0x26);
  });
});

describe('end of interrupt', () => {
  it('names one input in the specific form', () => {
    pic.setIrq(4, true);
    pic.acknowledge();
    pic.setIrq(1, true);
    pic.acknowledge();
    command(0x60 | 4);
    expect(inService()).toBe(0x02);
  });

  it('is automatic when ICW4 asks for it', () => {
    initialise(pic.master, 0x20, 0x04, 0x03);
    pic.setIrq(4, true);
    pic.acknowledge();
    expect(inService()).toBe(0);
  });
});

describe('spurious interrupts', () => {
  it('answers IRQ 7, with nothing in service, when the request has gone', () => {
    pic.setIrq(3, true);
    pic.setIrq(3, false);
    expect(pic.interrupt).toBe(false);
    expect(pic.acknowledge()).toBe(0x27);
    expect(inService()).toBe(0);
  });

  it('answers IRQ 15 when the request of the slave has gone', () => {
    pic.setIrq(9, true);
    pic.slave.onInterrupt = () => {};
    pic.setIrq(9, false);
    expect(pic.acknowledge()).toBe(0x2f);
    expect(inService()).toBe(0x04);
  });
});

describe('trigger modes', () => {
  it('asks once for each rising edge', () => {
    pic.setIrq(4, true);
    pic.acknowledge();
    command(0x20);
    expect(pic.interrupt).toBe(false);
    pic.setIrq(4, true);
    expect(pic.interrupt).toBe(false);
    pic.setIrq(4, false);
    pic.setIrq(4, true);
    expect(pic.interrupt).toBe(true);
  });

  it('asks again while a level-triggered line stays active', () => {
    pic.edgeLevelControl.write(0, 1, 0xff);
    expect(pic.edgeLevelControl.read(0, 1)).toBe(0xf8);
    pic.setIrq(5, true);
    pic.acknowledge();
    command(0x20);
    expect(pic.interrupt).toBe(true);
    pic.setIrq(5, false);
    expect(pic.interrupt).toBe(false);
  });
});

it('answers the poll command with the pending input and takes it', () => {
  pic.setIrq(6, true);
  command(0x0c);
  expect(pic.master.read(COMMAND, 1)).toBe(0x86);
  expect(inService()).toBe(0x40);
  command(0x0c);
  expect(pic.master.read(COMMAND, 1)).toBe(0);
});

it('raises nothing between ICW1 and the last initialisation word', () => {
  pic.master.write(COMMAND, 1, 0x11);
  pic.setIrq(1, true);
  expect(pic.interrupt).toBe(false);
  pic.master.write(DATA, 1, 0x40);
  pic.master.write(DATA, 1, 0x04);
  pic.master.write(DATA, 1, 0x01);
  expect(pic.acknowledge()).toBe(0x41);
});

it('continues after restore where it was saved', () => {
  pic.setIrq(4, true);
  pic.acknowledge();
  pic.setIrq(1, true);
  const other = new Pic8259();
  other.restore(JSON.parse(JSON.stringify(pic.save())));
  expect(other.acknowledge()).toBe(0x21);
  expect(other.save()).not.toEqual(pic.save());
});
