/** Where a program's bytes come from: an open file, or for the file server itself the kernel's own memory. */
import { Errno, err, mem, ok, type Result, type u64, type VirtAddr, virt } from '#dialect';
import { readIntoSpace, readKernel } from '../ipc/kernel-files.ts';
import type { OpenFile } from '../ipc/open-file.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import { lesser, PAGE_SIZE } from '../memory/layout.ts';
import { writeToSpace } from '../memory/user-pages.ts';
import type { Thread } from './thread.ts';

export class ProgramSource {
  file: OpenFile | null = null;
  /** Where the program lies when there is no file. */
  data: VirtAddr = virt(0n);
  size: u64 = 0n;
}

/** Copies the program's first bytes, a page at most, to kernel memory and returns how many. ENOEXEC: it has got shorter. */
export function readHeader(thread: Thread, source: ProgramSource, destination: VirtAddr): Result<u64> {
  const length = lesser(source.size, PAGE_SIZE);
  if (source.file === null) {
    mem.copy(destination, source.data, length);
    return ok(length);
  }
  const read = readKernel(thread, source.file, 0n, destination, length);
  if (read.ok && read.value !== length) return err(Errno.ENOEXEC);
  return read;
}

/** Fills user memory of a new space, whatever protection it has, from the program. ENOEXEC: it has got shorter. */
export function readSegment(
  thread: Thread,
  source: ProgramSource,
  space: AddressSpace,
  address: u64,
  offset: u64,
  length: u64,
): Result<void> {
  if (source.file === null) return writeToSpace(space, address, virt(source.data + offset), length);
  if (length === 0n) return ok();
  const read = readIntoSpace(thread, source.file, offset, space, address, length);
  if (!read.ok) return err(read.error);
  return read.value === length ? ok() : err(Errno.ENOEXEC);
}
