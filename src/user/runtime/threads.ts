/** Threads by clone, joined on the word that the kernel clears when one ends (CLONE_CHILD_CLEARTID). */
import {
  Atomic32,
  addressOf,
  asm,
  codeAddress,
  type i64,
  mem,
  naked,
  type u32,
  u64,
  type VirtAddr,
  virt,
} from '#dialect';
import { futexWait, futexWaitPrivate, futexWakePrivate, mapMemory, unmapMemory } from './system-calls.ts';

/** VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, PARENT_SETTID, CHILD_CLEARTID. */
const THREAD_FLAGS = 0x35_0f00n;
const STACK_BYTES = 0x1_0000n;

/** A thread to be joined. `tid` is nonzero from the start of the thread to its end. */
export class ThreadHandle {
  readonly tid = new Atomic32(0);
  stack: u64 = 0n;
}

/** What a thread runs; its result is the thread's exit status. */
export type ThreadBody = (argument: u64) => u32;

/**
 * clone(2) for a child that starts on a stack of its own: below `stack` lie the body's argument and address. Returns in the
 * caller only; the child calls the body and ends.
 */
const cloneThread = naked(
  (_flags: u64, _stack: VirtAddr, _parentTid: VirtAddr, _childTid: VirtAddr): i64 => asm`
    mov r10, rcx
    mov eax, 56
    syscall
    test rax, rax
    jz child
    ret
  child:
    xor ebp, ebp
    pop rdi
    pop rax
    call rax
    mov edi, eax
    mov eax, 60
    syscall
    ud2
  `,
);

/** Starts a thread; false when there is no memory or no place for one. */
export function startThread(handle: ThreadHandle, body: ThreadBody, value: u64): boolean {
  const memory = mapMemory(STACK_BYTES);
  if (memory < 0n) return false;
  handle.stack = u64(memory);
  const top = virt(handle.stack + STACK_BYTES - 16n);
  mem.store64(top, value);
  mem.store64(virt(top + 8n), codeAddress(body));
  const word = addressOf(handle.tid);
  if (cloneThread(THREAD_FLAGS, top, word, word) > 0n) return true;
  unmapMemory(handle.stack, STACK_BYTES);
  return false;
}

/** Waits until a thread has ended, and frees its stack. */
export function joinThread(handle: ThreadHandle): void {
  for (;;) {
    const tid = handle.tid.load();
    if (tid === 0) break;
    futexWait(addressOf(handle.tid), tid);
  }
  unmapMemory(handle.stack, STACK_BYTES);
}

/** A mutex on a futex: 0 free, 1 held, 2 held and waited for. */
export class Mutex {
  readonly word = new Atomic32(0);

  lock(): void {
    if (this.word.compareExchange(0, 1) === 0) return;
    while (this.word.exchange(2) !== 0) futexWaitPrivate(addressOf(this.word), 2);
  }

  unlock(): void {
    if (this.word.exchange(0) === 2) futexWakePrivate(addressOf(this.word), 1);
  }
}
