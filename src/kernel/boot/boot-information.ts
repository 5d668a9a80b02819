/**
 * What the loader hands over, in either of two formats: PVH's start_info (Xen's include/public/arch-x86/hvm/start_info.h)
 * and the Multiboot 1 information structure (Multiboot Specification 0.6.96, 3.3). Everything is copied out at once;
 * the kernel reads it through the direct map.
 */
import {
  Errno,
  err,
  f32,
  f64,
  ok,
  type PhysAddr,
  packed,
  phys,
  type Result,
  struct,
  type u32,
  u64,
  virt,
} from '#dialect';
import { addUsableRange, reserveRange } from '../memory/frames.ts';
import { directMap } from '../memory/layout.ts';
import { setCommandLine } from './command-line.ts';

/** How the loader entered: what entry.boot.ts passes on. */
export const Protocol = { PVH: 1, MULTIBOOT: 2 } as const;

const StartInfo = struct({
  magic: f32,
  version: f32,
  flags: f32,
  moduleCount: f32,
  modules: f64,
  commandLine: f64,
  rsdp: f64,
  memoryMap: f64,
  memoryMapEntries: f32,
  _reserved: f32,
});
const START_INFO_MAGIC = 0x336e_c578;
const PvhModule = struct({ address: f64, size: f64, commandLine: f64, _reserved: f64 });
const PvhMemory = struct({ address: f64, size: f64, type: f32, _reserved: f32 });

const MultibootInformation = struct({
  flags: f32,
  memoryLower: f32,
  memoryUpper: f32,
  bootDevice: f32,
  commandLine: f32,
  moduleCount: f32,
  modules: f32,
  symbols0: f32,
  symbols1: f32,
  symbols2: f32,
  symbols3: f32,
  memoryMapBytes: f32,
  memoryMap: f32,
});
const MultibootFlag = { MEMORY: 1, COMMAND_LINE: 4, MODULES: 8, MEMORY_MAP: 64 } as const;
const MultibootModule = struct({ start: f32, end: f32, commandLine: f32, _reserved: f32 });
/** `size` does not count itself. */
const MultibootMemory = packed({ size: f32, address: f64, length: f64, type: f32 });

/** Type of a memory map entry in both formats. */
const USABLE = 1;
const KIB = 1024n;

let moduleStart: u64 = 0n;
let moduleSize: u64 = 0n;

/** Physical address of the first module, the initramfs; its size is 0 when there is none. */
export function bootModuleStart(): PhysAddr {
  return phys(moduleStart);
}

/** Bytes. */
export function bootModuleSize(): u64 {
  return moduleSize;
}

/** Reads usable memory, command line and first module. EINVAL: the structure is not what the protocol promises. */
export function readBootInformation(protocol: u32, address: PhysAddr): Result<void> {
  moduleStart = 0n;
  moduleSize = 0n;
  const read = protocol === Protocol.PVH ? readStartInfo(address) : readMultiboot(address);
  if (!read.ok) return read;
  if (moduleSize > 0n) reserveRange(moduleStart, u64(moduleStart + moduleSize));
  return ok();
}

function readStartInfo(address: PhysAddr): Result<void> {
  const info = StartInfo.at(directMap(address));
  if (info.magic !== START_INFO_MAGIC || info.version < 1) return err(Errno.EINVAL);
  for (let index: u32 = 0; index < info.memoryMapEntries; index++) {
    const entry = PvhMemory.at(virt(directMap(phys(info.memoryMap)) + u64(index * PvhMemory.size)));
    if (entry.type === USABLE) addUsableRange(entry.address, u64(entry.address + entry.size));
  }
  if (info.commandLine !== 0n) setCommandLine(directMap(phys(info.commandLine)));
  if (info.moduleCount === 0) return ok();
  const module = PvhModule.at(directMap(phys(info.modules)));
  moduleStart = module.address;
  moduleSize = module.size;
  return ok();
}

function readMultiboot(address: PhysAddr): Result<void> {
  const info = MultibootInformation.at(directMap(address));
  if ((info.flags & (MultibootFlag.MEMORY | MultibootFlag.MEMORY_MAP)) === 0) return err(Errno.EINVAL);
  if ((info.flags & MultibootFlag.MEMORY_MAP) !== 0) readMultibootMap(u64(info.memoryMap), u64(info.memoryMapBytes));
  else addUsableRange(0x10_0000n, u64(0x10_0000n + u64(info.memoryUpper) * KIB));
  if ((info.flags & MultibootFlag.COMMAND_LINE) !== 0) setCommandLine(directMap(phys(u64(info.commandLine))));
  if ((info.flags & MultibootFlag.MODULES) === 0 || info.moduleCount === 0) return ok();
  const module = MultibootModule.at(directMap(phys(u64(info.modules))));
  moduleStart = u64(module.start);
  moduleSize = u64(module.end - module.start);
  return ok();
}

function readMultibootMap(start: u64, bytes: u64): void {
  let offset: u64 = 0n;
  while (offset < bytes) {
    const entry = MultibootMemory.at(directMap(phys(start + offset)));
    if (entry.type === USABLE) addUsableRange(entry.address, u64(entry.address + entry.length));
    offset = u64(offset + u64(entry.size) + 4n);
  }
}
