/** Inodes: what a file is, whatever its names. */
import { addressOf, constructAt, Errno, err, ok, type Result, sizeOf, u32, u64, virt } from '#dialect';
import { AccessMode, FileMode } from '../../../kernel/abi/stat.ts';
import { realTime } from '../../runtime/system-calls.ts';
import { truncateContent } from './content.ts';
import type { Entry } from './directory.ts';
import { allocate, release } from './heap.ts';

/** What makes a node's content when it is opened: nothing, for a file that keeps it; else one of /proc's. */
export const Source = {
  KEPT: 0,
  PROCESS_LIST: 1,
  PROCESS: 2,
  SELF: 3,
  STAT: 4,
  STATUS: 5,
  CMDLINE: 6,
  MAPS: 7,
  COMM: 8,
  EXE: 9,
  CWD: 10,
  ROOT: 11,
  UPTIME: 12,
  MEMINFO: 13,
  MOUNTS: 14,
  VERSION: 15,
  LOADAVG: 16,
  FILESYSTEMS: 17,
} as const;
export type Source = (typeof Source)[keyof typeof Source];

export class Node {
  /** The inode number. */
  number: u64 = 0n;
  /** Type and permissions, as in st_mode. */
  mode: u32 = 0;
  uid: u32 = 0;
  gid: u32 = 0;
  /** Names; a removed file has none. */
  links: u32 = 0;
  /** Handles on it; the node goes when links and handles are both 0. */
  handles: u32 = 0;
  size: u64 = 0n;
  /** Nanoseconds since 1970. */
  accessed: u64 = 0n;
  modified: u64 = 0n;
  changed: u64 = 0n;
  /** Of a character device. */
  device: u64 = 0n;

  /** Of a directory: the one that holds it, null once it is removed; the root's is itself. */
  parent: Node | null = null;
  subdirectories: u32 = 0;
  firstEntry: Entry | null = null;
  lastEntry: Entry | null = null;
  /** Where the next entry stands in the directory's order; positions are never used again. */
  nextPosition: u64 = 2n;

  /** Of a regular file: bytes that still stand in the archive, where no block replaces them. */
  archive: u64 = 0n;
  archiveSize: u64 = 0n;
  /** The tree of blocks (content.ts). */
  blocks: u64 = 0n;
  blocksHeight: u32 = 0;

  /** Of a symbolic link: its text, `size` bytes. */
  target: u64 = 0n;

  source: Source = Source.KEPT;
  /** The process that a node of /proc describes. */
  pid: u32 = 0;
  /** The next of the nodes that only exist while somebody looks at them. */
  nextTransient: Node | null = null;
}

let alive: u64 = 0n;
let lastNumber: u64 = 0n;

/** Nodes that exist. */
export function nodeCount(): u64 {
  return alive;
}

/** A node with no name yet; ENOSPC. */
export function createNode(mode: u32, uid: u32, gid: u32): Result<Node> {
  const memory = allocate(u64(sizeOf(Node)));
  if (!memory.ok) return err(memory.error);
  const node = constructAt(Node, memory.value);
  alive = u64(alive + 1n);
  lastNumber = u64(lastNumber + 1n);
  node.number = lastNumber;
  node.mode = mode;
  node.uid = uid;
  node.gid = gid;
  const now = realTime();
  node.accessed = now;
  node.modified = now;
  node.changed = now;
  return ok(node);
}

/** Frees a node without names and handles, and all that it holds. */
export function destroyNode(node: Node): void {
  truncateContent(node, 0n);
  if (node.target !== 0n) release(virt(node.target), node.size);
  alive = u64(alive - 1n);
  release(addressOf(node), u64(sizeOf(Node)));
}

/** Frees the node if nothing refers to it any more. */
export function dropIfUnused(node: Node): void {
  if (node.links === 0 && node.handles === 0) destroyNode(node);
}

export function typeOf(node: Node): u32 {
  return u32(node.mode & FileMode.TYPE_MASK);
}

export function isDirectory(node: Node): boolean {
  return typeOf(node) === FileMode.DIRECTORY;
}

export function isRegular(node: Node): boolean {
  return typeOf(node) === FileMode.REGULAR;
}

export function isSymbolicLink(node: Node): boolean {
  return typeOf(node) === FileMode.SYMBOLIC_LINK;
}

/** The content or the list of entries has changed. */
export function touchModified(node: Node): void {
  node.modified = realTime();
  node.changed = node.modified;
}

const SUPERUSER = 0;

/** EACCES unless a user may do all of `access` (AccessMode). The superuser may everything, but execute no file that nobody may. */
export function checkAccess(node: Node, uid: u32, gid: u32, access: u32): Result<void> {
  if (uid === SUPERUSER) {
    const wantsExecute = (access & AccessMode.EXECUTE) !== 0;
    const isAllowed = !wantsExecute || isDirectory(node) || (node.mode & FileMode.ANY_EXECUTE) !== 0;
    return isAllowed ? ok() : err(Errno.EACCES);
  }
  let shift: u32 = 0;
  if (node.uid === uid) shift = 6;
  else if (node.gid === gid) shift = 3;
  const allowed = u32((node.mode >>> shift) & 7);
  return (access & ~allowed) === 0 ? ok() : err(Errno.EACCES);
}
