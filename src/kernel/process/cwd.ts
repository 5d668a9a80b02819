/** Path names, lexically: what "." and ".." and repeated slashes mean below the root. */
import { mem, u64, type VirtAddr, virt } from '#dialect';

const SLASH = 47;
const DOT = 46;

/**
 * Rewrites a path of `length` bytes in place as an absolute one without ".", "..", doubled or trailing slashes, and returns
 * its new length. A relative path is taken from the root. ".." above the root stays at the root. Symbolic links are not
 * looked at. The buffer must have room for one byte more than the path.
 */
export function normalizePath(path: VirtAddr, length: u64): u64 {
  if (length === 0n || mem.load8(path) !== SLASH) return normalizePath(path, prependSlash(path, length));
  let written: u64 = 0n;
  let read: u64 = 0n;
  while (read < length) {
    const start = u64(read + 1n);
    read = componentEnd(path, start, length);
    const size = u64(read - start);
    if (isDots(path, start, size, 0n) || isDots(path, start, size, 1n)) continue;
    if (isDots(path, start, size, 2n)) written = parentLength(path, written);
    else written = appendComponent(path, written, start, size);
  }
  if (written > 0n) return written;
  return 1n;
}

function prependSlash(path: VirtAddr, length: u64): u64 {
  for (let index = length; index > 0n; index = u64(index - 1n)) {
    mem.store8(virt(path + index), mem.load8(virt(path + index - 1n)));
  }
  mem.store8(path, SLASH);
  return u64(length + 1n);
}

function componentEnd(path: VirtAddr, start: u64, length: u64): u64 {
  let end = start;
  while (end < length && mem.load8(virt(path + end)) !== SLASH) end = u64(end + 1n);
  return end;
}

/** True when a component is exactly `count` dots. */
function isDots(path: VirtAddr, start: u64, size: u64, count: u64): boolean {
  if (size !== count) return false;
  for (let index: u64 = 0n; index < size; index = u64(index + 1n)) {
    if (mem.load8(virt(path + start + index)) !== DOT) return false;
  }
  return true;
}

function parentLength(path: VirtAddr, written: u64): u64 {
  let length = written;
  while (length > 0n) {
    length = u64(length - 1n);
    if (mem.load8(virt(path + length)) === SLASH) return length;
  }
  return 0n;
}

function appendComponent(path: VirtAddr, written: u64, start: u64, size: u64): u64 {
  mem.store8(virt(path + written), SLASH);
  for (let index: u64 = 0n; index < size; index = u64(index + 1n)) {
    mem.store8(virt(path + written + 1n + index), mem.load8(virt(path + start + index)));
  }
  return u64(written + 1n + size);
}
