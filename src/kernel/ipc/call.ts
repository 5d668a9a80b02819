/** One synchronous call in progress. Every thread has room for one, so that calling needs no memory. */
import { array, type u32, u64 } from '#dialect';
import { IpcTransfer, MESSAGE_WORDS } from '../abi/ipc.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { Process } from '../process/pcb.ts';
import type { Thread } from '../process/thread.ts';
import type { OpenFile } from './open-file.ts';

/** IDLE -> QUEUED -> SERVED -> ANSWERED -> IDLE; a death on either side leads to ANSWERED or IDLE at once. */
export const CallState = { IDLE: 0, QUEUED: 1, SERVED: 2, ANSWERED: 3 } as const;
export type CallState = (typeof CallState)[keyof typeof CallState];

/** Bytes that the other side may copy: of the caller's memory, of a program's in the making, or of the kernel's. */
export class CallBuffer {
  address: u64 = 0n;
  size: u64 = 0n;
  isKernel: boolean = false;
  /** The space that is filled, whatever protection its pages have. */
  space: AddressSpace | null = null;
}

export class IpcCall {
  state: CallState = CallState.IDLE;
  operation: u32 = 0;
  /** Names the call to its server: the caller's tid in the low half, a count above. */
  id: u64 = 0n;
  file: OpenFile | null = null;
  /** What the request says, then what the reply says. */
  readonly words = array(u64, MESSAGE_WORDS);
  /** Two parts that the server sees as one. */
  readonly inputs = array(CallBuffer, 2);
  readonly outputs = array(CallBuffer, 1);
  /** The reply: a value or minus an error number, and what comes with it. */
  status: u64 = 0n;
  transfer: u32 = IpcTransfer.NONE;
  /** DESCRIPTOR: the server's file, retained. */
  given: OpenFile | null = null;
  /** The file that an OPEN fills in. */
  opened: OpenFile | null = null;
  /** Who has received the call and not answered. */
  server: Process | null = null;
  /** In the endpoint's queue, then in the server's list. */
  next: Thread | null = null;
  previous: Thread | null = null;
}

/** Begins to describe a call: no words, no buffers. */
export function beginCall(thread: Thread, operation: u32): IpcCall {
  const call = beginCallOfWords(thread, operation);
  for (let index: u32 = 0; index < MESSAGE_WORDS; index++) call.words[index] = 0n;
  return call;
}

/** As `beginCall` for a caller that sets all eight words. */
export function beginCallOfWords(thread: Thread, operation: u32): IpcCall {
  const call = thread.call;
  call.operation = operation;
  call.inputs[0]!.size = 0n;
  call.inputs[1]!.size = 0n;
  call.outputs[0]!.size = 0n;
  call.transfer = IpcTransfer.NONE;
  call.given = null;
  call.opened = null;
  return call;
}

function setBuffer(buffer: CallBuffer, address: u64, size: u64, isKernel: boolean): void {
  buffer.address = address;
  buffer.size = size;
  buffer.isKernel = isKernel;
  buffer.space = null;
}

/** Memory of the caller's that the server may read; `part` 1 follows part 0. */
export function setInput(call: IpcCall, part: u32, address: u64, size: u64): void {
  setBuffer(call.inputs[part]!, address, size, false);
}

/** Memory of the caller's that the server may write. */
export function setOutput(call: IpcCall, address: u64, size: u64): void {
  setBuffer(call.outputs[0]!, address, size, false);
}

export function setKernelInput(call: IpcCall, part: u32, address: u64, size: u64): void {
  setBuffer(call.inputs[part]!, address, size, true);
}

export function setKernelOutput(call: IpcCall, address: u64, size: u64): void {
  setBuffer(call.outputs[0]!, address, size, true);
}

/** User memory of a space that a program is being loaded into. */
export function setSpaceOutput(call: IpcCall, space: AddressSpace, address: u64, size: u64): void {
  setBuffer(call.outputs[0]!, address, size, false);
  call.outputs[0]!.space = space;
}

export function inputSize(call: IpcCall): u64 {
  return u64(call.inputs[0]!.size + call.inputs[1]!.size);
}
