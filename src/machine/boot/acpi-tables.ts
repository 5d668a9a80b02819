import { type Field, packFields } from './record.ts';

// ACPI Specification 6.5, sections 5.2.5 (RSDP), 5.2.7 (RSDT), 5.2.8 (XSDT), 5.2.9 (FADT), 5.2.10 (FACS), 5.2.12 (MADT).
const RSDP_SIZE = 36;
/** The part of the RSDP that its first checksum covers. */
const RSDP_ACPI_1_SIZE = 20;
const RSDP_CHECKSUM = 8;
const RSDP_EXTENDED_CHECKSUM = 32;
const HEADER_SIZE = 36;
const HEADER_CHECKSUM = 9;
const FACS_SIZE = 64;

/** The system control interrupt: IRQ 9, level-triggered, active high. */
const SCI_IRQ = 9;
const CENTURY_REGISTER = 0x32;
const RESET_PORT = 0xcf9;
const RESET_VALUE = 0x06;
/** A worst-case latency that says there is no such C state. */
const NO_C_STATE = 0x0fff;

/** FADT boot architecture flags: legacy devices exist, VGA does not; the 8042 is left out, since no keyboard is plugged in. */
const BOOT_ARCHITECTURE = 0x0001 | 0x0004;
/** WBINVD works, HLT is C1, no fixed power or sleep button, the reset register works. */
const FADT_FLAGS = 0x0001 | 0x0004 | 0x0010 | 0x0020 | 0x0400;

const MADT_DUAL_8259 = 1;
const PROCESSOR_ENABLED = 1;
const ACTIVE_HIGH_LEVEL = 0x000d;
const ALL_PROCESSORS = 0xff;

/** What the tables describe. */
export interface Platform {
  readonly lapicAddress: number;
  readonly ioapicAddress: number;
  /** First port of the ACPI power management registers. */
  readonly powerManagementPort: number;
}

/**
 * The ACPI tables that firmware leaves in the BIOS area: power-off through PM1a, the APICs, the reset register.
 * @param address where the bytes will lie: a multiple of 64, below 4 GiB
 * @returns the bytes, with the RSDP first
 */
export function acpiTables(address: number, platform: Platform): Uint8Array {
  const tables: Uint8Array[] = [new Uint8Array(RSDP_SIZE)];
  let end = RSDP_SIZE;
  const add = (table: Uint8Array): number => {
    const start = Math.ceil(end / 64) * 64;
    tables.push(new Uint8Array(start - end), table);
    end = start + table.length;
    return address + start;
  };
  const facs = add(firmwareControl());
  const dsdt = add(describe('DSDT', 2, SOFT_OFF));
  const fadt = add(describe('FACP', 3, fixedDescription(facs, dsdt, platform.powerManagementPort)));
  const madt = add(describe('APIC', 3, interruptControllers(platform)));
  const rsdt = add(describe('RSDT', 1, packFields([fadt, madt].map((table) => [4, table]))));
  const xsdt = add(describe('XSDT', 1, packFields([fadt, madt].map((table) => [8, table]))));
  tables[0] = rootPointer(rsdt, xsdt);
  const bytes = new Uint8Array(end);
  let at = 0;
  for (const table of tables) {
    bytes.set(table, at);
    at += table.length;
  }
  return bytes;
}

/** AML: Name (_S5, Package (4) {0, 0, 0, 0}): the sleep type of soft off is 0. */
const SOFT_OFF = new Uint8Array([0x08, 0x5f, 0x53, 0x35, 0x5f, 0x12, 0x06, 0x04, 0, 0, 0, 0]);

function rootPointer(rsdt: number, xsdt: number): Uint8Array {
  const bytes = packFields([
    ...text('RSD PTR ', 8),
    [1, 0],
    ...text('VRDGRS', 6),
    [1, 2],
    [4, rsdt],
    [4, RSDP_SIZE],
    [8, xsdt],
    [1, 0],
    [1, 0],
    [2, 0],
  ]);
  bytes[RSDP_CHECKSUM] = checksum(bytes.subarray(0, RSDP_ACPI_1_SIZE));
  bytes[RSDP_EXTENDED_CHECKSUM] = checksum(bytes);
  return bytes;
}

