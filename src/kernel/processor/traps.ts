/** Exceptions and interrupts: the handlers behind the IDT's gates. */
import {
  codeAddress,
  cpu,
  Errno,
  hex,
  type i32,
  isr,
  isrWithCode,
  linkerSymbol,
  mem,
  type u32,
  u64,
  type VirtAddr,
  virt,
} from '#dialect';
import { panicWithFrame } from '../console/panic.ts';
import { print } from '../console/print.ts';
import { collectInput } from '../console/terminal.ts';
import { areaAt } from '../memory/area.ts';
import { USER_END } from '../memory/layout.ts';
import { Access, resolvePage } from '../memory/user-pages.ts';
import { prepareForUserMode } from '../process/lifecycle.ts';
import { relieveMemory } from '../process/out-of-memory.ts';
import { forceSignal, Signal } from '../process/signal-delivery.ts';
import { SignalCode } from '../process/signal-info.ts';
import { accountProcessTick } from '../process/times.ts';
import { isExploring } from '../sched/exploration.ts';
import { accountTick, endTimeSlice, isIdle, runningThread } from '../sched/scheduler.ts';
import { expireTimers } from '../sched/timer-queue.ts';
import { countTick, startSlice } from './clock.ts';
import { simdCode, x87Code } from './fpu-exceptions.ts';
import { loadInterruptTable, setGate, Vector } from './interrupts.ts';
import { endInterrupt } from './local-apic.ts';
import { InterruptStack } from './segments.ts';
import { isFromUser, TrapFrame } from './trap-frame.ts';

/** Page-fault error code bits (SDM vol. 3A 4.7). */
const PAGE_FAULT_WRITE = 2n;
const PAGE_FAULT_FETCH = 16n;
const PAGE_FAULT_VECTOR = 14n;
const ALIGNMENT_VECTOR = 17n;

/** An exception of a user instruction is a signal to its thread; of a kernel instruction, a panic. `code` is for si_code. */
function raise(frame: VirtAddr, name: string, vector: u64, signal: u32, code: i32): void {
  if (!isFromUser(frame)) panicWithFrame(name, frame, cpu.readCr2());
  const thread = runningThread()!;
  const registers = TrapFrame.at(frame);
  thread.faultVector = vector;
  thread.faultCode = registers.code;
  thread.faultAddress = vector === ALIGNMENT_VECTOR ? 0n : registers.rip;
  if (!forceSignal(thread, signal, code)) {
    print`[PROCESS] ${name} pid=${thread.process!.pid} rip=${hex(registers.rip)}\n`;
  }
  prepareForUserMode();
}

function handlePageFault(frame: VirtAddr): void {
  const address = cpu.readCr2();
  const registers = TrapFrame.at(frame);
  const isUser = isFromUser(frame);
  const error = address < USER_END ? bringIn(address, accessOf(registers.code)) : Errno.EFAULT;
  if (error === 0) {
    if (isUser) prepareForUserMode();
    return;
  }
  if (!isUser) {
    const fixup = findFixup(registers.rip);
    if (fixup === 0n) panicWithFrame('page fault', frame, address);
    registers.rip = fixup;
    return;
  }
  refuseAccess(frame, address, error);
  prepareForUserMode();
}

/** What becomes of a thread whose access `resolvePage` has answered with an error: a signal, or for ENOMEM another try. */
function refuseAccess(frame: VirtAddr, address: u64, error: u32): void {
  const thread = runningThread()!;
  const registers = TrapFrame.at(frame);
  if (error === Errno.ENOMEM) {
    relieveMemory(thread);
    return;
  }
  thread.faultVector = PAGE_FAULT_VECTOR;
  thread.faultCode = registers.code;
  thread.faultAddress = address;
  thread.faultPage = address;
  const isSeen =
    error === Errno.EIO
      ? forceSignal(thread, Signal.SIGBUS, SignalCode.NO_SUCH_PAGE)
      : forceSignal(thread, Signal.SIGSEGV, isMapped(address) ? SignalCode.NO_PERMISSION : SignalCode.NOT_MAPPED);
  if (isSeen) return;
  const name = error === Errno.EIO ? 'BUS ERROR' : 'SEGFAULT';
  print`[PROCESS] ${name} pid=${thread.process!.pid} addr=${hex(address)} rip=${hex(registers.rip)}\n`;
}

function isMapped(address: u64): boolean {
  const space = runningThread()!.process!.addressSpace;
  return space !== null && areaAt(space.areas, address) !== null;
}

function accessOf(code: u64): u32 {
  if ((code & PAGE_FAULT_FETCH) !== 0n) return Access.EXECUTE;
  return (code & PAGE_FAULT_WRITE) !== 0n ? Access.WRITE : Access.READ;
}

/** Has the page there for the running process; returns the error of `resolvePage`, or 0. */
function bringIn(address: u64, access: u32): u32 {
  const thread = runningThread();
  const process = thread === null ? null : thread.process;
  const space = process === null ? null : process.addressSpace;
  if (space === null) return Errno.EFAULT;
  const resolved = resolvePage(space, address, access);
  return resolved.ok ? 0 : resolved.error;
}

/** Where a faulting `try...` access goes on, or 0 when the instruction is not one. */
function findFixup(rip: u64): u64 {
  const end = linkerSymbol('__extable_end');
  for (let entry: u64 = linkerSymbol('__extable_start'); entry < end; entry = u64(entry + 16n)) {
    if (mem.load64(virt(entry)) === rip) return mem.load64(virt(entry + 8n));
  }
  return 0n;
}

