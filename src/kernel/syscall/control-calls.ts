/** prctl, and the system calls that are about nothing else in the kernel. */
import { addressOf, array, Errno, err, i32, ok, type Result, u8, u32, u64, userPtr, type VirtAddr } from '#dialect';
import { NAME_LENGTH } from '../abi/process.ts';
import { lesser } from '../memory/layout.ts';
import { copyOut, readUser8, writeUser32 } from '../memory/user-copy.ts';
import type { Process } from '../process/pcb.ts';
import { random64 } from '../process/random.ts';
import { isSignalNumber } from '../process/signal-delivery.ts';
import type { Thread } from '../process/thread.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread } from '../sched/scheduler.ts';

/** PR_* of prctl(2). */
const Control = {
  SET_PDEATHSIG: 1,
  GET_PDEATHSIG: 2,
  GET_DUMPABLE: 3,
  SET_DUMPABLE: 4,
  SET_NAME: 15,
  GET_NAME: 16,
  SET_CHILD_SUBREAPER: 36,
  GET_CHILD_SUBREAPER: 37,
  SET_NO_NEW_PRIVS: 38,
  GET_NO_NEW_PRIVS: 39,
} as const;

/** prctl(operation, argument, ...) */
export function prctl(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const thread = runningThread()!;
  const process = thread.process!;
  const argument = registers.rsi;
  switch (u32(registers.rdi)) {
    case Control.SET_NAME:
      return setThreadName(thread, argument);
    case Control.GET_NAME:
      return asCallResult(copyOut(userPtr<u8>(argument), addressOf(thread.name), u64(NAME_LENGTH)));
    case Control.SET_PDEATHSIG:
      return setParentDeathSignal(process, argument);
    case Control.GET_PDEATHSIG:
      return asCallResult(writeUser32(userPtr<u32>(argument), process.parentDeathSignal));
    case Control.SET_DUMPABLE:
      if (argument > 1n) return err(Errno.EINVAL);
      process.isDumpable = argument === 1n;
      return ok(0n);
    case Control.GET_DUMPABLE:
      return ok(process.isDumpable ? 1n : 0n);
    case Control.SET_CHILD_SUBREAPER:
      process.isSubreaper = argument !== 0n;
      return ok(0n);
    case Control.GET_CHILD_SUBREAPER:
      return asCallResult(writeUser32(userPtr<u32>(argument), process.isSubreaper ? 1 : 0));
    case Control.SET_NO_NEW_PRIVS:
      if (argument !== 1n || registers.rdx !== 0n || registers.r10 !== 0n || registers.r8 !== 0n)
        return err(Errno.EINVAL);
      thread.hasNoNewPrivileges = true;
      return ok(0n);
    case Control.GET_NO_NEW_PRIVS:
      if (argument !== 0n || registers.rdx !== 0n || registers.r10 !== 0n || registers.r8 !== 0n)
        return err(Errno.EINVAL);
      return ok(thread.hasNoNewPrivileges ? 1n : 0n);
    default:
      return err(Errno.EINVAL);
  }
}

function asCallResult(done: Result<void>): Result<u64> {
  return done.ok ? ok(0n) : err(done.error);
}

const name = array(u8, NAME_LENGTH);

/** A thread's name is cut to fit. The leader's is its process's. */
function setThreadName(thread: Thread, address: u64): Result<u64> {
  let isEnded = false;
  for (let index: u32 = 0; index < NAME_LENGTH; index++) {
    name[index] = 0;
    if (isEnded || index === NAME_LENGTH - 1) continue;
    const byte = readUser8(userPtr<u8>(address + u64(index)));
    if (!byte.ok) return err(byte.error);
    name[index] = byte.value;
    isEnded = byte.value === 0;
  }
  const process = thread.process!;
  for (let index: u32 = 0; index < NAME_LENGTH; index++) {
    thread.name[index] = name[index]!;
    if (thread.tid === process.pid) process.name[index] = name[index]!;
  }
  return ok(0n);
}

function setParentDeathSignal(process: Process, signal: u64): Result<u64> {
  if (signal !== 0n && (signal > 64n || !isSignalNumber(u32(signal)))) return err(Errno.EINVAL);
  process.parentDeathSignal = u32(signal);
  return ok(0n);
}

/** GRND_NONBLOCK, GRND_RANDOM, GRND_INSECURE: none makes a difference here. */
const RANDOM_FLAGS = 7;
const LARGEST_RANDOM = 0x1ff_ffffn;
const WORDS = 32;
const WORD_BYTES = 8n;
const words = array(u64, WORDS);

/** getrandom(buffer, length, flags): how many bytes were stored before the first bad address. */
export function getrandom(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if ((u32(registers.rdx) & ~RANDOM_FLAGS) !== 0) return err(Errno.EINVAL);
  const length = lesser(registers.rsi, LARGEST_RANDOM);
  let done: u64 = 0n;
  while (done < length) {
    const part = lesser(u64(length - done), u64(WORDS * 8));
    const count = u32(u64(part + WORD_BYTES - 1n) / WORD_BYTES);
    for (let index: u32 = 0; index < count && index < WORDS; index++) words[index] = random64();
    const copied = copyOut(userPtr<u8>(registers.rdi + done), addressOf(words), part);
    if (!copied.ok) return done > 0n ? ok(done) : err(copied.error);
    done = u64(done + part);
  }
  return ok(done);
}

/** personality(persona): Linux is the only one; -1 asks for it. */
export function personality(frame: VirtAddr): Result<u64> {
  const persona = i32(TrapFrame.at(frame).rdi);
  return persona === -1 || persona === 0 ? ok(0n) : err(Errno.EINVAL);
}
