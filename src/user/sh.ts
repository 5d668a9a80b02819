/** A small shell on the console. */
import { addressOf, array, entry, i32, mem, u8, u32, u64, type VirtAddr, virt } from '#dialect';
import { environment, setInitialStack } from './runtime/arguments.ts';
import { lineAddress, readLine } from './runtime/line-input.ts';
import { print, printString } from './runtime/print.ts';
import { execve, exitGroup, fork, getpid, kill, WNOHANG, waitFor, waitStatus } from './runtime/system-calls.ts';
import { equals, NOT_A_NUMBER, parseNumber } from './runtime/text.ts';
import { forEachProcess, printProcesses, printThreads } from './runtime/verdigris.ts';

export { onPanic } from './runtime/print.ts';

const MOST_WORDS = 16;
const SPACE = 32;
const MINUS = 45;
const SLASH = 47;
const AMPERSAND = 38;
const SIGTERM = 15;

/** The command's words, as a null-terminated argument vector. */
const words = array(u64, MOST_WORDS + 1);
let wordCount: u32 = 0;
/** Status of the command before. */
let lastStatus: u32 = 0;

function word(index: u32): VirtAddr {
  return virt(words[index]!);
}

/** Cuts the line at spaces; words beyond the sixteenth are dropped. */
function split(line: VirtAddr): void {
  wordCount = 0;
  let isInWord = false;
  for (let offset: u64 = 0n; ; offset = u64(offset + 1n)) {
    const at = virt(line + offset);
    const byte = mem.load8(at);
    if (byte === 0) break;
    if (byte === SPACE) {
      mem.store8(at, 0);
      isInWord = false;
    } else if (!isInWord) {
      isInWord = true;
      if (wordCount < MOST_WORDS) {
        words[wordCount] = at;
        wordCount = u32(wordCount + 1);
      }
    }
  }
  words[wordCount] = 0n;
}

function help(): void {
  print`ps                      the process table\n`;
  print`threads [PID]           the threads of a process, or of all\n`;
  print`kill [-SIGNAL] PID      sends a signal, SIGTERM by default\n`;
  print`run PROGRAM [ARG] [&]   runs a program of the initramfs (without a slash: from /bin)\n`;
  print`exit [STATUS]           ends the shell\n`;
}

function threads(): void {
  if (wordCount > 1) {
    printThreads(parseNumber(word(1)));
    return;
  }
  forEachProcess((pid) => printThreads(pid));
}

function killCommand(): void {
  let signal: u32 = SIGTERM;
  let target: u32 = 1;
  if (wordCount > 1 && mem.load8(word(1)) === MINUS) {
    signal = parseNumber(virt(word(1) + 1n));
    target = 2;
  }
  const pid = target < wordCount ? parseNumber(word(target)) : NOT_A_NUMBER;
  if (pid === NOT_A_NUMBER || signal === NOT_A_NUMBER) {
    print`usage: kill [-SIGNAL] PID\n`;
    return;
  }
  const result = kill(i32(pid), signal);
  if (result < 0n) print`kill: error ${u64(-result)}\n`;
}

const PATH_CAPACITY = 128;
const path = array(u8, PATH_CAPACITY);

/** The program's path: as given when it has a slash, else below /bin. */
function resolve(name: VirtAddr): VirtAddr {
  let length: u32 = 0;
  let hasSlash = false;
  for (;;) {
    const byte = mem.load8(virt(name + u64(length)));
    if (byte === 0) break;
    if (byte === SLASH) hasSlash = true;
    length = u32(length + 1);
  }
  if (hasSlash || length >= PATH_CAPACITY - 6) return name;
  const prefix = '/bin/';
  for (let index: u32 = 0; index < prefix.length; index++) path[index] = prefix.charCodeAt(index);
  mem.copy(virt(addressOf(path) + u64(prefix.length)), name, u64(length + 1));
  return addressOf(path);
}

function isBackground(): boolean {
  const last = word(u32(wordCount - 1));
  return mem.load8(last) === AMPERSAND && mem.load8(virt(last + 1n)) === 0;
}

/** Runs words 1 and on as a program, and waits for it unless they end in "&". */
function run(): void {
  if (wordCount < 2) {
    print`usage: run PROGRAM [ARG]... [&]\n`;
    return;
  }
  const inBackground = isBackground();
  if (inBackground) {
    wordCount = u32(wordCount - 1);
    words[wordCount] = 0n;
  }
  const child = fork();
  if (child < 0n) {
    print`run: fork failed: error ${u64(-child)}\n`;
    return;
  }
  if (child === 0n) execute();
  if (inBackground) print`[${u64(child)}]\n`;
  else if (waitFor(i32(child), 0) === child) report(waitStatus());
}

/** Becomes the program; its arguments begin at word 1. */
function execute(): never {
  const error = execve(resolve(word(1)), virt(addressOf(words) + 8n), environment());
  printString(word(1));
  print`: error ${u64(-error)}\n`;
  exitGroup(127);
}

function report(status: u32): void {
  const signal = u32(status & 0x7f);
  lastStatus = signal === 0 ? u32(status >> 8) : u32(128 + signal);
  if (signal !== 0) print`killed by signal ${signal}\n`;
  else if (lastStatus !== 0) print`status ${lastStatus}\n`;
}

/** Takes note of background programs that have ended. */
function reap(): void {
  for (;;) {
    const pid = waitFor(-1, WNOHANG);
    if (pid <= 0n) return;
    print`[${u64(pid)}] ended, status ${waitStatus()}\n`;
  }
}

function dispatch(): void {
  const command = word(0);
  if (equals(command, 'help')) help();
  else if (equals(command, 'ps')) printProcesses();
  else if (equals(command, 'threads')) threads();
  else if (equals(command, 'kill')) killCommand();
  else if (equals(command, 'run')) run();
  else if (equals(command, 'exit')) exitGroup(wordCount > 1 ? parseNumber(word(1)) : lastStatus);
  else {
    printString(command);
    print`: no such command; try help\n`;
  }
}

export const main = entry((stack: u64) => {
  setInitialStack(stack);
  print`Verdigris shell, process ${getpid()}. Type help.\n`;
  for (;;) {
    reap();
    print`$ `;
    if (!readLine()) exitGroup(lastStatus);
    split(lineAddress());
    if (wordCount > 0) dispatch();
  }
});
