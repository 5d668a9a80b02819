import { ImageError } from '../machine-error.ts';
import { isElf, readElf } from './elf.ts';
import { GuestMemory, hex } from './guest-memory.ts';
import type { BootOptions, KernelEntry } from './kernel-entry.ts';
import { isLinux, loadLinux } from './linux.ts';
import { findMultibootHeader, loadMultiboot } from './multiboot.ts';
import { loadPvh, pvhEntryOf } from './pvh.ts';

/** How an image is started; `auto` looks for a Linux setup header, a PVH note and a Multiboot header, in this order. */
export const PROTOCOLS = ['auto', 'linux', 'pvh', 'multiboot'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/**
 * Loads a kernel image into RAM that is all zero.
 * @returns the state in which the processor starts
 * @throws ImageError with one sentence about why the image cannot be booted
 */
export function loadImage(bytes: Uint8Array, ram: Uint8Array, options: BootOptions, protocol: Protocol): KernelEntry {
  if (bytes.length === 0) throw new ImageError('the image is empty');
  const memory = new GuestMemory(ram);
  if (options.firmwareTables !== undefined) {
    const { address, bytes: tables } = options.firmwareTables;
    memory.place(BigInt(address), tables, BigInt(tables.length), 'the firmware tables');
  }
  const wants = (name: Protocol) => protocol === 'auto' || protocol === name;
  if (wants('linux') && isLinux(bytes)) return loadLinux(bytes, memory, options);
  if (wants('pvh') && isElf(bytes)) {
    const elf = readElf(bytes);
    const entry = pvhEntryOf(elf);
    if (entry !== undefined) {
      const loaded = loadPvh(elf, entry, memory, options);
      checkEntry(entry, elf.segments);
      return loaded;
    }
  }
  if (wants('multiboot')) {
    const header = findMultibootHeader(bytes);
    if (header !== undefined) return loadMultiboot(bytes, header, memory, options);
  }
  const wanted = {
    auto: 'neither a PVH note nor a Multiboot 1 header, and is no Linux bzImage',
    linux: 'no Linux setup header',
    pvh: 'no PVH note',
    multiboot: 'no Multiboot 1 header',
  };
  throw new ImageError(`the image has ${wanted[protocol]}`);
}

function checkEntry(entry: number, segments: readonly { physicalAddress: bigint; memorySize: bigint }[]): void {
  const address = BigInt(entry);
  const inside = segments.some((segment) => {
    return address >= segment.physicalAddress && address < segment.physicalAddress + segment.memorySize;
  });
  if (!inside) throw new ImageError(`the PVH entry address ${hex(entry)} lies in no segment`);
}
