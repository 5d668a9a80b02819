/** ELF64 programs (System V ABI, gABI chapters 4 and 5): checked whole before anything is made, then mapped. */
import { Errno, err, f16, f32, f64, ok, type Result, struct, u32, u64, type VirtAddr, virt } from '#dialect';
import type { AddressSpace } from '../memory/address-space.ts';
import { attachObject, isRangeFree, linkArea, newArea, Protection } from '../memory/area.ts';
import { greater, PAGE_OFFSET_MASK, pageCeiling, pageFloor, USER_END, USER_START } from '../memory/layout.ts';
import type { MemoryObject } from '../memory/object.ts';
import { clearInSpace, writeToSpace } from '../memory/user-pages.ts';
import type { ProgramSource } from './program-source.ts';

const ElfHeader = struct({
  magic: f32,
  class: f16.bits({ class: 8, data: 8 }),
  version: f16,
  _padding: f64,
  type: f16,
  machine: f16,
  objectVersion: f32,
  entry: f64,
  programHeaders: f64,
  sectionHeaders: f64,
  flags: f32,
  headerSize: f16,
  programHeaderSize: f16,
  programHeaderCount: f16,
  sectionHeaderSize: f16,
  sectionHeaderCount: f16,
  sectionNames: f16,
});
const ProgramHeader = struct({
  type: f32,
  flags: f32,
  offset: f64,
  virtualAddress: f64,
  physicalAddress: f64,
  fileSize: f64,
  memorySize: f64,
  alignment: f64,
});

const ELF_MAGIC = 0x464c_457f;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const EXECUTABLE = 2;
const SHARED_OBJECT = 3;
const X86_64 = 62;
const PT_LOAD = 1;
const PT_INTERP = 3;
const SEGMENT_EXECUTE = 1;
const SEGMENT_WRITE = 2;
const SEGMENT_READ = 4;
/** Where a position-independent program goes. */
const PIE_BASE = 0x5555_5555_4000n;

/** What the start of a program depends on; filled by `loadProgram`. */
export class LoadedProgram {
  entry: u64 = 0n;
  /** User address, size and number of the program headers, for the auxiliary vector; address 0 when not loaded. */
  headers: u64 = 0n;
  headerSize: u64 = 0n;
  headerCount: u64 = 0n;
  /** First address after the program's data: where the heap begins. */
  end: u64 = 0n;
}

function headerAt(image: VirtAddr, index: u32): VirtAddr {
  const header = ElfHeader.at(image);
  return virt(image + header.programHeaders + u64(index) * u64(header.programHeaderSize));
}

/**
 * ENOEXEC unless a file of `size` bytes that begins with the `loaded` bytes at `image` is a static ELF64 program for x86-64
 * whose program headers are among those and whose every segment lies inside the file and in user memory.
 */
export function checkProgram(image: VirtAddr, loaded: u64, size: u64): Result<void> {
  if (loaded < u64(ElfHeader.size)) return err(Errno.ENOEXEC);
  const header = ElfHeader.at(image);
  if (header.magic !== ELF_MAGIC || header.class.class !== CLASS_64) return err(Errno.ENOEXEC);
  if (header.class.data !== LITTLE_ENDIAN || header.machine !== X86_64) return err(Errno.ENOEXEC);
  if (header.type !== EXECUTABLE && header.type !== SHARED_OBJECT) return err(Errno.ENOEXEC);
  if (u32(header.programHeaderSize) !== ProgramHeader.size || header.programHeaderCount === 0)
    return err(Errno.ENOEXEC);
  const table = u64(u64(header.programHeaderCount) * u64(ProgramHeader.size));
  if (!isInside(header.programHeaders, table, loaded)) return err(Errno.ENOEXEC);
  return checkSegments(image, size);
}

/** True when [offset, offset + length) lies in [0, limit). */
function isInside(offset: u64, length: u64, limit: u64): boolean {
  return length <= limit && offset <= u64(limit - length);
}

function biasOf(image: VirtAddr): u64 {
  return ElfHeader.at(image).type === SHARED_OBJECT ? PIE_BASE : 0n;
}

