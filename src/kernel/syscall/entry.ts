/** SYSCALL and SYSRET (SDM vol. 2): the fast way in, on the thread's own kernel stack, and out again. */
import { asm, codeAddress, cpu, naked, u64, type VirtAddr } from '#dialect';
import { USER_END } from '../memory/layout.ts';
import { prepareForUserMode } from '../process/lifecycle.ts';
import { Msr } from '../processor/msr.ts';
import { KERNEL_STACK_OFFSET, USER_STACK_OFFSET } from '../processor/per-cpu.ts';
import { Flag, Selector, TrapFrame } from '../processor/trap-frame.ts';
import { returnToUser } from '../sched/switch.ts';
import { dispatchSystemCall } from './dispatch.ts';

/** SYSRET adds 16 for CS and 8 for SS. */
const SYSRET_SELECTOR_BASE = 0x23n;
/** RFLAGS bits that are clear in the kernel: see `Flag`. */
const CLEARED_FLAGS =
  Flag.TRAP |
  Flag.INTERRUPT |
  Flag.DIRECTION |
  Flag.IO_PRIVILEGE |
  Flag.NESTED_TASK |
  Flag.RESUME |
  Flag.ALIGNMENT_CHECK;

/**
 * Entry from user mode with RIP in RCX and RFLAGS in R11. Builds a TrapFrame, whose `code` is the call's number, calls
 * `handleSystemCall` and leaves by SYSRET when it says so, else by IRETQ.
 */
const enterSystemCall = naked(
  (): void => asm`
    swapgs
    mov gs:[${USER_STACK_OFFSET}], rsp
    mov rsp, gs:[${KERNEL_STACK_OFFSET}]
    push ${Selector.USER_DATA}
    push qword ptr gs:[${USER_STACK_OFFSET}]
    push r11
    push ${Selector.USER_CODE}
    push rcx
    push rax
    push rdi
    push rsi
    push rdx
    push rcx
    push rax
    push r8
    push r9
    push r10
    push r11
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov rdi, rsp
    xor ebp, ebp
    sub rsp, 8
    call ${handleSystemCall}
    add rsp, 8
    test al, al
    jz ${returnToUser}
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    pop r11
    pop r10
    pop r9
    pop r8
    pop rax
    pop rcx
    pop rdx
    pop rsi
    pop rdi
    mov rsp, [rsp + 32]
    swapgs
    sysretq
  `,
);

/** Runs one system call; true when SYSRET can take the frame back to user mode. */
function handleSystemCall(frame: VirtAddr): boolean {
  dispatchSystemCall(frame);
  prepareForUserMode();
  const registers = TrapFrame.at(frame);
  const isUnchanged = registers.rcx === registers.rip && registers.r11 === registers.rflags;
  return isUnchanged && registers.rip < USER_END;
}

export function initializeSystemCalls(): void {
  cpu.wrmsr(Msr.STAR, u64((u64(Selector.KERNEL_CODE) << 32n) | (SYSRET_SELECTOR_BASE << 48n)));
  cpu.wrmsr(Msr.LSTAR, codeAddress(enterSystemCall));
  cpu.wrmsr(Msr.SFMASK, CLEARED_FLAGS);
}
