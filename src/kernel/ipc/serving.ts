/** The server's side of calls: receiving, copying the caller's buffers, replying. */
import {
  addressOf,
  Errno,
  embed,
  err,
  ok,
  type PhysAddr,
  type Result,
  u32,
  u64,
  userPtr,
  type VirtAddr,
  virt,
} from '#dialect';
import { IpcOperation, IpcReply, IpcRequest, IpcTransfer, MESSAGE_WORDS } from '../abi/ipc.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import { directMap, lesser, PAGE_OFFSET_MASK, PAGE_SIZE, pageFloor } from '../memory/layout.ts';
import { copyIn, copyOut } from '../memory/user-copy.ts';
import { Access, resolvePage, writableFrame } from '../memory/user-pages.ts';
import type { Process } from '../process/pcb.ts';
import { isInterrupted } from '../process/signal-delivery.ts';
import { finishWaiting, prepareToWait } from '../process/sync.ts';
import { findThread, Restart, type Thread } from '../process/thread.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread, sleep, switchToWaiter, wakeThread } from '../sched/scheduler.ts';
import { type CallBuffer, CallState, type IpcCall, inputSize } from './call.ts';
import { fileAt } from './descriptors.ts';
import { type Endpoint, failCall, takeClosed, unlinkCaller } from './endpoint.ts';
import { FileKind, retainFile } from './open-file.ts';
import { linkServed, replyToAbandoned, unlinkServed } from './served-calls.ts';

const request = embed(IpcRequest);
const answer = embed(IpcReply);
const LARGEST_COUNT = 0x7fff_ffff;
let callCount: u32 = 0;

/** Call ids are never 0, and positive as system call results. */
function nextCallId(caller: Thread): u64 {
  callCount = callCount === LARGEST_COUNT ? 1 : u32(callCount + 1);
  return u64((u64(callCount) << 32n) | u64(caller.tid));
}

/** True when a receiver has something to take. */
export function hasRequest(endpoint: Endpoint): boolean {
  return endpoint.firstCaller !== null || endpoint.firstClosed !== null;
}

/**
 * Waits until the endpoint has a request. `next`, if any, is a thread to run first: the caller just answered.
 * EINTR: a signal came first. EIO: the endpoint has died.
 */
function waitForRequest(thread: Thread, endpoint: Endpoint, next: Thread | null): Result<void> {
  if (next !== null) runAnswered(thread, endpoint, next);
  while (!hasRequest(endpoint)) {
    if (endpoint.isDead) return err(Errno.EIO);
    if (isInterrupted(thread)) {
      thread.restart = Restart.IF_WANTED;
      return err(Errno.EINTR);
    }
    prepareToWait(endpoint.receivers, thread, true);
    sleep();
    finishWaiting(thread);
  }
  return ok();
}

/** Hands the processor to an answered caller while there is nothing else to do, else only lets it run. */
function runAnswered(thread: Thread, endpoint: Endpoint, caller: Thread): void {
  if (hasRequest(endpoint) || endpoint.isDead || isInterrupted(thread)) {
    wakeThread(caller);
    return;
  }
  prepareToWait(endpoint.receivers, thread, true);
  switchToWaiter(caller);
  finishWaiting(thread);
}

/** Takes the first caller off the queue: this process is to answer it. */
function takeCaller(thread: Thread, endpoint: Endpoint): Thread {
  const caller = endpoint.firstCaller!;
  unlinkCaller(endpoint, caller);
  caller.call.id = nextCallId(caller);
  caller.call.state = CallState.SERVED;
  linkServed(thread.process!, caller);
  return caller;
}

/** Waits for a request and stores it at `destination`, an IpcRequest in user memory. Returns the call's id, 0 for CLOSE. */
export function receiveRequest(thread: Thread, endpoint: Endpoint, next: Thread | null, destination: u64): Result<u64> {
  const arrived = waitForRequest(thread, endpoint, next);
  if (!arrived.ok) return err(arrived.error);
  if (endpoint.firstClosed !== null) {
    request.badge = takeClosed(endpoint);
    request.operation = IpcOperation.CLOSE;
    return copyRequest(destination, 0n);
  }
  const caller = takeCaller(thread, endpoint);
  describe(caller, endpoint);
  const copied = copyRequest(destination, caller.call.id);
  if (copied.ok) return copied;
  unlinkServed(caller);
  failCall(caller);
  return copied;
}

