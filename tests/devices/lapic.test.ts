import { beforeEach, describe, expect, it } from 'vitest';
import type { InterruptMessage } from '../../src/devices/interrupt-message.ts';
import { BROADCAST, DeliveryMode } from '../../src/devices/interrupt-message.ts';
import { Lapic } from '../../src/devices/lapic.ts';
import * as R from '../../src/devices/lapic-registers.ts';
import { TestClock } from './test-clock.ts';

let clock: TestClock;
let lapic: Lapic;

const read = (offset: number) => lapic.read(offset, 4);
const write = (offset: number, value: number) => lapic.write(offset, 4, value);
const selfIpi = (vector: number) => write(R.ICR_LOW, 0x4_0000 | vector);

function message(overrides: Partial<InterruptMessage>): InterruptMessage {
  const fixed = {
    deliveryMode: DeliveryMode.Fixed,
    levelTriggered: false,
    assert: true,
    destination: 0,
    logical: false,
  };
  return { vector: 0x40, ...fixed, ...overrides };
}

/** The vectors taken, highest priority first, until nothing is deliverable. */
function takeAll(): number[] {
  const vectors: number[] = [];
  while (lapic.interruptPending) {
    vectors.push(lapic.acknowledge());
    write(R.EOI, 0);
  }
  return vectors;
}

beforeEach(() => {
  clock = new TestClock();
  lapic = new Lapic(clock);
  write(R.SVR, 0x1ff);
});

describe('after reset', () => {
  it('is software-disabled, with every LVT entry masked', () => {
    lapic.reset();
    expect(read(R.SVR)).toBe(0xff);
    for (const offset of Object.keys(R.LVT_WRITABLE)) expect(read(Number(offset))).toBe(R.LVT_MASKED);
    write(R.LVT_TIMER, 0x20);
    expect(read(R.LVT_TIMER)).toBe(0x1_0020);
    selfIpi(0x40);
    expect(lapic.interruptPending).toBe(false);
  });

  it('reports version 0x14 with six LVT entries and the bootstrap base', () => {
    expect(read(R.VERSION)).toBe(0x0005_0014);
    expect(lapic.readMsr(R.IA32_APIC_BASE)).toBe(0xfee0_0900n);
    expect(new Lapic(clock, { id: 3 }).readMsr(R.IA32_APIC_BASE)).toBe(0xfee0_0800n);
  });
});

describe('priorities', () => {
  it('delivers the highest vector first', () => {
    for (const vector of [0x31, 0x80, 0x45]) selfIpi(vector);
    expect(takeAll()).toEqual([0x80, 0x45, 0x31]);
  });

  it('holds back vectors of the class in service', () => {
    selfIpi(0x45);
    expect(lapic.acknowledge()).toBe(0x45);
    selfIpi(0x4f);
    expect(lapic.interruptPending).toBe(false);
    selfIpi(0x50);
    expect(lapic.acknowledge()).toBe(0x50);
    expect(read(R.PPR)).toBe(0x50);
    write(R.EOI, 0);
    expect(read(R.PPR)).toBe(0x40);
    write(R.EOI, 0);
    expect(lapic.acknowledge()).toBe(0x4f);
  });

  it('holds back vectors not above the task priority, which CR8 shares', () => {
    lapic.taskPriorityClass = 5;
    expect(read(R.TPR)).toBe(0x50);
    selfIpi(0x5f);
    expect(lapic.interruptPending).toBe(false);
    expect(read(R.PPR)).toBe(0x50);
    lapic.taskPriorityClass = 4;
    expect(lapic.acknowledge()).toBe(0x5f);
  });

  it('shows requests and service in IRR and ISR', () => {
    selfIpi(0x41);
    expect(read(R.IRR + 0x20)).toBe(0x02);
    lapic.acknowledge();
    expect(read(R.IRR + 0x20)).toBe(0);
    expect(read(R.ISR + 0x20)).toBe(0x02);
  });

  it('answers the spurious vector when the request is no longer deliverable', () => {
    write(R.SVR, 0x1ef);
    expect(lapic.acknowledge()).toBe(0xef);
    expect(read(R.ISR + 0x70)).toBe(0);
  });
});

describe('interprocessor interrupts', () => {
  let sent: InterruptMessage[];

  beforeEach(() => {
    sent = [];
    lapic.onSend = (item) => sent.push(item);
  });

  it('reach the sender by shorthand self without leaving it', () => {
    selfIpi(0x40);
    expect(takeAll()).toEqual([0x40]);
    expect(sent).toEqual([]);
  });

  it('reach everybody by broadcast, with or without the sender', () => {
    write(R.ICR_LOW, 0x8_0041);
    expect(takeAll()).toEqual([0x41]);
    write(R.ICR_LOW, 0xc_0042);
    expect(takeAll()).toEqual([]);
    expect(sent.map((item) => item.vector)).toEqual([0x41, 0x42]);
  });

  it('reach the sender when the destination names it, physically or logically', () => {
    write(R.ICR_HIGH, 0);
    write(R.ICR_LOW, 0x40);
    write(R.LDR, 0x0400_0000);
    write(R.ICR_HIGH, 0x0600_0000);
    write(R.ICR_LOW, 0x0841);
    write(R.ICR_HIGH, 0x0300_0000);
    write(R.ICR_LOW, 0x0842);
    expect(takeAll()).toEqual([0x41, 0x40]);
  });

  it('with a vector below 16 are an error instead', () => {
    write(R.LVT_ERROR, 0xfe);
    selfIpi(0x0f);
    expect(takeAll()).toEqual([0xfe]);
    write(R.ESR, 0);
    expect(read(R.ESR)).toBe(R.ESR_SEND_ILLEGAL_VECTOR);
    write(R.ESR, 0);
    expect(read(R.ESR)).toBe(0);
  });

  it('carry NMI, INIT and start-up', () => {
    const events: string[] = [];
    lapic.onNmi = () => events.push('nmi');
    lapic.onInit = () => events.push('init');
    lapic.onStartUp = (vector) => events.push(`start-up ${vector}`);
    for (const command of [0x4_0400, 0x8_4500, 0x8_8500, 0x8_0608]) write(R.ICR_LOW, command);
    expect(events).toEqual(['nmi', 'init', 'start-up 8']);
  });
});

