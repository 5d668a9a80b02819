/** Prints what the process and thread tables hold. */
import { u8, u32 } from '#dialect';
import { NAME_LENGTH } from '../../kernel/abi/process.ts';
import { print, printByte, printColumn } from './print.ts';
import { nextProcess, nextThread, processRecord, threadRecord } from './process-records.ts';

/** Prints the process table, one line a process. */
export function printProcesses(): void {
  print`  PID  PPID S THREADS PAGES NAME\n`;
  let pid: u32 = 0;
  for (;;) {
    pid = nextProcess(pid);
    if (pid === 0) return;
    printColumn(processRecord.pid, 5);
    printColumn(processRecord.parent, 6);
    printByte(32);
    printByte(u8(processRecord.state));
    printColumn(processRecord.threads, 8);
    printColumn(u32(processRecord.residentPages), 6);
    printByte(32);
    for (let index: u32 = 0; index < NAME_LENGTH; index++) {
      const byte = processRecord.name[index]!;
      if (byte !== 0) printByte(byte);
    }
    print`\n`;
  }
}

/** Prints the threads of a process, one line each. */
export function printThreads(pid: u32): void {
  print`  TID   PID S PRIORITY  TICKS\n`;
  let tid: u32 = 0;
  for (;;) {
    tid = nextThread(pid, tid);
    if (tid === 0) return;
    printColumn(threadRecord.tid, 5);
    printColumn(threadRecord.pid, 6);
    printByte(32);
    printByte(u8(threadRecord.state));
    printColumn(threadRecord.priority, 9);
    printColumn(u32(threadRecord.ticks), 7);
    print`\n`;
  }
}

/** Calls `visit` with every pid there is. */
export function forEachProcess(visit: (pid: u32) => void): void {
  let pid: u32 = 0;
  for (;;) {
    pid = nextProcess(pid);
    if (pid === 0) return;
    visit(pid);
  }
}
