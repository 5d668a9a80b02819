/** Linux system calls as functions. Each returns what RAX holds: a value, or minus an error number. */
import { addressOf, array, type i32, type i64, panic, syscall, u32, u64, type VirtAddr } from '#dialect';

/** Numbers of Linux for x86-64. */
const Call = {
  READ: 0n,
  WRITE: 1n,
  MMAP: 9n,
  MUNMAP: 11n,
  RT_SIGACTION: 13n,
  IOCTL: 16n,
  PIPE: 22n,
  CLOSE: 3n,
  PAUSE: 34n,
  SCHED_YIELD: 24n,
  NANOSLEEP: 35n,
  GETPID: 39n,
  FORK: 57n,
  EXECVE: 59n,
  EXIT: 60n,
  WAIT4: 61n,
  KILL: 62n,
  SYSINFO: 99n,
  GETPPID: 110n,
  GETTID: 186n,
  FUTEX: 202n,
  CLOCK_GETTIME: 228n,
  EXIT_GROUP: 231n,
  GETRANDOM: 318n,
} as const;

export const CONSOLE_IN = 0;
export const CONSOLE_OUT = 1;

export function read(descriptor: u32, buffer: VirtAddr, length: u64): i64 {
  return syscall(Call.READ, u64(descriptor), buffer, length);
}

export function write(descriptor: u32, buffer: VirtAddr, length: u64): i64 {
  return syscall(Call.WRITE, u64(descriptor), buffer, length);
}

/** TCGETS and TCSETS of ioctl_tty(2); the structure is the kernel's struct termios. */
export const TerminalRequest = { GET: 0x5401n, SET: 0x5402n } as const;
export const TERMIOS_BYTES = 36;

export function controlTerminal(descriptor: u32, request: u64, argument: VirtAddr): i64 {
  return syscall(Call.IOCTL, u64(descriptor), request, argument);
}

const PROT_READ_WRITE = 3n;
const PROT_ALL = 7n;
const MAP_PRIVATE_ANONYMOUS = 0x22n;
const MAP_SHARED_ANONYMOUS = 0x21n;
const NO_FILE = 0xffff_ffff_ffff_ffffn;

/** Fresh zeroed memory of whole pages, readable and writable. */
export function mapMemory(length: u64): i64 {
  return syscall(Call.MMAP, 0n, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, NO_FILE, 0n);
}

/** The same, and executable too. */
export function mapCodeMemory(length: u64): i64 {
  return syscall(Call.MMAP, 0n, length, PROT_ALL, MAP_PRIVATE_ANONYMOUS, NO_FILE, 0n);
}

/** As `mapMemory`, but shared with the children that are made from now on. */
export function mapShared(length: u64): i64 {
  return syscall(Call.MMAP, 0n, length, PROT_READ_WRITE, MAP_SHARED_ANONYMOUS, NO_FILE, 0n);
}

export function unmapMemory(address: u64, length: u64): i64 {
  return syscall(Call.MUNMAP, address, length);
}

export function yieldProcessor(): i64 {
  return syscall(Call.SCHED_YIELD);
}

const NANOSECONDS = 1_000_000_000n;

/** Nanoseconds. */
export function sleepFor(duration: u64): i64 {
  const time = array(u64, 2);
  time[0] = u64(duration / NANOSECONDS);
  time[1] = u64(duration % NANOSECONDS);
  return syscall(Call.NANOSLEEP, addressOf(time), 0n);
}

const CLOCK_REALTIME = 0n;
const CLOCK_MONOTONIC = 1n;

/** Nanoseconds of the monotonic clock. */
export function monotonicTime(): u64 {
  return readClock(CLOCK_MONOTONIC);
}

/** Nanoseconds since 1970. */
export function realTime(): u64 {
  return readClock(CLOCK_REALTIME);
}

function readClock(clock: u64): u64 {
  const time = array(u64, 2);
  syscall(Call.CLOCK_GETTIME, clock, addressOf(time));
  return u64(time[0]! * NANOSECONDS + time[1]!);
}

/** Fills in a struct sysinfo. */
export function sysinfo(record: VirtAddr): i64 {
  return syscall(Call.SYSINFO, record);
}

/** Fills memory with random bytes. */
export function getRandom(buffer: VirtAddr, length: u64): i64 {
  return syscall(Call.GETRANDOM, buffer, length, 0n);
}

export function getpid(): u32 {
  return u32(syscall(Call.GETPID));
}

export function getppid(): u32 {
  return u32(syscall(Call.GETPPID));
}

export function gettid(): u32 {
  return u32(syscall(Call.GETTID));
}

/** 0 in the child, the child's pid in the caller. */
export function fork(): i64 {
  return syscall(Call.FORK);
}

/** Returns only when it fails. `argv` and `envp` are the addresses of null-terminated pointer arrays. */
export function execve(path: VirtAddr, argv: VirtAddr, envp: VirtAddr): i64 {
  return syscall(Call.EXECVE, path, argv, envp);
}

/** Ends the calling thread. */
export function exitThread(status: u32): never {
  syscall(Call.EXIT, u64(status));
  panic('exit returned');
}

/** Ends the process. */
export function exitGroup(status: u32): never {
  syscall(Call.EXIT_GROUP, u64(status));
  panic('exit_group returned');
}

export const WNOHANG = 1;
export const WUNTRACED = 2;

/** The status of the child waited for last. */
const status = array(u32, 1);

/** Waits for a child (-1: any) and returns its pid; its status is then in `waitStatus`. */
export function waitFor(pid: i32, options: u32): i64 {
  return syscall(Call.WAIT4, u64(pid), addressOf(status), u64(options), 0n);
}

export function waitStatus(): u32 {
  return status[0]!;
}

export function kill(pid: i32, signal: u32): i64 {
  return syscall(Call.KILL, u64(pid), u64(signal));
}

const FUTEX_WAIT = 0n;
const FUTEX_WAKE = 1n;
const FUTEX_PRIVATE = 128n;

/** Sleeps while the word holds `expected`. What ends CLONE_CHILD_CLEARTID waits is a wake that is not private. */
export function futexWait(word: VirtAddr, expected: u32): i64 {
  return syscall(Call.FUTEX, word, FUTEX_WAIT, u64(expected), 0n);
}

export function futexWaitPrivate(word: VirtAddr, expected: u32): i64 {
  return syscall(Call.FUTEX, word, u64(FUTEX_WAIT | FUTEX_PRIVATE), u64(expected), 0n);
}

export function futexWakePrivate(word: VirtAddr, count: u32): i64 {
  return syscall(Call.FUTEX, word, u64(FUTEX_WAKE | FUTEX_PRIVATE), u64(count));
}

export function close(descriptor: u32): i64 {
  return syscall(Call.CLOSE, u64(descriptor));
}

/** Makes a pipe; its reading and its writing end are stored as two 32-bit numbers. */
export function pipe(ends: VirtAddr): i64 {
  return syscall(Call.PIPE, ends);
}

/** Sleeps until a signal has been handled. */
export function pause(): i64 {
  return syscall(Call.PAUSE);
}

const SIGNAL_SET_BYTES = 8n;

/** Sets what a signal does; `action` is the address of the kernel's struct sigaction, which has a restorer. */
export function setSignalAction(signal: u32, action: VirtAddr): i64 {
  return syscall(Call.RT_SIGACTION, u64(signal), action, 0n, SIGNAL_SET_BYTES);
}
