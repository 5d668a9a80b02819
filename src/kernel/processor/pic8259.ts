/** The 8259 pair: moved off the exception vectors, and masked. The local APIC does the work. */
import { port, type u8, type u16 } from '#dialect';

const MASTER_COMMAND = 0x20;
const MASTER_DATA = 0x21;
const SLAVE_COMMAND = 0xa0;
const SLAVE_DATA = 0xa1;

/** ICW1: edge triggered, cascade, ICW4 follows. */
const ICW1 = 0x11;
/** ICW4: 8086 mode. */
const ICW4 = 0x01;
export const PIC_VECTOR_BASE = 0x20;
const CASCADE_LINE = 2;

function program(command: u16, data: u16, base: u8, cascade: u8): void {
  port.out8(command, ICW1);
  port.out8(data, base);
  port.out8(data, cascade);
  port.out8(data, ICW4);
  port.out8(data, 0xff);
}

export function maskLegacyInterrupts(): void {
  program(MASTER_COMMAND, MASTER_DATA, PIC_VECTOR_BASE, 1 << CASCADE_LINE);
  program(SLAVE_COMMAND, SLAVE_DATA, PIC_VECTOR_BASE + 8, CASCADE_LINE);
}
