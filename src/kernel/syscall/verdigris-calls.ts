/**
 * What only this kernel can tell: which processes and threads there are. Each call describes the next one above a given
 * id, so a list is read while it changes without missing what stays.
 */
import {
  addressOf,
  Errno,
  embed,
  err,
  ok,
  type Result,
  type u8,
  u32,
  u64,
  userPtr,
  type VirtAddr,
  virt,
} from '#dialect';
import { AreaRecord, NAME_LENGTH, ProcessRecord, ThreadRecord } from '../abi/process.ts';
import { initramfsSize, initramfsStart } from '../initramfs/cpio.ts';
import { CallState } from '../ipc/call.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import { AreaFlag, firstAreaAbove } from '../memory/area.ts';
import { directMap, directMapped, lesser, PAGE_OFFSET_MASK, PAGE_SIZE, pageFloor } from '../memory/layout.ts';
import { mapReserved } from '../memory/reserved.ts';
import { copyOut, writeUser64 } from '../memory/user-copy.ts';
import { Access, resolvePage } from '../memory/user-pages.ts';
import { type Process, ProcessState } from '../process/pcb.ts';
import { findProcess, nextProcess } from '../process/table.ts';
import { type Thread, ThreadState } from '../process/thread.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { exploreSchedules, isExploring } from '../sched/exploration.ts';
import { runningThread } from '../sched/scheduler.ts';

/** State letters as ps(1) prints them. */
const RUNNING = 82;
const SLEEPING = 83;
const STOPPED = 84;
const ZOMBIE = 90;

const processRecord = embed(ProcessRecord);
const threadRecord = embed(ThreadRecord);

/** A thread in a call counts as running for the server that is at work on it, and asks. */
function threadState(thread: Thread): u32 {
  const state = thread.state.load();
  if (thread.call.state === CallState.SERVED && thread.call.server === runningThread()!.process) return RUNNING;
  return state === ThreadState.Running || state === ThreadState.Runnable ? RUNNING : SLEEPING;
}

function processState(process: Process): u32 {
  if (process.state.load() === ProcessState.Zombie) return ZOMBIE;
  if (process.stopSignal !== 0) return STOPPED;
  let thread = process.firstThread;
  while (thread !== null) {
    if (threadState(thread) === RUNNING) return RUNNING;
    thread = thread.nextInProcess;
  }
  return SLEEPING;
}

/** initramfs_map(size): maps the boot module read-only, stores its size and returns its address. EPERM: not a server. */
export function initramfsMap(frame: VirtAddr): Result<u64> {
  const process = runningThread()!.process!;
  if (!process.isServer) return err(Errno.EPERM);
  const stored = writeUser64(userPtr<u64>(TrapFrame.at(frame).rdi), initramfsSize());
  if (!stored.ok) return err(stored.error);
  return mapReserved(process.addressSpace!, directMapped(initramfsStart()), initramfsSize());
}

/** The memory of a process that the caller may look into: a server may into any. EPERM, ESRCH: none, or a zombie's. */
function memoryOf(pid: u32): Result<AddressSpace> {
  const caller = runningThread()!.process!;
  if (!caller.isServer && caller.pid !== pid) return err(Errno.EPERM);
  const process = findProcess(pid);
  const space = process === null ? null : process.addressSpace;
  return space === null ? err(Errno.ESRCH) : ok(space);
}

/** process_arguments(pid, buffer, size): copies the argument strings that exec laid out, cut to fit; their bytes. */
export function processArguments(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const space = memoryOf(u32(registers.rdi));
  if (!space.ok) return err(space.error);
  const start = space.value.argumentsStart;
  const length = lesser(u64(space.value.argumentsEnd - start), registers.rdx);
  let done: u64 = 0n;
  while (done < length) {
    const address = u64(start + done);
    const inPage = u64(address & PAGE_OFFSET_MASK);
    const part = lesser(u64(length - done), u64(PAGE_SIZE - inPage));
    const page = resolvePage(space.value, pageFloor(address), Access.READ);
    if (!page.ok) return ok(done);
    const copied = copyOut(userPtr<u8>(registers.rsi + done), virt(directMap(page.value) + inPage), part);
    if (!copied.ok) return err(copied.error);
    done = u64(done + part);
  }
  return ok(length);
}

const areaRecord = embed(AreaRecord);

/** process_areas(pid, cursor, record): the first area that ends above `cursor`; 1, or 0 when there is none. */
export function processAreas(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const space = memoryOf(u32(registers.rdi));
  if (!space.ok) return err(space.error);
  const area = firstAreaAbove(space.value.areas, registers.rsi);
  if (area === null) return ok(0n);
  areaRecord.start = area.start;
  areaRecord.end = area.end;
  areaRecord.protection = area.protection;
  areaRecord.flags = u32(area.flags & AreaFlag.SHARED);
  const copied = copyOut(userPtr<u8>(registers.rdx), addressOf(areaRecord), u64(AreaRecord.size));
  return copied.ok ? ok(1n) : err(copied.error);
}

/** process_query(pid, record): the process with the next higher pid, which is returned; 0 when there is none. */
export function processQuery(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const process = nextProcess(u32(registers.rdi));
  if (process === null) return ok(0n);
  processRecord.pid = process.pid;
  processRecord.parent = process.parent === null ? 0 : process.parent.pid;
  processRecord.group = process.pgid;
  processRecord.session = process.sid;
  processRecord.state = processState(process);
  processRecord.threads = process.threadCount;
  processRecord.exitStatus = process.exitStatus;
  processRecord.user = process.credentials.user.real;
  processRecord.residentPages = process.addressSpace === null ? 0n : process.addressSpace.residentPages;
  processRecord.ticks = process.ticks;
  for (let index: u32 = 0; index < NAME_LENGTH; index++) processRecord.name[index] = process.name[index]!;
  const copied = copyOut(userPtr<u8>(registers.rsi), addressOf(processRecord), u64(ProcessRecord.size));
  return copied.ok ? ok(u64(process.pid)) : err(copied.error);
}

/** thread_query(pid, tid, record): the process's thread with the next higher tid, which is returned; 0 for none. */
export function threadQuery(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const process = findProcess(u32(registers.rdi));
  const thread = process === null ? null : nextThread(process, u32(registers.rsi));
  if (process === null || thread === null) return ok(0n);
  threadRecord.tid = thread.tid;
  threadRecord.pid = process.pid;
  threadRecord.state = process.stopSignal !== 0 ? STOPPED : threadState(thread);
  threadRecord.priority = thread.priority;
  threadRecord.ticks = thread.processorTicks;
  const copied = copyOut(userPtr<u8>(registers.rdx), addressOf(threadRecord), u64(ThreadRecord.size));
  return copied.ok ? ok(u64(thread.tid)) : err(copied.error);
}

function nextThread(process: Process, tid: u32): Thread | null {
  let found: Thread | null = null;
  let thread = process.firstThread;
  while (thread !== null) {
    if (thread.tid > tid && (found === null || thread.tid < found.tid)) found = thread;
    thread = thread.nextInProcess;
  }
  return found;
}

/**
 * schedule_seed(seed, depth): schedules are drawn anew from a seed (sched/exploration.ts). EPERM on a kernel that was not
 * booted with a `schedule-seed=`.
 */
export function scheduleSeed(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  if (!isExploring()) return err(Errno.EPERM);
  exploreSchedules(registers.rdi, u32(registers.rsi));
  return ok(0n);
}
