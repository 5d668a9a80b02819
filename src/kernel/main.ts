/** The order in which the kernel comes up. */
import { assert, linkerSymbol, phys, type u32, u64 } from '#dialect';
import { bootModuleSize, bootModuleStart, Protocol, readBootInformation } from './boot/boot-information.ts';
import { isScheduleSeeded, scheduleDepthNumber, scheduleSeedNumber } from './boot/command-line.ts';
import { startFirstProcesses } from './boot/first-processes.ts';
import { print } from './console/print.ts';
import { enableSerialInterrupt, initializeSerial } from './console/serial.ts';
import { openTerminal } from './console/terminal.ts';
import { initializeTermios } from './console/termios.ts';
import { setInitramfs } from './initramfs/cpio.ts';
import { freeFrameCount, openFrames, reserveRange, resetFrames } from './memory/frames.ts';
import { initializeKernelSpace } from './memory/kernel-space.ts';
import { directMap, KERNEL_BASE } from './memory/layout.ts';
import { clearBootCurrent, getThreadTid, setBootCurrent } from './process/mod.ts';
import { calibrateClocks, NANOSECONDS, setRealTime, startTicking, tscFrequency } from './processor/clock.ts';
import { readCalendarClock } from './processor/cmos-clock.ts';
import { initializeFeatures } from './processor/features.ts';
import { routeSerialInterrupt } from './processor/io-apic.ts';
import { initializeLocalApic } from './processor/local-apic.ts';
import { initializePerCpu } from './processor/per-cpu.ts';
import { maskLegacyInterrupts } from './processor/pic8259.ts';
import { initializeSegments } from './processor/segments.ts';
import { initializeTraps } from './processor/traps.ts';
import { exploreSchedules } from './sched/exploration.ts';
import { runIdle } from './sched/scheduler.ts';
import { initializeSystemCalls } from './syscall/entry.ts';

export { multibootEntry, pvhEntry } from './boot/entry.boot.ts';
export { onPanic } from './console/panic.ts';

const MIB_FRAMES = 256n;

/** Called once, by the boot code, on the boot stack with interrupts off. Becomes the idle thread. */
export function kernelMain(protocol: u32, information: u64): never {
  initializeSerial();
  initializeTermios();
  print`\n[BOOTSTRAP] Verdigris, entered by ${protocol === Protocol.PVH ? 'PVH' : 'Multiboot'}\n`;
  initializeProcessor();
  initializeMemory(protocol, information);
  initializeInterrupts();
  if (isScheduleSeeded()) exploreSchedules(scheduleSeedNumber(), scheduleDepthNumber());
  startFirstProgram();
  print`[KERNEL] Boot sequence complete!\nBOOTOK\n`;
  startTicking();
  clearBootCurrent();
  runIdle();
}

function initializeProcessor(): void {
  print`[BOOTSTRAP] Stage 1: Processor\n`;
  initializePerCpu();
  initializeSegments();
  initializeTraps();
  initializeFeatures();
  initializeSystemCalls();
}

function initializeMemory(protocol: u32, information: u64): void {
  print`[BOOTSTRAP] Stage 2: Memory\n`;
  resetFrames();
  const read = readBootInformation(protocol, phys(information));
  assert(read.ok, 'the boot loader left no usable information');
  const kernelEnd = u64(linkerSymbol('__kernel_end') - KERNEL_BASE);
  reserveRange(0x10_0000n, kernelEnd);
  const opened = openFrames();
  assert(opened.ok, 'there is no memory for the frame table');
  const mapped = initializeKernelSpace();
  assert(mapped.ok, 'there is no memory for the kernel page tables');
  print`[MEMORY] ${freeFrameCount()} frames free (${u64(freeFrameCount() / MIB_FRAMES)} MiB)\n`;
  setInitramfs(directMap(bootModuleStart()), bootModuleSize());
  print`[INITRAMFS] ${bootModuleSize()} bytes\n`;
}

function initializeInterrupts(): void {
  print`[BOOTSTRAP] Stage 3: Interrupts\n`;
  maskLegacyInterrupts();
  const enabled = initializeLocalApic();
  assert(enabled.ok, 'there is no memory for the local APIC');
  const routed = routeSerialInterrupt();
  assert(routed.ok, 'there is no memory for the I/O APIC');
  enableSerialInterrupt();
  calibrateClocks();
  setRealTime(u64(readCalendarClock() * NANOSECONDS));
  print`[CLOCK] TSC ${u64(tscFrequency() / 1_000_000n)} MHz\n`;
}

/** Until the scheduler has a current thread the kernel acts for init. */
function startFirstProgram(): void {
  print`[BOOTSTRAP] Stage 4: Processes\n`;
  const started = startFirstProcesses();
  assert(started.ok, 'there is no memory for the first processes');
  setBootCurrent(started.value.pid, started.value.pid);
  openTerminal(started.value, false);
  print`[PROCESS] Created init process with PID ${getThreadTid()}\n`;
}
