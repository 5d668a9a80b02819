/** System calls about processes: arguments in, policy elsewhere. */
import {
  addressOf,
  array,
  Errno,
  embed,
  err,
  f32,
  i32,
  ok,
  type Result,
  struct,
  u8,
  u32,
  u64,
  userPtr,
  type VirtAddr,
} from '#dialect';
import { PATH_MAX } from '../abi/stat.ts';
import { copyOut, copyStringIn, writeUser32 } from '../memory/user-copy.ts';
import { execProcess } from '../process/creation.ts';
import { acquireExecLock, releaseExecLock } from '../process/exec-lock.ts';
import { argumentVector, checkArgumentSize, environmentVector, measureVector } from '../process/exec-stack.ts';
import { exitedStatus, exitThread, terminateProcess } from '../process/exit.ts';
import { CloneRequest, checkCloneFlags, cloneTask, forkProcess, vforkProcess } from '../process/fork.ts';
import { Limit, limitOf } from '../process/limits.ts';
import type { Process } from '../process/pcb.ts';
import { createSession, findForQuery, setProcessGroup } from '../process/session.ts';
import { Signal } from '../process/signal-delivery.ts';
import { ChildEvent, WaitFor, WaitOption, waitForChild, waitStatus } from '../process/wait.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread } from '../sched/scheduler.ts';
import { storeUsage } from './resource-calls.ts';

const path = array(u8, PATH_MAX);
const request = new CloneRequest();

function caller(): Process {
  return runningThread()!.process!;
}

export function getpid(_frame: VirtAddr): Result<u64> {
  return ok(u64(caller().pid));
}

/** 0 for init, which has no parent. */
export function getppid(_frame: VirtAddr): Result<u64> {
  const parent = caller().parent;
  return ok(parent === null ? 0n : u64(parent.pid));
}

/** umask(mask): returns the one before. */
export function umask(frame: VirtAddr): Result<u64> {
  const process = caller();
  const old = process.umask;
  process.umask = u32(TrapFrame.at(frame).rdi & 0o777n);
  return ok(u64(old));
}

/** exit(status): this thread. */
export function exit(frame: VirtAddr): Result<u64> {
  exitThread(exitedStatus(u32(TrapFrame.at(frame).rdi)));
}

/** exit_group(status): every thread, with one status. */
export function exitGroup(frame: VirtAddr): Result<u64> {
  const status = exitedStatus(u32(TrapFrame.at(frame).rdi));
  terminateProcess(caller(), status);
  exitThread(status);
}

/** clone(flags, stack, parent_tid, child_tid, tls) */
export function clone(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const checked = checkCloneFlags(registers.rdi, registers.r8);
  if (!checked.ok) return err(checked.error);
  request.flags = registers.rdi;
  request.stack = registers.rsi;
  request.parentTid = registers.rdx;
  request.childTid = registers.r10;
  request.tls = registers.r8;
  const made = cloneTask(request);
  return made.ok ? ok(u64(made.value)) : err(made.error);
}

export function fork(_frame: VirtAddr): Result<u64> {
  const made = forkProcess(request);
  return made.ok ? ok(u64(made.value)) : err(made.error);
}

export function vfork(_frame: VirtAddr): Result<u64> {
  const made = vforkProcess(request);
  return made.ok ? ok(u64(made.value)) : err(made.error);
}

/** execve(path, argv, envp) */
export function execve(frame: VirtAddr): Result<u64> {
  if (!acquireExecLock()) return err(Errno.EINTR);
  const length = loadArguments(frame);
  if (!length.ok) {
    releaseExecLock();
    return length;
  }
  const executed = execProcess(addressOf(path), length.value);
  return executed.ok ? ok(0n) : err(executed.error);
}

/** Copies the path and measures both vectors; the path's length. ENOENT: it is empty. ENAMETOOLONG, E2BIG, EFAULT. */
function loadArguments(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const copied = copyStringIn(addressOf(path), userPtr<u8>(registers.rdi), u64(PATH_MAX));
  if (!copied.ok) return copied;
  if (copied.value === 0n) return err(Errno.ENOENT);
  const measured = measureVector(argumentVector, registers.rsi, false);
  if (!measured.ok) return err(measured.error);
  const environment = measureVector(environmentVector, registers.rdx, false);
  if (!environment.ok) return err(environment.error);
  const fitting = checkArgumentSize(copied.value, limitOf(caller(), Limit.STACK));
  return fitting.ok ? copied : err(fitting.error);
}

const childEvent = new ChildEvent();

const WAIT4_OPTIONS = 0xe000_000b;
const WAITID_OPTIONS = 0xe100_000f;
const WAITID_EVENTS = 0xe;

