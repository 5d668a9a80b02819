/**
 * hostile SEED CALLS: makes system calls at random, with arguments meant to hurt, from several threads of processes without
 * privileges, until CALLS have been made; then everything those processes had must be back. Runs as init. Ends with status
 * 1 when something is left; a kernel that falls over does not get that far. The same seed makes the same run.
 */
import {
  Atomic32,
  addressOf,
  array,
  constructAt,
  entry,
  i32,
  mem,
  syscall,
  u8,
  u32,
  u64,
  type VirtAddr,
  virt,
} from '#dialect';
import { VERDIGRIS_CALLS } from '../kernel/abi/calls.ts';
import { SplitMix64 } from '../kernel/abi/split-mix.ts';
import { argument, argumentCount, setInitialStack } from './runtime/arguments.ts';
import { print } from './runtime/print.ts';
import { countProcesses, nextProcess, processRecord } from './runtime/process-records.ts';
import { Signal } from './runtime/signals.ts';
import { exitGroup, exitThread, fork, kill, mapShared, sleepFor, waitFor } from './runtime/system-calls.ts';
import { freeMemory } from './runtime/system-information.ts';
import { parseNumber } from './runtime/text.ts';
import { startThread, ThreadHandle } from './runtime/threads.ts';

export { onPanic } from './runtime/print.ts';

const THREADS = 2;
/** Calls of one thread, and how often the parent looks before it ends a round. */
const CALLS_EACH = 150;
const LOOKS = 40;
const LOOK_NANOSECONDS = 500_000n;
const ECHILD = -10n;
const EVERYBODY = -1;
const ANY_CHILD = -1;

/** Calls that end the caller, one way or another: made seldom. */
const EXIT = 60n;
const EXIT_GROUP = 231n;
const RT_SIGRETURN = 15n;
const LINUX_CALLS = 440n;
const OWN_CALLS = 20n;

const SETUID = 105n;
const SETGID = 106n;
const SETSID = 112n;
const SETRLIMIT = 160n;
const CHMOD = 90n;
const SOMEBODY = 1000n;
const RLIMIT_NPROC = 6n;
const RLIMIT_AS = 9n;
const MOST_PROCESSES = 12n;
const MOST_MEMORY = 0x400_0000n;
const PROTECTED_MODE = 0o755n;

/** Counts calls in memory that all processes share. */
class Counter {
  readonly calls = new Atomic32(0);
}

const threads = array(ThreadHandle, THREADS);
const SCRATCH_BYTES = 16384;
const scratch = array(u8, SCRATCH_BYTES);
let counter: Counter | null = null;
let seed: u64 = 0n;

/** One a thread, in memory that no other thread uses. */
const generators = array(SplitMix64, THREADS + 1);

function below(random: SplitMix64, limit: u64): u64 {
  return u64(random.draw() % limit);
}

/** Somewhere in the scratch memory, its very end included. */
function scratchAddress(random: SplitMix64): u64 {
  return u64(addressOf(scratch) + below(random, u64(SCRATCH_BYTES + 1)));
}

/** An address that no program should pass. */
function badAddress(random: SplitMix64): u64 {
  const which = below(random, 6n);
  if (which === 0n) return 0n;
  if (which === 1n) return 0x7fff_ffff_f000n;
  if (which === 2n) return 0xffff_8000_0000_0000n;
  if (which === 3n) return u64(0xffff_ffff_8000_0000n + below(random, 0x100_0000n));
  if (which === 4n) return 0x8000_0000_0000_0000n;
  return u64(0xffff_ffff_ffff_fff0n + below(random, 16n));
}

function anyArgument(random: SplitMix64): u64 {
  const which = below(random, 10n);
  if (which < 3n) return below(random, 8n);
  if (which < 6n) return scratchAddress(random);
  if (which === 6n) return badAddress(random);
  if (which === 7n) return u64(1n << u64(random.draw() & 63n));
  if (which === 8n) return u64(-below(random, 1100n));
  return random.draw();
}

/** Puts something into a place of the scratch memory: numbers, addresses, a path. */
function scribble(random: SplitMix64): void {
  const at = virt(addressOf(scratch) + u64(below(random, 2040n) * 8n));
  const which = below(random, 4n);
  if (which === 0n) mem.store64(at, anyArgument(random));
  else if (which === 1n) mem.store64(at, scratchAddress(random));
  else if (which === 2n) mem.store64(at, 0x006e_6962_2f2f_2e2en);
  else mem.store64(at, below(random, 64n));
}

