import type { Registers, Width } from '../devices/device.ts';
import type { Chipset } from './chipset.ts';

/** A range of I/O ports, ends included, and what answers there. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
  readonly name: string;
  /** Absent for a hole that PC software is known to look into: it reads as all ones and swallows writes. */
  readonly registers?: Registers;
  /** The widest access the device takes at once; wider ones are split, lowest port first, as the ISA bus does. */
  readonly width?: Width;
}

/** First port of the ACPI power management registers, as on QEMU's pc. */
export const POWER_MANAGEMENT_PORT = 0x600;

/** The machine's I/O ports. Ports not listed are holes too, but their use is worth a warning. */
export function portMap(chipset: Chipset): readonly PortRange[] {
  const { pic, pit, systemControlB, keyboardController, rtc, uart, debugConsole, debugExit, exitStatus } = chipset;
  return [
    { first: 0x00, last: 0x0f, name: 'DMA controller' },
    { first: 0x20, last: 0x21, name: '8259 master', registers: pic.master },
    { first: 0x40, last: 0x43, name: '8254', registers: pit },
    // The 8042 decodes 0x60 and 0x64; port B lies between them.
    { first: 0x60, last: 0x60, name: '8042 data', registers: keyboardController },
    { first: 0x61, last: 0x61, name: 'system control port B', registers: systemControlB },
    { first: 0x64, last: 0x64, name: '8042 command', registers: offsetBy(4, keyboardController) },
    { first: 0x70, last: 0x71, name: 'CMOS clock', registers: rtc },
    { first: 0x80, last: 0x8f, name: 'POST code and DMA pages' },
    { first: 0x92, last: 0x92, name: 'system control port A' },
    { first: 0xa0, last: 0xa1, name: '8259 slave', registers: pic.slave },
    { first: 0xc0, last: 0xdf, name: 'DMA controller 2' },
    { first: 0xe9, last: 0xe9, name: 'debug console', registers: debugConsole },
    { first: 0xed, last: 0xed, name: 'I/O delay' },
    { first: 0xf0, last: 0xf1, name: 'coprocessor' },
    { first: 0xf4, last: 0xf4, name: 'debug exit', registers: debugExit, width: 4 },
    { first: 0xf5, last: 0xf5, name: 'exit status', registers: exitStatus },
    { first: 0x1f0, last: 0x1f7, name: 'primary IDE' },
    { first: 0x170, last: 0x177, name: 'secondary IDE' },
    { first: 0x278, last: 0x27a, name: 'LPT2' },
    { first: 0x2e8, last: 0x2ef, name: 'COM4' },
    { first: 0x2f8, last: 0x2ff, name: 'COM2' },
    { first: 0x376, last: 0x376, name: 'secondary IDE control' },
    { first: 0x378, last: 0x37a, name: 'LPT1' },
    { first: 0x3b0, last: 0x3df, name: 'VGA' },
    { first: 0x3e8, last: 0x3ef, name: 'COM3' },
    { first: 0x3f0, last: 0x3f7, name: 'floppy and primary IDE control' },
    { first: 0x3f8, last: 0x3ff, name: 'COM1', registers: uart },
    { first: 0x4d0, last: 0x4d1, name: '8259 edge/level control', registers: pic.edgeLevelControl },
    { first: 0x510, last: 0x511, name: 'QEMU firmware configuration' },
    {
      first: POWER_MANAGEMENT_PORT,
      last: POWER_MANAGEMENT_PORT + 11,
      name: 'ACPI power management',
      registers: chipset.acpiPm,
      width: 4,
    },
    { first: 0xcf8, last: 0xcf8, name: 'PCI configuration address', width: 4 },
    { first: 0xcf9, last: 0xcf9, name: 'reset control', registers: chipset.resetControl },
    { first: 0xcfa, last: 0xcff, name: 'PCI configuration data' },
  ];
}

function offsetBy(distance: number, registers: Registers): Registers {
  return {
    read: (offset, width) => registers.read(offset + distance, width),
    write: (offset, width, value) => registers.write(offset + distance, width, value),
    peek: (offset, width) => registers.peek(offset + distance, width),
  };
}
