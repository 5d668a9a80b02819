/**
 * The first program: shows that threads, processes and their ends work, and ends with the number of things that did not.
 */
import { addressOf, array, bytes, entry, i32, mem, u32, u64, virt } from '#dialect';
import { environment, setInitialStack } from './runtime/arguments.ts';
import { print } from './runtime/print.ts';
import {
  execve,
  exitGroup,
  fork,
  getpid,
  getppid,
  gettid,
  kill,
  sleepFor,
  waitFor,
  waitStatus,
  yieldProcessor,
} from './runtime/system-calls.ts';
import { joinThread, Mutex, startThread, ThreadHandle } from './runtime/threads.ts';
import { printProcesses, printThreads } from './runtime/verdigris.ts';

export { onPanic } from './runtime/print.ts';

const THREADS = 4;
const ADDITIONS = 1000;
const MILLISECOND = 1_000_000n;
const SIGKILL = 9;
const SIGSEGV = 11;

let failures: u32 = 0;

function check(isRight: boolean, what: string): void {
  print`  ${what} ...[${isRight ? 'ok' : 'failed'}]\n`;
  if (!isRight) failures = u32(failures + 1);
}

const handles = array(ThreadHandle, THREADS);
const mutex = new Mutex();
let total: u32 = 0;

/** Adds to the shared total, giving the processor away inside the critical section now and then. */
function addMany(step: u64): u32 {
  for (let round: u32 = 0; round < ADDITIONS; round++) {
    mutex.lock();
    const seen = total;
    if (round % 100 === 0) yieldProcessor();
    total = u32(seen + u32(step));
    mutex.unlock();
  }
  return 0;
}

function runThreads(): void {
  print`[INIT] ${THREADS} threads add to one total under a futex mutex\n`;
  let started: u32 = 0;
  for (let index: u32 = 0; index < THREADS; index++) {
    if (startThread(handles[index]!, addMany, u64(index + 1))) started = u32(started + 1);
  }
  check(started === THREADS, 'threads_clone');
  printThreads(getpid());
  for (const handle of handles) joinThread(handle);
  check(total === ADDITIONS * 10, 'threads_total');
}

function runFork(): void {
  const parent = getpid();
  const child = fork();
  if (child === 0n) exitGroup(getppid() === parent ? 42 : 1);
  const waited = waitFor(-1, 0);
  check(waited === child && waitStatus() === 42 << 8, 'fork_exit_wait');
}

const helloPath = bytes('/bin/hello\0');
const helloArgument = bytes('from execve\0');
const missingPath = bytes('/bin/missing\0');
const pointers = array(u64, 3);

function runExec(): void {
  const child = fork();
  if (child === 0n) {
    pointers[0] = addressOf(helloPath);
    pointers[1] = addressOf(helloArgument);
    pointers[2] = 0n;
    execve(addressOf(missingPath), addressOf(pointers), environment());
    execve(addressOf(helloPath), addressOf(pointers), environment());
    exitGroup(127);
  }
  waitFor(-1, 0);
  check(waitStatus() === 7 << 8, 'exec_hello');
}

function runFault(): void {
  const child = fork();
  if (child === 0n) {
    mem.store8(virt(8n), 1);
    exitGroup(0);
  }
  waitFor(-1, 0);
  check(waitStatus() === SIGSEGV, 'fault_segv');
}

function runKill(): void {
  const child = fork();
  if (child === 0n) {
    for (;;) sleepFor(MILLISECOND);
  }
  printProcesses();
  kill(i32(child), SIGKILL);
  const waited = waitFor(i32(child), 0);
  check(waited === child && waitStatus() === SIGKILL, 'kill_wait');
}

/** Two children that never give the processor away both make progress. */
function runPreemption(): void {
  const first = fork();
  if (first === 0n) for (;;);
  const second = fork();
  if (second === 0n) exitGroup(3);
  const waited = waitFor(i32(second), 0);
  check(waited === second && waitStatus() === 3 << 8, 'preemption');
  kill(i32(first), SIGKILL);
  waitFor(i32(first), 0);
}

export const main = entry((stack: u64) => {
  setInitialStack(stack);
  print`[INIT] pid ${getpid()}, parent ${getppid()}, thread ${gettid()}\n`;
  runThreads();
  runFork();
  runExec();
  runFault();
  runKill();
  runPreemption();
  print`[INIT] ${failures} failures\n`;
  exitGroup(failures);
});
