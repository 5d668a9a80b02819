/** What the kernel says when it cannot go on. */
import { hex, mem, panicHandler, type u32, u64, type VirtAddr, virt } from '#dialect';
import { DIRECT_MAP_BASE } from '../memory/layout.ts';
import { powerOff } from '../processor/power.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { print } from './print.ts';

/** Status of the machine after a panic. */
const PANIC_STATUS = 125;
const DEEPEST_BACKTRACE = 16;

let isPanicking = false;

/** Prints once and powers off; a panic while panicking only powers off. */
export const onPanic = panicHandler((message, file, line) => {
  if (isPanicking) powerOff(PANIC_STATUS);
  isPanicking = true;
  print`\n[PANIC] ${message} (${file}:${line})\n`;
  powerOff(PANIC_STATUS);
});

/** Ends the machine over an exception in the kernel itself: registers, then the return addresses above it. */
export function panicWithFrame(name: string, frame: VirtAddr, faultAddress: u64): never {
  if (isPanicking) powerOff(PANIC_STATUS);
  isPanicking = true;
  const r = TrapFrame.at(frame);
  print`\n[PANIC] ${name} in the kernel, error code ${hex(r.code)}, CR2 ${hex(faultAddress, 16)}\n`;
  print`  rip ${hex(r.rip, 16)} cs ${hex(r.cs)} rflags ${hex(r.rflags, 8)} rsp ${hex(r.rsp, 16)} ss ${hex(r.ss)}\n`;
  print`  rax ${hex(r.rax, 16)} rbx ${hex(r.rbx, 16)} rcx ${hex(r.rcx, 16)} rdx ${hex(r.rdx, 16)}\n`;
  print`  rsi ${hex(r.rsi, 16)} rdi ${hex(r.rdi, 16)} rbp ${hex(r.rbp, 16)} r8  ${hex(r.r8, 16)}\n`;
  print`  r9  ${hex(r.r9, 16)} r10 ${hex(r.r10, 16)} r11 ${hex(r.r11, 16)} r12 ${hex(r.r12, 16)}\n`;
  print`  r13 ${hex(r.r13, 16)} r14 ${hex(r.r14, 16)} r15 ${hex(r.r15, 16)}\n`;
  printBacktrace(r.rbp);
  powerOff(PANIC_STATUS);
}

/** Follows the chain of saved frame pointers while it stays in the kernel. */
function printBacktrace(framePointer: u64): void {
  let current = framePointer;
  for (let depth: u32 = 0; depth < DEEPEST_BACKTRACE && isPlausible(current); depth++) {
    print`  called from ${hex(mem.load64(virt(current + 8n)), 16)}\n`;
    const next = mem.load64(virt(current));
    if (next <= current) return;
    current = next;
  }
}

function isPlausible(framePointer: u64): boolean {
  return framePointer >= DIRECT_MAP_BASE && (framePointer & 7n) === 0n && framePointer < u64(0n - 16n);
}
