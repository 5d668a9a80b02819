import type { MemoryMapEntry } from '../memory-map.ts';

/** A file handed to the kernel beside its image: the initramfs, usually. */
export interface BootModule {
  readonly data: Uint8Array;
  /** What the boot protocol passes as the module's command line or string. */
  readonly commandLine: string;
}

export interface BootOptions {
  readonly commandLine: string;
  readonly modules: readonly BootModule[];
  readonly memoryMap: readonly MemoryMapEntry[];
  /** The image's file name, which Multiboot puts before the command line. */
  readonly imageName: string;
  /** Tables that firmware leaves in memory, ACPI's RSDP first. */
  readonly firmwareTables?: { readonly address: number; readonly bytes: Uint8Array };
}

/**
 * The state in which PVH, Multiboot and Linux start a kernel: 32-bit protected mode, paging off, flat 4 GiB segments,
 * interrupts off. The registers not named are zero.
 */
export interface KernelEntry {
  readonly protocol: 'pvh' | 'multiboot' | 'linux';
  readonly eip: number;
  readonly eax: number;
  readonly ebx: number;
  readonly esi: number;
}
