/** The console's chip: a 16550A at the first COM port (PC16550D data sheet). */
import { port, type u8, type u16 } from '#dialect';

const BASE: u16 = 0x3f8;
const DATA: u16 = BASE;
const INTERRUPT_ENABLE: u16 = BASE + 1;
const FIFO_CONTROL: u16 = BASE + 2;
const LINE_CONTROL: u16 = BASE + 3;
const MODEM_CONTROL: u16 = BASE + 4;
const LINE_STATUS: u16 = BASE + 5;

const DIVISOR_ACCESS = 0x80;
const EIGHT_BITS = 0x03;
/** Enable and clear both FIFOs, trigger at 14 bytes. */
const FIFO_ON = 0xc7;
/** DTR, RTS, and OUT2, which lets the interrupt line through. */
const MODEM_READY = 0x0b;
const RECEIVED_INTERRUPT = 0x01;
const DATA_READY = 0x01;
const TRANSMITTER_EMPTY = 0x20;

/** 115,200 baud, 8 bits, no parity. */
export function initializeSerial(): void {
  port.out8(INTERRUPT_ENABLE, 0);
  port.out8(LINE_CONTROL, DIVISOR_ACCESS);
  port.out8(DATA, 1);
  port.out8(INTERRUPT_ENABLE, 0);
  port.out8(LINE_CONTROL, EIGHT_BITS);
  port.out8(FIFO_CONTROL, FIFO_ON);
  port.out8(MODEM_CONTROL, MODEM_READY);
}

/** Asks for an interrupt whenever a byte has been received. */
export function enableSerialInterrupt(): void {
  port.out8(INTERRUPT_ENABLE, RECEIVED_INTERRUPT);
}

export function sendByte(byte: u8): void {
  while ((port.in8(LINE_STATUS) & TRANSMITTER_EMPTY) === 0);
  port.out8(DATA, byte);
}

export function hasReceived(): boolean {
  return (port.in8(LINE_STATUS) & DATA_READY) !== 0;
}

/** The next received byte; only when `hasReceived`. */
export function receiveByte(): u8 {
  return port.in8(DATA);
}
