/** The request being served: what the kernel handed over, and the reply that goes back. */
import {
  addressOf,
  aligned,
  array,
  Errno,
  embed,
  err,
  ok,
  type Result,
  u8,
  type u32,
  u64,
  type VirtAddr,
  virt,
} from '#dialect';
import { SERVER_ENDPOINT } from '../../../kernel/abi/file-protocol.ts';
import { IpcReply, IpcRequest, IpcTransfer } from '../../../kernel/abi/ipc.ts';
import { PATH_MAX } from '../../../kernel/abi/stat.ts';
import { copyFromCaller, copyToCaller, replyAndReceive } from '../../runtime/ipc.ts';
import { type Handle, handleOf, rootNode } from './handle.ts';
import type { Node } from './node.ts';

const message = embed(IpcRequest);
const answer = embed(IpcReply);
const PATHS = 2;
/** The paths that came with the request, one behind the other. */
const paths = aligned(16, array(u8, PATH_MAX * PATHS));

class Request {
  callId: u64 = 0n;
  operation: u32 = 0;
  /** The caller. */
  pid: u32 = 0;
  uid: u32 = 0;
  gid: u32 = 0;
  umask: u32 = 0;
  /** Status flags of the open file that was called. */
  flags: u32 = 0;
  /** The node of the capability that was called. */
  node: Node | null = null;
  handle: Handle | null = null;
  /** The caller's root directory. */
  root: Node | null = null;
}
export const request = new Request();

/** One of the operation's words. */
export function word(index: u32): u64 {
  return index < message.words.length ? message.words[index]! : 0n;
}

/** Bytes of the caller's memory that the operation may write. */
export function outputSize(): u64 {
  return message.outputSize;
}

/** Sends the reply made last, waits for the next request and takes it apart; false when the kernel refuses. */
export function nextRequest(): boolean {
  const callId = replyAndReceive(request.callId, addressOf(answer), SERVER_ENDPOINT, addressOf(message));
  if (callId < 0n) return false;
  request.callId = u64(callId);
  request.operation = message.operation;
  request.pid = message.pid;
  request.uid = message.uid;
  request.gid = message.gid;
  request.umask = message.umask;
  request.flags = message.flags;
  request.handle = handleOf(message.badge);
  request.node = request.handle === null ? null : request.handle.node;
  const root = message.root === 0n ? null : handleOf(message.root);
  request.root = root === null ? rootNode() : root.node;
  answer.transfer = IpcTransfer.NONE;
  answer.word = 0n;
  answer.descriptor = 0;
  return true;
}

/** The badge that was called. */
export function calledBadge(): u64 {
  return message.badge;
}

/** Makes a result the reply's status. */
export function setStatus(result: Result<u64>): void {
  answer.status = result.ok ? result.value : u64(-u64(result.error));
}

/** The caller gets a capability to this server under a badge. */
export function transferBadge(badge: u64): void {
  answer.transfer = IpcTransfer.BADGE;
  answer.word = badge;
}

/** The caller gets a share of one of the server's own descriptors. */
export function transferDescriptor(descriptor: u32): void {
  answer.transfer = IpcTransfer.DESCRIPTOR;
  answer.descriptor = descriptor;
}

export function transferControllingTerminal(): void {
  answer.transfer = IpcTransfer.CONTROLLING_TERMINAL;
}

/** Brings the first `length` bytes of input in and returns their address. ENAMETOOLONG, EFAULT. */
export function takePaths(length: u64): Result<VirtAddr> {
  if (length > u64(PATH_MAX * PATHS)) return err(Errno.ENAMETOOLONG);
  const copied = takeInput(0n, addressOf(paths), length);
  return copied.ok ? ok(addressOf(paths)) : err(copied.error);
}

/** Copies a part of the caller's input; EFAULT. */
export function takeInput(offset: u64, address: VirtAddr, length: u64): Result<void> {
  if (length === 0n) return ok();
  return copyFromCaller(request.callId, offset, address, length) < 0n ? err(Errno.EFAULT) : ok();
}

/** Copies to a part of the caller's output; EFAULT. */
export function giveOutput(offset: u64, address: VirtAddr, length: u64): Result<void> {
  if (length === 0n) return ok();
  return copyToCaller(request.callId, offset, address, length) < 0n ? err(Errno.EFAULT) : ok();
}

/** A path of the request: `length` bytes that begin `offset` bytes into its input. */
export function pathAt(offset: u64): VirtAddr {
  return virt(addressOf(paths) + offset);
}
