/** System calls about processes: arguments in, policy elsewhere. */
import { addressOf, array, Errno, err, i32, ok, type Result, u8, u32, u64, userPtr, type VirtAddr } from '#dialect';
import { copyOut, copyStringIn, writeUser32 } from '../memory/user-copy.ts';
import { execProcess } from '../process/creation.ts';
import { normalizePath } from '../process/cwd.ts';
import { argumentVector, environmentVector, measureVector } from '../process/exec-stack.ts';
import { exitedStatus, exitThread, terminateProcess } from '../process/exit.ts';
import { CloneRequest, checkCloneFlags, cloneTask, forkProcess, vforkProcess } from '../process/fork.ts';
import type { Process } from '../process/pcb.ts';
import { createSession, findForQuery, setProcessGroup } from '../process/session.ts';
import { answeredPid, answeredStatus, waitForChild } from '../process/wait.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread } from '../sched/scheduler.ts';

const PATH_MAX = 4096;
/** Room for the slash that normalising may add. */
const path = array(u8, PATH_MAX + 1);
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

export function getuid(_frame: VirtAddr): Result<u64> {
  return ok(u64(caller().uid));
}

export function getgid(_frame: VirtAddr): Result<u64> {
  return ok(u64(caller().gid));
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
  const registers = TrapFrame.at(frame);
  const copied = copyStringIn(addressOf(path), userPtr<u8>(registers.rdi), u64(PATH_MAX));
  if (!copied.ok) return err(copied.error);
  if (copied.value === 0n) return err(Errno.ENOENT);
  const measured = measureVector(argumentVector, registers.rsi, false);
  if (!measured.ok) return err(measured.error);
  const environment = measureVector(environmentVector, registers.rdx, false);
  if (!environment.ok) return err(environment.error);
  const length = normalizePath(addressOf(path), copied.value);
  const executed = execProcess(addressOf(path), length);
  return executed.ok ? ok(0n) : err(executed.error);
}

/** Bytes of struct rusage, all of which this kernel reports as zero. */
const RUSAGE_WORDS = 18;
const noUsage = array(u64, RUSAGE_WORDS);

/** wait4(pid, status, options, rusage) */
export function wait4(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const statusAt = registers.rsi;
  const usageAt = registers.r10;
  const waited = waitForChild(i32(registers.rdi), u32(registers.rdx));
  if (!waited.ok) return waited;
  const pid = answeredPid(waited.value);
  if (pid === 0) return ok(0n);
  if (statusAt !== 0n) {
    const stored = writeUser32(userPtr<u32>(statusAt), answeredStatus(waited.value));
    if (!stored.ok) return err(stored.error);
  }
  if (usageAt !== 0n) {
    const stored = copyOut(userPtr<u64>(usageAt), addressOf(noUsage), u64(RUSAGE_WORDS * 8));
    if (!stored.ok) return err(stored.error);
  }
  return ok(u64(pid));
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
