import { ImageError } from '../machine-error.ts';
import { ByteReader } from './byte-reader.ts';
import { isElf, readElf } from './elf.ts';
import { BootInformation, type GuestMemory, hex } from './guest-memory.ts';
import type { BootOptions, KernelEntry } from './kernel-entry.ts';
import { loadSegments } from './load-segments.ts';
import { type Field, packFields } from './record.ts';

// Multiboot Specification 0.6.96, sections 3.1 to 3.3.
const HEADER_MAGIC = 0x1bad_b002;
const BOOTLOADER_MAGIC = 0x2bad_b002;
const HEADER_SEARCH = 8192;

const HEADER_PAGE_ALIGN = 0x0000_0001;
const HEADER_MEMORY_INFO = 0x0000_0002;
const HEADER_VIDEO_MODE = 0x0000_0004;
const HEADER_ADDRESS_FIELDS = 0x0001_0000;
/** Requirements (bits 0 to 15) that this loader meets; the video mode is a wish it may ignore. */
const HEADER_UNDERSTOOD = HEADER_PAGE_ALIGN | HEADER_MEMORY_INFO | HEADER_VIDEO_MODE;
const HEADER_REQUIREMENTS = 0xffff;

const INFO_MEMORY = 0x001;
const INFO_COMMAND_LINE = 0x004;
const INFO_MODULES = 0x008;
const INFO_MEMORY_MAP = 0x040;
const INFO_BOOT_LOADER_NAME = 0x200;

const BOOT_LOADER_NAME = 'Verdigris';
const PAGE = 4096;
/** Lower memory in KiB: below the EBDA. */
const LOWER_MEMORY_KIB = 639;

interface MultibootHeader {
  /** Byte offset of the header in the file. */
  readonly offset: number;
  readonly flags: number;
  readonly addresses: { header: number; load: number; loadEnd: number; bssEnd: number; entry: number } | undefined;
}

/**
 * Finds the Multiboot header: the magic number in the first 8 KiB, 4-byte aligned, with a checksum that fits.
 * @throws ImageError when the header asks for something unknown or is cut off
 */
export function findMultibootHeader(bytes: Uint8Array): MultibootHeader | undefined {
  const reader = new ByteReader(bytes);
  const end = Math.min(bytes.length, HEADER_SEARCH) - 12;
  for (let offset = 0; offset <= end; offset += 4) {
    if (reader.u32(offset) !== HEADER_MAGIC) continue;
    const flags = reader.u32(offset + 4);
    if (((HEADER_MAGIC + flags + reader.u32(offset + 8)) | 0) !== 0) continue;
    return { offset, flags, addresses: readAddresses(reader, offset, flags) };
  }
  return undefined;
}

function readAddresses(reader: ByteReader, offset: number, flags: number): MultibootHeader['addresses'] {
  const unknown = flags & HEADER_REQUIREMENTS & ~HEADER_UNDERSTOOD;
  if (unknown !== 0) throw new ImageError(`the Multiboot header requires unknown features: flags ${hex(unknown)}`);
  if ((flags & HEADER_ADDRESS_FIELDS) === 0) return undefined;
  if (offset + 32 > reader.bytes.length)
    throw new ImageError('the Multiboot header is cut off before its address fields');
  const field = (index: number) => reader.u32(offset + 12 + 4 * index);
  return { header: field(0), load: field(1), loadEnd: field(2), bssEnd: field(3), entry: field(4) };
}

/**
 * Loads a Multiboot 1 image with its information structure, modules, command line and memory map.
 * @returns the entry state: EAX is the boot loader's magic number, EBX the physical address of the information
 */
