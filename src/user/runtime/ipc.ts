/** Calls on capabilities, and a server's side of them. Each returns a value, or minus an error number. */
import { asm, type i64, naked, syscall, type u32, u64, type VirtAddr } from '#dialect';
import { VerdigrisCall } from '../../kernel/abi/calls.ts';

/** An endpoint: a descriptor with the right to receive. */
export function createEndpoint(): i64 {
  return syscall(u64(VerdigrisCall.endpoint_create));
}

/** A descriptor for calls on an endpoint under `badge`, with open flags (O_CLOEXEC, access mode), to be handed out. */
export function createCapability(endpoint: u32, badge: u64, flags: u32): i64 {
  return syscall(u64(VerdigrisCall.capability_create), u64(endpoint), badge, u64(flags));
}

/** From now on every use of a capability with this badge is EIO. */
export function revokeCapability(endpoint: u32, badge: u64): i64 {
  return syscall(u64(VerdigrisCall.capability_revoke), u64(endpoint), badge);
}

/** Waits for a request, fills in the IpcRequest at `request` and returns the call's id; 0 for a CLOSE. */
export function receive(endpoint: u32, request: VirtAddr): i64 {
  return syscall(u64(VerdigrisCall.ipc_receive), u64(endpoint), request);
}

/** Answers a call with the IpcReply at `answer`. ESRCH: its caller is gone. */
export function reply(callId: u64, answer: VirtAddr): i64 {
  return syscall(u64(VerdigrisCall.ipc_reply), callId, answer);
}

/** Answers a call, unless `callId` is 0, and waits for the next request: a server's loop. A caller that is gone is no error. */
export function replyAndReceive(callId: u64, answer: VirtAddr, endpoint: u32, request: VirtAddr): i64 {
  return syscall(u64(VerdigrisCall.ipc_reply_receive), callId, answer, u64(endpoint), request);
}

/** Copies `length` bytes from `offset` of a caller's input. EFAULT: the caller's pointer was bad. EINVAL: beyond its end. */
export function copyFromCaller(callId: u64, offset: u64, buffer: VirtAddr, length: u64): i64 {
  return syscall(u64(VerdigrisCall.ipc_copy_in), callId, offset, buffer, length);
}

/** Copies `length` bytes to `offset` of a caller's output. EFAULT: the caller's pointer was bad. EINVAL: beyond its end. */
export function copyToCaller(callId: u64, offset: u64, buffer: VirtAddr, length: u64): i64 {
  return syscall(u64(VerdigrisCall.ipc_copy_out), callId, offset, buffer, length);
}

/** Calls a capability with the IpcMessage at `message`, whose words the reply's replace; returns the reply's status. */
export function callWithBuffers(capability: u32, message: VirtAddr): i64 {
  return syscall(u64(VerdigrisCall.ipc_call_buffers), u64(capability), message);
}

/** Maps the initramfs read-only and returns its address; its size is stored at `size`. Only for the first server. */
export function mapInitramfs(size: VirtAddr): i64 {
  return syscall(u64(VerdigrisCall.initramfs_map), size);
}

/** The badge under which a process holds a `ProcessCapability` of the endpoint; ENOENT: none, ESRCH. */
export function processBadge(endpoint: u32, pid: u32, which: u32): i64 {
  return syscall(u64(VerdigrisCall.process_badge), u64(endpoint), u64(pid), u64(which));
}

/**
 * Calls a capability with eight words in registers and takes eight back, without a message in memory: `words` is where
 * they are loaded from and stored to on this side only.
 */
export const callWithWords = naked(
  (_capability: u64, _words: VirtAddr): i64 => asm`
    push rbp
    push r12
    push r13
    push r14
    mov rbp, rsi
    mov rsi, [rbp]
    mov rdx, [rbp + 8]
    mov r10, [rbp + 16]
    mov r8, [rbp + 24]
    mov r9, [rbp + 32]
    mov r12, [rbp + 40]
    mov r13, [rbp + 48]
    mov r14, [rbp + 56]
    mov eax, ${VerdigrisCall.ipc_call}
    syscall
    mov [rbp], rsi
    mov [rbp + 8], rdx
    mov [rbp + 16], r10
    mov [rbp + 24], r8
    mov [rbp + 32], r9
    mov [rbp + 40], r12
    mov [rbp + 48], r13
    mov [rbp + 56], r14
    pop r14
    pop r13
    pop r12
    pop rbp
    ret
  `,
);

/**
 * Answers a call (status 0) with eight words in registers, unless `callId` is 0, and waits for the next one, whose words
 * come in registers too. Returns its id; 0 for a CLOSE. Requests with buffers can be received this way as well.
 */
export const replyAndReceiveWords = naked(
  (_callId: u64, _words: VirtAddr, _endpoint: u64): i64 => asm`
    push rbx
    push rbp
    push r12
    push r13
    push r14
    mov rbp, rsi
    mov rbx, rdx
    mov rsi, [rbp]
    mov rdx, [rbp + 8]
    mov r10, [rbp + 16]
    mov r8, [rbp + 24]
    mov r9, [rbp + 32]
    mov r12, [rbp + 40]
    mov r13, [rbp + 48]
    mov r14, [rbp + 56]
    mov eax, ${VerdigrisCall.ipc_reply_receive_words}
    syscall
    mov [rbp], rsi
    mov [rbp + 8], rdx
    mov [rbp + 16], r10
    mov [rbp + 24], r8
    mov [rbp + 32], r9
    mov [rbp + 40], r12
    mov [rbp + 48], r13
    mov [rbp + 56], r14
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
  `,
);
