import { beforeEach, describe, expect, it } from 'vitest';
import { DLL, DLM, FCR, IER, IIR, LCR, LSR, MCR, MSR, RBR, SCR, THR, Uart16550 } from '../../src/devices/uart16550.ts';
import { TestClock } from './test-clock.ts';

let clock: TestClock;
let uart: Uart16550;
let sent: number[];
let interrupts: boolean[];

const read = (offset: number) => uart.read(offset, 1);
const write = (offset: number, value: number) => uart.write(offset, 1, value);
const interruptId = () => read(IIR) & 0x0f;

beforeEach(() => {
  clock = new TestClock();
  uart = new Uart16550(clock);
  sent = [];
  interrupts = [];
  uart.onTransmit = (byte) => sent.push(byte);
  uart.onInterrupt = (asserted) => interrupts.push(asserted);
});

describe('transmitter', () => {
  it('hands each byte written to THR to the callback and is empty again at once', () => {
    write(THR, 0x48);
    write(THR, 0x169);
    expect(sent).toEqual([0x48, 0x69]);
    expect(read(LSR) & 0x60).toBe(0x60);
  });

  it('interrupts when ETBEI is set and again after each byte; reading IIR withdraws it', () => {
    write(IER, 0x02);
    expect(interrupts).toEqual([true]);
    expect(interruptId()).toBe(0x02);
    expect(interrupts).toEqual([true, false]);
    expect(interruptId()).toBe(0x01);
    write(THR, 1);
    expect(interrupts).toEqual([true, false, true]);
    write(THR, 2);
    expect(interrupts).toEqual([true, false, true, false, true]);
  });
});

describe('divisor latch', () => {
  it('replaces RBR, THR and IER while DLAB is set', () => {
    write(LCR, 0x83);
    write(DLL, 0x34);
    write(DLM, 0x12);
    expect([read(DLL), read(DLM)]).toEqual([0x34, 0x12]);
    write(LCR, 0x03);
    expect(read(IER)).toBe(0);
    expect(sent).toEqual([]);
  });
});

describe('receiver', () => {
  it('holds one byte without FIFO and reports an overrun once', () => {
    uart.receive(0x61);
    expect(read(LSR) & 0x03).toBe(0x01);
    uart.receive(0x62);
    expect(read(LSR) & 0x03).toBe(0x03);
    expect(read(LSR) & 0x03).toBe(0x01);
    expect(read(RBR)).toBe(0x62);
    expect(read(LSR) & 0x01).toBe(0);
  });

  it('queues 16 bytes in the FIFO and loses the seventeenth', () => {
    write(FCR, 0x01);
    for (let byte = 1; byte <= 17; byte++) uart.receive(byte);
    expect(read(LSR) & 0x02).toBe(0x02);
    expect(Array.from({ length: 16 }, () => read(RBR))).toEqual(Array.from({ length: 16 }, (_, index) => index + 1));
    expect(read(LSR) & 0x01).toBe(0);
  });

  it.each([
    [0x01, 1],
    [0x41, 4],
    [0x81, 8],
    [0xc1, 14],
  ])('interrupts at the trigger level of FCR %#x', (control, level) => {
    write(FCR, control);
    write(IER, 0x01);
    for (let count = 1; count < level; count++) {
      uart.receive(0x20);
      expect(interruptId()).toBe(0x01);
    }
    uart.receive(0x20);
    expect(interruptId()).toBe(0x04);
    expect(read(IIR) & 0xc0).toBe(0xc0);
  });

  it('raises the timeout interrupt after four character times below the trigger level', () => {
    write(LCR, 0x83);
    write(DLL, 1);
    write(DLM, 0);
    write(LCR, 0x03);
    write(FCR, 0xc1);
    write(IER, 0x01);
    uart.receive(0x41);
    const fourCharacters = Math.ceil((4 * 10 * 1e9) / 115_200);
    clock.advance(fourCharacters - 10);
    expect(interruptId()).toBe(0x01);
    clock.advance(20);
    expect(interruptId()).toBe(0x0c);
    expect(read(RBR)).toBe(0x41);
    expect(interruptId()).toBe(0x01);
    expect(interrupts).toEqual([true, false]);
  });

  it('discards what it holds when FCR clears it', () => {
    write(FCR, 0x01);
    uart.receive(1);
    write(FCR, 0x03);
    expect(read(LSR) & 0x01).toBe(0);
  });

  it('is looked at by peek without being drained', () => {
    uart.receive(0x77);
    expect(uart.peek(RBR, 1)).toBe(0x77);
    expect(uart.peek(RBR, 1)).toBe(0x77);
    expect(read(RBR)).toBe(0x77);
  });
});

describe('readiness for input', () => {
  it.each([
    ['RTS is asserted', () => write(MCR, 0x02)],
    ['the receiver interrupt is enabled', () => write(IER, 0x01)],
    ['LSR is polled with nothing sent between', () => [read(LSR), read(LSR)]],
  ])('begins when %s', (_how, show) => {
    let asked = 0;
    uart.onReceiverReady = () => asked++;
    expect(uart.receiverReady).toBe(false);
    show();
    expect(uart.receiverReady).toBe(true);
    expect(asked).toBeGreaterThan(0);
  });

  it('does not begin with the LSR reads of a transmitting driver', () => {
    for (let byte = 0; byte < 3; byte++) {
      read(LSR);
      write(THR, byte);
    }
    expect(uart.receiverReady).toBe(false);
  });

  it('ends while the receiver is full and returns when RBR is read', () => {
    write(MCR, 0x02);
    uart.receive(1);
    expect(uart.receiverReady).toBe(false);
    read(RBR);
    expect(uart.receiverReady).toBe(true);
  });
});

describe('loopback', () => {
  it('returns transmitted bytes to the receiver and hides them from the line', () => {
    write(MCR, 0x10);
    write(THR, 0x5a);
    uart.receive(0x11);
    expect(sent).toEqual([]);
    expect(read(RBR)).toBe(0x5a);
    expect(read(LSR) & 0x01).toBe(0);
  });

  it('connects the modem outputs to the modem inputs and records the changes', () => {
    expect(read(MSR)).toBe(0xb0);
    write(MCR, 0x10);
    read(MSR);
    write(MCR, 0x1f);
    expect(read(MSR)).toBe(0xf0 | 0x0b);
    expect(read(MSR)).toBe(0xf0);
    write(MCR, 0x1b);
    expect(read(MSR)).toBe(0xb0 | 0x04);
  });
});

describe('modem status and line status interrupts', () => {
  it('come in the order of their priority', () => {
    write(IER, 0x0f);
    write(MCR, 0x10);
    write(THR, 1);
    write(THR, 2);
    expect(interruptId()).toBe(0x06);
    read(LSR);
    expect(interruptId()).toBe(0x04);
    read(RBR);
    expect(interruptId()).toBe(0x02);
    expect(interruptId()).toBe(0x00);
    read(MSR);
    expect(interruptId()).toBe(0x01);
  });
});

it('keeps the scratch register', () => {
  write(SCR, 0xa5);
  expect(read(SCR)).toBe(0xa5);
});

it('continues after restore where it was saved, timeout included', () => {
  write(FCR, 0xc1);
  write(IER, 0x01);
  uart.receive(0x41);
  const state = JSON.parse(JSON.stringify(uart.save()));
  const other = new Uart16550(clock);
  other.restore(state);
  expect(other.save()).toEqual(uart.save());
  clock.advance(1_000_000);
  expect(other.read(IIR, 1) & 0x0f).toBe(0x0c);
});
