import type { Address, UserPtr, VirtAddr } from './addresses.ts';
import {
  u8 as toU8,
  u16 as toU16,
  u32 as toU32,
  u64 as toU64,
  type u8,
  type u16,
  type u32,
  type u64,
} from './integers.ts';
import { Errno, err, ok, type Result } from './result.ts';
import { type AccessSize, load, plugged, store, unconnected } from './socket.ts';

/** Plain memory access; each call is one machine access, in program order, never merged or dropped. */
export const mem = {
  load8: (address: VirtAddr): u8 => toU8(load(address, 1)),
  load16: (address: VirtAddr): u16 => toU16(load(address, 2)),
  load32: (address: VirtAddr): u32 => toU32(load(address, 4)),
  load64: (address: VirtAddr): u64 => load(address, 8),
  store8: (address: VirtAddr, value: u8): void => store(address, 1, toU64(value)),
  store16: (address: VirtAddr, value: u16): void => store(address, 2, toU64(value)),
  store32: (address: VirtAddr, value: u32): void => store(address, 4, toU64(value)),
  store64: (address: VirtAddr, value: u64): void => store(address, 8, value),
  /** Copies `length` bytes upwards; the ranges must not overlap. */
  copy(destination: VirtAddr, source: VirtAddr, length: u64): void {
    for (let at = 0n; at < length; at++) store(destination + at, 1, load(source + at, 1));
  },
  fill(destination: VirtAddr, value: u8, length: u64): void {
    for (let at = 0n; at < length; at++) store(destination + at, 1, toU64(value));
  },
} as const;

const faults = (address: bigint, size: number, write: boolean): boolean =>
  plugged().faults?.(address, size, write) ?? false;

function tryLoad(address: bigint, size: AccessSize): Result<u64> {
  return faults(address, size, false) ? err(Errno.EFAULT) : ok(load(address, size));
}

function tryStore(address: bigint, size: AccessSize, value: u64): Result<void> {
  if (faults(address, size, true)) return err(Errno.EFAULT);
  store(address, size, value);
  return ok();
}

/** Address of memory that may not be there. */
export type TryAddress = VirtAddr | UserPtr<unknown>;

/**
 * Accesses that answer EFAULT instead of faulting. Each compiles to one instruction listed in the exception table
 * between `__extable_start` and `__extable_end`: pairs of 64-bit addresses, the instruction's and its continuation's.
 * The page-fault handler looks its RIP up there, and continues at the second address.
 */
export function tryLoad8(address: TryAddress): Result<u8> {
  const loaded = tryLoad(address, 1);
  return loaded.ok ? ok(toU8(loaded.value)) : loaded;
}
export function tryLoad16(address: TryAddress): Result<u16> {
  const loaded = tryLoad(address, 2);
  return loaded.ok ? ok(toU16(loaded.value)) : loaded;
}
export function tryLoad32(address: TryAddress): Result<u32> {
  const loaded = tryLoad(address, 4);
  return loaded.ok ? ok(toU32(loaded.value)) : loaded;
}
export function tryLoad64(address: TryAddress): Result<u64> {
  return tryLoad(address, 8);
}
export function tryStore8(address: TryAddress, value: u8): Result<void> {
  return tryStore(address, 1, toU64(value));
}
export function tryStore16(address: TryAddress, value: u16): Result<void> {
  return tryStore(address, 2, toU64(value));
}
export function tryStore32(address: TryAddress, value: u32): Result<void> {
  return tryStore(address, 4, toU64(value));
}
export function tryStore64(address: TryAddress, value: u64): Result<void> {
  return tryStore(address, 8, value);
}

/** Copies `length` bytes upwards, either side of which may fault; on EFAULT a prefix may have been copied. */
export function tryCopy(destination: TryAddress, source: TryAddress, length: u64): Result<void> {
  for (let at = 0n; at < length; at++) {
    if (faults(source + at, 1, false) || faults(destination + at, 1, true)) return err(Errno.EFAULT);
    store(destination + at, 1, load(source + at, 1));
  }
  return ok();
}

/** As `tryCopy`, writing one value. */
export function tryFill(destination: TryAddress, value: u8, length: u64): Result<void> {
  for (let at = 0n; at < length; at++) {
    if (faults(destination + at, 1, true)) return err(Errno.EFAULT);
    store(destination + at, 1, toU64(value));
  }
  return ok();
}

/** 64-bit words of the per-CPU area, addressed relative to the GS base. The offset must be a constant. */
export const gs = {
  load64: (offset: u32): u64 => toU64(plugged().privileged?.('gsLoad64', [offset]) ?? unconnected('gs.load64')),
  store64(offset: u32, value: u64): void {
    if (plugged().privileged?.('gsStore64', [offset, value]) === undefined) unconnected('gs.store64');
  },
} as const;

/** Where a linker symbol lies, such as `__kernel_start`, `__kernel_end`, `__extable_start`. */
export function linkerSymbol(name: string): VirtAddr {
  const address = plugged().symbol?.(name);
  return (address ?? unconnected(`linkerSymbol('${name}')`)) as VirtAddr;
}

export type { Address };
