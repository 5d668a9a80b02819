/** fork, vfork and clone: one operation that shares or copies each part of the caller. */
import { addressOf, array, assert, cpu, Errno, err, mem, ok, type Result, u32, u64, userPtr, virt } from '#dialect';
import { NAME_LENGTH } from '../abi/process.ts';
import { print } from '../console/print.ts';
import { inheritProcessFiles, releaseProcessFiles } from '../ipc/process-files.ts';
import {
  type AddressSpace,
  forkAddressSpace,
  releaseAddressSpace,
  retainAddressSpace,
} from '../memory/address-space.ts';
import { fpuAreaOf } from '../memory/kernel-stacks.ts';
import { isUserRange, USER_END } from '../memory/layout.ts';
import { writeUser32 } from '../memory/user-copy.ts';
import { Access, resolvePage, writeToSpace } from '../memory/user-pages.ts';
import { frameBelow, TRAP_FRAME_BYTES, TrapFrame } from '../processor/trap-frame.ts';
import { runningThread, sleep, startThread } from '../sched/scheduler.ts';
import { prepareFirstSwitch } from '../sched/switch.ts';
import { copyCredentials, isPrivileged } from './credentials.ts';
import { inheritLimits, Limit, limitOf } from './limits.ts';
import {
  changeProcessState,
  linkChild,
  linkThread,
  type Process,
  ProcessState,
  reserveThread,
  unreserveThread,
} from './pcb.ts';
import { inheritScheduling } from './scheduling.ts';
import { isKilled, isSignalNumber, Signal } from './signal-delivery.ts';
import { finishWaiting, prepareToSleep } from './sync.ts';
import { addProcess, allocPid, allocTid, freeProcess, reserveProcess, threadsOf } from './table.ts';
import { allocateThread, enterThread, SIGNAL_COUNT, type Thread } from './thread.ts';

/** CLONE_* of clone(2). */
export const Clone = {
  EXIT_SIGNAL: 0xffn,
  VM: 0x100n,
  FS: 0x200n,
  FILES: 0x400n,
  SIGHAND: 0x800n,
  PTRACE: 0x2000n,
  VFORK: 0x4000n,
  PARENT: 0x8000n,
  THREAD: 0x1_0000n,
  SYSVSEM: 0x4_0000n,
  SETTLS: 0x8_0000n,
  PARENT_SETTID: 0x10_0000n,
  CHILD_CLEARTID: 0x20_0000n,
  DETACHED: 0x40_0000n,
  UNTRACED: 0x80_0000n,
  CHILD_SETTID: 0x100_0000n,
  IO: 0x8000_0000n,
} as const;

/** Everything but namespaces, cgroups and pidfds. PTRACE, SYSVSEM, DETACHED, UNTRACED and IO change nothing here. */
const SUPPORTED = 0x81fd_efffn;

/** The arguments of clone(2), validated by `checkCloneFlags`. */
export class CloneRequest {
  flags: u64 = 0n;
  /** The child's stack pointer; 0 keeps the caller's. */
  stack: u64 = 0n;
  parentTid: u64 = 0n;
  childTid: u64 = 0n;
  tls: u64 = 0n;
}

/** EINVAL for flags that contradict each other or that this kernel does not know. */
export function checkCloneFlags(flags: u64, tls: u64): Result<void> {
  if ((flags & ~SUPPORTED) !== 0n) return err(Errno.EINVAL);
  const isThread = (flags & Clone.THREAD) !== 0n;
  const sharesHandlers = (flags & Clone.SIGHAND) !== 0n;
  if (isThread && !sharesHandlers) return err(Errno.EINVAL);
  if (sharesHandlers && (flags & Clone.VM) === 0n) return err(Errno.EINVAL);
  const exitSignal = u32(flags & Clone.EXIT_SIGNAL);
  if (exitSignal !== 0 && !isSignalNumber(exitSignal)) return err(Errno.EINVAL);
  if ((flags & Clone.SETTLS) !== 0n && tls >= USER_END) return err(Errno.EPERM);
  return ok();
}

