import { beforeEach, expect, it } from 'vitest';
import { BROADCAST, type InterruptMessage } from '../../src/devices/interrupt-message.ts';
import { IOAPICID, IOAPICVER, IOREDTBL, IOREGSEL, IOWIN, IoApic } from '../../src/devices/ioapic.ts';

let ioapic: IoApic;
let sent: InterruptMessage[];

function readRegister(index: number): number {
  ioapic.write(IOREGSEL, 4, index);
  return ioapic.read(IOWIN, 4);
}

function writeRegister(index: number, value: number): void {
  ioapic.write(IOREGSEL, 4, index);
  ioapic.write(IOWIN, 4, value);
}

function redirect(pin: number, low: number, destination = 0): void {
  writeRegister(IOREDTBL + 2 * pin + 1, (destination << 24) >>> 0);
  writeRegister(IOREDTBL + 2 * pin, low);
}

const vectors = () => sent.map((message) => message.vector);

beforeEach(() => {
  ioapic = new IoApic();
  sent = [];
  ioapic.onSend = (message) => sent.push(message);
});

it('identifies itself as an 82093AA with 24 entries, all masked', () => {
  expect(readRegister(IOAPICVER)).toBe(0x0017_0011);
  for (let pin = 0; pin < 24; pin++) expect(readRegister(IOREDTBL + 2 * pin)).toBe(0x1_0000);
  writeRegister(IOAPICID, 0x0f00_0000);
  expect(readRegister(IOAPICID)).toBe(0x0f00_0000);
});

it('sends one message for each rising edge', () => {
  redirect(4, 0x34);
  ioapic.setPin(4, true);
  ioapic.setPin(4, true);
  ioapic.setPin(4, false);
  ioapic.setPin(4, true);
  expect(vectors()).toEqual([0x34, 0x34]);
});

it('loses an edge while the entry is masked', () => {
  ioapic.setPin(4, true);
  redirect(4, 0x34);
  expect(vectors()).toEqual([]);
});

it('repeats a level-triggered message after EOI for as long as the line is active', () => {
  redirect(9, 0x8039);
  ioapic.setPin(9, true);
  expect(vectors()).toEqual([0x39]);
  expect(readRegister(IOREDTBL + 18) & 0x4000).toBe(0x4000);
  ioapic.endOfInterrupt(0x39);
  expect(vectors()).toEqual([0x39, 0x39]);
  ioapic.setPin(9, false);
  ioapic.endOfInterrupt(0x39);
  expect(vectors()).toEqual([0x39, 0x39]);
  expect(readRegister(IOREDTBL + 18) & 0x4000).toBe(0);
});

it('sends a level that was active before the entry was unmasked', () => {
  ioapic.setPin(9, true);
  redirect(9, 0x8039);
  expect(vectors()).toEqual([0x39]);
});

it('inverts pins of active-low polarity', () => {
  ioapic.setPin(5, true);
  redirect(5, 0x2035);
  ioapic.setPin(5, false);
  expect(vectors()).toEqual([0x35]);
});

it('passes delivery mode and destination on, the physical broadcast included', () => {
  redirect(1, 0x0831, 0xff);
  redirect(2, 0x0432, 0xff);
  ioapic.setPin(1, true);
  ioapic.setPin(2, true);
  expect(sent).toMatchObject([
    { logical: true, destination: 0xff, deliveryMode: 0 },
    { logical: false, destination: BROADCAST, deliveryMode: 4 },
  ]);
});

it('continues after restore where it was saved', () => {
  redirect(9, 0x8039);
  ioapic.setPin(9, true);
  const other = new IoApic();
  other.restore(JSON.parse(JSON.stringify(ioapic.save())));
  other.onSend = (message) => sent.push(message);
  other.endOfInterrupt(0x39);
  expect(vectors()).toEqual([0x39, 0x39]);
});
