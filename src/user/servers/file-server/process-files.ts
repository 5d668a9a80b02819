/**
 * /proc (proc(5)): nodes that are made when somebody looks them up, and whose content is made when they are opened. They
 * are gone again once the request is over and no handle is left.
 */
import { Errno, err, mem, ok, type Result, u32, u64, type VirtAddr, virt } from '#dialect';
import { SERVER_ENDPOINT } from '../../../kernel/abi/file-protocol.ts';
import { ProcessCapability } from '../../../kernel/abi/ipc.ts';
import { processBadge } from '../../runtime/ipc.ts';
import { findProcess, processRecord } from '../../runtime/process-records.ts';
import { addEntry } from './directory.ts';
import { type Handle, handleOf, rootNode } from './handle.ts';
import { isText, staged } from './heap.ts';
import { createNode, destroyNode, isDirectory, type Node, Source } from './node.ts';
import { pathOf } from './path-of.ts';
import { request } from './request.ts';
import { writeDecimal } from './text.ts';

const DIRECTORY_MODE = 0o040555;
const FILE_MODE = 0o100444;
const LINK_MODE = 0o120777;
const DIGIT_ZERO = 48;
const DIGIT_NINE = 57;
/** Ids stay below 2^22. */
const MOST_DIGITS = 7;

let transients: Node | null = null;

/** A name in the directory of a process, and what it shows. Sources STAT to ROOT stand in this order. */
export function processFileName(source: Source): string {
  if (source === Source.STAT) return 'stat';
  if (source === Source.STATUS) return 'status';
  if (source === Source.CMDLINE) return 'cmdline';
  if (source === Source.MAPS) return 'maps';
  if (source === Source.COMM) return 'comm';
  if (source === Source.EXE) return 'exe';
  if (source === Source.CWD) return 'cwd';
  return 'root';
}

const FIRST_PROCESS_FILE = Source.STAT;
const LAST_PROCESS_FILE = Source.ROOT;

function addFile(directory: Node, name: string, mode: u32, source: Source): Result<void> {
  const node = createNode(mode, 0, 0);
  if (!node.ok) return err(node.error);
  node.value.source = source;
  return addEntry(directory, staged(name), name.length, node.value);
}

/** Fills /proc with what is always there; ENOSPC. */
export function addProcessFiles(directory: Node): Result<void> {
  directory.source = Source.PROCESS_LIST;
  const self = addFile(directory, 'self', LINK_MODE, Source.SELF);
  if (!self.ok) return self;
  const uptime = addFile(directory, 'uptime', FILE_MODE, Source.UPTIME);
  if (!uptime.ok) return uptime;
  const memory = addFile(directory, 'meminfo', FILE_MODE, Source.MEMINFO);
  if (!memory.ok) return memory;
  const mounts = addFile(directory, 'mounts', FILE_MODE, Source.MOUNTS);
  if (!mounts.ok) return mounts;
  const version = addFile(directory, 'version', FILE_MODE, Source.VERSION);
  if (!version.ok) return version;
  const load = addFile(directory, 'loadavg', FILE_MODE, Source.LOADAVG);
  if (!load.ok) return load;
  return addFile(directory, 'filesystems', FILE_MODE, Source.FILESYSTEMS);
}

/** A node for this request and for the handles that it opens. */
function createTransient(mode: u32, source: Source, pid: u32): Result<Node> {
  const node = createNode(mode, processRecord.user, processRecord.user);
  if (!node.ok) return node;
  node.value.source = source;
  node.value.pid = pid;
  node.value.links = 1;
  node.value.nextTransient = transients;
  transients = node.value;
  return node;
}

/** Frees the nodes of /proc that nobody holds. Called between requests. */
export function releaseTransients(): void {
  let previous: Node | null = null;
  let node = transients;
  while (node !== null) {
    const next: Node | null = node.nextTransient;
    if (node.handles > 0 || hasOpenChild(node)) {
      previous = node;
    } else {
      if (previous === null) transients = next;
      else previous.nextTransient = next;
      destroyNode(node);
    }
    node = next;
  }
}

/** True when a node of /proc that somebody holds names this directory as its parent. */
function hasOpenChild(directory: Node): boolean {
  if (!isDirectory(directory)) return false;
  let node = transients;
  while (node !== null) {
    if (node.parent === directory && node.handles > 0) return true;
    node = node.nextTransient;
  }
  return false;
}

/** What /proc, or the directory of a process in it, has under a name; null for nothing. */
export function findGenerated(directory: Node, name: VirtAddr, length: u32): Result<Node | null> {
  if (directory.source === Source.PROCESS_LIST) return findProcessDirectory(directory, name, length);
  if (directory.source !== Source.PROCESS || !findProcess(directory.pid)) return ok(null);
  for (let source: u32 = FIRST_PROCESS_FILE; source <= LAST_PROCESS_FILE; source++) {
    if (!isText(name, length, processFileName(source as Source))) continue;
    const mode = source >= Source.EXE ? LINK_MODE : FILE_MODE;
    const node = createTransient(mode, source as Source, directory.pid);
    if (!node.ok) return err(node.error);
    node.value.parent = directory;
    return ok(node.value);
  }
  return ok(null);
}

function findProcessDirectory(directory: Node, name: VirtAddr, length: u32): Result<Node | null> {
  const pid = parsePid(name, length);
  if (pid === 0 || !findProcess(pid)) return ok(null);
  const node = createTransient(DIRECTORY_MODE, Source.PROCESS, pid);
  if (!node.ok) return err(node.error);
  node.value.parent = directory;
  return ok(node.value);
}

/** A decimal number without leading zeros; 0 for anything else. */
function parsePid(name: VirtAddr, length: u32): u32 {
  if (length === 0 || length > MOST_DIGITS || mem.load8(name) === DIGIT_ZERO) return 0;
  let pid: u32 = 0;
  for (let index: u32 = 0; index < length; index++) {
    const digit = mem.load8(virt(name + u64(index)));
    if (digit < DIGIT_ZERO || digit > DIGIT_NINE) return 0;
    pid = u32(u64(pid) * 10n + u64(digit - DIGIT_ZERO));
  }
  return pid;
}

/** The handle where exe, cwd or root of a process lead; null when that is nowhere in this file system. */
function magicHandle(link: Node): Handle | null {
  let which: u32 = ProcessCapability.ROOT;
  if (link.source === Source.EXE) which = ProcessCapability.EXECUTABLE;
  else if (link.source === Source.CWD) which = ProcessCapability.CURRENT_DIRECTORY;
  const badge = processBadge(SERVER_ENDPOINT, link.pid, which);
  return badge <= 0n ? null : handleOf(u64(badge));
}

/** The node where exe, cwd or root of a process lead; ENOENT. */
export function magicTarget(link: Node): Result<Node> {
  const handle = magicHandle(link);
  return handle === null ? err(Errno.ENOENT) : ok(handle.node!);
}

/** Writes a symbolic link's text, shorter than a page, to a page of memory; its length, 0 when it leads nowhere. */
export function linkText(link: Node, destination: VirtAddr): u32 {
  if (link.source === Source.SELF) return writeDecimal(destination, u64(request.pid));
  if (link.source === Source.KEPT) {
    mem.copy(destination, virt(link.target), link.size);
    return u32(link.size);
  }
  const handle = magicHandle(link);
  return handle === null ? 0 : pathOf(handle, rootNode(), destination);
}
