/**
 * schedules FROM TO [DEPTH]: what must hold under every schedule, tried under those that the seeds FROM to TO - 1 draw
 * (0: uniformly; else by PCT with that depth). Runs as init of a kernel booted with `schedule-seed=`. Names the first seed
 * under which something does not hold, and ends with status 1.
 */
import { Atomic32, addressOf, array, entry, i32, syscall, u8, u32, u64 } from '#dialect';
import { VerdigrisCall } from '../kernel/abi/calls.ts';
import { argument, argumentCount, setInitialStack } from './runtime/arguments.ts';
import { print } from './runtime/print.ts';
import { countProcesses, findProcess, processRecord } from './runtime/process-records.ts';
import { handleSignal, Signal } from './runtime/signals.ts';
import {
  close,
  exitGroup,
  exitThread,
  fork,
  futexWaitPrivate,
  futexWakePrivate,
  getpid,
  kill,
  pause,
  pipe,
  read,
  sleepFor,
  WUNTRACED,
  waitFor,
  waitStatus,
  write,
  yieldProcessor,
} from './runtime/system-calls.ts';
import { freeMemory } from './runtime/system-information.ts';
import { parseNumber } from './runtime/text.ts';
import { joinThread, Mutex, startThread, ThreadHandle } from './runtime/threads.ts';

export { onPanic } from './runtime/print.ts';

const THREADS = 3;
const ROUNDS = 8;
const ECHILD = -10n;
const ANY_CHILD = -1;
const STOPPED = 0x7f;
const threads = array(ThreadHandle, THREADS);
const mutex = new Mutex();
let total: u32 = 0;
/** What does not hold under the seed being tried. */
let failures: u32 = 0;

function require(holds: boolean, what: string): void {
  if (holds) return;
  failures = u32(failures + 1);
  print`[SCHEDULES] failed: ${what}\n`;
}

function addUnderMutex(_value: u64): u32 {
  for (let round: u32 = 0; round < ROUNDS; round++) {
    mutex.lock();
    const seen = total;
    if ((seen & 3) === 0) yieldProcessor();
    total = u32(seen + 1);
    mutex.unlock();
  }
  return 0;
}

/** A mutex on a futex lets one thread at a time through, and nobody sleeps for ever. */
function tryMutex(): void {
  total = 0;
  for (const thread of threads) require(startThread(thread, addUnderMutex, 0n), 'a thread for the mutex');
  for (const thread of threads) joinThread(thread);
  require(total === THREADS * ROUNDS, 'the sum under a mutex');
}

const turn = new Atomic32(0);

/** Takes every second turn; the argument says which. */
function takeTurns(which: u64): u32 {
  const mine = u32(which);
  for (let round: u32 = 0; round < ROUNDS; round++) {
    for (;;) {
      const seen = turn.load();
      if ((seen & 1) === mine) break;
      futexWaitPrivate(addressOf(turn), seen);
    }
    turn.fetchAdd(1);
    futexWakePrivate(addressOf(turn), 1);
  }
  return 0;
}

/** FUTEX_WAIT compares and sleeps in one step: no turn is lost. */
function tryTurns(): void {
  turn.store(0);
  require(startThread(threads[0]!, takeTurns, 1n), 'a thread for the turns');
  takeTurns(0n);
  joinThread(threads[0]!);
  require(turn.load() === 2 * ROUNDS, 'the number of turns');
}

function doNothing(_value: u64): u32 {
  return 0;
}

/** Threads that end at once are joined, and their places used again. */
function tryJoins(): void {
  for (let round: u32 = 0; round < 2; round++) {
    for (const thread of threads) require(startThread(thread, doNothing, 0n), 'a thread to join');
    for (const thread of threads) joinThread(thread);
  }
}

function exited(status: u32, code: u32): boolean {
  return status === u32(code << 8);
}

/** A child with children of its own: every status reaches the right parent, orphans come to init. */
function tryFamily(): void {
  const child = fork();
  if (child === 0n) {
    const grandchild = fork();
    if (grandchild === 0n) exitGroup(5);
    if (fork() === 0n) exitGroup(6);
    const waited = waitFor(i32(grandchild), 0);
    exitGroup(waited === grandchild && exited(waitStatus(), 5) ? 7 : 8);
  }
  let hasChild = false;
  let count: u32 = 0;
  for (;;) {
    const waited = waitFor(ANY_CHILD, 0);
    if (waited === ECHILD) break;
    count = u32(count + 1);
    if (waited !== child) require(exited(waitStatus(), 6), 'the status of an orphan');
    else hasChild = exited(waitStatus(), 7);
  }
  require(hasChild && count === 2, 'the statuses of a family');
}

