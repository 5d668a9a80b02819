/** The ways to end: power off with a status, or stop for good. */
import { cpu, port, u8, type u16, type u32 } from '#dialect';

/** Verdigris takes the exit status here, ahead of the power-off; other machines ignore the port. */
const STATUS_PORT: u16 = 0xf5;
/** PM1a control of QEMU's PC and of ours: SLP_EN with sleep type 0 is S5, soft off (ACPI 4.8.3.2.1). */
const POWER_PORT: u16 = 0x604;
const SOFT_OFF: u16 = 0x2000;
/** QEMU's isa-debug-exit: a write of v ends it with status (v << 1) | 1. */
const DEBUG_EXIT_PORT: u16 = 0xf4;

/** Ends the machine with a status of 0 to 255. */
export function powerOff(status: u32): never {
  port.out8(STATUS_PORT, u8(status));
  port.out16(POWER_PORT, SOFT_OFF);
  port.out8(DEBUG_EXIT_PORT, u8(status));
  halt();
}

/** Stops the processor: nothing, not even an interrupt, runs again. */
export function halt(): never {
  for (;;) {
    cpu.cli();
    cpu.hlt();
  }
}
