/** What is known about a signal besides its number: siginfo_t (sigaction(2)), as far as it says anything. */
import { type i32, type u32, u64 } from '#dialect';

/** `si_code` values that name a signal's source. Positive ones are the kernel's own. */
export const SignalCode = {
  USER: 0,
  QUEUE: -1,
  TIMER: -2,
  TKILL: -6,
  KERNEL: 0x80,
  CHILD_EXITED: 1,
  CHILD_KILLED: 2,
  CHILD_STOPPED: 5,
  CHILD_CONTINUED: 6,
  ILLEGAL_OPERAND: 2,
  INTEGER_DIVISION: 1,
  FLOATING_DIVISION: 3,
  FLOATING_OVERFLOW: 4,
  FLOATING_UNDERFLOW: 5,
  FLOATING_INEXACT: 6,
  FLOATING_INVALID: 7,
  NOT_MAPPED: 1,
  NO_PERMISSION: 2,
  MISALIGNED: 1,
  NO_SUCH_PAGE: 2,
  TRACE: 2,
} as const;

export class SignalInfo {
  code: i32 = 0;
  error: i32 = 0;
  /** The sender's pid and, in the high half, uid; a child's; a fault's address; a timer's id and overruns. */
  source: u64 = 0n;
  /** What the sender gave along; SIGCHLD: the child's exit code, or the signal that ended, stopped or continued it. */
  value: u64 = 0n;
  /** SIGCHLD: the child's processor times. */
  userTime: u64 = 0n;
  systemTime: u64 = 0n;
}

export function copySignalInfo(to: SignalInfo, from: SignalInfo): void {
  to.code = from.code;
  to.error = from.error;
  to.source = from.source;
  to.value = from.value;
  to.userTime = from.userTime;
  to.systemTime = from.systemTime;
}

/** Fills in a description. The object is the caller's, so that nothing needs allocating. */
export function describeSignal(info: SignalInfo, code: i32, pid: u32, uid: u32, status: u32): SignalInfo {
  return describe(info, code, u64((u64(uid) << 32n) | u64(pid)), u64(status));
}

/** The description of a fault at an address. */
export function describeFault(info: SignalInfo, code: i32, address: u64): SignalInfo {
  return describe(info, code, address, 0n);
}

/** A signal of the kernel's own: nobody sent it. */
export function describeKernelSignal(info: SignalInfo): SignalInfo {
  return describe(info, SignalCode.KERNEL, 0n, 0n);
}

function describe(info: SignalInfo, code: i32, source: u64, value: u64): SignalInfo {
  info.code = code;
  info.error = 0;
  info.source = source;
  info.value = value;
  info.userTime = 0n;
  info.systemTime = 0n;
  return info;
}