export function loadMultiboot(
  bytes: Uint8Array,
  header: MultibootHeader,
  memory: GuestMemory,
  options: BootOptions,
): KernelEntry {
  const eip = header.addresses === undefined ? loadElfImage(bytes, memory) : loadByAddressFields(bytes, header, memory);
  const modules = options.modules.map((module) => {
    const start = memory.firstFreePage;
    memory.place(BigInt(start), module.data, BigInt(Math.ceil(module.data.length / PAGE) * PAGE), 'a module');
    return { start, end: start + module.data.length, text: module.commandLine };
  });
  const information = new BootInformation(memory);
  const commandLine = information.addString(
    `${options.imageName} ${options.commandLine}`.trimEnd(),
    'the command line',
  );
  const moduleList = information.add(
    packFields(
      modules.flatMap(({ start, end, text }): Field[] => [
        [4, start],
        [4, end],
        [4, information.addString(text, 'a module string')],
        [4, 0],
      ]),
    ),
    'the module list',
  );
  const memoryMapBytes = packFields(
    options.memoryMap.flatMap(({ start, end, type }): Field[] => [
      [4, 20],
      [8, start],
      [8, end - start],
      [4, type],
    ]),
  );
  const memoryMap = information.add(memoryMapBytes, 'the memory map');
  const bootLoaderName = information.addString(BOOT_LOADER_NAME, 'the boot loader name');
  const fields: Field[] = [
    [4, INFO_MEMORY | INFO_COMMAND_LINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_BOOT_LOADER_NAME],
    [4, LOWER_MEMORY_KIB],
    [4, memory.bytes.length / 1024 - 1024],
    [4, 0],
    [4, commandLine],
    [4, modules.length],
    [4, moduleList],
    [8, 0],
    [8, 0],
    [4, memoryMapBytes.length],
    [4, memoryMap],
    [4, 0],
    [4, 0],
    [4, 0],
    [4, bootLoaderName],
    [4, 0],
  ];
  const ebx = information.add(packFields(fields), 'the Multiboot information');
  return { protocol: 'multiboot', eip, eax: BOOTLOADER_MAGIC, ebx, esi: 0 };
}

/** The address fields override whatever file format carries them, ELF64 included. */
function loadByAddressFields(bytes: Uint8Array, header: MultibootHeader, memory: GuestMemory): number {
  const { header: headerAddress, load, loadEnd, bssEnd, entry } = header.addresses!;
  const fileOffset = header.offset - (headerAddress - load);
  if (headerAddress < load || fileOffset < 0) {
    throw new ImageError(`the Multiboot load address ${hex(load)} lies before the start of the file`);
  }
  const loadSize = loadEnd === 0 ? bytes.length - fileOffset : loadEnd - load;
  if (loadSize < 0)
    throw new ImageError(`the Multiboot load end ${hex(loadEnd)} lies below the load address ${hex(load)}`);
  if (fileOffset + loadSize > bytes.length) {
    throw new ImageError(
      `the Multiboot header loads ${loadSize} bytes, but the file has only ${bytes.length - fileOffset}`,
    );
  }
  const memorySize = bssEnd === 0 ? loadSize : bssEnd - load;
  if (memorySize < loadSize) throw new ImageError(`the Multiboot bss end ${hex(bssEnd)} lies inside the loaded bytes`);
  const data = bytes.subarray(fileOffset, fileOffset + loadSize);
  memory.place(BigInt(load), data, BigInt(memorySize), 'the image');
  if (entry < load || entry >= load + loadSize) {
    throw new ImageError(`the Multiboot entry address ${hex(entry)} lies outside the loaded bytes`);
  }
  return entry;
}

function loadElfImage(bytes: Uint8Array, memory: GuestMemory): number {
  if (!isElf(bytes)) throw new ImageError('the Multiboot image is not ELF and its header has no address fields');
  const elf = readElf(bytes);
  loadSegments(elf, memory);
  const inSegment = elf.segments.some(
    ({ virtualAddress: start, memorySize }) => elf.entry >= start && elf.entry < start + memorySize,
  );
  if (!inSegment) throw new ImageError(`the ELF entry address ${hex(elf.entry)} lies in no segment`);
  if (elf.entry > 0xffff_ffffn)
    throw new ImageError(`the ELF entry address ${hex(elf.entry)} is above 4 GiB, where Multiboot cannot start`);
  return Number(elf.entry);
}
