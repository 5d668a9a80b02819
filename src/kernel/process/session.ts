/** Process groups and sessions (POSIX.1-2017, setpgid, setsid). */
import { Errno, err, type i32, ok, type Result, u32 } from '#dialect';
import { isGroupInSession, memberOfGroup } from './job-control.ts';
import type { Process } from './pcb.ts';
import { findProcess } from './table.ts';

/**
 * Moves a process (0: the caller) into a group (0: one of its own). EINVAL: negative group. ESRCH: neither the caller nor
 * its child. EACCES: a child that has executed a program. EPERM: a session leader, or a process or group of another session.
 */
export function setProcessGroup(caller: Process, pid: i32, pgid: i32): Result<void> {
  if (pgid < 0) return err(Errno.EINVAL);
  const target = pid === 0 ? caller : findProcess(u32(pid));
  if (target === null || (target !== caller && target.parent !== caller)) return err(Errno.ESRCH);
  if (target !== caller && target.hasExecuted) return err(Errno.EACCES);
  if (target.sid === target.pid || target.sid !== caller.sid) return err(Errno.EPERM);
  const wanted = pgid === 0 ? target.pid : u32(pgid);
  if (wanted !== target.pid && !isGroupInSession(wanted, caller.sid)) return err(Errno.EPERM);
  target.pgid = wanted;
  return ok();
}

/** Makes the caller the leader of a new session and group; EPERM when it leads a group already. */
export function createSession(caller: Process): Result<u32> {
  if (memberOfGroup(caller.pid) !== null) return err(Errno.EPERM);
  caller.hasTerminal = false;
  caller.sid = caller.pid;
  caller.pgid = caller.pid;
  return ok(caller.sid);
}

/** The process meant by a pid argument, 0 being the caller; ESRCH. */
export function findForQuery(caller: Process, pid: i32): Result<Process> {
  const process = pid === 0 ? caller : findProcess(u32(pid));
  return process === null ? err(Errno.ESRCH) : ok(process);
}