/** A table with its header and checksum. */
function describe(signature: string, revision: number, body: Uint8Array): Uint8Array {
  const header = packFields([
    ...text(signature, 4),
    [4, HEADER_SIZE + body.length],
    [1, revision],
    [1, 0],
    ...text('VRDGRS', 6),
    ...text('VERDIGRS', 8),
    [4, 1],
    ...text('VRDG', 4),
    [4, 1],
  ]);
  const bytes = new Uint8Array(HEADER_SIZE + body.length);
  bytes.set(header);
  bytes.set(body, HEADER_SIZE);
  bytes[HEADER_CHECKSUM] = checksum(bytes);
  return bytes;
}

function fixedDescription(facs: number, dsdt: number, port: number): Uint8Array {
  const noAddress: Field[] = [
    [4, 0],
    [8, 0],
  ];
  return packFields([
    [4, facs],
    [4, dsdt],
    [1, 0],
    [1, 0], // preferred profile: unspecified
    [2, SCI_IRQ],
    [4, 0], // no SMI command port: ACPI mode is always on
    [4, 0],
    [4, port], // PM1a event block
    [4, 0],
    [4, port + 4], // PM1a control block
    [4, 0],
    [4, 0],
    [4, port + 8], // PM timer block
    [8, 0], // no GPE blocks
    [1, 4],
    [1, 2],
    [1, 0],
    [1, 4], // lengths of PM1 event, PM1 control, PM2 control, PM timer
    [4, 0],
    [2, NO_C_STATE],
    [2, NO_C_STATE],
    [8, 0], // no cache flush stride, no duty cycle, no RTC alarm registers
    [1, CENTURY_REGISTER],
    [2, BOOT_ARCHITECTURE],
    [1, 0],
    [4, FADT_FLAGS],
    ...portAddress(RESET_PORT),
    [1, RESET_VALUE],
    [2, 0],
    [1, 0],
    [8, 0],
    [8, dsdt],
    ...Array.from({ length: 8 }, () => noAddress).flat(),
  ]);
}

/** A generic address structure for one byte-wide port. */
function portAddress(port: number): Field[] {
  return [
    [1, 1],
    [1, 8],
    [1, 0],
    [1, 1],
    [8, port],
  ];
}

function firmwareControl(): Uint8Array {
  const bytes = new Uint8Array(FACS_SIZE);
  bytes.set(packFields([...text('FACS', 4), [4, FACS_SIZE]]));
  bytes[32] = 1;
  return bytes;
}

function interruptControllers({ lapicAddress, ioapicAddress }: Platform): Uint8Array {
  const localApic: Field[] = [
    [1, 0],
    [1, 8],
    [1, 0],
    [1, 0],
    [4, PROCESSOR_ENABLED],
  ];
  const ioApic: Field[] = [
    [1, 1],
    [1, 12],
    [1, 0],
    [1, 0],
    [4, ioapicAddress],
    [4, 0],
  ];
  const override = (irq: number, pin: number, flags: number): Field[] => [
    [1, 2],
    [1, 10],
    [1, 0],
    [1, irq],
    [4, pin],
    [2, flags],
  ];
  const nmiOnLint1: Field[] = [
    [1, 4],
    [1, 6],
    [1, ALL_PROCESSORS],
    [2, 0],
    [1, 1],
  ];
  return packFields([
    [4, lapicAddress],
    [4, MADT_DUAL_8259],
    ...localApic,
    ...ioApic,
    ...override(0, 2, 0),
    ...override(SCI_IRQ, SCI_IRQ, ACTIVE_HIGH_LEVEL),
    ...nmiOnLint1,
  ]);
}

/** ASCII as one-byte fields, padded with blanks. */
function text(value: string, length: number): Field[] {
  return [...new TextEncoder().encode(value.padEnd(length))].map((byte): Field => [1, byte]);
}

/** The byte that makes the sum of all bytes zero. */
function checksum(bytes: Uint8Array): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
}
