import { rax, rbp, rbx, rcx, rdi, rdx, rsi, rsp } from './operands.ts';

/** Integer argument registers, in order (System V AMD64 ABI 3.2.3). */
export const argumentRegisters: readonly number[] = [rdi, rsi, rdx, rcx, 8, 9];
/** The first and second result. */
export const resultRegisters: readonly number[] = [rax, rdx];
export const callerSaved: readonly number[] = [rax, rcx, rdx, rsi, rdi, 8, 9, 10, 11];
export const calleeSaved: readonly number[] = [rbx, 12, 13, 14, 15];
/** Registers the allocator may use, cheapest first: no save, then no REX prefix. */
export const allocatable: readonly number[] = [...callerSaved, ...calleeSaved];

/**
 * Registers in the order an interrupt entry pushes them; with the error code and what the processor pushed they form
 * the frame whose address the handler gets. Ascending: r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi,
 * error code (0 for vectors without one), rip, cs, rflags, rsp, ss; eight bytes each.
 */
export const interruptPushes: readonly number[] = [rdi, rsi, rdx, rcx, rax, 8, 9, 10, 11, rbx, rbp, 12, 13, 14, 15];

/** Byte offsets in the interrupt frame. */
export const interruptFrame = {
  errorCode: interruptPushes.length * 8,
  rip: interruptPushes.length * 8 + 8,
  cs: interruptPushes.length * 8 + 16,
} as const;

export const registerNames: readonly string[] = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(
  ' ',
);

export { rbp, rsp };
