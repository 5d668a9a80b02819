/** What travels between a caller, the kernel and a server: synchronous calls on capabilities. */
import { array, f32, f64, struct, u64 } from '#dialect';

/** Words of a message: 64 bytes that travel without touching memory where both sides ask for it. */
export const MESSAGE_WORDS = 8;

/**
 * What ipc_receive hands a server. `badge` names the capability that was called, by the number its server gave it.
 * `inputSize` bytes can be read with ipc_copy_in and `outputSize` bytes written with ipc_copy_out until the reply.
 */
export const IpcRequest = struct({
  badge: f64,
  /** A `FileOperation`, or one of `IpcOperation`. */
  operation: f32,
  /** The calling process, and its identity for permission checks. */
  pid: f32,
  uid: f32,
  gid: f32,
  umask: f32,
  /** Status flags of the open file that was called (O_APPEND and so on). */
  flags: f32,
  /** The badge of the caller's root directory when that is on the same endpoint, else 0. */
  root: f64,
  inputSize: f64,
  outputSize: f64,
  words: array(u64, MESSAGE_WORDS),
});

/** Operations that are not the kernel's file operations. */
export const IpcOperation = {
  /** The last descriptor of `badge` is gone: call id 0, no reply. */
  CLOSE: 0,
  /** ipc_call of a program: the eight words are its own. */
  CALL: 1,
} as const;

/** A server's answer. `status` is what the caller's call returns: a value, or minus an error number. */
export const IpcReply = struct({ status: f64, word: f64, transfer: f32, descriptor: f32 });

/** What a reply gives the caller beside its status. */
export const IpcTransfer = {
  NONE: 0,
  /** A new capability to this endpoint with badge `word`. */
  BADGE: 1,
  /** The server's own descriptor `descriptor`: a terminal, a pipe end, a capability. */
  DESCRIPTOR: 2,
  /** The caller's controlling terminal; ENXIO for the caller when it has none. */
  CONTROLLING_TERMINAL: 3,
} as const;

/** Argument of ipc_call_buffers: words in and out, and two areas of the caller's memory that the server may copy. */
export const IpcMessage = struct({
  words: array(u64, MESSAGE_WORDS),
  input: f64,
  inputSize: f64,
  output: f64,
  outputSize: f64,
});

/** Which capability process_badge asks for. */
export const ProcessCapability = { EXECUTABLE: 0, CURRENT_DIRECTORY: 1, ROOT: 2 } as const;
