/** System calls about memory. */
import { Errno, err, ok, type Result, u32, type u64, type VirtAddr } from '#dialect';
import { fileAt } from '../ipc/descriptors.ts';
import { retainFile } from '../ipc/open-file.ts';
import { releaseFile } from '../ipc/release.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import { PAGE_OFFSET_MASK } from '../memory/layout.ts';
import { mapFile } from '../process/file-mapping.ts';
import { MapFlag, mapMemory, protectMemory, setBreak, unmapMemory } from '../process/memory.ts';
import { adviseMemory, describeResidency, syncMemory } from '../process/memory-advice.ts';
import { lockAllMemory, lockMemory, unlockAllMemory, unlockMemory } from '../process/memory-locks.ts';
import { remapMemory } from '../process/remap.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread } from '../sched/scheduler.ts';
import { descriptors } from './descriptor-calls.ts';

function space(): AddressSpace {
  return runningThread()!.process!.addressSpace!;
}

function zeroOr(result: Result<void>): Result<u64> {
  return result.ok ? ok(0n) : err(result.error);
}

/** mmap(address, length, protection, flags, fd, offset). EBADF: a mapping of a file that is not open. */
export function mmap(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const flags = u32(registers.r10);
  const protection = u32(registers.rdx);
  if ((registers.r9 & PAGE_OFFSET_MASK) !== 0n) return err(Errno.EINVAL);
  if ((flags & MapFlag.ANONYMOUS) !== 0) return mapMemory(space(), registers.rdi, registers.rsi, protection, flags);
  const file = fileAt(descriptors(), u32(registers.r8));
  if (file === null) return err(Errno.EBADF);
  retainFile(file);
  const thread = runningThread()!;
  const mapped = mapFile(thread, file, registers.rdi, registers.rsi, protection, flags, registers.r9);
  releaseFile(file);
  return mapped;
}

/** munmap(address, length) */
export function munmap(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return zeroOr(unmapMemory(space(), registers.rdi, registers.rsi));
}

/** mprotect(address, length, protection) */
export function mprotect(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return zeroOr(protectMemory(space(), registers.rdi, registers.rsi, u32(registers.rdx)));
}

/** mremap(address, oldLength, newLength, flags, newAddress) */
export function mremap(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return remapMemory(space(), registers.rdi, registers.rsi, registers.rdx, u32(registers.r10), registers.r8);
}

/** madvise(address, length, advice) */
export function madvise(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return zeroOr(adviseMemory(space(), registers.rdi, registers.rsi, u32(registers.rdx)));
}

/** mincore(address, length, vector) */
export function mincore(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return zeroOr(describeResidency(space(), registers.rdi, registers.rsi, registers.rdx));
}

/** msync(address, length, flags) */
export function msync(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return zeroOr(syncMemory(space(), registers.rdi, registers.rsi, u32(registers.rdx)));
}

/** mlock(address, length) */
export function mlock(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return zeroOr(lockMemory(space(), registers.rdi, registers.rsi, false));
}

const MLOCK_ONFAULT = 1;

/** mlock2(address, length, flags) */
export function mlock2(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const flags = u32(registers.rdx);
  if ((flags & ~MLOCK_ONFAULT) !== 0) return err(Errno.EINVAL);
  return zeroOr(lockMemory(space(), registers.rdi, registers.rsi, flags === MLOCK_ONFAULT));
}

/** munlock(address, length) */
export function munlock(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return zeroOr(unlockMemory(space(), registers.rdi, registers.rsi));
}

/** mlockall(flags) */
export function mlockall(frame: VirtAddr): Result<u64> {
  return zeroOr(lockAllMemory(space(), u32(TrapFrame.at(frame).rdi)));
}

export function munlockall(_frame: VirtAddr): Result<u64> {
  return zeroOr(unlockAllMemory(space()));
}

/** brk(address): the new break, or the old one when it cannot move. */
export function brk(frame: VirtAddr): Result<u64> {
  return ok(setBreak(space(), TrapFrame.at(frame).rdi));
}
