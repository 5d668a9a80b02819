/** Calls that a server has received and not answered, by the process that received them. */
import type { u64 } from '#dialect';
import type { Process } from '../process/pcb.ts';
import type { Thread } from '../process/thread.ts';
import type { IpcCall } from './call.ts';
import { announceClosed, failCall, releaseEndpoint, retainEndpoint } from './endpoint.ts';
import { freeFile, type OpenFile } from './open-file.ts';

/** Files of OPEN calls whose callers have died, waiting for what the server says. */
let firstAbandoned: OpenFile | null = null;

/** Notes that a process has received a thread's call. */
export function linkServed(server: Process, caller: Thread): void {
  const call = caller.call;
  call.server = server;
  call.previous = null;
  call.next = server.firstServed;
  if (server.firstServed !== null) server.firstServed.call.previous = caller;
  server.firstServed = caller;
}

export function unlinkServed(caller: Thread): void {
  const call = caller.call;
  const server = call.server!;
  if (call.previous === null) server.firstServed = call.next;
  else call.previous.call.next = call.next;
  if (call.next !== null) call.next.call.previous = call.previous;
  call.next = null;
  call.previous = null;
  call.server = null;
}

/** A process ends that has received calls: they fail with EIO, and what it might have opened is forgotten. */
export function failServedCalls(server: Process): void {
  while (server.firstServed !== null) {
    const caller = server.firstServed;
    unlinkServed(caller);
    failCall(caller);
  }
  let previous: OpenFile | null = null;
  let file = firstAbandoned;
  while (file !== null) {
    const next: OpenFile | null = file.next;
    if (file.server === server) forgetAbandoned(previous, file);
    else previous = file;
    file = next;
  }
}

/** Keeps the file of a served OPEN whose caller dies, so that what the server opens can be closed. */
export function abandonOpen(call: IpcCall): void {
  const file = call.opened;
  if (file === null) return;
  call.opened = null;
  file.callId = call.id;
  file.server = call.server;
  file.endpoint = call.file!.endpoint;
  retainEndpoint(file.endpoint!);
  file.next = firstAbandoned;
  firstAbandoned = file;
}

function unlinkAbandoned(previous: OpenFile | null, file: OpenFile): void {
  if (previous === null) firstAbandoned = file.next;
  else previous.next = file.next;
  file.next = null;
}

function forgetAbandoned(previous: OpenFile | null, file: OpenFile): void {
  unlinkAbandoned(previous, file);
  releaseEndpoint(file.endpoint!);
  freeFile(file);
}

/** A server's reply to a call whose caller is gone: the badge it opened is closed. False when there is no such call. */
export function replyToAbandoned(server: Process, callId: u64, isOpened: boolean, badge: u64): boolean {
  let previous: OpenFile | null = null;
  let file = firstAbandoned;
  while (file !== null && (file.callId !== callId || file.server !== server)) {
    previous = file;
    file = file.next;
  }
  if (file === null) return false;
  if (!isOpened) {
    forgetAbandoned(previous, file);
    return true;
  }
  unlinkAbandoned(previous, file);
  file.badge = badge;
  announceClosed(file);
  return true;
}
