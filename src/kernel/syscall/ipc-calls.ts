/** Verdigris's own calls: endpoints, capabilities, and messages through them. */
import { addressOf, Errno, embed, err, ok, type Result, u32, u64, userPtr, type VirtAddr } from '#dialect';
import { IpcMessage, IpcOperation, MESSAGE_WORDS, ProcessCapability } from '../abi/ipc.ts';
import { OpenFlag } from '../abi/stat.ts';
import { beginCallOfWords, setInput, setOutput } from '../ipc/call.ts';
import { callServer } from '../ipc/calling.ts';
import { fileAt } from '../ipc/descriptors.ts';
import { createEndpoint, makeRemote, revokeBadge } from '../ipc/endpoint.ts';
import { allocateFile, FileKind, freeFile, type OpenFile } from '../ipc/open-file.ts';
import {
  answerCall,
  answerWithWords,
  copyFromCaller,
  copyToCaller,
  endpointAt,
  loadWords,
  receiveRequest,
  receiveWords,
  storeWords,
} from '../ipc/serving.ts';
import { copyIn, copyOut } from '../memory/user-copy.ts';
import type { Process } from '../process/pcb.ts';
import { findProcess } from '../process/table.ts';
import type { Thread } from '../process/thread.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread, wakeThread } from '../sched/scheduler.ts';
import { installFile } from './descriptor-calls.ts';

/** endpoint_create(): a descriptor with the right to receive, closed on exec. */
export function endpointCreate(_frame: VirtAddr): Result<u64> {
  const file = allocateFile(FileKind.UNDECIDED, OpenFlag.READ_WRITE);
  if (!file.ok) return err(file.error);
  const made = createEndpoint(file.value);
  if (!made.ok) {
    freeFile(file.value);
    return err(made.error);
  }
  return installFile(file.value, 0, true);
}

/** capability_create(endpoint, badge, flags): a descriptor for calls under a badge of the server's choice. */
export function capabilityCreate(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const endpoint = endpointAt(u32(registers.rdi));
  if (!endpoint.ok) return err(endpoint.error);
  const flags = u32(registers.rdx);
  const file = allocateFile(FileKind.UNDECIDED, u32(flags & ~OpenFlag.CLOSE_ON_EXEC));
  if (!file.ok) return err(file.error);
  makeRemote(file.value, endpoint.value, registers.rsi);
  return installFile(file.value, 0, (flags & OpenFlag.CLOSE_ON_EXEC) !== 0);
}

/** capability_revoke(endpoint, badge): calls through capabilities with this badge are EIO from now on. */
export function capabilityRevoke(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const endpoint = endpointAt(u32(registers.rdi));
  if (!endpoint.ok) return err(endpoint.error);
  revokeBadge(endpoint.value, registers.rsi);
  return ok(0n);
}

/** ipc_call(capability, eight words in RSI, RDX, R10, R8, R9, R12, R13, R14): the reply's words come back in them. */
export function ipcCall(frame: VirtAddr): Result<u64> {
  const thread = runningThread()!;
  const file = fileAt(thread.process!.files!, u32(TrapFrame.at(frame).rdi));
  if (file === null || file.kind !== FileKind.REMOTE) return err(Errno.EBADF);
  loadWords(beginCallOfWords(thread, IpcOperation.CALL), frame);
  const answered = callServer(thread, file);
  if (answered.ok) storeWords(thread.call, frame);
  return answered;
}

const message = embed(IpcMessage);

/** ipc_call_buffers(capability, IpcMessage): as ipc_call, with words and buffers in memory. */
export function ipcCallBuffers(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const copied = copyIn(addressOf(message), userPtr<unknown>(registers.rsi), u64(IpcMessage.size));
  if (!copied.ok) return err(copied.error);
  const thread = runningThread()!;
  const file = fileAt(thread.process!.files!, u32(registers.rdi));
  if (file === null || file.kind !== FileKind.REMOTE) return err(Errno.EBADF);
  const call = beginCallOfWords(thread, IpcOperation.CALL);
  for (let index: u32 = 0; index < MESSAGE_WORDS; index++) call.words[index] = message.words[index]!;
  setInput(call, 0, message.input, message.inputSize);
  setOutput(call, message.output, message.outputSize);
  const answered = callServer(thread, file);
  return answered.ok ? storeReplyWords(thread, registers.rsi, answered.value) : answered;
}

