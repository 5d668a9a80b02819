/** The absolute path of an open file: getcwd(2), and the links of /proc. */
import { addressOf, aligned, array, mem, u8, u32, u64, type VirtAddr, virt } from '#dialect';
import { PATH_MAX } from '../../../kernel/abi/stat.ts';
import { entryOf } from './directory.ts';
import type { Handle } from './handle.ts';
import { staged } from './heap.ts';
import { isDirectory, type Node, Source } from './node.ts';
import { writeDecimal } from './text.ts';

const SLASH = 47;
const DELETED = ' (deleted)';

/** Paths are put together from their end; `start` is where what there is of it begins. */
const buffer = aligned(16, array(u8, PATH_MAX));
let start: u32 = PATH_MAX;

/** Puts text before what there is; false when it does not fit. */
function prepend(address: VirtAddr, length: u32): boolean {
  if (length > start) return false;
  start = u32(start - length);
  mem.copy(virt(addressOf(buffer) + u64(start)), address, u64(length));
  return true;
}

function prependComponent(address: VirtAddr, length: u32): boolean {
  return prepend(address, length) && prepend(staged('/'), 1);
}

const number = array(u8, 16);

/** Puts the name that a directory has for a node before what there is. False: it has none, or no room is left. */
function prependName(directory: Node, node: Node): boolean {
  if (node.source === Source.PROCESS) {
    return prependComponent(addressOf(number), writeDecimal(addressOf(number), u64(node.pid)));
  }
  const entry = entryOf(directory, node);
  return entry !== null && prependComponent(virt(entry.name), entry.nameLength);
}

/**
 * Writes the path of an open file below `root` to a page of memory, without a terminator, and returns its length. A file
 * that has been removed is shown as Linux shows it, by its directory and " (deleted)". 0: the path is too long.
 */
export function pathOf(handle: Handle, root: Node, destination: VirtAddr): u32 {
  start = PATH_MAX;
  let node = handle.node!;
  if (!isDirectory(node)) {
    const directory = handle.directory;
    if (directory === null) return 0;
    if (!prependName(directory, node)) {
      if (!prepend(staged(DELETED), DELETED.length)) return 0;
    }
    node = directory;
  }
  while (node !== root) {
    const parent = node.parent;
    if (parent === node) break;
    if (parent === null) return 0;
    if (!prependName(parent, node)) return 0;
    node = parent;
  }
  if (start === PATH_MAX && !prepend(staged('/'), 1)) return 0;
  const length = u32(PATH_MAX - start);
  mem.copy(destination, virt(addressOf(buffer) + u64(start)), u64(length));
  return mem.load8(destination) === SLASH ? length : 0;
}
