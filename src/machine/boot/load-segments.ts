import { ImageError } from '../machine-error.ts';
import type { ElfFile } from './elf.ts';
import type { GuestMemory } from './guest-memory.ts';

/** Puts every PT_LOAD segment at its physical address. */
export function loadSegments(elf: ElfFile, memory: GuestMemory): void {
  if (elf.segments.length === 0) throw new ImageError('the ELF image has nothing to load: no PT_LOAD segment');
  for (const [index, segment] of elf.segments.entries()) {
    memory.place(segment.physicalAddress, segment.data, segment.memorySize, `segment ${index} of the image`);
  }
}
