/** What is known about a pending signal besides its number: the part of siginfo_t (sigaction(2)) that a sender fills in. */
import type { i32, u32 } from '#dialect';

/** `si_code` values that name a signal's source. Positive ones are the kernel's own. */
export const SignalCode = {
  USER: 0,
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
  /** Who sent it; for SIGCHLD, the child. */
  pid: u32 = 0;
  uid: u32 = 0;
  /** SIGCHLD: the child's exit code, or the signal that ended, stopped or continued it. */
  status: u32 = 0;
}

export function copySignalInfo(to: SignalInfo, from: SignalInfo): void {
  to.code = from.code;
  to.pid = from.pid;
  to.uid = from.uid;
  to.status = from.status;
}

/** Fills in a description. The object is the caller's, so that nothing needs allocating. */
export function describeSignal(info: SignalInfo, code: i32, pid: u32, uid: u32, status: u32): SignalInfo {
  info.code = code;
  info.pid = pid;
  info.uid = uid;
  info.status = status;
  return info;
}
