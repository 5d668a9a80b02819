/** epoll_create1(2), epoll_ctl(2), epoll_wait(2). */
import {
  addressOf,
  Errno,
  embed,
  err,
  f32,
  f64,
  i32,
  ok,
  packed,
  type Result,
  u32,
  u64,
  userPtr,
  type VirtAddr,
} from '#dialect';
import { OpenFlag } from '../abi/stat.ts';
import { fileAt } from '../ipc/descriptors.ts';
import {
  addInterest,
  changeInterest,
  createInterestList,
  findInterest,
  hasReport,
  type InterestList,
  noteReport,
  removeInterest,
  reportableEvents,
} from '../ipc/epoll.ts';
import { allocateFile, FileKind, freeFile } from '../ipc/open-file.ts';
import { copyIn, copyOut } from '../memory/user-copy.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread } from '../sched/scheduler.ts';
import { descriptors, installFile } from './descriptor-calls.ts';
import { deadlineOf, finishMasked, NO_DEADLINE, replaceMask, waitUntilReady } from './poll-calls.ts';
import { deadlineAfter } from './time-calls.ts';

/** struct epoll_event. */
const EpollEvent = packed({ events: f32, data: f64 });
const event = embed(EpollEvent);

const Operation = { ADD: 1, DELETE: 2, MODIFY: 3 } as const;
const MOST_EVENTS = 0x0aaa_aaaa;
const MILLISECOND = 1_000_000n;

/** epoll_create1(flags) */
export function epollCreate1(frame: VirtAddr): Result<u64> {
  const flags = u32(TrapFrame.at(frame).rdi);
  if ((flags & ~OpenFlag.CLOSE_ON_EXEC) !== 0) return err(Errno.EINVAL);
  return createList(flags);
}

/** epoll_create(size): the size means nothing, but must be positive. */
export function epollCreate(frame: VirtAddr): Result<u64> {
  return i32(TrapFrame.at(frame).rdi) <= 0 ? err(Errno.EINVAL) : createList(0);
}

function createList(flags: u32): Result<u64> {
  const file = allocateFile(FileKind.UNDECIDED, OpenFlag.READ_WRITE);
  if (!file.ok) return err(file.error);
  const made = createInterestList(file.value);
  if (!made.ok) {
    freeFile(file.value);
    return err(made.error);
  }
  return installFile(file.value, 0, (flags & OpenFlag.CLOSE_ON_EXEC) !== 0);
}

/** The interest list of a descriptor; EBADF, EINVAL. */
function listOf(descriptor: u32): Result<InterestList> {
  const file = fileAt(descriptors(), descriptor);
  if (file === null) return err(Errno.EBADF);
  return file.kind === FileKind.INTEREST_LIST ? ok(file.interests!) : err(Errno.EINVAL);
}

/** epoll_ctl(list, operation, descriptor, event) */
export function epollCtl(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const operation = u32(registers.rsi);
  const descriptor = u32(registers.rdx);
  if (operation !== Operation.DELETE) {
    const copied = copyIn(addressOf(event), userPtr<unknown>(registers.r10), u64(EpollEvent.size));
    if (!copied.ok) return err(copied.error);
  }
  const file = fileAt(descriptors(), descriptor);
  if (file === null) return err(Errno.EBADF);
  const list = listOf(u32(registers.rdi));
  if (!list.ok) return err(list.error);
  if (operation === Operation.ADD) {
    const added = addInterest(list.value, file, descriptor, event.events, event.data);
    return added.ok ? ok(0n) : err(added.error);
  }
  if (operation !== Operation.DELETE && operation !== Operation.MODIFY) return err(Errno.EINVAL);
  const interest = findInterest(list.value, file, descriptor);
  if (interest === null) return err(Errno.ENOENT);
  if (operation === Operation.DELETE) removeInterest(interest);
  else changeInterest(interest, event.events, event.data);
  return ok(0n);
}

/** Stores up to `most` reports at a user address; their number. EFAULT: not even the first. */
function report(list: InterestList, address: u64, most: u32): Result<u64> {
  let count: u64 = 0n;
  let interest = list.first;
  const last = list.last;
  while (interest !== null && count < u64(most)) {
    const next = interest === last ? null : interest.next;
    const events = reportableEvents(interest);
    if (events !== 0) {
      event.events = events;
      event.data = interest.data;
      const at = userPtr<unknown>(address + count * u64(EpollEvent.size));
      const copied = copyOut(at, addressOf(event), u64(EpollEvent.size));
      if (!copied.ok) return count > 0n ? ok(count) : err(copied.error);
      noteReport(interest);
      count = u64(count + 1n);
    }
    interest = next;
  }
  return ok(count);
}

function wait(frame: VirtAddr, deadline: u64): Result<u64> {
  const registers = TrapFrame.at(frame);
  const most = i32(registers.rdx);
  if (most <= 0 || most > MOST_EVENTS) return err(Errno.EINVAL);
  const descriptor = u32(registers.rdi);
  const found = listOf(descriptor);
  if (!found.ok) return err(found.error);
  const address = registers.rsi;
  for (;;) {
    const waited = waitUntilReady(runningThread()!, deadline, () => lookAtList(descriptor));
    if (!waited.ok) return err(waited.error);
    const list = listOf(descriptor);
    if (!list.ok) return err(list.error);
    const reported = report(list.value, address, u32(most));
    if (waited.value === 0 || !reported.ok || reported.value > 0n) return reported;
  }
}

/** The list may be closed by another thread meanwhile: EBADF. */
function lookAtList(descriptor: u32): Result<u32> {
  const list = listOf(descriptor);
  if (!list.ok) return err(list.error);
  return ok(hasReport(list.value) ? 1 : 0);
}

function deadlineOfMilliseconds(timeout: i32): u64 {
  return timeout < 0 ? NO_DEADLINE : deadlineAfter(u64(u64(timeout) * MILLISECOND));
}

/** epoll_wait(list, events, most, timeout): milliseconds, negative for ever. */
export function epollWait(frame: VirtAddr): Result<u64> {
  return wait(frame, deadlineOfMilliseconds(i32(TrapFrame.at(frame).r10)));
}

/** epoll_pwait(list, events, most, timeout, mask, mask size) */
export function epollPwait(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const masked = replaceMask(registers.r8, registers.r9);
  if (!masked.ok) return err(masked.error);
  return finishMasked(wait(frame, deadlineOfMilliseconds(i32(registers.r10))));
}

/** epoll_pwait2(list, events, most, timeout, mask, mask size): a struct timespec. */
export function epollPwait2(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const deadline = deadlineOf(registers.r10);
  if (!deadline.ok) return deadline;
  const masked = replaceMask(registers.r8, registers.r9);
  if (!masked.ok) return err(masked.error);
  return finishMasked(wait(frame, deadline.value));
}
