/**
 * multitude: many processes one after another, many at once, and many threads in one; all is back
 * afterwards. What is made twice finds the page tables of the kernel's stacks there the second time. Ends with the number of failures. `multitude leaf` is what it executes: nothing.
 */
import { Atomic32, addressOf, array, entry, i32, mem, u32, u64 } from '#dialect';
import { argument, argumentCount, environment, setInitialStack } from '../../../src/user/runtime/arguments.ts';
import { print } from '../../../src/user/runtime/print.ts';
import { countProcesses } from '../../../src/user/runtime/process-records.ts';
import { Signal } from '../../../src/user/runtime/signals.ts';
import {
  execve,
  exitGroup,
  fork,
  futexWaitPrivate,
  futexWakePrivate,
  kill,
  pause,
  waitFor,
  waitStatus,
} from '../../../src/user/runtime/system-calls.ts';
import { freeMemory } from '../../../src/user/runtime/system-information.ts';
import { joinThread, startThread, ThreadHandle } from '../../../src/user/runtime/threads.ts';

export { onPanic } from '../../../src/user/runtime/print.ts';

const EXECUTIONS = 3000;
const PROCESSES = 1000;
const MOST_THREADS = 256;
const EAGAIN = -11n;
const ECHILD = -10n;
const ANYBODY = -1;
let failures: u32 = 0;

function check(holds: boolean, what: string): void {
  if (!holds) failures = u32(failures + 1);
  print`${what} ${holds ? 'ok' : 'FAILED'}\n`;
}

const words = array(u64, 3);
const leaf = array(u32, 2);

function executeOnce(): boolean {
  const child = fork();
  if (child === 0n) {
    words[0] = argument(0);
    words[1] = addressOf(leaf);
    words[2] = 0n;
    execve(argument(0), addressOf(words), environment());
    exitGroup(99);
  }
  return waitFor(i32(child), 0) === child && waitStatus() === 0;
}

function executeMany(): void {
  mem.store32(addressOf(leaf), 0x6661_656c);
  let done: u32 = executeOnce() ? 1 : 0;
  const free = freeMemory();
  while (done < EXECUTIONS && executeOnce()) done = u32(done + 1);
  check(done === EXECUTIONS, '3,000 times fork, exec and wait');
  check(freeMemory() === free, 'memory as before');
}

/** Forks until there are 1,000 processes, and on until the kernel refuses. */
function forkMany(): void {
  const before = countProcesses();
  let refused: u64 = 0n;
  for (;;) {
    const child = fork();
    if (child === 0n) for (;;) pause();
    if (child < 0n) {
      refused = u64(child);
      break;
    }
  }
  check(countProcesses() >= PROCESSES && refused === u64(EAGAIN), '1,000 processes alive, and then EAGAIN');
  kill(ANYBODY, Signal.KILL);
  let reaped: u32 = 0;
  while (waitFor(ANYBODY, 0) !== ECHILD) reaped = u32(reaped + 1);
  check(countProcesses() === before, 'processes as before');
}

const threads = array(ThreadHandle, MOST_THREADS);
const gate = new Atomic32(0);

function waitAtGate(_value: u64): u32 {
  while (gate.load() === 0) futexWaitPrivate(addressOf(gate), 0);
  return 0;
}

function startMany(): void {
  let started: u32 = 0;
  while (started < MOST_THREADS && startThread(threads[started]!, waitAtGate, 0n)) started = u32(started + 1);
  check(started === MOST_THREADS - 1, '256 threads in one process, and no more');
  gate.store(1);
  futexWakePrivate(addressOf(gate), MOST_THREADS);
  for (let index: u32 = 0; index < started && index < MOST_THREADS; index++) joinThread(threads[index]!);
  gate.store(0);
}

export const main = entry((stack: u64) => {
  setInitialStack(stack);
  if (argumentCount() > 1) exitGroup(0);
  executeMany();
  forkMany();
  startMany();
  const free = freeMemory();
  forkMany();
  startMany();
  check(freeMemory() === free, 'memory as after the first time');
  exitGroup(failures);
});
