/**
 * Handlers. What a thread was doing is stored on its stack as Linux's `struct rt_sigframe` for x86-64, which C libraries
 * hand to handlers and rt_sigreturn loads again.
 */
import {
  addressOf,
  array,
  cpu,
  Errno,
  embed,
  err,
  f32,
  f64,
  i32,
  mem,
  ok,
  type Result,
  struct,
  u32,
  u64,
  userPtr,
  type VirtAddr,
  virt,
} from '#dialect';
import { fpuAreaOf } from '../memory/kernel-stacks.ts';
import { USER_END } from '../memory/layout.ts';
import { copyIn, copyOut } from '../memory/user-copy.ts';
import { Flag, frameBelow, Selector, TrapFrame } from '../processor/trap-frame.ts';
import { FXSAVE_BYTES, MXCSR_OFFSET, resetFpuArea } from './creation.ts';
import type { SignalAction } from './pcb.ts';
import { forceSignal, SIG_DFL, Signal, setSignalMask, signalBit, takeSignal } from './signal-delivery.ts';
import { SignalCode, SignalInfo } from './signal-info.ts';
import { Restart, type Thread } from './thread.ts';

/** SA_* of sigaction(2) that say how a handler runs. */
const ActionFlag = {
  RESTORER: 0x0400_0000n,
  ONSTACK: 0x0800_0000n,
  RESTART: 0x1000_0000n,
  NODEFER: 0x4000_0000n,
  RESETHAND: 0x8000_0000n,
} as const;

/** ss_flags of sigaltstack(2). */
export const StackFlag = { ONSTACK: 1, DISABLE: 2 } as const;
const SMALLEST_ALTERNATE_STACK = 2048n;

/** `struct rt_sigframe`: return address, ucontext (uc_mcontext from r8 to the reserved words), siginfo. */
const SignalFrame = struct({
  restorer: f64,
  contextFlags: f64,
  link: f64,
  stackBase: f64,
  stackFlags: f32,
  _padding0: f32,
  stackSize: f64,
  r8: f64,
  r9: f64,
  r10: f64,
  r11: f64,
  r12: f64,
  r13: f64,
  r14: f64,
  r15: f64,
  rdi: f64,
  rsi: f64,
  rbp: f64,
  rbx: f64,
  rdx: f64,
  rax: f64,
  rcx: f64,
  rsp: f64,
  rip: f64,
  rflags: f64,
  segments: f64,
  errorCode: f64,
  vector: f64,
  oldMask: f64,
  cr2: f64,
  fpuState: f64,
  _reserved: array(f64, 8),
  mask: f64,
  signal: i32,
  error: i32,
  code: i32,
  _padding1: f32,
  /** The first of these is si_addr, or si_pid and si_uid; see SignalInfo. */
  source: f64,
  value: f64,
  userTime: f64,
  systemTime: f64,
  _unused: array(f64, 10),
});

const CONTEXT_OFFSET = 8n;
const INFO_OFFSET = 312n;
/** UC_SIGCONTEXT_SS and UC_STRICT_RESTORE_SS: the context's SS is meant. */
const CONTEXT_FLAGS = 6n;
/** What a leaf function may keep below its stack pointer (System V AMD64 ABI 3.2.2). */
const RED_ZONE = 128n;
const FPU_ALIGNMENT = 64n;
/** CF, PF, AF, ZF, SF, TF, DF, OF, RF, AC: what rt_sigreturn lets a program choose. */
const RESTORABLE_FLAGS = 0x5_0dd5n;
/** Bits of MXCSR that exist (SDM vol. 1 10.2.3); others make FXRSTOR fault. */
const MXCSR_BITS = 0xffff;

/** A frame on its way to or from user memory. */
const image = embed(SignalFrame);
const info = embed(SignalInfo);

/** Takes one pending signal of the running thread, and has the thread enter the handler if there is one. */
export function deliverSignal(thread: Thread): void {
  const signal = takeSignal(thread, info);
  if (signal === 0) return;
  const action = thread.process!.signalActions[u32(signal - 1)]!;
  settleCall(thread, action);
  const entered = enterHandler(thread, signal, action);
  if (entered.ok) return;
  if (signal === Signal.SIGSEGV) action.handler = SIG_DFL;
  forceSignal(thread, Signal.SIGSEGV, SignalCode.KERNEL);
}

/** Decides whether the system call that this signal ended is made again after the handler. */
function settleCall(thread: Thread, action: SignalAction): void {
  const isRepeated = thread.restart === Restart.IF_WANTED && (action.flags & ActionFlag.RESTART) !== 0n;
  if (isRepeated) restartCall(thread);
  thread.restart = Restart.NEVER;
  thread.resumedCall = 0;
}

