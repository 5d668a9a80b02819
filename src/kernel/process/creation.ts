/** New processes from programs: the first one, and execve. */
import {
  array,
  cpu,
  type Errno,
  err,
  type FixedArray,
  mem,
  ok,
  type Result,
  u8,
  type u32,
  u64,
  type VirtAddr,
  virt,
} from '#dialect';
import { NAME_LENGTH } from '../abi/process.ts';
import { retainFile } from '../ipc/open-file.ts';
import {
  changeProgramFiles,
  createProcessFiles,
  openStandardFiles,
  releaseProcessFiles,
  unshareDescriptors,
} from '../ipc/process-files.ts';
import { releaseFile } from '../ipc/release.ts';
import {
  type AddressSpace,
  createAddressSpace,
  loadAddressSpace,
  releaseAddressSpace,
  setStackLimit,
} from '../memory/address-space.ts';
import { fpuAreaOf } from '../memory/kernel-stacks.ts';
import { Msr } from '../processor/msr.ts';
import { frameBelow, initializeFrame } from '../processor/trap-frame.ts';
import { runningThread, sleep } from '../sched/scheduler.ts';
import { prepareFirstSwitch, prepareKernelStart } from '../sched/switch.ts';
import { saveIdentities } from './credentials.ts';
import { releaseExecLock } from './exec-lock.ts';
import { buildStack } from './exec-stack.ts';
import { completeVfork, exitThread, killThread, leaveUserMemory } from './exit.ts';
import { initializeLimits, Limit, limitOf } from './limits.ts';
import { checkProgram, LoadedProgram, loadProgram } from './loader.ts';
import { changeProcessState, linkThread, type Process, ProcessState, reserveThread, setName } from './pcb.ts';
import { deletePosixTimers } from './posix-timers.ts';
import { closeSource, openProgramSource, ProgramSource } from './program-source.ts';
import { isKilled, SIG_DFL, SIG_IGN, Signal } from './signal-delivery.ts';
import { finishWaiting, prepareToWait } from './sync.ts';
import { addProcess, allocPid, freeProcess, reserveProcess } from './table.ts';
import { allocateThread, enterThread, removeThread, type Thread } from './thread.ts';

/** Initial x87 control word and MXCSR: every exception masked, double extended and nearest (ABI 3.2.3). */
const INITIAL_CONTROL_WORD = 0x37f;
const INITIAL_MXCSR = 0x1f80;
export const MXCSR_OFFSET = 24n;
export const FXSAVE_BYTES = 512n;
const SLASH = 47;

const program = new LoadedProgram();
/** The initial stack pointer of the image built last. */
let initialStack: u64 = 0n;

/** Clears a thread's FXSAVE image to what a new program finds. */
export function resetFpuArea(thread: Thread): void {
  const area = virt(fpuAreaOf(thread.kernelStack));
  mem.fill(area, 0, FXSAVE_BYTES);
  mem.store16(area, INITIAL_CONTROL_WORD);
  mem.store32(virt(area + MXCSR_OFFSET), INITIAL_MXCSR);
}

/**
 * A complete address space for a program: segments, stack, the measured argument and environment vectors, `path` as the
 * name it was called by. ENOEXEC, E2BIG, EFAULT, ENOMEM; nothing is left behind then.
 */
function buildImage(process: Process, source: ProgramSource, path: VirtAddr, pathLength: u64): Result<AddressSpace> {
  const checked = checkProgram(source.data, source.loaded, source.size);
  if (!checked.ok) return err(checked.error);
  const space = createAddressSpace();
  if (!space.ok) return space;
  setStackLimit(space.value, limitOf(process, Limit.STACK));
  const loaded = loadProgram(space.value, source, program);
  if (!loaded.ok) return abandon(space.value, loaded.error);
  const stack = buildStack(space.value, program, process.credentials, path, pathLength);
  if (!stack.ok) return abandon(space.value, stack.error);
  initialStack = stack.value;
  return space;
}

function abandon(space: AddressSpace, error: Errno): Result<AddressSpace> {
  releaseAddressSpace(space);
  return err(error);
}

/** A process's name, from the last part of its program's path. */
function nameAfter(name: FixedArray<u8>, path: VirtAddr, length: u64): void {
  let start: u64 = 0n;
  for (let index: u64 = 0n; index < length; index = u64(index + 1n)) {
    if (mem.load8(virt(path + index)) === SLASH) start = u64(index + 1n);
  }
  for (let index: u32 = 0; index < NAME_LENGTH; index++) {
    const offset = u64(start + u64(index));
    const isInside = offset < length && index < NAME_LENGTH - 1;
    name[index] = isInside ? mem.load8(virt(path + offset)) : 0;
  }
}

/**
 * A process without a program: the terminal as its files, an empty address space, and one thread, not started, that calls
 * `body` in the kernel, which has to give it a program. EAGAIN, ENOMEM: nothing has been made.
 */
export function createEmptyProcess(name: string, body: () => void): Result<Process> {
  const reserved = reserveProcess();
  if (!reserved.ok) return reserved;
  const process = reserved.value;
  const opened = openFirstFiles(process);
  if (!opened.ok) {
    freeProcess(process);
    return err(opened.error);
  }
  const space = createAddressSpace();
  if (!space.ok) {
    releaseProcessFiles(process);
    freeProcess(process);
    return err(space.error);
  }
  const thread = makeMainThread(process);
  if (!thread.ok) {
    releaseAddressSpace(space.value);
    releaseProcessFiles(process);
    freeProcess(process);
    return err(thread.error);
  }
  initializeLimits(process);
  process.addressSpace = space.value;
  process.pid = allocPid();
  process.pgid = process.pid;
  process.sid = process.pid;
  setName(process, name);
  for (let index: u32 = 0; index < NAME_LENGTH; index++) thread.value.name[index] = process.name[index]!;
  thread.value.tid = process.pid;
  prepareKernelStart(thread.value, body);
  enterThread(thread.value);
  linkThread(process, thread.value);
  addProcess(process);
  changeProcessState(process, ProcessState.Creating, ProcessState.Alive);
  return ok(process);
}