/** A non-canonical user address faults with #GP, or #SS through the stack, where others fault with #PF. */
function handleProtectionFault(frame: VirtAddr, name: string, vector: u64, signal: u32): void {
  const registers = TrapFrame.at(frame);
  const fixup = isFromUser(frame) ? 0n : findFixup(registers.rip);
  if (fixup === 0n) raise(frame, name, vector, signal, SignalCode.KERNEL);
  else registers.rip = fixup;
}

function handleTimer(frame: VirtAddr): void {
  endInterrupt();
  collectInput();
  expireTimers();
  if (isExploring()) {
    endTimeSlice();
    startSlice(isIdle());
  }
  if (!isExploring() || countTick()) {
    accountTick();
    accountProcessTick();
  }
  if (isFromUser(frame)) prepareForUserMode();
}

function handleSerial(frame: VirtAddr): void {
  endInterrupt();
  collectInput();
  if (isFromUser(frame)) prepareForUserMode();
}

const divideError = isr((frame: VirtAddr) =>
  raise(frame, 'divide error', 0n, Signal.SIGFPE, SignalCode.INTEGER_DIVISION),
);
const debugException = isr((frame: VirtAddr) => raise(frame, 'debug exception', 1n, Signal.SIGTRAP, SignalCode.TRACE));
const nonMaskable = isr((frame: VirtAddr) => panicWithFrame('non-maskable interrupt', frame, 0n));
const breakpoint = isr((frame: VirtAddr) => raise(frame, 'breakpoint', 3n, Signal.SIGTRAP, SignalCode.KERNEL));
const overflow = isr((frame: VirtAddr) => raise(frame, 'overflow', 4n, Signal.SIGSEGV, SignalCode.KERNEL));
const boundRange = isr((frame: VirtAddr) =>
  raise(frame, 'bound range exceeded', 5n, Signal.SIGSEGV, SignalCode.KERNEL),
);
const invalidOpcode = isr((frame: VirtAddr) =>
  raise(frame, 'invalid opcode', 6n, Signal.SIGILL, SignalCode.ILLEGAL_OPERAND),
);
const noDevice = isr((frame: VirtAddr) => raise(frame, 'device not available', 7n, Signal.SIGFPE, SignalCode.KERNEL));
const doubleFault = isrWithCode((frame: VirtAddr) => panicWithFrame('double fault', frame, cpu.readCr2()));
const invalidTask = isrWithCode((frame: VirtAddr) =>
  raise(frame, 'invalid TSS', 10n, Signal.SIGSEGV, SignalCode.KERNEL),
);
const noSegment = isrWithCode((frame: VirtAddr) =>
  raise(frame, 'segment not present', 11n, Signal.SIGBUS, SignalCode.KERNEL),
);
const stackFault = isrWithCode((frame: VirtAddr) => handleProtectionFault(frame, 'stack fault', 12n, Signal.SIGBUS));
const protection = isrWithCode((frame: VirtAddr) =>
  handleProtectionFault(frame, 'general protection fault', 13n, Signal.SIGSEGV),
);
const pageFault = isrWithCode((frame: VirtAddr) => handlePageFault(frame));
const floatingPoint = isr((frame: VirtAddr) =>
  raise(frame, 'x87 error', 16n, Signal.SIGFPE, x87Code(runningThread()!)),
);
const alignment = isrWithCode((frame: VirtAddr) =>
  raise(frame, 'alignment check', ALIGNMENT_VECTOR, Signal.SIGBUS, SignalCode.MISALIGNED),
);
const simdException = isr((frame: VirtAddr) =>
  raise(frame, 'SIMD error', 19n, Signal.SIGFPE, simdCode(runningThread()!)),
);
const timer = isr((frame: VirtAddr) => handleTimer(frame));
const serial = isr((frame: VirtAddr) => handleSerial(frame));
/** The APIC's spurious vector wants no end of interrupt. */
const spurious = isr((frame: VirtAddr) => {
  if (isFromUser(frame)) prepareForUserMode();
});

/** Fills the IDT and loads it. INT3 and INTO are the user's to execute; other INT n are #GP. */
export function initializeTraps(): void {
  setGate(0, codeAddress(divideError), 0, 0);
  setGate(1, codeAddress(debugException), 0, 0);
  setGate(2, codeAddress(nonMaskable), InterruptStack.NON_MASKABLE, 0);
  setGate(3, codeAddress(breakpoint), 0, 3);
  setGate(4, codeAddress(overflow), 0, 3);
  setGate(5, codeAddress(boundRange), 0, 0);
  setGate(6, codeAddress(invalidOpcode), 0, 0);
  setGate(7, codeAddress(noDevice), 0, 0);
  setGate(8, codeAddress(doubleFault), InterruptStack.DOUBLE_FAULT, 0);
  setGate(10, codeAddress(invalidTask), 0, 0);
  setGate(11, codeAddress(noSegment), 0, 0);
  setGate(12, codeAddress(stackFault), 0, 0);
  setGate(13, codeAddress(protection), 0, 0);
  setGate(14, codeAddress(pageFault), 0, 0);
  setGate(16, codeAddress(floatingPoint), 0, 0);
  setGate(17, codeAddress(alignment), 0, 0);
  setGate(19, codeAddress(simdException), 0, 0);
  setGate(Vector.TIMER, codeAddress(timer), 0, 0);
  setGate(Vector.SERIAL, codeAddress(serial), 0, 0);
  setGate(Vector.SPURIOUS, codeAddress(spurious), 0, 0);
  loadInterruptTable();
}