/** Bytes of the SYSCALL instruction. */
const CALL_BYTES = 2n;
/** The number of restart_syscall(2). */
const RESTART_SYSCALL = 219n;

/** Has the thread make its interrupted system call again, or go on with it. */
export function restartCall(thread: Thread): void {
  const registers = TrapFrame.at(frameBelow(thread.kernelStack));
  registers.rip = u64(registers.rip - CALL_BYTES);
  registers.rax = registers.code;
  if (thread.restart === Restart.TO_DEADLINE) {
    thread.resumedCall = u32(registers.code);
    registers.rax = RESTART_SYSCALL;
  }
  thread.restart = Restart.NEVER;
}

/** True when a stack pointer lies in the thread's alternate stack. */
function isOnAlternateStack(thread: Thread, stack: u64): boolean {
  return stack > thread.alternateStack && u64(stack - thread.alternateStack) <= thread.alternateStackSize;
}

/** Where a handler's stack begins, before alignment. */
function stackFor(thread: Thread, action: SignalAction, stack: u64): u64 {
  const isWanted = (action.flags & ActionFlag.ONSTACK) !== 0n && thread.alternateStackSize !== 0n;
  if (isWanted && !isOnAlternateStack(thread, stack)) return u64(thread.alternateStack + thread.alternateStackSize);
  return u64(stack - RED_ZONE);
}

/** Handlers begin with a new program's FPU state. EFAULT: the frame cannot be stored, or there is nowhere to go on or to come back to. */
function enterHandler(thread: Thread, signal: u32, action: SignalAction): Result<void> {
  const frame = frameBelow(thread.kernelStack);
  const registers = TrapFrame.at(frame);
  if ((action.flags & ActionFlag.RESTORER) === 0n || action.handler >= USER_END) return err(Errno.EFAULT);
  const top = stackFor(thread, action, registers.rsp);
  const fpuState = u64(u64(top - FXSAVE_BYTES) & ~(FPU_ALIGNMENT - 1n));
  const place = u64((u64(fpuState - u64(SignalFrame.size)) & ~15n) - 8n);
  const usesAlternate = isOnAlternateStack(thread, registers.rsp) || isOnAlternateStack(thread, top);
  if (usesAlternate && !isOnAlternateStack(thread, place)) return err(Errno.EFAULT);
  fillFrame(thread, signal, action, fpuState);
  const area = virt(fpuAreaOf(thread.kernelStack));
  cpu.fxsave(area);
  const saved = copyOut(userPtr<u64>(fpuState), area, FXSAVE_BYTES);
  if (!saved.ok) return saved;
  const stored = copyOut(userPtr<u64>(place), addressOf(image), u64(SignalFrame.size));
  if (!stored.ok) return stored;
  resetFpuArea(thread);
  cpu.fxrstor(area);
  registers.rdi = u64(signal);
  registers.rsi = u64(place + INFO_OFFSET);
  registers.rdx = u64(place + CONTEXT_OFFSET);
  registers.rax = 0n;
  registers.rip = action.handler;
  registers.rsp = place;
  registers.rflags = u64(registers.rflags & ~(Flag.DIRECTION | Flag.RESUME | Flag.TRAP));
  thread.isMaskReplaced = false;
  blockDuring(thread, signal, action);
  return ok();
}

/** The mask while a handler runs. */
function blockDuring(thread: Thread, signal: u32, action: SignalAction): void {
  const own = (action.flags & ActionFlag.NODEFER) === 0n ? signalBit(signal) : 0n;
  if ((action.flags & ActionFlag.RESETHAND) !== 0n) action.handler = SIG_DFL;
  setSignalMask(thread, u64(thread.signalMask | action.mask | own));
}

function fillFrame(thread: Thread, signal: u32, action: SignalAction, fpuState: u64): void {
  const registers = TrapFrame.at(frameBelow(thread.kernelStack));
  mem.fill(addressOf(image), 0, u64(SignalFrame.size));
  image.restorer = action.restorer;
  image.contextFlags = CONTEXT_FLAGS;
  image.stackBase = thread.alternateStack;
  image.stackFlags = alternateStackFlags(thread, registers.rsp);
  image.stackSize = thread.alternateStackSize;
  storeRegisters(frameBelow(thread.kernelStack));
  image.errorCode = thread.faultCode;
  image.vector = thread.faultVector;
  image.cr2 = thread.faultPage;
  image.fpuState = fpuState;
  image.oldMask = thread.isMaskReplaced ? thread.replacedMask : thread.signalMask;
  image.mask = image.oldMask;
  image.signal = i32(signal);
  image.error = info.error;
  image.code = info.code;
  image.source = info.source;
  image.value = info.value;
  image.userTime = info.userTime;
  image.systemTime = info.systemTime;
}

