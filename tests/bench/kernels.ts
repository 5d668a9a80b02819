/**
 * Guests that are kernels of their own, for what programs may not do. They begin with our kernel's boot code, which ends in
 * `kernelMain`; `init=NAME` on the command line chooses one. They print what tests/bench/guests.ts does, but for
 * `count GUEST ...`: it does the work of each compute guest once, with no interrupts, and prints a line: name, checksum, and
 * by how much the time-stamp counter went up, which counts instructions where these drive the clock.
 */
import { assert, cpu, linkerSymbol, phys, type u32, u64 } from '#dialect';
import { readBootInformation } from '../../src/kernel/boot/boot-information.ts';
import { initWord, initWordCount } from '../../src/kernel/boot/command-line.ts';
import { print } from '../../src/kernel/console/print.ts';
import { initializeSerial } from '../../src/kernel/console/serial.ts';
import { openFrames, reserveRange, resetFrames } from '../../src/kernel/memory/frames.ts';
import { initializeKernelSpace } from '../../src/kernel/memory/kernel-space.ts';
import { KERNEL_BASE } from '../../src/kernel/memory/layout.ts';
import { maskLegacyInterrupts } from '../../src/kernel/processor/pic8259.ts';
import { halt } from '../../src/kernel/processor/power.ts';
import { initializeSegments } from '../../src/kernel/processor/segments.ts';
import { equals } from '../../src/user/runtime/text.ts';
import { forEachComputeGuest } from './compute.ts';
import { prepareInterrupts, selfInterrupts, startTimer, timerInterrupts } from './kernels/interrupts.ts';
import { pageTables } from './kernels/page-tables.ts';

export { onPanic } from '../../src/kernel/console/panic.ts';

/** Called by the boot code, on the boot stack with interrupts off. */
export function kernelMain(protocol: u32, information: u64): never {
  initializeSerial();
  initializeSegments();
  maskLegacyInterrupts();
  resetFrames();
  assert(readBootInformation(protocol, phys(information)).ok, 'the boot loader left no usable information');
  reserveRange(0x10_0000n, u64(linkerSymbol('__kernel_end') - KERNEL_BASE));
  assert(openFrames().ok && initializeKernelSpace().ok, 'there is no memory');
  assert(initWordCount() > 0, 'the command line names no guest');
  if (equals(initWord(0), 'count')) countInstructions();
  if (equals(initWord(0), 'page-tables')) measure(10, pageTables);
  prepareInterrupts();
  if (equals(initWord(0), 'interrupts')) measure(100, selfInterrupts);
  if (equals(initWord(0), 'timer-interrupts')) {
    startTimer();
    measure(4, timerInterrupts);
  }
  print`end\n`;
  halt();
}

function measure(passes: u32, work: () => u32): void {
  const checksum = work();
  print`begin\n`;
  for (let pass: u32 = 0; pass < passes; pass++) assert(work() === checksum, 'a pass computes something else');
  print`end ${checksum}\n`;
  halt();
}

/** The words after `count` name guests; when there are none, all are meant. */
function isWanted(name: string): boolean {
  for (let word: u32 = 1; word < initWordCount(); word++) {
    if (equals(initWord(word), name)) return true;
  }
  return initWordCount() === 1;
}

function countInstructions(): void {
  forEachComputeGuest((name, _passes, work) => {
    if (!isWanted(name)) return;
    const before = cpu.rdtsc();
    const checksum = work();
    const after = cpu.rdtsc();
    print`${name} ${checksum} ${u64(after - before)}\n`;
  });
}
