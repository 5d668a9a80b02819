/**
 * What system calls cost: `cost NAME N` for each, N being time-stamp counts, which are instructions on our machine, user
 * code around the calls included. Makes Linux's own calls, so that it also runs on Linux; what a kernel does not have is left out.
 */
import { Atomic32, addressOf, array, cpu, entry, i32, mem, u32, u64, virt } from '#dialect';
import { callWithWords, createCapability, createEndpoint, replyAndReceiveWords } from '../../src/user/runtime/ipc.ts';
import { print } from '../../src/user/runtime/print.ts';
import {
  exitGroup,
  fork,
  futexWaitPrivate,
  futexWakePrivate,
  getpid,
  kill,
  mapMemory,
  waitFor,
  yieldProcessor,
} from '../../src/user/runtime/system-calls.ts';
import { joinThread, startThread, ThreadHandle } from '../../src/user/runtime/threads.ts';

export { onPanic } from '../../src/user/runtime/print.ts';

const ROUNDS = 2_000;
const FORKS = 40;
const PAGES = 64;
const PAGE_BYTES = 4096n;
const SIGKILL = 9;

/** Runs `work` often enough and prints what one of the `parts` of a run costs. */
function measure(name: string, rounds: u32, parts: u32, work: () => void): void {
  for (let round: u32 = 0; round < rounds; round++) work();
  const before = cpu.rdtsc();
  for (let round: u32 = 0; round < rounds; round++) work();
  const elapsed = u64(cpu.rdtsc() - before);
  print`cost ${name} ${u64(elapsed / u64(u32(rounds * parts)))}\n`;
}

const other = new ThreadHandle();
const isOver = new Atomic32(0);
/** Whose turn it is: 0 the main thread's, 1 the other's. */
const turn = new Atomic32(0);

function yieldUntilOver(_argument: u64): u32 {
  while (isOver.load() === 0) yieldProcessor();
  return 0;
}

/** Two threads that yield to each other: each yield is a switch. */
function measureSwitch(): void {
  isOver.store(0);
  if (!startThread(other, yieldUntilOver, 0n)) return;
  measure('thread-switch', ROUNDS, 2, () => {
    yieldProcessor();
  });
  isOver.store(1);
  joinThread(other);
}

function passTurn(to: u32): void {
  turn.store(to);
  futexWakePrivate(addressOf(turn), 1);
}

function awaitTurn(mine: u32): void {
  for (;;) {
    const now = turn.load();
    if (now === mine) return;
    futexWaitPrivate(addressOf(turn), now);
  }
}

function passTurnsUntilOver(_argument: u64): u32 {
  for (;;) {
    awaitTurn(1);
    if (isOver.load() !== 0) return 0;
    passTurn(0);
  }
}

/** Two threads that wake each other and wait: a round is two pairs of a wake and a wait. */
function measureFutex(): void {
  isOver.store(0);
  turn.store(0);
  if (!startThread(other, passTurnsUntilOver, 0n)) return;
  measure('futex-wake-wait', ROUNDS, 2, () => {
    passTurn(1);
    awaitTurn(0);
  });
  isOver.store(1);
  passTurn(1);
  joinThread(other);
}

/** A process of 64 touched pages that forks a child which ends at once, and waits for it. */
function measureFork(): void {
  const memory = mapMemory(u64(PAGES) * PAGE_BYTES);
  if (memory < 0n) return;
  for (let page: u64 = 0n; page < u64(PAGES); page = u64(page + 1n))
    mem.store8(virt(u64(memory) + page * PAGE_BYTES), 1);
  measure('fork-exit-wait', FORKS, 1, () => {
    if (fork() === 0n) exitGroup(0);
    waitFor(-1, 0);
  });
}

const words = array(u64, 8);

/** A server process that answers every call with the same 64 bytes. */
function serve(endpoint: u32): never {
  let call: u64 = 0n;
  for (;;) call = u64(replyAndReceiveWords(call, addressOf(words), u64(endpoint)));
}

/** Calls between two processes, 64 bytes there and back. */
function measureCall(): void {
  const endpoint = createEndpoint();
  if (endpoint < 0n) return;
  const capability = createCapability(u32(endpoint), 7n, 0);
  if (capability < 0n) return;
  const server = fork();
  if (server === 0n) serve(u32(endpoint));
  measure('ipc-call-reply', ROUNDS, 1, () => {
    callWithWords(u64(capability), addressOf(words));
  });
  kill(i32(server), SIGKILL);
  waitFor(-1, 0);
}

export const main = entry((_stack: u64) => {
  measure('getpid', ROUNDS, 1, () => {
    getpid();
  });
  measureSwitch();
  measureFutex();
  measureFork();
  measureCall();
  print`end\n`;
  exitGroup(0);
});
