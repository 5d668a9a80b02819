/** Endpoints: where the calls on a server's capabilities queue until it receives them. */
import { addressOf, constructAt, Errno, embed, err, ok, type Result, sizeOf, u32, u64 } from '#dialect';
import { newIdentity } from '../memory/object.ts';
import { ObjectCache } from '../memory/slab.ts';
import { wakeAll, wakeOne } from '../process/sync.ts';
import type { Thread } from '../process/thread.ts';
import { WaitQueue } from '../process/wait-queue.ts';
import { wakeThread } from '../sched/scheduler.ts';
import { CallState } from './call.ts';
import { FileKind, freeFile, type OpenFile } from './open-file.ts';
import { notifyPollers } from './poll-waiters.ts';

export class Endpoint {
  /** Never used twice. */
  id: u64 = 0n;
  /** Files that name the endpoint: capabilities, open or closed, and receive rights. The last one frees it. */
  references: u32 = 0;
  /** Receive rights. Without any the endpoint is dead for good. */
  receiveRights: u32 = 0;
  isDead: boolean = false;
  /** Threads whose calls nobody has received. */
  firstCaller: Thread | null = null;
  lastCaller: Thread | null = null;
  /** Threads that wait for calls. */
  readonly receivers: WaitQueue = embed(WaitQueue);
  firstRemote: OpenFile | null = null;
  /** Capabilities whose last descriptor is gone and whose server has not been told. */
  firstClosed: OpenFile | null = null;
  lastClosed: OpenFile | null = null;
}

const cache = new ObjectCache(sizeOf(Endpoint));

/** Endpoints alive. */
export function endpointCount(): u32 {
  return cache.allocated;
}

/** A new endpoint, with `file` as the right to receive on it; ENOMEM. */
export function createEndpoint(file: OpenFile): Result<Endpoint> {
  const memory = cache.allocate();
  if (!memory.ok) return err(memory.error);
  const endpoint = constructAt(Endpoint, memory.value);
  endpoint.id = newIdentity();
  endpoint.references = 1;
  endpoint.receiveRights = 1;
  file.kind = FileKind.ENDPOINT;
  file.endpoint = endpoint;
  return ok(endpoint);
}

export function retainEndpoint(endpoint: Endpoint): void {
  endpoint.references = u32(endpoint.references + 1);
}

export function releaseEndpoint(endpoint: Endpoint): void {
  endpoint.references = u32(endpoint.references - 1);
  if (endpoint.references === 0) cache.release(addressOf(endpoint));
}

/** Makes a file a capability to an endpoint. */
export function makeRemote(file: OpenFile, endpoint: Endpoint, badge: u64): void {
  file.kind = FileKind.REMOTE;
  file.endpoint = endpoint;
  file.badge = badge;
  file.previous = null;
  file.next = endpoint.firstRemote;
  if (endpoint.firstRemote !== null) endpoint.firstRemote.previous = file;
  endpoint.firstRemote = file;
  retainEndpoint(endpoint);
}

function unlinkRemote(endpoint: Endpoint, file: OpenFile): void {
  if (file.previous === null) endpoint.firstRemote = file.next;
  else file.previous.next = file.next;
  if (file.next !== null) file.next.previous = file.previous;
  file.next = null;
  file.previous = null;
}

/** Ends a capability. */
export function closeRemote(file: OpenFile): void {
  unlinkRemote(file.endpoint!, file);
  announceClosed(file);
}

/** Queues the news that a badge has no capability left: the file itself waits until the server has been told. */
export function announceClosed(file: OpenFile): void {
  const endpoint = file.endpoint!;
  if (endpoint.isDead) {
    freeFile(file);
    releaseEndpoint(endpoint);
    return;
  }
  if (endpoint.lastClosed === null) endpoint.firstClosed = file;
  else endpoint.lastClosed.next = file;
  endpoint.lastClosed = file;
  wakeOne(endpoint.receivers);
  notifyPollers();
}

/** Takes the news of a closed capability off the queue; its badge. */
export function takeClosed(endpoint: Endpoint): u64 {
  const file = endpoint.firstClosed!;
  const badge = file.badge;
  endpoint.firstClosed = file.next;
  if (file.next === null) endpoint.lastClosed = null;
  freeFile(file);
  releaseEndpoint(endpoint);
  return badge;
}

/** Marks every capability with this badge as dead. */
export function revokeBadge(endpoint: Endpoint, badge: u64): void {
  let file = endpoint.firstRemote;
  while (file !== null) {
    if (file.badge === badge) file.isRevoked = true;
    file = file.next;
  }
}

/** Ends a receive right. With the last one, everybody who waits for an answer that nobody can give gets EIO. */
export function closeReceiveRight(file: OpenFile): void {
  const endpoint = file.endpoint!;
  freeFile(file);
  endpoint.receiveRights = u32(endpoint.receiveRights - 1);
  if (endpoint.receiveRights === 0) killEndpoint(endpoint);
  releaseEndpoint(endpoint);
}

function killEndpoint(endpoint: Endpoint): void {
  endpoint.isDead = true;
  while (endpoint.firstCaller !== null) {
    const caller = endpoint.firstCaller;
    unlinkCaller(endpoint, caller);
    failCall(caller);
  }
  while (endpoint.firstClosed !== null) takeClosed(endpoint);
  wakeAll(endpoint.receivers);
  notifyPollers();
}

/** Ends a call with EIO, whoever it was waiting for. It is in no list. */
export function failCall(caller: Thread): void {
  const call = caller.call;
  call.status = u64(-u64(Errno.EIO));
  call.state = CallState.ANSWERED;
  wakeThread(caller);
}

/** Appends a thread's call to the queue. */
export function linkCaller(endpoint: Endpoint, caller: Thread): void {
  caller.call.next = null;
  caller.call.previous = endpoint.lastCaller;
  if (endpoint.lastCaller === null) endpoint.firstCaller = caller;
  else endpoint.lastCaller.call.next = caller;
  endpoint.lastCaller = caller;
}

/** Takes a thread's call out of the queue. */
export function unlinkCaller(endpoint: Endpoint, caller: Thread): void {
  const call = caller.call;
  if (call.previous === null) endpoint.firstCaller = call.next;
  else call.previous.call.next = call.next;
  if (call.next === null) endpoint.lastCaller = call.previous;
  else call.next.call.previous = call.previous;
  call.next = null;
  call.previous = null;
}