function storeRegisters(frame: VirtAddr): void {
  const registers = TrapFrame.at(frame);
  image.r8 = registers.r8;
  image.r9 = registers.r9;
  image.r10 = registers.r10;
  image.r11 = registers.r11;
  image.r12 = registers.r12;
  image.r13 = registers.r13;
  image.r14 = registers.r14;
  image.r15 = registers.r15;
  image.rdi = registers.rdi;
  image.rsi = registers.rsi;
  image.rbp = registers.rbp;
  image.rbx = registers.rbx;
  image.rdx = registers.rdx;
  image.rax = registers.rax;
  image.rcx = registers.rcx;
  image.rsp = registers.rsp;
  image.rip = registers.rip;
  image.rflags = registers.rflags;
  image.segments = u64(u64(Selector.USER_CODE) | (u64(Selector.USER_DATA) << 48n));
}

function loadRegisters(frame: VirtAddr): void {
  const registers = TrapFrame.at(frame);
  registers.r8 = image.r8;
  registers.r9 = image.r9;
  registers.r10 = image.r10;
  registers.r11 = image.r11;
  registers.r12 = image.r12;
  registers.r13 = image.r13;
  registers.r14 = image.r14;
  registers.r15 = image.r15;
  registers.rdi = image.rdi;
  registers.rsi = image.rsi;
  registers.rbp = image.rbp;
  registers.rbx = image.rbx;
  registers.rdx = image.rdx;
  registers.rax = image.rax;
  registers.rcx = image.rcx;
  registers.rsp = image.rsp;
  registers.rip = image.rip;
  registers.rflags = u64((registers.rflags & ~RESTORABLE_FLAGS) | (image.rflags & RESTORABLE_FLAGS));
}

/**
 * Loads what `enterHandler` stored, from the frame whose return address the handler has popped. EFAULT: it cannot be read,
 * or its instruction pointer is no user address; registers may have been loaded then.
 */
export function leaveHandler(thread: Thread): Result<void> {
  const frame = frameBelow(thread.kernelStack);
  const place = u64(TrapFrame.at(frame).rsp - 8n);
  const copied = copyIn(addressOf(image), userPtr<u64>(place), u64(SignalFrame.size));
  if (!copied.ok) return copied;
  setSignalMask(thread, image.mask);
  loadRegisters(frame);
  const restored = loadFpuState(thread, image.fpuState);
  if (!restored.ok) return restored;
  const stack = setAlternateStack(thread, image.rsp, image.stackBase, image.stackFlags, image.stackSize);
  if (!stack.ok && stack.error === Errno.EFAULT) return stack;
  return image.rip < USER_END ? ok() : err(Errno.EFAULT);
}

/** Loads an FXSAVE image of user memory, or for address 0 a new program's state. EFAULT. */
function loadFpuState(thread: Thread, address: u64): Result<void> {
  const area = virt(fpuAreaOf(thread.kernelStack));
  if (address === 0n) {
    resetFpuArea(thread);
  } else {
    const copied = copyIn(area, userPtr<u64>(address), FXSAVE_BYTES);
    if (!copied.ok) return copied;
    const control = virt(area + MXCSR_OFFSET);
    mem.store32(control, u32(mem.load32(control) & MXCSR_BITS));
  }
  cpu.fxrstor(area);
  return ok();
}

/** ss_flags of the thread's alternate stack while its stack pointer is `stack`. */
export function alternateStackFlags(thread: Thread, stack: u64): u32 {
  if (thread.alternateStackSize === 0n) return StackFlag.DISABLE;
  return isOnAlternateStack(thread, stack) ? StackFlag.ONSTACK : 0;
}

/** Sets the alternate stack. EPERM: the thread is on it. EINVAL: unknown flags. ENOMEM: too small. */
export function setAlternateStack(thread: Thread, stack: u64, base: u64, flags: u32, size: u64): Result<void> {
  if (isOnAlternateStack(thread, stack)) return err(Errno.EPERM);
  if (flags !== 0 && flags !== StackFlag.DISABLE && flags !== StackFlag.ONSTACK) return err(Errno.EINVAL);
  const isDisabled = flags === StackFlag.DISABLE;
  if (!isDisabled && size < SMALLEST_ALTERNATE_STACK) return err(Errno.ENOMEM);
  thread.alternateStack = isDisabled ? 0n : base;
  thread.alternateStackSize = isDisabled ? 0n : size;
  return ok();
}
