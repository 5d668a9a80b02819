import type { Registers } from '../devices/device.ts';
import { IOAPIC_SIZE, type IoApic } from '../devices/ioapic.ts';
import { APIC_PAGE_SIZE, DEFAULT_APIC_BASE } from '../devices/lapic-registers.ts';

/** Types of the BIOS memory map (E820), which PVH and Multiboot share. */
export const MemoryType = { Usable: 1, Reserved: 2 } as const;

/** One entry of the memory map that the boot protocols hand to the kernel. `end` is exclusive. */
export interface MemoryMapEntry {
  readonly start: number;
  readonly end: number;
  readonly type: number;
}

/** Where the I/O APIC and, at reset, the local APIC answer. Everything else above RAM reads as all ones. */
export const IOAPIC_BASE = 0xfec0_0000;
export const LAPIC_BASE = DEFAULT_APIC_BASE;

/** The BIOS area, where kernels look for ACPI's RSDP. */
export const FIRMWARE_BASE = 0xf_0000;

/**
 * What a kernel is told about physical memory: RAM as on a PC, with the last KiB of conventional memory and the BIOS
 * area reserved, and the video hole (0xa0000 to 0xeffff) not mentioned.
 * @param ramBytes size of RAM from physical address 0
 */
export function memoryMap(ramBytes: number): readonly MemoryMapEntry[] {
  const entries = [
    { start: 0x0_0000, end: 0x9_fc00, type: MemoryType.Usable },
    { start: 0x9_fc00, end: 0xa_0000, type: MemoryType.Reserved },
    { start: FIRMWARE_BASE, end: 0x10_0000, type: MemoryType.Reserved },
    { start: 0x10_0000, end: ramBytes, type: MemoryType.Usable },
    { start: IOAPIC_BASE, end: IOAPIC_BASE + IOAPIC_SIZE, type: MemoryType.Reserved },
    { start: LAPIC_BASE, end: LAPIC_BASE + APIC_PAGE_SIZE, type: MemoryType.Reserved },
  ];
  return entries.filter(({ start, end }) => start < end);
}

/** A range of physical addresses that a device answers. */
export interface MappedDevice {
  readonly name: string;
  readonly start: number;
  readonly size: number;
  readonly registers: Registers;
}

/** The devices at fixed physical addresses. The local APIC is not among them: IA32_APIC_BASE moves it. */
export function mappedDevices(devices: { ioapic: IoApic }): readonly MappedDevice[] {
  return [{ name: 'I/O APIC', start: IOAPIC_BASE, size: IOAPIC_SIZE, registers: devices.ioapic }];
}