/** Makes a thread or a process as requested and starts it; returns its id. EAGAIN, ENOMEM: nothing has happened. */
export function cloneTask(request: CloneRequest): Result<u32> {
  if (!hasTaskRoom(runningThread()!.process!)) return err(Errno.EAGAIN);
  return (request.flags & Clone.THREAD) !== 0n ? cloneThread(request) : cloneProcess(request);
}

/** RLIMIT_NPROC, which bounds the threads of all processes of a user who is not privileged. */
function hasTaskRoom(process: Process): boolean {
  if (isPrivileged(process.credentials)) return true;
  return u64(threadsOf(process.credentials.user.real)) < limitOf(process, Limit.NPROC);
}

function cloneThread(request: CloneRequest): Result<u32> {
  const parent = runningThread()!;
  const process = parent.process!;
  const reserved = reserveThread(process);
  if (!reserved.ok) return err(reserved.error);
  const allocated = allocateThread();
  if (!allocated.ok) {
    unreserveThread(process);
    return err(allocated.error);
  }
  const thread = allocated.value;
  const tid = allocTid();
  thread.tid = tid;
  inheritContext(parent, thread, request);
  enterThread(thread);
  linkThread(process, thread);
  storeIds(request, tid, process.addressSpace!);
  startThread(thread);
  return ok(tid);
}

function cloneProcess(request: CloneRequest): Result<u32> {
  const thread = runningThread()!;
  const parent = thread.process!;
  const reserved = reserveProcess();
  if (!reserved.ok) return err(reserved.error);
  const process = reserved.value;
  const inherited = inheritProcessFiles(parent, process, request.flags);
  if (!inherited.ok) {
    freeProcess(process);
    return err(inherited.error);
  }
  const space = spaceFor(parent, request.flags);
  if (!space.ok) {
    releaseProcessFiles(process);
    freeProcess(process);
    return err(space.error);
  }
  const allocated = allocateThread();
  if (!allocated.ok) {
    releaseAddressSpace(space.value);
    releaseProcessFiles(process);
    freeProcess(process);
    return err(allocated.error);
  }
  const child = allocated.value;
  process.threadCount = 1;
  process.addressSpace = space.value;
  process.pid = allocPid();
  child.tid = process.pid;
  inheritProcess(parent, process, request.flags);
  inheritContext(thread, child, request);
  enterThread(child);
  linkThread(process, child);
  addProcess(process);
  changeProcessState(process, ProcessState.Creating, ProcessState.Alive);
  storeIds(request, process.pid, space.value);
  return finishClone(request, thread, process, child);
}

/** Starts the child, and with VFORK waits until it no longer uses the caller's memory. */
function finishClone(request: CloneRequest, parent: Thread, process: Process, child: Thread): Result<u32> {
  const pid = process.pid;
  const isVfork = (request.flags & Clone.VFORK) !== 0n;
  if (isVfork) {
    process.vforkParent = parent;
    parent.vforkChild = process;
  }
  startThread(child);
  if (isVfork) waitForVforkChild(parent);
  return ok(pid);
}

function waitForVforkChild(parent: Thread): void {
  while (parent.vforkChild !== null && !isKilled(parent)) {
    prepareToSleep(parent, false);
    if (parent.vforkChild !== null && !isKilled(parent)) sleep();
    finishWaiting(parent);
  }
}

function spaceFor(parent: Process, flags: u64): Result<AddressSpace> {
  const space = parent.addressSpace!;
  if ((flags & Clone.VM) === 0n) return forkAddressSpace(space);
  retainAddressSpace(space);
  return ok(space);
}