function anyCall(random: SplitMix64): u64 {
  if (below(random, 16n) === 0n) return u64(u64(VERDIGRIS_CALLS) + below(random, OWN_CALLS));
  const number = below(random, LINUX_CALLS);
  const isEnd = number === EXIT || number === EXIT_GROUP || number === RT_SIGRETURN;
  return isEnd && below(random, 8n) !== 0n ? 39n : number;
}

/** What each hostile thread does; the argument is its generator's number. */
function storm(which: u64): u32 {
  const index = u32(which);
  if (index > THREADS) return 0;
  const random = generators[index]!;
  for (let call: u32 = 0; call < CALLS_EACH; call++) {
    if (below(random, 3n) === 0n) scribble(random);
    const a = anyArgument(random);
    const b = anyArgument(random);
    const c = anyArgument(random);
    const d = anyArgument(random);
    counter!.calls.fetchAdd(1);
    syscall(anyCall(random), a, b, c, d, anyArgument(random), anyArgument(random));
  }
  return 0;
}

const limit = array(u64, 2);

function lower(resource: u64, most: u64): void {
  limit[0] = most;
  limit[1] = most;
  syscall(SETRLIMIT, resource, addressOf(limit));
}

/** The child of one round: gives its rights up, and lets the storm loose. */
function beHostile(round: u32): never {
  syscall(SETSID);
  lower(RLIMIT_NPROC, MOST_PROCESSES);
  lower(RLIMIT_AS, MOST_MEMORY);
  syscall(SETGID, SOMEBODY);
  syscall(SETUID, SOMEBODY);
  for (let index: u32 = 0; index <= THREADS; index++) {
    generators[index]!.state = u64(seed * 0x1_0000_0001n + u64(round) * 16n + u64(index));
  }
  for (let index: u32 = 0; index < THREADS; index++) startThread(threads[index]!, storm, u64(index + 1));
  exitThread(storm(0n));
}

/** One round: lets hostile processes run for a while, and ends whatever is left of them. */
function tryRound(round: u32): void {
  const child = fork();
  if (child === 0n) beHostile(round);
  for (let look: u32 = 0; look < LOOKS; look++) {
    if (waitFor(i32(child), 1) !== 0n) break;
    sleepFor(LOOK_NANOSECONDS);
  }
  kill(EVERYBODY, Signal.CONT);
  kill(EVERYBODY, Signal.KILL);
  while (waitFor(ANY_CHILD, 0) !== ECHILD) kill(EVERYBODY, Signal.KILL);
}

const PAGE_BYTES = 4096n;

/** Bytes that are free, kept for the kernel's next threads, or in processes that are there: a file server may have grown. */
function accountedMemory(): u64 {
  let bytes = freeMemory();
  let pid: u32 = 0;
  for (;;) {
    pid = nextProcess(pid);
    if (pid === 0) return bytes;
    bytes = u64(bytes + processRecord.residentPages * PAGE_BYTES);
  }
}

/** Rounds after which caches are full. */
const SETTLED = 4;
const temporary = array(u8, 5);

/** Nobody but root may leave files behind. */
function protectFiles(): void {
  const path = '/tmp';
  for (let index: u32 = 0; index < path.length; index++) temporary[index] = path.charCodeAt(index);
  syscall(CHMOD, addressOf(temporary), PROTECTED_MODE);
}

function sharedCounter(): VirtAddr {
  const mapped = mapShared(4096n);
  if (mapped < 0n) exitGroup(2);
  return virt(u64(mapped));
}

export const main = entry((stack: u64) => {
  setInitialStack(stack);
  seed = argumentCount() > 1 ? u64(parseNumber(argument(1))) : 0n;
  const calls = argumentCount() > 2 ? parseNumber(argument(2)) : 1000;
  counter = constructAt(Counter, sharedCounter());
  protectFiles();
  const processes = countProcesses();
  let settled: u64 = 0n;
  let failures: u32 = 0;
  for (let round: u32 = 0; counter.calls.load() < calls && failures === 0; round = u32(round + 1)) {
    tryRound(round);
    if (countProcesses() !== processes) failures = u32(failures + 1);
    const accounted = accountedMemory();
    if (round === SETTLED) settled = accounted;
    else if (round > SETTLED && accounted < settled) failures = u32(failures + 1);
    if (failures > 0)
      print`[HOSTILE] round ${round}: ${countProcesses()} processes, ${accounted} of ${settled} bytes accounted for\n`;
  }
  print`[HOSTILE] ${counter.calls.load()} calls, ${failures} failures\n`;
  exitGroup(failures);
});