function checkSegments(image: VirtAddr, size: u64): Result<void> {
  const header = ElfHeader.at(image);
  const bias = biasOf(image);
  let previousEnd: u64 = USER_START;
  let hasEntry = false;
  for (let index: u32 = 0; index < header.programHeaderCount; index++) {
    const segment = ProgramHeader.at(headerAt(image, index));
    if (segment.type === PT_INTERP) return err(Errno.ENOEXEC);
    if (segment.type !== PT_LOAD || segment.memorySize === 0n) continue;
    if (segment.fileSize > segment.memorySize) return err(Errno.ENOEXEC);
    if (!isInside(segment.offset, segment.fileSize, size)) return err(Errno.ENOEXEC);
    if (((segment.virtualAddress ^ segment.offset) & PAGE_OFFSET_MASK) !== 0n) return err(Errno.ENOEXEC);
    if (!isInside(segment.virtualAddress, segment.memorySize, u64(USER_END - bias))) return err(Errno.ENOEXEC);
    const start = u64(segment.virtualAddress + bias);
    if (pageFloor(start) < previousEnd) return err(Errno.ENOEXEC);
    previousEnd = pageCeiling(u64(start + segment.memorySize));
    const isCode = (segment.flags & SEGMENT_EXECUTE) !== 0;
    const entryOffset = u64(header.entry - segment.virtualAddress);
    if (isCode && entryOffset < segment.memorySize) hasEntry = true;
  }
  return hasEntry ? ok() : err(Errno.ENOEXEC);
}

/** Maps a checked program into an empty space; ENOMEM. */
export function loadProgram(space: AddressSpace, source: ProgramSource, program: LoadedProgram): Result<void> {
  const image = source.data;
  const header = ElfHeader.at(image);
  const bias = biasOf(image);
  program.entry = u64(header.entry + bias);
  program.headers = 0n;
  program.headerSize = u64(header.programHeaderSize);
  program.headerCount = u64(header.programHeaderCount);
  program.end = 0n;
  for (let index: u32 = 0; index < header.programHeaderCount; index++) {
    const place = headerAt(image, index);
    const segment = ProgramHeader.at(place);
    if (segment.type !== PT_LOAD || segment.memorySize === 0n) continue;
    const start = u64(segment.virtualAddress + bias);
    const mapped =
      source.object === null ? copySegment(space, image, place, start) : mapSegment(space, source.object, place, start);
    if (!mapped.ok) return mapped;
    program.end = greater(program.end, pageCeiling(u64(start + segment.memorySize)));
    const headersIn = u64(header.programHeaders - segment.offset);
    if (headersIn < segment.fileSize) program.headers = u64(start + headersIn);
  }
  space.heapStart = program.end;
  space.heapEnd = program.end;
  return ok();
}

/** Gives a segment memory of its own with a copy of its part of the image. */
function copySegment(space: AddressSpace, image: VirtAddr, header: VirtAddr, start: u64): Result<void> {
  const segment = ProgramHeader.at(header);
  const end = pageCeiling(u64(start + segment.memorySize));
  const made = addArea(space, pageFloor(start), end, segment.flags, null, 0n);
  return made.ok ? writeToSpace(space, start, virt(image + segment.offset), segment.fileSize) : made;
}

/** Maps a segment's part of the file privately, and zeros from there to the segment's end. */
function mapSegment(space: AddressSpace, object: MemoryObject, header: VirtAddr, start: u64): Result<void> {
  const segment = ProgramHeader.at(header);
  const end = pageCeiling(u64(start + segment.memorySize));
  const fileEnd = u64(start + segment.fileSize);
  const zeros = segment.fileSize === 0n ? pageFloor(start) : pageCeiling(fileEnd);
  if (segment.fileSize > 0n) {
    const mapped = addArea(space, pageFloor(start), zeros, segment.flags, object, pageFloor(segment.offset));
    if (!mapped.ok) return mapped;
    const isLonger = segment.memorySize > segment.fileSize;
    const cleared = isLonger ? clearInSpace(space, fileEnd, u64(zeros - fileEnd)) : ok();
    if (!cleared.ok) return cleared;
  }
  return zeros < end ? addArea(space, zeros, end, segment.flags, null, 0n) : ok();
}

function addArea(
  space: AddressSpace,
  start: u64,
  end: u64,
  flags: u32,
  object: MemoryObject | null,
  offset: u64,
): Result<void> {
  if (!isRangeFree(space.areas, start, end)) return err(Errno.ENOEXEC);
  const area = newArea(start, end, protectionOf(flags), 0);
  if (!area.ok) return err(area.error);
  if (object !== null) attachObject(area.value, object, offset);
  linkArea(space.areas, area.value);
  return ok();
}

function protectionOf(flags: u32): u32 {
  let protection: u32 = Protection.NONE;
  if ((flags & SEGMENT_READ) !== 0) protection = u32(protection | Protection.READ);
  if ((flags & SEGMENT_WRITE) !== 0) protection = u32(protection | Protection.WRITE);
  if ((flags & SEGMENT_EXECUTE) !== 0) protection = u32(protection | Protection.EXECUTE);
  return protection;
}
