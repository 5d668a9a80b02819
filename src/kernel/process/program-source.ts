/** Where a program's bytes come from: its file as a memory object, or for the file server itself the kernel's own memory. */
import { addressOf, array, Errno, err, mem, ok, type Result, u8, u32, type u64, type VirtAddr, virt } from '#dialect';
import { openProgram } from '../ipc/kernel-files.ts';
import type { OpenFile } from '../ipc/open-file.ts';
import { releaseFile } from '../ipc/release.ts';
import { directMap, lesser, PAGE_SIZE } from '../memory/layout.ts';
import { type MemoryObject, objectPage, releaseObject } from '../memory/object.ts';
import { dropFirstArgument, prependWord } from './exec-stack.ts';
import { objectOfFile } from './file-mapping.ts';
import { isScript, MOST_INTERPRETERS, parseScriptLine, SCRIPT_LINE_BYTES, ScriptLine } from './script.ts';
import type { Thread } from './thread.ts';

export class ProgramSource {
  file: OpenFile | null = null;
  object: MemoryObject | null = null;
  /** The program's first `loaded` bytes: all of them when there is no file, else those in its first page. */
  data: VirtAddr = virt(0n);
  loaded: u64 = 0n;
  size: u64 = 0n;
}

const words = new ScriptLine();
const interpreter = array(u8, 256);

/**
 * Opens the program that a path in kernel memory names, under the exec lock. While that is a script, its interpreter takes
 * its place, and the measured arguments become the interpreter's. ELOOP: too many scripts. EACCES, ENOEXEC, EFAULT, E2BIG,
 * ENOMEM, or the server's error; then nothing is open.
 */
export function openProgramSource(thread: Thread, source: ProgramSource, path: VirtAddr, length: u64): Result<void> {
  let name = path;
  let nameLength = length;
  for (let depth: u32 = 0; ; depth = u32(depth + 1)) {
    const opened = openSource(thread, source, name, nameLength);
    if (!opened.ok) return opened;
    const isLast = source.loaded === 0n || !isScript(source.data);
    const taken =
      depth > MOST_INTERPRETERS ? err(Errno.ELOOP) : isLast ? ok() : interpret(source, name, nameLength, depth);
    if (!taken.ok || !isLast) closeSource(source);
    if (!taken.ok || isLast) return taken;
    name = virt(addressOf(interpreter));
    nameLength = words.interpreterLength;
  }
}

function openSource(thread: Thread, source: ProgramSource, path: VirtAddr, length: u64): Result<void> {
  const opened = openProgram(thread, path, length);
  if (!opened.ok) return err(opened.error);
  const held = objectOfFile(thread, opened.value);
  if (!held.ok) {
    releaseFile(opened.value);
    return err(held.error);
  }
  source.file = opened.value;
  source.object = held.value;
  source.size = held.value.size;
  source.loaded = lesser(source.size, PAGE_SIZE);
  if (source.size === 0n) return ok();
  const page = objectPage(held.value, 0n);
  if (page.ok) source.data = directMap(page.value);
  else closeSource(source);
  return page.ok ? ok() : err(page.error);
}

/** Lets go of a source's file and object. */
export function closeSource(source: ProgramSource): void {
  if (source.object !== null) releaseObject(source.object);
  if (source.file !== null) releaseFile(source.file);
  source.object = null;
  source.file = null;
}

/** Makes the arguments those of the script's interpreter, whose name is kept in `interpreter`. */
function interpret(source: ProgramSource, path: VirtAddr, length: u64, depth: u32): Result<void> {
  const line = source.data;
  const parsed = parseScriptLine(line, words);
  if (!parsed.ok) return parsed;
  if (depth === 0) {
    const replaced = replaceFirstArgument(path, length);
    if (!replaced.ok) return replaced;
  }
  if (words.argumentLength > 0n) {
    const added = prependWord(virt(line + words.argument), words.argumentLength);
    if (!added.ok) return added;
  }
  const name = virt(line + words.interpreter);
  mem.copy(addressOf(interpreter), name, lesser(words.interpreterLength, SCRIPT_LINE_BYTES));
  return prependWord(name, words.interpreterLength);
}

/** A script is called by its path; further interpreters find their own name there already. */
function replaceFirstArgument(path: VirtAddr, length: u64): Result<void> {
  const dropped = dropFirstArgument();
  return dropped.ok ? prependWord(path, length) : dropped;
}
