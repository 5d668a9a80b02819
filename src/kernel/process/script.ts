/** The first line of a script, `#!interpreter [argument]`, read as Linux does (execve(2)). */
import { Errno, err, mem, ok, type Result, type u8, u64, type VirtAddr, virt } from '#dialect';

/** Bytes of a file that its first line must be in; where the file is shorter, zeros follow it. */
export const SCRIPT_LINE_BYTES = 256n;
/** Scripts that may interpret each other. */
export const MOST_INTERPRETERS = 5;

const HASH = 35;
const BANG = 33;
const NEWLINE = 10;
const TAB = 9;
const SPACE = 32;

/** The words of a line: offsets from its start and lengths, the argument's 0 when there is none. */
export class ScriptLine {
  interpreter: u64 = 0n;
  interpreterLength: u64 = 0n;
  argument: u64 = 0n;
  argumentLength: u64 = 0n;
}

/** True for what begins like a script. */
export function isScript(line: VirtAddr): boolean {
  return mem.load8(line) === HASH && mem.load8(virt(line + 1n)) === BANG;
}

/**
 * Finds the words of the `SCRIPT_LINE_BYTES` bytes at `line`. ENOEXEC: no interpreter, or its name may be cut
 * off. EACCES: its name is empty, which means the current directory.
 */
export function parseScriptLine(line: VirtAddr, words: ScriptLine): Result<void> {
  if (!isScript(line)) return err(Errno.ENOEXEC);
  let end = lineEnd(line);
  if (end === SCRIPT_LINE_BYTES) {
    const name = skipBlanks(line, 2n, SCRIPT_LINE_BYTES);
    if (wordEnd(line, name, SCRIPT_LINE_BYTES) === SCRIPT_LINE_BYTES) return err(Errno.ENOEXEC);
    end = u64(SCRIPT_LINE_BYTES - 1n);
  }
  while (isBlank(mem.load8(virt(line + end - 1n)))) end = u64(end - 1n);
  const interpreter = skipBlanks(line, 2n, end);
  if (interpreter >= end) return err(Errno.ENOEXEC);
  const after = wordEnd(line, interpreter, end);
  words.interpreter = interpreter;
  words.interpreterLength = u64(after - interpreter);
  words.argument = after;
  words.argumentLength = 0n;
  if (after === interpreter) return err(Errno.EACCES);
  if (after === end || mem.load8(virt(line + after)) === 0) return ok();
  words.argument = skipBlanks(line, after, end);
  words.argumentLength = u64(textEnd(line, words.argument, end) - words.argument);
  return ok();
}

/** Where the line ends, or `SCRIPT_LINE_BYTES`. A zero ends the search, not the line. */
function lineEnd(line: VirtAddr): u64 {
  for (let offset: u64 = 2n; offset < SCRIPT_LINE_BYTES; offset = u64(offset + 1n)) {
    const byte = mem.load8(virt(line + offset));
    if (byte === NEWLINE) return offset;
    if (byte === 0) return SCRIPT_LINE_BYTES;
  }
  return SCRIPT_LINE_BYTES;
}

function isBlank(byte: u8): boolean {
  return byte === SPACE || byte === TAB;
}

function skipBlanks(line: VirtAddr, start: u64, end: u64): u64 {
  let offset = start;
  while (offset < end && isBlank(mem.load8(virt(line + offset)))) offset = u64(offset + 1n);
  return offset;
}

/** The first blank or zero at or after `start`, or `end`. */
function wordEnd(line: VirtAddr, start: u64, end: u64): u64 {
  let offset = start;
  while (offset < end) {
    const byte = mem.load8(virt(line + offset));
    if (byte === 0 || isBlank(byte)) return offset;
    offset = u64(offset + 1n);
  }
  return end;
}

/** The first zero at or after `start`, or `end`: blanks belong to an argument. */
function textEnd(line: VirtAddr, start: u64, end: u64): u64 {
  let offset = start;
  while (offset < end && mem.load8(virt(line + offset)) !== 0) offset = u64(offset + 1n);
  return offset;
}
