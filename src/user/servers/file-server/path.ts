/** From path to node (path_resolution(7)). */
import {
  addressOf,
  aligned,
  array,
  Errno,
  err,
  mem,
  ok,
  type Result,
  u8,
  u32,
  u64,
  type VirtAddr,
  virt,
} from '#dialect';
import { AccessMode, NAME_MAX, PATH_MAX } from '../../../kernel/abi/stat.ts';
import { findEntry } from './directory.ts';
import { isText } from './heap.ts';
import { checkAccess, isDirectory, isSymbolicLink, type Node, Source } from './node.ts';
import { findGenerated, linkText, magicTarget } from './process-files.ts';
import { request } from './request.ts';

const SLASH = 47;
const MOST_LINKS = 40;

/**
 * What a path led to. `node` is null when only the last component is missing; `directory`, `name` and `nameLength` then
 * say where it would be. `name` points into `text` and is overwritten by the next walk.
 */
export class Place {
  node: Node | null = null;
  directory: Node | null = null;
  name: VirtAddr = virt(0n);
  nameLength: u32 = 0;
  /** The path ended in a slash: it can only mean a directory. */
  wantsDirectory: boolean = false;
  /** The last component was "." or "..", or there was none: it names no entry. */
  isSpecial: boolean = false;
}

const text = aligned(16, array(u8, PATH_MAX));
const spliced = aligned(16, array(u8, PATH_MAX));
/** What of `text` is still to be walked. */
class Rest {
  start: u32 = 0;
  length: u32 = 0;
  links: u32 = 0;
}
const rest = new Rest();

function restAddress(): VirtAddr {
  return virt(addressOf(text) + u64(rest.start));
}

function skip(count: u32): void {
  rest.start = u32(rest.start + count);
  rest.length = u32(rest.length - count);
}

function skipSlashes(): void {
  while (rest.length > 0 && mem.load8(restAddress()) === SLASH) skip(1);
}

function componentLength(): u32 {
  let length: u32 = 0;
  while (length < rest.length && mem.load8(virt(restAddress() + u64(length))) !== SLASH) length = u32(length + 1);
  return length;
}

/**
 * Follows a path of `length` bytes from `start`, or from the caller's root if it begins with a slash. A symbolic link at
 * its end is followed when `follows` or a slash stands behind it. ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG.
 */
export function walk(start: Node, path: VirtAddr, length: u32, follows: boolean, place: Place): Result<void> {
  if (length === 0) return err(Errno.ENOENT);
  if (length >= PATH_MAX) return err(Errno.ENAMETOOLONG);
  mem.copy(addressOf(text), path, u64(length));
  rest.start = 0;
  rest.length = length;
  rest.links = 0;
  place.directory = null;
  place.nameLength = 0;
  place.wantsDirectory = false;
  place.isSpecial = true;
  place.node = start;
  if (mem.load8(addressOf(text)) === SLASH) place.node = request.root;
  skipSlashes();
  while (rest.length > 0) {
    const stepped = step(follows, place);
    if (!stepped.ok) return stepped;
  }
  const node = place.node;
  if (place.wantsDirectory && node !== null && !isDirectory(node)) return err(Errno.ENOTDIR);
  return ok();
}

/** Walks one component. */
function step(follows: boolean, place: Place): Result<void> {
  const directory = place.node;
  if (directory === null) return err(Errno.ENOENT);
  if (!isDirectory(directory)) return err(Errno.ENOTDIR);
  const allowed = checkAccess(directory, request.uid, request.gid, AccessMode.EXECUTE);
  if (!allowed.ok) return allowed;
  const name = restAddress();
  const length = componentLength();
  if (length > NAME_MAX) return err(Errno.ENAMETOOLONG);
  skip(length);
  place.wantsDirectory = rest.length > 0;
  skipSlashes();
  place.directory = directory;
  place.name = name;
  place.nameLength = length;
  place.isSpecial = isDots(name, length);
  const child = childOf(directory, name, length);
  if (!child.ok) return err(child.error);
  place.node = child.value;
  if (child.value === null) return rest.length > 0 ? err(Errno.ENOENT) : ok();
  if (!isSymbolicLink(child.value)) return ok();
  if (rest.length === 0 && !follows && !place.wantsDirectory) return ok();
  return followLink(child.value, directory, place);
}

/** True for "." and "..". */
function isDots(name: VirtAddr, length: u32): boolean {
  return isText(name, length, '.') || isText(name, length, '..');
}

/** What a directory has under a name; null when it has nothing. */
export function childOf(directory: Node, name: VirtAddr, length: u32): Result<Node | null> {
  if (isText(name, length, '.')) return ok(directory);
  if (isText(name, length, '..')) return ok(directory === request.root ? directory : (directory.parent ?? directory));
  const entry = findEntry(directory, name, length);
  if (entry !== null) return ok(entry.node);
  if (directory.source === Source.KEPT) return ok(null);
  return findGenerated(directory, name, length);
}

/** Puts a link's text before what is left of the path, or goes straight to where one of /proc's links leads. */
function followLink(link: Node, directory: Node, place: Place): Result<void> {
  rest.links = u32(rest.links + 1);
  if (rest.links > MOST_LINKS) return err(Errno.ELOOP);
  if (link.source !== Source.KEPT && link.source !== Source.SELF) {
    const target = magicTarget(link);
    if (!target.ok) return err(target.error);
    place.node = target.value;
    return ok();
  }
  let length = linkText(link, addressOf(spliced));
  if (length === 0) return err(Errno.ENOENT);
  if (rest.length > 0 || place.wantsDirectory) {
    if (u32(length + rest.length + 1) >= PATH_MAX) return err(Errno.ENAMETOOLONG);
    mem.store8(virt(addressOf(spliced) + u64(length)), SLASH);
    length = u32(length + 1);
    mem.copy(virt(addressOf(spliced) + u64(length)), restAddress(), u64(rest.length));
    length = u32(length + rest.length);
  }
  mem.copy(addressOf(text), addressOf(spliced), u64(length));
  rest.start = 0;
  rest.length = length;
  place.node = mem.load8(addressOf(text)) === SLASH ? request.root : directory;
  place.isSpecial = true;
  skipSlashes();
  return ok();
}
