/** The process and thread tables, read by the system calls that only Verdigris has. */
import { addressOf, embed, syscall, u32, u64 } from '#dialect';
import { VerdigrisCall } from '../../kernel/abi/calls.ts';
import { ProcessRecord, ThreadRecord } from '../../kernel/abi/process.ts';

/** The process and the thread looked up last. */
export const processRecord = embed(ProcessRecord);
export const threadRecord = embed(ThreadRecord);

/** Fills `processRecord` with the process of the next higher pid, and returns that pid; 0 when there is none. */
export function nextProcess(pid: u32): u32 {
  return u32(syscall(u64(VerdigrisCall.process_query), u64(pid), addressOf(processRecord)));
}

/** Fills `processRecord` with that process; false when there is none. */
export function findProcess(pid: u32): boolean {
  return pid > 0 && nextProcess(u32(pid - 1)) === pid;
}

/** Fills `threadRecord` with the process's thread of the next higher tid, and returns that tid; 0 when there is none. */
export function nextThread(pid: u32, tid: u32): u32 {
  return u32(syscall(u64(VerdigrisCall.thread_query), u64(pid), u64(tid), addressOf(threadRecord)));
}

/** Processes that there are, zombies included. */
export function countProcesses(): u32 {
  let count: u32 = 0;
  for (let pid = nextProcess(0); pid !== 0; pid = nextProcess(pid)) count = u32(count + 1);
  return count;
}
