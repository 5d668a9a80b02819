/** System calls about memory. */
import { Errno, err, ok, type Result, u32, type u64, type VirtAddr } from '#dialect';
import { fileAt } from '../ipc/descriptors.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import { MapFlag, mapMemory, protectMemory, setBreak, unmapMemory } from '../process/memory.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread } from '../sched/scheduler.ts';
import { descriptors } from './descriptor-calls.ts';

function space(): AddressSpace {
  return runningThread()!.process!.addressSpace!;
}

/** mmap(address, length, protection, flags, fd, offset). EBADF, before all else: a mapping of a file that is not open. */
export function mmap(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const flags = u32(registers.r10);
  if ((flags & MapFlag.ANONYMOUS) === 0 && fileAt(descriptors(), u32(registers.r8)) === null) return err(Errno.EBADF);
  return mapMemory(space(), registers.rdi, registers.rsi, u32(registers.rdx), flags);
}

/** munmap(address, length) */
export function munmap(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const unmapped = unmapMemory(space(), registers.rdi, registers.rsi);
  return unmapped.ok ? ok(0n) : err(unmapped.error);
}

/** mprotect(address, length, protection) */
export function mprotect(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const changed = protectMemory(space(), registers.rdi, registers.rsi, u32(registers.rdx));
  return changed.ok ? ok(0n) : err(changed.error);
}

/** brk(address): the new break, or the old one when it cannot move. */
export function brk(frame: VirtAddr): Result<u64> {
  return ok(setBreak(space(), TrapFrame.at(frame).rdi));
}