/** What a child process takes over. Pending signals and times begin anew. */
function inheritProcess(parent: Process, child: Process, flags: u64): void {
  child.pgid = parent.pgid;
  child.sid = parent.sid;
  child.hasTerminal = parent.hasTerminal;
  copyCredentials(child.credentials, parent.credentials);
  inheritLimits(parent, child);
  child.umask = parent.umask;
  child.exitSignal = u32(flags & Clone.EXIT_SIGNAL);
  child.isDumpable = parent.isDumpable;
  for (let index: u32 = 0; index < NAME_LENGTH; index++) child.name[index] = runningThread()!.name[index]!;
  for (let index: u32 = 0; index < SIGNAL_COUNT; index++) {
    const from = parent.signalActions[index]!;
    const to = child.signalActions[index]!;
    to.handler = from.handler;
    to.flags = from.flags;
    to.restorer = from.restorer;
    to.mask = from.mask;
  }
  const isSibling = (flags & Clone.PARENT) !== 0n && parent.parent !== null;
  linkChild(isSibling ? parent.parent! : parent, child);
}

/** The caller's registers, FPU state and scheduling, but for what the request sets; RAX is 0 in the child. */
function inheritContext(parent: Thread, child: Thread, request: CloneRequest): void {
  const frame = frameBelow(child.kernelStack);
  mem.copy(frame, frameBelow(parent.kernelStack), TRAP_FRAME_BYTES);
  const registers = TrapFrame.at(frame);
  registers.rax = 0n;
  if (request.stack !== 0n) registers.rsp = request.stack;
  cpu.fxsave(virt(fpuAreaOf(child.kernelStack)));
  child.fsBase = (request.flags & Clone.SETTLS) !== 0n ? request.tls : parent.fsBase;
  child.gsBase = parent.gsBase;
  child.signalMask = parent.signalMask;
  if ((request.flags & Clone.VM) === 0n || (request.flags & Clone.VFORK) !== 0n) {
    child.alternateStack = parent.alternateStack;
    child.alternateStackSize = parent.alternateStackSize;
  }
  inheritScheduling(parent, child);
  child.hasNoNewPrivileges = parent.hasNoNewPrivileges;
  for (let index: u32 = 0; index < NAME_LENGTH; index++) child.name[index] = parent.name[index]!;
  if ((request.flags & Clone.CHILD_CLEARTID) !== 0n) child.clearTid = request.childTid;
  prepareFirstSwitch(child);
}

const ID_BYTES = 4n;
const storedId = array(u32, 1);

/** Stores the new id where the request asks for it; a bad address does not undo the clone. */
function storeIds(request: CloneRequest, id: u32, childSpace: AddressSpace): void {
  if ((request.flags & Clone.PARENT_SETTID) !== 0n) {
    const stored = writeUser32(userPtr<u32>(request.parentTid), id);
    if (!stored.ok) print`[PROCESS] clone: no memory at the parent's tid address\n`;
  }
  if ((request.flags & Clone.CHILD_SETTID) === 0n) return;
  if (!isUserRange(request.childTid, ID_BYTES)) return;
  const first = resolvePage(childSpace, request.childTid, Access.WRITE);
  const last = resolvePage(childSpace, u64(request.childTid + ID_BYTES - 1n), Access.WRITE);
  if (!first.ok || !last.ok) return;
  storedId[0] = id;
  const stored = writeToSpace(childSpace, request.childTid, addressOf(storedId), ID_BYTES);
  assert(stored.ok, 'a page made writable is not');
}

/** fork(2): everything copied, SIGCHLD at the end. */
export function forkProcess(request: CloneRequest): Result<u32> {
  request.flags = u64(Signal.SIGCHLD);
  request.stack = 0n;
  return cloneTask(request);
}

/** vfork(2): the child runs in the caller's memory, and the caller waits for it. */
export function vforkProcess(request: CloneRequest): Result<u32> {
  request.flags = u64(u64(Signal.SIGCHLD) | Clone.VM | Clone.VFORK);
  request.stack = 0n;
  return cloneTask(request);
}