/** exit_group against threads that sleep, run and start others: one status, nobody left. */
function tryGroupExit(): void {
  const child = fork();
  if (child === 0n) {
    startThread(threads[0]!, sleepLong, 0n);
    startThread(threads[1]!, endGroup, 9n);
    startThread(threads[2]!, takeTurns, 1n);
    exitThread(0);
  }
  const waited = waitFor(i32(child), 0);
  require(waited === child && exited(waitStatus(), 9), 'the status of exit_group');
}

function sleepLong(_value: u64): u32 {
  for (;;) sleepFor(1_000_000_000n);
}

function endGroup(status: u64): u32 {
  exitGroup(u32(status));
}

let handled: u32 = 0;

function countSignal(_signal: u32): void {
  handled = u32(handled + 1);
}

/** A signal that is handled interrupts pause; one that kills meets a child wherever it is. */
function trySignals(): void {
  const child = fork();
  if (child === 0n) {
    handled = 0;
    handleSignal(Signal.USR1, countSignal);
    write(pipeEnds[1]!, addressOf(byte), 1n);
    while (handled === 0) sleepFor(1000n);
    exitGroup(handled);
  }
  read(pipeEnds[0]!, addressOf(byte), 1n);
  kill(i32(child), Signal.USR1);
  let waited = waitFor(i32(child), 0);
  require(waited === child && exited(waitStatus(), 1), 'a handled signal');
  const victim = fork();
  if (victim === 0n) for (;;) pause();
  kill(i32(victim), Signal.STOP);
  waited = waitFor(i32(victim), WUNTRACED);
  require(waited === victim && waitStatus() === u32(STOPPED | (Signal.STOP << 8)), 'a stop');
  kill(i32(victim), Signal.CONT);
  kill(i32(victim), Signal.TERM);
  waited = waitFor(i32(victim), 0);
  require(waited === victim && waitStatus() === Signal.TERM, 'death by a signal');
}

const pipeEnds = array(u32, 2);
const otherEnds = array(u32, 2);
const byte = array(u8, 1);
const PIPED = 100;

/** Bytes come out of a pipe as they went in, and its end is seen when the last writer is gone. */
function tryPipe(): void {
  require(pipe(addressOf(otherEnds)) === 0n, 'a pipe');
  const child = fork();
  if (child === 0n) {
    close(otherEnds[0]!);
    for (let index: u32 = 0; index < PIPED; index++) {
      byte[0] = u8(index);
      write(otherEnds[1]!, addressOf(byte), 1n);
    }
    exitGroup(0);
  }
  close(otherEnds[1]!);
  let count: u32 = 0;
  while (read(otherEnds[0]!, addressOf(byte), 1n) === 1n) {
    require(byte[0] === u8(count), 'the order of a pipe');
    count = u32(count + 1);
  }
  require(count === PIPED, 'the length of a pipe');
  close(otherEnds[0]!);
  waitFor(i32(child), 0);
}

/** Processes that there are. Of this one's threads none is left but the first. */
function countProcessesLeft(): u32 {
  require(findProcess(getpid()) && processRecord.threads === 1, 'the number of threads left');
  return countProcesses();
}

function trySeed(): void {
  tryMutex();
  tryTurns();
  tryJoins();
  tryFamily();
  tryGroupExit();
  tryPipe();
  trySignals();
}

/** Rounds after which memory in use does not grow any more: caches are full. */
const SETTLED = 8;

export const main = entry((stack: u64) => {
  setInitialStack(stack);
  const from = argumentCount() > 2 ? parseNumber(argument(1)) : 0;
  const to = argumentCount() > 2 ? parseNumber(argument(2)) : 0;
  const depth = argumentCount() > 3 ? parseNumber(argument(3)) : 0;
  pipe(addressOf(pipeEnds));
  const processes = countProcessesLeft();
  let settled: u64 = 0n;
  for (let seed = from; seed < to; seed = u32(seed + 1)) {
    if (syscall(u64(VerdigrisCall.schedule_seed), u64(seed), u64(depth)) < 0n) {
      print`[SCHEDULES] the kernel was booted without schedule-seed=\n`;
      exitGroup(2);
    }
    trySeed();
    require(countProcessesLeft() === processes, 'the number of processes left');
    const free = freeMemory();
    if (u32(seed - from) === SETTLED) settled = free;
    else if (u32(seed - from) > SETTLED) require(free >= settled, 'the memory left');
    if (failures > 0) {
      print`[SCHEDULES] seed ${seed}: ${failures} failures\n`;
      exitGroup(1);
    }
  }
  print`[SCHEDULES] ${u32(to - from)} seeds hold\n`;
  exitGroup(0);
});