function copyRequest(destination: u64, id: u64): Result<u64> {
  const copied = copyOut(userPtr<unknown>(destination), addressOf(request), u64(IpcRequest.size));
  return copied.ok ? ok(id) : err(copied.error);
}

function describe(caller: Thread, endpoint: Endpoint): void {
  const call = caller.call;
  const process = caller.process!;
  const root = process.fileContext === null ? null : process.fileContext.root;
  request.badge = call.file!.badge;
  request.operation = call.operation;
  request.pid = process.pid;
  request.uid = process.credentials.user.file;
  request.gid = process.credentials.group.file;
  request.umask = process.umask;
  request.flags = call.file!.flags;
  request.root = root !== null && root.endpoint === endpoint ? root.badge : 0n;
  request.inputSize = inputSize(call);
  request.outputSize = call.outputs[0]!.size;
  for (let index: u32 = 0; index < MESSAGE_WORDS; index++) request.words[index] = call.words[index]!;
}

/** As `receiveRequest`, with badge and words in the registers of `frame` (see `storeWords`). */
export function receiveWords(thread: Thread, endpoint: Endpoint, next: Thread | null, frame: VirtAddr): Result<u64> {
  const arrived = waitForRequest(thread, endpoint, next);
  if (!arrived.ok) return err(arrived.error);
  const registers = TrapFrame.at(frame);
  if (endpoint.firstClosed !== null) {
    registers.rdi = takeClosed(endpoint);
    return ok(0n);
  }
  const caller = takeCaller(thread, endpoint);
  registers.rdi = caller.call.file!.badge;
  storeWords(caller.call, frame);
  return ok(caller.call.id);
}

/** A message's eight words, from RSI, RDX, R10, R8, R9, R12, R13 and R14. */
export function loadWords(call: IpcCall, frame: VirtAddr): void {
  const registers = TrapFrame.at(frame);
  call.words[0] = registers.rsi;
  call.words[1] = registers.rdx;
  call.words[2] = registers.r10;
  call.words[3] = registers.r8;
  call.words[4] = registers.r9;
  call.words[5] = registers.r12;
  call.words[6] = registers.r13;
  call.words[7] = registers.r14;
}

/** A message's eight words, to the registers that `loadWords` takes them from. */
export function storeWords(call: IpcCall, frame: VirtAddr): void {
  const registers = TrapFrame.at(frame);
  registers.rsi = call.words[0]!;
  registers.rdx = call.words[1]!;
  registers.r10 = call.words[2]!;
  registers.r8 = call.words[3]!;
  registers.r9 = call.words[4]!;
  registers.r12 = call.words[5]!;
  registers.r13 = call.words[6]!;
  registers.r14 = call.words[7]!;
}

/** The caller behind a call that this process has received and not answered; null when it is gone or never was. */
function findCaller(server: Process, callId: u64): Thread | null {
  const caller = findThread(u32(callId & 0xffff_ffffn));
  if (caller === null || caller.call.state !== CallState.SERVED) return null;
  return caller.call.id === callId && caller.call.server === server ? caller : null;
}

/**
 * Answers a call with the IpcReply at `source` and returns its caller, which is still to be woken. ESRCH: the caller is gone.
 * EFAULT, EBADF: the reply cannot be read or names no descriptor of the server's; the call is still to be answered.
 */
export function answerCall(thread: Thread, callId: u64, source: u64): Result<Thread> {
  const copied = copyIn(addressOf(answer), userPtr<unknown>(source), u64(IpcReply.size));
  if (!copied.ok) return err(copied.error);
  const server = thread.process!;
  const caller = findCaller(server, callId);
  if (caller === null) {
    replyToAbandoned(server, callId, answer.transfer === IpcTransfer.BADGE, answer.word);
    return err(Errno.ESRCH);
  }
  const call = caller.call;
  if (answer.transfer === IpcTransfer.DESCRIPTOR) {
    const given = fileAt(server.files!, answer.descriptor);
    if (given === null) return err(Errno.EBADF);
    retainFile(given);
    call.given = given;
  }
  call.transfer = answer.transfer;
  call.words[0] = answer.word;
  finishAnswer(caller, answer.status);
  return ok(caller);
}

