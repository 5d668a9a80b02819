/** The only ways from the kernel to user memory. A bad address is EFAULT; a page not there yet is brought in. */
import {
  cpu,
  Errno,
  err,
  mem,
  ok,
  type Result,
  tryCopy,
  tryFill,
  tryLoad8,
  tryLoad32,
  tryLoad64,
  tryStore8,
  tryStore32,
  tryStore64,
  type UserPtr,
  type u8,
  type u32,
  u64,
  userPtr,
  type VirtAddr,
  virt,
} from '#dialect';
import { isUserRange } from './layout.ts';

/** Set when the processor has SMAP and it is on: user memory is then out of reach but between STAC and CLAC. */
let isGuarded = false;

export function guardUserMemory(): void {
  isGuarded = true;
}

function open(): void {
  if (isGuarded) cpu.stac();
}

function close(): void {
  if (isGuarded) cpu.clac();
}

/** Copies from user memory; on EFAULT a prefix may have been copied. */
export function copyIn(destination: VirtAddr, source: UserPtr<unknown>, length: u64): Result<void> {
  if (!isUserRange(source, length)) return err(Errno.EFAULT);
  open();
  const copied = tryCopy(destination, source, length);
  close();
  return copied;
}

/** Copies to user memory; on EFAULT a prefix may have been copied. */
export function copyOut(destination: UserPtr<unknown>, source: VirtAddr, length: u64): Result<void> {
  if (!isUserRange(destination, length)) return err(Errno.EFAULT);
  open();
  const copied = tryCopy(destination, source, length);
  close();
  return copied;
}

/** Sets bytes of user memory; on EFAULT a prefix may have been set. */
export function fillOut(destination: UserPtr<unknown>, byte: u8, length: u64): Result<void> {
  if (!isUserRange(destination, length)) return err(Errno.EFAULT);
  open();
  const filled = tryFill(destination, byte, length);
  close();
  return filled;
}

export function readUser8(source: UserPtr<unknown>): Result<u8> {
  if (!isUserRange(source, 1n)) return err(Errno.EFAULT);
  open();
  const value = tryLoad8(source);
  close();
  return value;
}

export function readUser32(source: UserPtr<unknown>): Result<u32> {
  if (!isUserRange(source, 4n)) return err(Errno.EFAULT);
  open();
  const value = tryLoad32(source);
  close();
  return value;
}

export function readUser64(source: UserPtr<unknown>): Result<u64> {
  if (!isUserRange(source, 8n)) return err(Errno.EFAULT);
  open();
  const value = tryLoad64(source);
  close();
  return value;
}

export function writeUser8(destination: UserPtr<unknown>, value: u8): Result<void> {
  if (!isUserRange(destination, 1n)) return err(Errno.EFAULT);
  open();
  const stored = tryStore8(destination, value);
  close();
  return stored;
}

export function writeUser32(destination: UserPtr<unknown>, value: u32): Result<void> {
  if (!isUserRange(destination, 4n)) return err(Errno.EFAULT);
  open();
  const stored = tryStore32(destination, value);
  close();
  return stored;
}

export function writeUser64(destination: UserPtr<unknown>, value: u64): Result<void> {
  if (!isUserRange(destination, 8n)) return err(Errno.EFAULT);
  open();
  const stored = tryStore64(destination, value);
  close();
  return stored;
}

const LOW_BITS = 0x0101_0101_0101_0101n;
const HIGH_BITS = 0x8080_8080_8080_8080n;

/** Length of a zero-terminated string without the terminator, or `limit` when it is not within so many bytes. */
export function userStringLength(source: UserPtr<unknown>, limit: u64): Result<u64> {
  let length: u64 = 0n;
  while (length < limit) {
    const address = u64(source + length);
    if ((address & 7n) === 0n) {
      const word = readUser64(userPtr<u64>(address));
      if (!word.ok) return word;
      // A byte that borrows when 1 is taken from it, and had no high bit: zero (or 1 above a zero).
      if (((word.value - LOW_BITS) & ~word.value & HIGH_BITS) === 0n) {
        length = u64(length + 8n);
        continue;
      }
    }
    const byte = readUser8(userPtr<u8>(address));
    if (!byte.ok) return err(byte.error);
    if (byte.value === 0) return ok(length);
    length = u64(length + 1n);
  }
  return ok(limit);
}

/**
 * Copies a zero-terminated string into `capacity` bytes and returns its length without the terminator.
 * ENAMETOOLONG: no terminator within `capacity` bytes.
 */
export function copyStringIn(destination: VirtAddr, source: UserPtr<unknown>, capacity: u64): Result<u64> {
  for (let length: u64 = 0n; length < capacity; length = u64(length + 1n)) {
    const byte = readUser8(userPtr<u8>(source + length));
    if (!byte.ok) return err(byte.error);
    mem.store8(virt(destination + length), byte.value);
    if (byte.value === 0) return ok(length);
  }
  return err(Errno.ENAMETOOLONG);
}
