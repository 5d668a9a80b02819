/** Changing from one thread's kernel stack to another's, and everything the processor holds on a thread's behalf. */
import { addressOf, asm, codeAddress, cpu, gs, mem, naked, offsetOf, u64, type VirtAddr, virt } from '#dialect';
import { loadAddressSpace } from '../memory/address-space.ts';
import { fpuAreaOf } from '../memory/kernel-stacks.ts';
import { Thread } from '../process/thread.ts';
import { Msr } from '../processor/msr.ts';
import { KERNEL_STACK_OFFSET } from '../processor/per-cpu.ts';
import { setInterruptStack } from '../processor/segments.ts';
import { frameBelow } from '../processor/trap-frame.ts';
import { finishSwitch } from './scheduler.ts';

/** Callee-saved registers and a return address (System V AMD64 ABI 3.2.1). */
const SWITCH_FRAME_BYTES = 56n;
const BODY_OFFSET = 32n;
const RETURN_ADDRESS_OFFSET = 48n;

/** Pushes the callee-saved registers, stores RSP at `saved`, loads `next`, pops what was pushed there. */
const switchStacks = naked(
  (_saved: VirtAddr, _next: u64): void => asm`
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    mov [rdi], rsp
    mov rsp, rsi
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret
  `,
);

/** Where a new thread begins: RSP is at its trap frame, 8 below a 16-byte boundary. */
export const beginThread = naked(
  (): void => asm`
    sub rsp, 8
    call ${finishSwitch}
    add rsp, 8
    jmp ${returnToUser}
  `,
);

/** Where a thread begins that has something to do in the kernel first: RBX is the function to call. */
const beginInKernel = naked(
  (): void => asm`
    sub rsp, 8
    call ${finishSwitch}
    call rbx
    add rsp, 8
    jmp ${returnToUser}
  `,
);

/** Leaves the kernel through the trap frame at RSP. */
export const returnToUser = naked(
  (): void => asm`
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
    add rsp, 8
    swapgs
    iretq
  `,
);

/** Lays out a new thread's kernel stack so that the first switch to it enters user mode through its trap frame. */
export function prepareFirstSwitch(thread: Thread): void {
  const frame = frameBelow(thread.kernelStack);
  const stack = virt(frame - SWITCH_FRAME_BYTES);
  mem.fill(stack, 0, SWITCH_FRAME_BYTES);
  mem.store64(virt(stack + RETURN_ADDRESS_OFFSET), codeAddress(beginThread));
  thread.savedStack = stack;
}

/** As `prepareFirstSwitch`, for a thread that calls `body` in the kernel before it enters user mode. */
export function prepareKernelStart(thread: Thread, body: () => void): void {
  prepareFirstSwitch(thread);
  mem.store64(virt(thread.savedStack + BODY_OFFSET), codeAddress(body));
  mem.store64(virt(thread.savedStack + RETURN_ADDRESS_OFFSET), codeAddress(beginInKernel));
}

/** Gives the processor to `to`; returns when somebody gives it back to `from`. The idle thread has no user state. */
export function switchTo(from: Thread, to: Thread): void {
  if (from.kernelStack !== 0n) cpu.fxsave(virt(fpuAreaOf(from.kernelStack)));
  if (to.kernelStack !== 0n) enterThread(to);
  switchStacks(virt(addressOf(from) + u64(offsetOf(Thread, 'savedStack'))), to.savedStack);
}

function enterThread(to: Thread): void {
  cpu.fxrstor(virt(fpuAreaOf(to.kernelStack)));
  cpu.wrmsr(Msr.FS_BASE, to.fsBase);
  cpu.wrmsr(Msr.KERNEL_GS_BASE, to.gsBase);
  setInterruptStack(to.kernelStack);
  gs.store64(KERNEL_STACK_OFFSET, to.kernelStack);
  const space = to.process === null ? null : to.process.addressSpace;
  if (space !== null && space.root !== cpu.readCr3()) loadAddressSpace(space);
}