/** Answers a call with status 0 and the words in the registers of `frame`; ESRCH as `answerCall`. */
export function answerWithWords(thread: Thread, callId: u64, frame: VirtAddr): Result<Thread> {
  const caller = findCaller(thread.process!, callId);
  if (caller === null) {
    replyToAbandoned(thread.process!, callId, false, 0n);
    return err(Errno.ESRCH);
  }
  loadWords(caller.call, frame);
  finishAnswer(caller, 0n);
  return ok(caller);
}

function finishAnswer(caller: Thread, status: u64): void {
  unlinkServed(caller);
  caller.call.status = status;
  caller.call.state = CallState.ANSWERED;
}

/** Copies from a caller's input to the server's memory. EINVAL: beyond its end. EFAULT. ESRCH: the caller is gone. */
export function copyFromCaller(thread: Thread, callId: u64, offset: u64, destination: u64, length: u64): Result<u64> {
  const caller = findCaller(thread.process!, callId);
  if (caller === null) return err(Errno.ESRCH);
  const call = caller.call;
  const size = inputSize(call);
  if (offset > size || length > u64(size - offset)) return err(Errno.EINVAL);
  const space = caller.process!.addressSpace!;
  const first = call.inputs[0]!;
  const inFirst = offset < first.size ? lesser(length, u64(first.size - offset)) : 0n;
  const copied = transfer(space, first, offset, destination, inFirst, false);
  if (!copied.ok) return err(copied.error);
  const rest = u64(length - inFirst);
  if (rest === 0n) return ok(length);
  const skipped = u64(offset + inFirst - first.size);
  const second = transfer(space, call.inputs[1]!, skipped, u64(destination + inFirst), rest, false);
  return second.ok ? ok(length) : err(second.error);
}

/** Copies from the server's memory to a caller's output. EINVAL: beyond its end. EFAULT. ESRCH: the caller is gone. */
export function copyToCaller(thread: Thread, callId: u64, offset: u64, source: u64, length: u64): Result<u64> {
  const caller = findCaller(thread.process!, callId);
  if (caller === null) return err(Errno.ESRCH);
  const output = caller.call.outputs[0]!;
  if (offset > output.size || length > u64(output.size - offset)) return err(Errno.EINVAL);
  const copied = transfer(caller.process!.addressSpace!, output, offset, source, length, true);
  return copied.ok ? ok(length) : err(copied.error);
}

/** Copies between a caller's buffer and the running process's memory at `own`; the caller's pages are brought in. */
function transfer(
  space: AddressSpace,
  buffer: CallBuffer,
  offset: u64,
  own: u64,
  length: u64,
  isOutput: boolean,
): Result<void> {
  let done: u64 = 0n;
  while (done < length) {
    const address = u64(buffer.address + offset + done);
    let part = u64(length - done);
    let place = virt(address);
    if (!buffer.isKernel) {
      const inPage = u64(address & PAGE_OFFSET_MASK);
      part = lesser(part, u64(PAGE_SIZE - inPage));
      const frame = pageOf(space, buffer, pageFloor(address), isOutput);
      if (!frame.ok) return err(Errno.EFAULT);
      place = virt(directMap(frame.value) + inPage);
    }
    const user = userPtr<unknown>(own + done);
    const copied = isOutput ? copyIn(place, user, part) : copyOut(user, place, part);
    if (!copied.ok) return copied;
    done = u64(done + part);
  }
  return ok();
}

function pageOf(space: AddressSpace, buffer: CallBuffer, page: u64, isOutput: boolean): Result<PhysAddr> {
  if (buffer.space !== null) return writableFrame(buffer.space, page);
  return resolvePage(space, page, isOutput ? Access.WRITE : Access.READ);
}

/** The endpoint that a descriptor of the running process may receive on; EBADF: none. */
export function endpointAt(descriptor: u32): Result<Endpoint> {
  const file = fileAt(runningThread()!.process!.files!, descriptor);
  if (file === null || file.kind !== FileKind.ENDPOINT) return err(Errno.EBADF);
  return ok(file.endpoint!);
}
