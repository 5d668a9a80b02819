/** The caller's side of a call: `beginCall`, set words and buffers, `callServer`. */
import { Errno, err, ok, type Result, u32, u64 } from '#dialect';
import { isKilled } from '../process/signal-delivery.ts';
import { finishWaiting, prepareToSleep, unlinkWaiter } from '../process/sync.ts';
import type { Thread } from '../process/thread.ts';
import { sleep, switchToWaiter } from '../sched/scheduler.ts';
import { CallState, type IpcCall } from './call.ts';
import { linkCaller, unlinkCaller } from './endpoint.ts';
import { FileKind, type OpenFile, retainFile } from './open-file.ts';
import { notifyPollers } from './poll-waiters.ts';
import { releaseFile } from './release.ts';
import { abandonOpen, unlinkServed } from './served-calls.ts';

/** The largest error number a status can be minus of. */
const LARGEST_ERROR = 4095n;

/**
 * Sends the running thread's call through a capability and sleeps until the answer. EIO: the capability is revoked, or its
 * server is gone or goes. EINTR: the caller is to end. Other errors are the server's. Only death ends the wait early.
 */
export function callServer(thread: Thread, file: OpenFile): Result<u64> {
  const endpoint = file.endpoint;
  if (file.kind !== FileKind.REMOTE || endpoint === null) return err(Errno.EINVAL);
  if (file.isRevoked || endpoint.isDead) return err(Errno.EIO);
  const call = thread.call;
  retainFile(file);
  call.file = file;
  call.state = CallState.QUEUED;
  linkCaller(endpoint, thread);
  waitForAnswer(thread, call);
  call.file = null;
  releaseFile(file);
  if (!isAnswered(call)) return err(Errno.EINTR);
  call.state = CallState.IDLE;
  const error = u64(-call.status);
  if (error !== 0n && error <= LARGEST_ERROR) return err(u32(error) as Errno);
  return ok(call.status);
}

/** Lets the server run at once when it waits for calls, ahead of everybody who is ready. */
function waitForAnswer(thread: Thread, call: IpcCall): void {
  const receivers = call.file!.endpoint!.receivers;
  if (receivers.first === null) notifyPollers();
  while (!isAnswered(call)) {
    if (isKilled(thread)) {
      detachCall(thread, call);
      return;
    }
    prepareToSleep(thread, false);
    const receiver = isQueued(call) ? receivers.first : null;
    if (receiver === null) sleep();
    else {
      unlinkWaiter(receiver);
      switchToWaiter(receiver);
    }
    finishWaiting(thread);
  }
}

function isAnswered(call: IpcCall): boolean {
  return call.state === CallState.ANSWERED;
}

function isQueued(call: IpcCall): boolean {
  return call.state === CallState.QUEUED;
}

/** Takes back a call that nobody will hear the answer of. */
function detachCall(thread: Thread, call: IpcCall): void {
  if (isQueued(call)) unlinkCaller(call.file!.endpoint!, thread);
  else {
    abandonOpen(call);
    unlinkServed(thread);
  }
  call.state = CallState.IDLE;
}
