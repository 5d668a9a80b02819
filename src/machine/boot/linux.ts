import { ImageError } from '../machine-error.ts';
import { ByteReader } from './byte-reader.ts';
import { BootInformation, type GuestMemory, hex } from './guest-memory.ts';
import type { BootOptions, KernelEntry } from './kernel-entry.ts';
import { placeAtTop } from './modules.ts';
import { packFields } from './record.ts';

// The setup header and boot_params (Linux, Documentation/arch/x86/boot.rst and zero-page.rst).
const SETUP_SECTORS = 0x1f1;
const BOOT_FLAG = 0x1fe;
const HEADER_LENGTH = 0x201;
const MAGIC = 0x202;
const VERSION = 0x206;
const TYPE_OF_LOADER = 0x210;
const LOAD_FLAGS = 0x211;
const RAMDISK_IMAGE = 0x218;
const RAMDISK_SIZE = 0x21c;
const COMMAND_LINE = 0x228;
const RAMDISK_LIMIT = 0x22c;
const RELOCATABLE = 0x234;
const COMMAND_LINE_SIZE = 0x238;
const PREFERRED_ADDRESS = 0x258;
const INIT_SIZE = 0x260;

const ACPI_RSDP = 0x070;
const E820_ENTRIES = 0x1e8;
const E820_TABLE = 0x2d0;
const BOOT_PARAMETERS_SIZE = 4096;

const SECTOR = 512;
const BOOT_FLAG_VALUE = 0xaa55;
const MAGIC_VALUE = 0x5372_6448;
/** The protocol of Linux 2.6.31 (2009): the oldest that tells where the kernel wants to lie and how much it needs. */
const OLDEST_VERSION = 0x020a;
const LOADED_HIGH = 0x01;
const UNDEFINED_LOADER = 0xff;
const PAGE = 4096;

export function isLinux(bytes: Uint8Array): boolean {
  if (bytes.length < 2 * SECTOR) return false;
  const reader = new ByteReader(bytes);
  return reader.u16(BOOT_FLAG) === BOOT_FLAG_VALUE && reader.u32(MAGIC) === MAGIC_VALUE;
}

/**
 * Loads a bzImage by the 32-bit Linux boot protocol, with initrd, command line, memory map and ACPI tables.
 * @returns the entry state: ESI is the physical address of boot_params
 */
export function loadLinux(bytes: Uint8Array, memory: GuestMemory, options: BootOptions): KernelEntry {
  const reader = new ByteReader(bytes);
  const version = reader.u16(VERSION);
  if (version < OLDEST_VERSION) throw new ImageError(`the Linux boot protocol ${hex(version)} is older than 2.10`);
  if ((reader.u8(LOAD_FLAGS) & LOADED_HIGH) === 0) throw new ImageError('the Linux image is a zImage, not a bzImage');
  if (reader.u8(RELOCATABLE) === 0) throw new ImageError('the Linux image is not relocatable');
  const setupSize = ((reader.u8(SETUP_SECTORS) || 4) + 1) * SECTOR;
  if (setupSize >= bytes.length)
    throw new ImageError(`the Linux image is cut off: its setup alone takes ${setupSize} bytes`);
  const kernel = bytes.subarray(setupSize);
  const address = reader.u64(PREFERRED_ADDRESS);
  const size = BigInt(Math.max(reader.u32(INIT_SIZE), kernel.length));
  memory.place(address, kernel, size, 'the Linux kernel');

  const maximum = reader.u32(COMMAND_LINE_SIZE);
  if (options.commandLine.length > maximum) {
    throw new ImageError(
      `the command line of ${options.commandLine.length} bytes is longer than the kernel's ${maximum}`,
    );
  }
  const information = new BootInformation(memory);
  const parameters = new Uint8Array(BOOT_PARAMETERS_SIZE);
  const headerEnd = MAGIC + reader.u8(HEADER_LENGTH);
  parameters.set(bytes.subarray(SETUP_SECTORS, headerEnd), SETUP_SECTORS);
  const set = (offset: number, width: 1 | 4 | 8, value: number) => parameters.set(packFields([[width, value]]), offset);
  set(TYPE_OF_LOADER, 1, UNDEFINED_LOADER);
  set(COMMAND_LINE, 4, information.addString(options.commandLine, 'the command line'));
  set(ACPI_RSDP, 8, options.firmwareTables?.address ?? 0);
  const ramdisk = joinModules(options);
  if (ramdisk.length > 0) {
    set(RAMDISK_IMAGE, 4, placeAtTop(memory, ramdisk, reader.u32(RAMDISK_LIMIT)));
    set(RAMDISK_SIZE, 4, ramdisk.length);
  }
  set(E820_ENTRIES, 1, options.memoryMap.length);
  for (const [index, { start, end, type }] of options.memoryMap.entries()) {
    parameters.set(
      packFields([
        [8, start],
        [8, end - start],
        [4, type],
      ]),
      E820_TABLE + 20 * index,
    );
  }
  const esi = information.add(parameters, 'boot_params');
  return { protocol: 'linux', eip: Number(address), eax: 0, ebx: 0, esi };
}

/** The kernel takes one ramdisk: archives one behind the other, each padded to a page. */
function joinModules({ modules }: BootOptions): Uint8Array {
  const padded = (size: number) => Math.ceil(size / PAGE) * PAGE;
  const bytes = new Uint8Array(modules.reduce((sum, { data }) => sum + padded(data.length), 0));
  let at = 0;
  for (const { data } of modules) {
    bytes.set(data, at);
    at += padded(data.length);
  }
  return bytes;
}
