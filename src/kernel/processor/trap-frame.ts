/** The user registers as an entry to the kernel leaves them at the top of the thread's kernel stack. */
import { f64, mem, struct, u64, type VirtAddr, virt } from '#dialect';

/**
 * Ascending, as the compiler's interrupt entries and the system-call entry push them. `code` is an exception's error code;
 * for a system call it is the call's number, which a restart puts back into RAX.
 */
export const TrapFrame = struct({
  r15: f64,
  r14: f64,
  r13: f64,
  r12: f64,
  rbp: f64,
  rbx: f64,
  r11: f64,
  r10: f64,
  r9: f64,
  r8: f64,
  rax: f64,
  rcx: f64,
  rdx: f64,
  rsi: f64,
  rdi: f64,
  code: f64,
  rip: f64,
  cs: f64,
  rflags: f64,
  rsp: f64,
  ss: f64,
});

export const TRAP_FRAME_BYTES = 168n;

/** Segment selectors. SYSCALL and SYSRET fix their order (SDM vol. 2, SYSCALL, SYSRET). */
export const Selector = {
  KERNEL_CODE: 0x08,
  KERNEL_DATA: 0x10,
  TASK_STATE: 0x18,
  USER_DATA: 0x2b,
  USER_CODE: 0x33,
} as const;

/** RFLAGS bits (SDM vol. 1 3.4.3). */
export const Flag = {
  RESERVED: 1n << 1n,
  TRAP: 1n << 8n,
  INTERRUPT: 1n << 9n,
  DIRECTION: 1n << 10n,
  IO_PRIVILEGE: 3n << 12n,
  NESTED_TASK: 1n << 14n,
  RESUME: 1n << 16n,
  ALIGNMENT_CHECK: 1n << 18n,
} as const;

export function isFromUser(frame: VirtAddr): boolean {
  return (TrapFrame.at(frame).cs & 3n) !== 0n;
}

/** The frame of the thread whose kernel stack has this top. */
export function frameBelow(stackTop: u64): VirtAddr {
  return virt(stackTop - TRAP_FRAME_BYTES);
}

/** Fills a frame for a program's first instruction: every register zero, interrupts on. */
export function initializeFrame(frame: VirtAddr, instruction: u64, stack: u64): void {
  mem.fill(frame, 0, TRAP_FRAME_BYTES);
  const registers = TrapFrame.at(frame);
  registers.rip = instruction;
  registers.cs = u64(Selector.USER_CODE);
  registers.rflags = u64(Flag.RESERVED | Flag.INTERRUPT);
  registers.rsp = stack;
  registers.ss = u64(Selector.USER_DATA);
}
