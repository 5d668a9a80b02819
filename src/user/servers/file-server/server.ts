/** What the file server does: builds its tree, and answers one request after another. */
import { addressOf, array, Errno, err, ok, type Result, sparseTable, type u32, u64, virt } from '#dialect';
import { FileOperation } from '../../../kernel/abi/file-protocol.ts';
import { IpcOperation } from '../../../kernel/abi/ipc.ts';
import { mapInitramfs } from '../../runtime/ipc.ts';
import { print } from '../../runtime/print.ts';
import { exitGroup } from '../../runtime/system-calls.ts';
import { unpackArchives } from './archive.ts';
import {
  access,
  changeMode,
  changeOwner,
  path,
  readLink,
  setTimes,
  stat,
  statFileSystem,
  truncate,
} from './attributes.ts';
import { addDevices } from './devices.ts';
import { addEntry, findEntry } from './directory.ts';
import { closeHandle, setRoot } from './handle.ts';
import { staged } from './heap.ts';
import { makeDirectory, makeLink, makeSpecial, makeSymbolicLink, rename, unlink } from './names.ts';
import { createNode, type Node } from './node.ts';
import { open } from './open.ts';
import { addProcessFiles, releaseTransients } from './process-files.ts';
import { calledBadge, nextRequest, request, setStatus } from './request.ts';
import { allocateSpace, read, readDirectory, seek, write } from './transfer.ts';

const DIRECTORY_MODE = 0o040755;
const TEMPORARY_MODE = 0o041777;
const FAILURE = 1;

type Operation = () => Result<u64>;

function unknownOperation(): Result<u64> {
  return err(Errno.ENOSYS);
}

function noControl(): Result<u64> {
  return err(Errno.ENOTTY);
}

function nothingToDo(): Result<u64> {
  return ok(0n);
}

const OPERATIONS = 40;
const operations = sparseTable<Operation>(OPERATIONS, unknownOperation, [
  [FileOperation.OPEN, open],
  [FileOperation.READ, read],
  [FileOperation.WRITE, write],
  [FileOperation.SEEK, seek],
  [FileOperation.STAT, stat],
  [FileOperation.READ_DIRECTORY, readDirectory],
  [FileOperation.ACCESS, access],
  [FileOperation.READ_LINK, readLink],
  [FileOperation.MAKE_DIRECTORY, makeDirectory],
  [FileOperation.UNLINK, unlink],
  [FileOperation.RENAME, rename],
  [FileOperation.LINK, makeLink],
  [FileOperation.SYMLINK, makeSymbolicLink],
  [FileOperation.CHANGE_MODE, changeMode],
  [FileOperation.CHANGE_OWNER, changeOwner],
  [FileOperation.TRUNCATE, truncate],
  [FileOperation.SET_TIMES, setTimes],
  [FileOperation.STAT_FILE_SYSTEM, statFileSystem],
  [FileOperation.MAKE_NODE, makeSpecial],
  [FileOperation.PATH, path],
  [FileOperation.CONTROL, noControl],
  [FileOperation.SYNC, nothingToDo],
  [FileOperation.SET_FLAGS, nothingToDo],
  [FileOperation.ALLOCATE, allocateSpace],
]);

/** Ends the server: nothing can be served without a tree. */
export function fail(what: string): never {
  print`[FILES] ${what}\n`;
  exitGroup(FAILURE);
}

function directoryIn(root: Node, name: string, mode: u32): Node {
  const existing = findEntry(root, staged(name), name.length);
  if (existing !== null) return existing.node!;
  const node = createNode(mode, 0, 0);
  if (!node.ok) fail('no memory for a directory');
  const added = addEntry(root, staged(name), name.length, node.value);
  if (!added.ok) fail('no memory for a directory');
  return node.value;
}

const archiveSize = array(u64, 1);

/** Makes the tree: what the archives hold, /dev, /proc and /tmp. A damaged archive is told, and what precedes is kept. */
export function buildTree(): void {
  const root = createNode(DIRECTORY_MODE, 0, 0);
  if (!root.ok) fail('no memory for the root directory');
  setRoot(root.value);
  const archive = mapInitramfs(addressOf(archiveSize));
  if (archive < 0n) fail('the initramfs cannot be mapped');
  const unpacked = unpackArchives(root.value, virt(u64(archive)), archiveSize[0]!);
  if (!unpacked.ok) print`[FILES] The initramfs is damaged: files behind the damage are missing\n`;
  const devices = addDevices(directoryIn(root.value, 'dev', DIRECTORY_MODE));
  const processes = addProcessFiles(directoryIn(root.value, 'proc', DIRECTORY_MODE));
  if (!devices.ok || !processes.ok) fail('no memory for /dev and /proc');
  directoryIn(root.value, 'tmp', TEMPORARY_MODE);
}

function serve(): Result<u64> {
  if (request.operation === IpcOperation.CLOSE) {
    closeHandle(calledBadge());
    return ok(0n);
  }
  if (request.node === null) return err(Errno.EBADF);
  const operation = request.operation;
  return operation < OPERATIONS ? operations[operation]!() : err(Errno.ENOSYS);
}

/** Sends the last answer, takes the next request and makes its answer; false when the endpoint is gone. */
export function serveNext(): boolean {
  if (!nextRequest()) return false;
  setStatus(serve());
  releaseTransients();
  return true;
}