const WORDS_BYTES = 64n;

function storeReplyWords(thread: Thread, address: u64, status: u64): Result<u64> {
  const stored = copyOut(userPtr<unknown>(address), addressOf(thread.call.words), WORDS_BYTES);
  return stored.ok ? ok(status) : err(stored.error);
}

/** ipc_receive(endpoint, IpcRequest): waits for a request and returns its call's id. */
export function ipcReceive(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const endpoint = endpointAt(u32(registers.rdi));
  if (!endpoint.ok) return err(endpoint.error);
  return receiveRequest(runningThread()!, endpoint.value, null, registers.rsi);
}

/** ipc_reply(call id, IpcReply) */
export function ipcReply(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const answered = answerCall(runningThread()!, registers.rdi, registers.rsi);
  if (!answered.ok) return err(answered.error);
  wakeThread(answered.value);
  return ok(0n);
}

/**
 * ipc_reply_receive(call id, IpcReply, endpoint, IpcRequest): the caller runs at once unless another request waits.
 * A call whose caller is gone is answered to nobody.
 */
export function ipcReplyReceive(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const endpoint = endpointAt(u32(registers.rdx));
  if (!endpoint.ok) return err(endpoint.error);
  const thread = runningThread()!;
  if (registers.rdi === 0n) return receiveRequest(thread, endpoint.value, null, registers.r10);
  const answered = answerCall(thread, registers.rdi, registers.rsi);
  if (!answered.ok && answered.error !== Errno.ESRCH) return err(answered.error);
  registers.rdi = 0n;
  return receiveRequest(thread, endpoint.value, answered.ok ? answered.value : null, registers.r10);
}

/** ipc_reply_receive_words(call id, the words of `loadWords`, endpoint in RBX): the badge comes back in RDI. */
export function ipcReplyReceiveWords(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const endpoint = endpointAt(u32(registers.rbx));
  if (!endpoint.ok) return err(endpoint.error);
  const thread = runningThread()!;
  if (registers.rdi === 0n) return receiveWords(thread, endpoint.value, null, frame);
  const answered = answerWithWords(thread, registers.rdi, frame);
  registers.rdi = 0n;
  return receiveWords(thread, endpoint.value, answered.ok ? answered.value : null, frame);
}

/** ipc_copy_in(call id, offset, address, length) */
export function ipcCopyIn(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return copyFromCaller(runningThread()!, registers.rdi, registers.rsi, registers.rdx, registers.r10);
}

/** ipc_copy_out(call id, offset, address, length) */
export function ipcCopyOut(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  return copyToCaller(runningThread()!, registers.rdi, registers.rsi, registers.rdx, registers.r10);
}

/** process_badge(endpoint, pid, which): the badge of a process's capability to this endpoint. ESRCH, ENOENT. */
export function processBadge(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const endpoint = endpointAt(u32(registers.rdi));
  if (!endpoint.ok) return err(endpoint.error);
  const process = findProcess(u32(registers.rsi));
  if (process === null) return err(Errno.ESRCH);
  const file = capabilityOf(process, u32(registers.rdx));
  if (file === null || file.kind !== FileKind.REMOTE || file.endpoint !== endpoint.value) return err(Errno.ENOENT);
  return ok(file.badge);
}

function capabilityOf(process: Process, which: u32): OpenFile | null {
  if (which === ProcessCapability.EXECUTABLE) return process.executable;
  const context = process.fileContext;
  if (context === null) return null;
  return which === ProcessCapability.ROOT ? context.root : context.currentDirectory;
}