/** Gives a process in the making the terminal as its only files; ENOMEM: nothing has been made. */
function openFirstFiles(process: Process): Result<void> {
  const created = createProcessFiles(process);
  if (!created.ok) return created;
  const opened = openStandardFiles(process);
  if (!opened.ok) releaseProcessFiles(process);
  return opened;
}

/** The first thread of a process in the making, with a clean FPU, ready to be given a frame; EAGAIN, ENOMEM. */
function makeMainThread(process: Process): Result<Thread> {
  const reserved = reserveThread(process);
  if (!reserved.ok) return err(reserved.error);
  const thread = allocateThread();
  if (!thread.ok) return thread;
  resetFpuArea(thread.value);
  prepareFirstSwitch(thread.value);
  return thread;
}

const source = new ProgramSource();

/**
 * Replaces the running process's program by the one that a path in kernel memory names, under the exec lock, which is
 * released. The vectors have been measured. On an error nothing has changed.
 */
export function execProcess(path: VirtAddr, pathLength: u64): Result<void> {
  const thread = runningThread()!;
  const opened = openProgramSource(thread, source, path, pathLength);
  if (opened.ok) return execSource(thread, source, path, pathLength);
  releaseExecLock();
  return opened;
}

/**
 * As `execProcess`, from an open source, which is closed; on success its file belongs to the process, and the thread's frame
 * starts the new program. May not return: another thread can end the process while this one waits for the others to go.
 */
export function execSource(thread: Thread, from: ProgramSource, path: VirtAddr, pathLength: u64): Result<void> {
  const process = thread.process!;
  const built = buildImage(process, from, path, pathLength);
  const entry = program.entry;
  const stack = initialStack;
  const name = array(u8, NAME_LENGTH);
  nameAfter(name, path, pathLength);
  const file = from.file;
  if (file !== null) retainFile(file);
  closeSource(from);
  releaseExecLock();
  const space = built.ok ? prepareForExec(process, built.value) : built;
  if (!space.ok) {
    if (file !== null) releaseFile(file);
    return err(space.error);
  }
  if (!stopOtherThreads(process, thread)) {
    releaseAddressSpace(space.value);
    if (file !== null) releaseFile(file);
    exitThread(0);
  }
  takeLeadersPlace(process, thread);
  replaceMemory(process, thread, space.value);
  resetThread(thread);
  resetSignalHandlers(process);
  deletePosixTimers(process);
  saveIdentities(process.credentials);
  changeProgramFiles(process, file);
  process.hasExecuted = true;
  process.exitSignal = Signal.SIGCHLD;
  for (let index: u32 = 0; index < NAME_LENGTH; index++) {
    process.name[index] = name[index]!;
    thread.name[index] = name[index]!;
  }
  initializeFrame(frameBelow(thread.kernelStack), entry, stack);
  return ok();
}

/** Gives the process descriptors of its own. On ENOMEM the new space is gone. */
function prepareForExec(process: Process, space: AddressSpace): Result<AddressSpace> {
  const unshared = unshareDescriptors(process);
  return unshared.ok ? ok(space) : abandon(space, unshared.error);
}

/** Kills the other threads and waits until they are gone; false when this one has been killed meanwhile. */
function stopOtherThreads(process: Process, thread: Thread): boolean {
  let other = process.firstThread;
  while (other !== null) {
    if (other !== thread) killThread(other);
    other = other.nextInProcess;
  }
  while (process.threadCount > 1 && !isKilled(thread)) {
    prepareToWait(process.threadExits, thread, false);
    if (process.threadCount > 1 && !isKilled(thread)) sleep();
    finishWaiting(thread);
  }
  return !isKilled(thread);
}

/** The only thread left is the leader, and the leader's id is the process's. */
function takeLeadersPlace(process: Process, thread: Thread): void {
  if (thread.tid === process.pid) return;
  removeThread(thread);
  thread.tid = process.pid;
  enterThread(thread);
}

function replaceMemory(process: Process, thread: Thread, space: AddressSpace): void {
  leaveUserMemory(thread);
  const old = process.addressSpace;
  process.addressSpace = space;
  loadAddressSpace(space);
  completeVfork(process);
  if (old !== null) releaseAddressSpace(old);
}

/** Registers and user addresses that belong to the old program. */
function resetThread(thread: Thread): void {
  thread.fsBase = 0n;
  thread.gsBase = 0n;
  cpu.wrmsr(Msr.FS_BASE, 0n);
  cpu.wrmsr(Msr.KERNEL_GS_BASE, 0n);
  thread.alternateStack = 0n;
  thread.alternateStackSize = 0n;
  resetFpuArea(thread);
  cpu.fxrstor(virt(fpuAreaOf(thread.kernelStack)));
}

/** Caught signals go back to their default; ignored ones stay ignored. Mask and pending signals survive. */
export function resetSignalHandlers(process: Process): void {
  for (const action of process.signalActions) {
    if (action.handler !== SIG_IGN) action.handler = SIG_DFL;
    action.flags = 0n;
    action.mask = 0n;
    action.restorer = 0n;
  }
}
