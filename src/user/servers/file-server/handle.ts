/** Handles: one for each open of a file. A capability's badge is its handle's address. */
import { addressOf, constructAt, err, objectAt, ok, type Result, sizeOf, u32, u64, virt } from '#dialect';
import { ROOT_BADGE } from '../../../kernel/abi/file-protocol.ts';
import { allocate, release } from './heap.ts';
import { dropIfUnused, type Node } from './node.ts';

export class Handle {
  node: Node | null = null;
  /** The directory it was opened through, for its path; null for nodes that no directory keeps. */
  directory: Node | null = null;
  /** Where the next read or write begins; of a directory, the position of the next entry. */
  offset: u64 = 0n;
}

/** What the badge that the kernel starts with stands for. */
const rootHandle = new Handle();
let handles: u64 = 0n;

/** Makes the root directory known; done once. */
export function setRoot(node: Node): void {
  node.parent = node;
  node.links = 1;
  node.handles = 1;
  rootHandle.node = node;
}

export function rootNode(): Node {
  return rootHandle.node!;
}

/** Handles open, the root's not counted. */
export function handleCount(): u64 {
  return handles;
}

/** Opens a node and returns the badge; ENOSPC. */
export function openHandle(node: Node, directory: Node | null): Result<u64> {
  const memory = allocate(u64(sizeOf(Handle)));
  if (!memory.ok) return err(memory.error);
  const handle = constructAt(Handle, memory.value);
  handle.node = node;
  node.handles = u32(node.handles + 1);
  handle.directory = directory;
  if (directory !== null) directory.handles = u32(directory.handles + 1);
  handles = u64(handles + 1n);
  return ok(addressOf(handle));
}

/** The handle of a badge: badges come from the kernel, which has them from `openHandle`. Null for 0. */
export function handleOf(badge: u64): Handle | null {
  if (badge === ROOT_BADGE) return rootHandle;
  return badge === 0n ? null : objectAt(Handle, virt(badge));
}

function leave(node: Node): void {
  node.handles = u32(node.handles - 1);
  dropIfUnused(node);
}

/** The last capability with that badge is gone. */
export function closeHandle(badge: u64): void {
  const handle = handleOf(badge);
  if (handle === null || handle === rootHandle) return;
  const directory = handle.directory;
  leave(handle.node!);
  if (directory !== null) leave(directory);
  handles = u64(handles - 1n);
  release(addressOf(handle), u64(sizeOf(Handle)));
}