describe('destinations', () => {
  it('match the physical identifier and the broadcast', () => {
    write(R.ID, 0x0500_0000);
    expect(lapic.accepts(message({ destination: 5 }))).toBe(true);
    expect(lapic.accepts(message({ destination: 4 }))).toBe(false);
    expect(lapic.accepts(message({ destination: BROADCAST }))).toBe(true);
  });

  it('match clusters in the cluster model', () => {
    write(R.DFR, 0x0fff_ffff);
    write(R.LDR, 0x2400_0000);
    expect(lapic.accepts(message({ logical: true, destination: 0x24 }))).toBe(true);
    expect(lapic.accepts(message({ logical: true, destination: 0x34 }))).toBe(false);
    expect(lapic.accepts(message({ logical: true, destination: 0xf4 }))).toBe(true);
    expect(lapic.accepts(message({ logical: true, destination: 0x2b }))).toBe(false);
  });
});

describe('level-triggered interrupts', () => {
  it('tell the I/O APIC when they end', () => {
    const ended: number[] = [];
    lapic.onEndOfInterrupt = (vector) => ended.push(vector);
    lapic.deliver(message({ vector: 0x61, levelTriggered: true }));
    lapic.deliver(message({ vector: 0x62 }));
    expect(read(R.TMR + 0x30)).toBe(0x02);
    takeAll();
    expect(ended).toEqual([0x61]);
  });
});

describe('the 8259 behind LINT0', () => {
  beforeEach(() => {
    lapic.onExternalAcknowledge = () => 0x08;
  });

  it('interrupts as ExtINT in virtual wire mode, beside the APIC’s own vectors', () => {
    lapic.enableVirtualWire();
    lapic.setPin(0, true);
    selfIpi(0x30);
    expect(lapic.acknowledge()).toBe(0x30);
    expect(lapic.acknowledge()).toBe(0x08);
    lapic.setPin(0, false);
    expect(lapic.interruptPending).toBe(false);
  });

  it('is cut off by the mask of LINT0', () => {
    lapic.enableVirtualWire();
    write(R.LVT_LINT0, 0x1_0700);
    lapic.setPin(0, true);
    expect(lapic.interruptPending).toBe(false);
  });

  it('drives the processor directly when the APIC is disabled', () => {
    lapic.writeMsr(R.IA32_APIC_BASE, 0xfee0_0100n);
    lapic.setPin(0, true);
    expect(lapic.interruptPending).toBe(true);
    expect(lapic.acknowledge()).toBe(0x08);
  });

  it('leaves NMI to LINT1', () => {
    let nmis = 0;
    lapic.onNmi = () => nmis++;
    lapic.enableVirtualWire();
    lapic.setPin(1, true);
    lapic.setPin(1, true);
    expect(nmis).toBe(1);
  });
});

describe('registers', () => {
  it('record an illegal address in ESR and warn once', () => {
    const warnings: string[] = [];
    lapic.onWarning = (text) => warnings.push(text);
    read(0x040);
    read(0x040);
    write(R.ESR, 0);
    expect(read(R.ESR)).toBe(R.ESR_ILLEGAL_REGISTER_ADDRESS);
    expect(warnings).toEqual(['local APIC: register 0x040 is not implemented']);
  });

  it('are peeked at without side effects', () => {
    lapic.peek(0x040, 4);
    write(R.ESR, 0);
    expect(read(R.ESR)).toBe(0);
  });

  it('mask the LVT again when the APIC is software-disabled', () => {
    write(R.LVT_LINT1, 0x400);
    write(R.SVR, 0xff);
    expect(read(R.LVT_LINT1)).toBe(0x1_0400);
  });
});

it('continues after restore where it was saved', () => {
  write(R.LVT_TIMER, 0x2_0040);
  write(R.DIVIDE_CONFIGURATION, 0x0b);
  write(R.INITIAL_COUNT, 1000);
  selfIpi(0x91);
  lapic.acknowledge();
  clock.advance(300);
  const other = new Lapic(clock);
  other.restore(JSON.parse(JSON.stringify(lapic.save())));
  expect(other.save()).toEqual(lapic.save());
  clock.advance(700);
  other.write(R.EOI, 4, 0);
  expect(other.acknowledge()).toBe(0x40);
});
