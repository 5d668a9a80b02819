import { ImageError } from '../machine-error.ts';
import { ByteReader } from './byte-reader.ts';
import type { ElfFile } from './elf.ts';
import { BootInformation, type GuestMemory } from './guest-memory.ts';
import type { BootOptions, KernelEntry } from './kernel-entry.ts';
import { loadSegments } from './load-segments.ts';
import { placeAtTop } from './modules.ts';
import { packFields } from './record.ts';

/** Xen's note that carries the physical address of the 32-bit entry point (xen/include/public/elfnote.h). */
const XEN_ELFNOTE_PHYS32_ENTRY = 18;

const START_INFO_MAGIC = 0x336e_c578;
const START_INFO_VERSION = 1;
/** struct hvm_start_info, version 1 (xen/include/public/arch-x86/hvm/start_info.h). */
const START_INFO_SIZE = 56;

/** @returns the physical entry point that a PVH image names in its note, or undefined when it has none */
export function pvhEntryOf(elf: ElfFile): number | undefined {
  const note = elf.notes.find(({ name, type }) => name === 'Xen' && type === XEN_ELFNOTE_PHYS32_ENTRY);
  if (note === undefined) return undefined;
  const reader = new ByteReader(note.descriptor);
  if (note.descriptor.length === 4) return reader.u32(0);
  if (note.descriptor.length === 8 && reader.u32(4) === 0) return reader.u32(0);
  throw new ImageError('the PVH note of the image does not hold a 32-bit entry address');
}

/**
 * Loads a PVH image with its start_info, modules, command line and memory map.
 * @returns the entry state of the PVH ABI: EBX is the physical address of hvm_start_info
 */
export function loadPvh(elf: ElfFile, entry: number, memory: GuestMemory, options: BootOptions): KernelEntry {
  loadSegments(elf, memory);
  const information = new BootInformation(memory);
  const commandLine = information.addString(options.commandLine, 'the command line');
  const modules = options.modules.map((module) => ({
    address: placeAtTop(memory, module.data),
    size: module.data.length,
    commandLine: information.addString(module.commandLine, 'a module command line'),
  }));
  const moduleList = information.add(
    packFields(
      modules.flatMap((module) => [
        [8, module.address],
        [8, module.size],
        [8, module.commandLine],
        [8, 0],
      ]),
    ),
    'the module list',
  );
  const memoryMap = information.add(
    packFields(
      options.memoryMap.flatMap(({ start, end, type }) => [
        [8, start],
        [8, end - start],
        [4, type],
        [4, 0],
      ]),
    ),
    'the memory map',
  );
  const startInfo = packFields([
    [4, START_INFO_MAGIC],
    [4, START_INFO_VERSION],
    [4, 0],
    [4, modules.length],
    [8, modules.length > 0 ? moduleList : 0],
    [8, commandLine],
    [8, options.firmwareTables?.address ?? 0],
    [8, memoryMap],
    [4, options.memoryMap.length],
    [4, 0],
  ]);
  if (startInfo.length !== START_INFO_SIZE) throw new RangeError('hvm_start_info has the wrong size');
  return { protocol: 'pvh', eip: entry, eax: 0, ebx: information.add(startInfo, 'the PVH start_info'), esi: 0 };
}
