/** What a process has to do with files: its descriptors, its root and current directory, its program. */
import { addressOf, constructAt, err, ok, type Result, sizeOf, u32, type u64 } from '#dialect';
import { OpenFlag } from '../abi/stat.ts';
import { ObjectCache } from '../memory/slab.ts';
import type { Process } from '../process/pcb.ts';
import {
  closeForExec,
  copyDescriptorTable,
  createDescriptorTable,
  type DescriptorTable,
  fillDescriptor,
  releaseDescriptorTable,
  reserveDescriptor,
  shareDescriptorTable,
} from './descriptors.ts';
import { allocateFile, FileKind, type OpenFile, retainFile } from './open-file.ts';
import { releaseFile } from './release.ts';
import { failServedCalls } from './served-calls.ts';

/** Where paths start. Shared by CLONE_FS. */
export class FileContext {
  /** Processes that use it. */
  count: u32 = 1;
  root: OpenFile | null = null;
  currentDirectory: OpenFile | null = null;
}

const contexts = new ObjectCache(sizeOf(FileContext));

function createContext(): Result<FileContext> {
  const memory = contexts.allocate();
  return memory.ok ? ok(constructAt(FileContext, memory.value)) : err(memory.error);
}

/** Puts a file, with the caller's reference, in the place of another that is let go. */
export function setRoot(context: FileContext, file: OpenFile): void {
  const old = context.root;
  context.root = file;
  if (old !== null) releaseFile(old);
}

export function setCurrentDirectory(context: FileContext, file: OpenFile): void {
  const old = context.currentDirectory;
  context.currentDirectory = file;
  if (old !== null) releaseFile(old);
}

function releaseContext(context: FileContext): void {
  context.count = u32(context.count - 1);
  if (context.count > 0) return;
  if (context.root !== null) releaseFile(context.root);
  if (context.currentDirectory !== null) releaseFile(context.currentDirectory);
  contexts.release(addressOf(context));
}

/** Gives a process in the making an empty table and context; ENOMEM: nothing has been made. */
export function createProcessFiles(process: Process): Result<void> {
  const table = createDescriptorTable();
  if (!table.ok) return err(table.error);
  process.files = table.value;
  const context = createContext();
  if (!context.ok) {
    releaseProcessFiles(process);
    return err(context.error);
  }
  process.fileContext = context.value;
  return ok();
}

const STANDARD_DESCRIPTORS = 3;

/** Opens the terminal as descriptors 0 to 2 of a process with an empty table; ENOMEM: none is left open. */
export function openStandardFiles(process: Process): Result<void> {
  const table = process.files!;
  const terminal = allocateFile(FileKind.TERMINAL, OpenFlag.READ_WRITE);
  if (!terminal.ok) return err(terminal.error);
  for (let index: u32 = 0; index < STANDARD_DESCRIPTORS; index++) {
    const descriptor = reserveDescriptor(table, index, STANDARD_DESCRIPTORS);
    if (!descriptor.ok) {
      releaseFile(terminal.value);
      return err(descriptor.error);
    }
    retainFile(terminal.value);
    fillDescriptor(table, descriptor.value, terminal.value, false);
  }
  releaseFile(terminal.value);
  return ok();
}

/** CLONE_FS and CLONE_FILES of clone(2). */
const SHARE_CONTEXT = 0x200n;
const SHARE_FILES = 0x400n;

/** Gives a child in the making what its parent has, shared or copied as clone's flags say; ENOMEM: nothing has been made. */
export function inheritProcessFiles(parent: Process, child: Process, flags: u64): Result<void> {
  if (parent.files !== null) {
    const table = inheritTable(parent.files, flags);
    if (!table.ok) return err(table.error);
    child.files = table.value;
  }
  if (parent.fileContext !== null) {
    const context = inheritContext(parent.fileContext, flags);
    if (!context.ok) {
      releaseProcessFiles(child);
      return err(context.error);
    }
    child.fileContext = context.value;
  }
  if (parent.executable !== null) retainFile(parent.executable);
  child.executable = parent.executable;
  return ok();
}

function inheritTable(table: DescriptorTable, flags: u64): Result<DescriptorTable> {
  if ((flags & SHARE_FILES) === 0n) return copyDescriptorTable(table);
  shareDescriptorTable(table);
  return ok(table);
}

function inheritContext(source: FileContext, flags: u64): Result<FileContext> {
  if ((flags & SHARE_CONTEXT) !== 0n) {
    source.count = u32(source.count + 1);
    return ok(source);
  }
  const created = createContext();
  if (!created.ok) return created;
  const copy = created.value;
  copy.root = source.root;
  copy.currentDirectory = source.currentDirectory;
  if (copy.root !== null) retainFile(copy.root);
  if (copy.currentDirectory !== null) retainFile(copy.currentDirectory);
  return created;
}

/** Lets go of everything, at a process's end or when it cannot be made. Calls that it was to answer fail. */
export function releaseProcessFiles(process: Process): void {
  const table = process.files;
  const context = process.fileContext;
  const executable = process.executable;
  process.files = null;
  process.fileContext = null;
  process.executable = null;
  failServedCalls(process);
  if (table !== null) releaseDescriptorTable(table);
  if (context !== null) releaseContext(context);
  if (executable !== null) releaseFile(executable);
}

/** Before exec's point of no return: a table that other processes share is copied; ENOMEM. */
export function unshareDescriptors(process: Process): Result<void> {
  const table = process.files;
  if (table === null || table.count === 1) return ok();
  const copy = copyDescriptorTable(table);
  if (!copy.ok) return err(copy.error);
  process.files = copy.value;
  releaseDescriptorTable(table);
  return ok();
}

/** What exec does to files: close-on-exec descriptors go, and the program is another. `executable` comes with a reference. */
export function changeProgramFiles(process: Process, executable: OpenFile | null): void {
  if (process.files !== null) closeForExec(process.files);
  const old = process.executable;
  process.executable = executable;
  if (old !== null) releaseFile(old);
}