/** wait4(pid, status, options, rusage). A pid of 0 is the caller's group, -1 any child, less than that a group. */
export function wait4(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const statusAt = registers.rsi;
  const options = u32(registers.rdx);
  if ((options & ~WAIT4_OPTIONS) !== 0) return err(Errno.EINVAL);
  const waited = waitFor(i32(registers.rdi), u32(options | WaitOption.EXITED));
  if (!waited.ok) return err(waited.error);
  if (childEvent.pid === 0) return ok(0n);
  if (statusAt !== 0n) {
    const stored = writeUser32(userPtr<u32>(statusAt), waitStatus(childEvent));
    if (!stored.ok) return err(stored.error);
  }
  const stored = storeUsage(registers.r10, childEvent.ticks);
  return stored.ok ? ok(u64(childEvent.pid)) : err(stored.error);
}

/** ESRCH: the one negative number that names no group. */
function waitFor(selector: i32, options: u32): Result<void> {
  if (selector === -0x8000_0000) return err(Errno.ESRCH);
  if (selector === -1) return waitForChild(childEvent, WaitFor.ANY, 0, options);
  if (selector > 0) return waitForChild(childEvent, WaitFor.PID, u32(selector), options);
  const group = selector === 0 ? caller().pgid : u32(-selector);
  return waitForChild(childEvent, WaitFor.GROUP, group, options);
}

/** The part of siginfo_t that waitid fills in. */
const ChildInfo = struct({ signal: f32, error: f32, code: i32, _padding: f32, pid: f32, uid: f32, status: f32 });
const childInfo = embed(ChildInfo);

/** waitid(kind, id, info, options, rusage) */
export function waitid(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const options = u32(registers.r10);
  if ((options & ~WAITID_OPTIONS) !== 0 || (options & WAITID_EVENTS) === 0) return err(Errno.EINVAL);
  const waited = waitForId(u32(registers.rdi), i32(registers.rsi), options);
  if (!waited.ok) return err(waited.error);
  if (childEvent.pid !== 0) {
    const stored = storeUsage(registers.r8, childEvent.ticks);
    if (!stored.ok) return err(stored.error);
  }
  if (registers.rdx === 0n) return ok(0n);
  childInfo.signal = childEvent.pid === 0 ? 0 : Signal.SIGCHLD;
  childInfo.code = childEvent.pid === 0 ? 0 : childEvent.code;
  childInfo.pid = childEvent.pid;
  childInfo.uid = childEvent.pid === 0 ? 0 : childEvent.uid;
  childInfo.status = childEvent.pid === 0 ? 0 : childEvent.status;
  const copied = copyOut(userPtr<u32>(registers.rdx), addressOf(childInfo), u64(ChildInfo.size));
  return copied.ok ? ok(0n) : err(copied.error);
}

/** `kind` is an idtype_t of waitid(2), whose numbers WaitFor has; process file descriptors do not exist here. */
function waitForId(kind: u32, id: i32, options: u32): Result<void> {
  switch (kind) {
    case WaitFor.ANY:
      return waitForChild(childEvent, WaitFor.ANY, 0, options);
    case WaitFor.PID:
      return id <= 0 ? err(Errno.EINVAL) : waitForChild(childEvent, WaitFor.PID, u32(id), options);
    case WaitFor.GROUP:
      if (id < 0) return err(Errno.EINVAL);
      return waitForChild(childEvent, WaitFor.GROUP, id === 0 ? caller().pgid : u32(id), options);
    default:
      return err(Errno.EINVAL);
  }
}

/** setpgid(pid, pgid) */
export function setpgid(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const moved = setProcessGroup(caller(), i32(registers.rdi), i32(registers.rsi));
  return moved.ok ? ok(0n) : err(moved.error);
}

export function getpgrp(_frame: VirtAddr): Result<u64> {
  return ok(u64(caller().pgid));
}

/** getpgid(pid) */
export function getpgid(frame: VirtAddr): Result<u64> {
  const found = findForQuery(caller(), i32(TrapFrame.at(frame).rdi));
  return found.ok ? ok(u64(found.value.pgid)) : err(found.error);
}

/** getsid(pid) */
export function getsid(frame: VirtAddr): Result<u64> {
  const found = findForQuery(caller(), i32(TrapFrame.at(frame).rdi));
  return found.ok ? ok(u64(found.value.sid)) : err(found.error);
}

export function setsid(_frame: VirtAddr): Result<u64> {
  const created = createSession(caller());
  return created.ok ? ok(u64(created.value)) : err(created.error);
}

/** Fields of struct utsname and their common size. */
const NAME_BYTES = 65;
const names = array(u8, NAME_BYTES * 6);

function setName(field: u32, text: string): void {
  for (let index: u32 = 0; index < text.length; index++)
    names[u32(field * NAME_BYTES + index)] = text.charCodeAt(index);
}

/** uname(buffer) */
export function uname(frame: VirtAddr): Result<u64> {
  setName(0, 'Verdigris');
  setName(1, 'verdigris');
  setName(2, '0.1.0');
  setName(3, 'TypeScript');
  setName(4, 'x86_64');
  const copied = copyOut(userPtr<u8>(TrapFrame.at(frame).rdi), addressOf(names), u64(NAME_BYTES * 6));
  return copied.ok ? ok(0n) : err(copied.error);
}
