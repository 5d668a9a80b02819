/** The I/O APIC (82093AA data sheet): brings the serial port's interrupt line to the local APIC. */
import { mem, ok, phys, type Result, type u32, u64, virt } from '#dialect';
import { getKernelRoot } from '../memory/address-space.ts';
import { DEVICE_BASE, PAGE_SIZE } from '../memory/layout.ts';
import { mapKernelPage, Page } from '../memory/page-table.ts';
import { Vector } from './interrupts.ts';

const PHYSICAL_BASE = 0xfec0_0000n;
const REGISTERS = DEVICE_BASE + PAGE_SIZE;
const INDEX = 0n;
const DATA = 0x10n;
/** The pin of ISA line 4, COM1; each pin has two 32-bit registers from 0x10 up. */
const SERIAL_PIN = 4;
const REDIRECTION = 0x10;

function write(register: u32, value: u32): void {
  mem.store32(virt(REGISTERS + INDEX), register);
  mem.store32(virt(REGISTERS + DATA), value);
}

/** Maps the registers and sends COM1's line to this processor: fixed, physical, edge triggered, active high. ENOMEM. */
export function routeSerialInterrupt(): Result<void> {
  const flags = u64(Page.WRITABLE | Page.NO_EXECUTE | Page.CACHE_DISABLED | Page.WRITE_THROUGH);
  const mapped = mapKernelPage(getKernelRoot(), REGISTERS, phys(PHYSICAL_BASE), flags);
  if (!mapped.ok) return mapped;
  write(REDIRECTION + SERIAL_PIN * 2 + 1, 0);
  write(REDIRECTION + SERIAL_PIN * 2, Vector.SERIAL);
  return ok();
}
