/** The system calls this kernel has, by number. What is not here is ENOSYS. */
import { Errno, err, type Result, sparseTable, u32, u64, type VirtAddr } from '#dialect';
import { VERDIGRIS_CALLS, VerdigrisCall } from '../abi/calls.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import * as io from './io-calls.ts';
import * as memory from './memory-calls.ts';
import { SystemCall } from './numbers.ts';
import * as process from './process-calls.ts';
import * as signal from './signal-calls.ts';
import * as thread from './thread-calls.ts';
import * as time from './time-calls.ts';
import * as verdigris from './verdigris-calls.ts';

/** Unpacks its arguments from the frame, and answers with the value or the error for RAX. */
type SystemCallHandler = (frame: VirtAddr) => Result<u64>;

function notImplemented(_frame: VirtAddr): Result<u64> {
  return err(Errno.ENOSYS);
}

const LINUX_CALLS = 512;
const linuxCalls = sparseTable<SystemCallHandler>(LINUX_CALLS, notImplemented, [
  [SystemCall.read, io.read],
  [SystemCall.write, io.write],
  [SystemCall.mmap, memory.mmap],
  [SystemCall.mprotect, memory.mprotect],
  [SystemCall.munmap, memory.munmap],
  [SystemCall.brk, memory.brk],
  [SystemCall.rt_sigaction, signal.rtSigaction],
  [SystemCall.rt_sigprocmask, signal.rtSigprocmask],
  [SystemCall.rt_sigreturn, signal.rtSigreturn],
  [SystemCall.ioctl, io.ioctl],
  [SystemCall.writev, io.writev],
  [SystemCall.sched_yield, thread.schedYield],
  [SystemCall.pause, signal.pause],
  [SystemCall.nanosleep, time.nanosleep],
  [SystemCall.getpid, process.getpid],
  [SystemCall.clone, process.clone],
  [SystemCall.fork, process.fork],
  [SystemCall.vfork, process.vfork],
  [SystemCall.execve, process.execve],
  [SystemCall.exit, process.exit],
  [SystemCall.wait4, process.wait4],
  [SystemCall.kill, signal.kill],
  [SystemCall.uname, process.uname],
  [SystemCall.getuid, process.getuid],
  [SystemCall.getgid, process.getgid],
  [SystemCall.geteuid, process.getuid],
  [SystemCall.getegid, process.getgid],
  [SystemCall.setpgid, process.setpgid],
  [SystemCall.getppid, process.getppid],
  [SystemCall.getpgrp, process.getpgrp],
  [SystemCall.setsid, process.setsid],
  [SystemCall.getpgid, process.getpgid],
  [SystemCall.getsid, process.getsid],
  [SystemCall.rt_sigpending, signal.rtSigpending],
  [SystemCall.rt_sigsuspend, signal.rtSigsuspend],
  [SystemCall.sigaltstack, signal.sigaltstack],
  [SystemCall.arch_prctl, thread.archPrctl],
  [SystemCall.gettid, thread.gettid],
  [SystemCall.tkill, signal.tkill],
  [SystemCall.futex, thread.futex],
  [SystemCall.sched_setaffinity, thread.schedSetaffinity],
  [SystemCall.sched_getaffinity, thread.schedGetaffinity],
  [SystemCall.set_tid_address, thread.setTidAddress],
  [SystemCall.restart_syscall, thread.restartSyscall],
  [SystemCall.clock_gettime, time.clockGettime],
  [SystemCall.clock_nanosleep, time.clockNanosleep],
  [SystemCall.exit_group, process.exitGroup],
  [SystemCall.tgkill, signal.tgkill],
  [SystemCall.waitid, process.waitid],
  [SystemCall.set_robust_list, thread.setRobustList],
  [SystemCall.get_robust_list, thread.getRobustList],
]);

const OWN_CALLS = 17;
const ownCalls = sparseTable<SystemCallHandler>(OWN_CALLS, notImplemented, [
  [VerdigrisCall.process_query - VERDIGRIS_CALLS, verdigris.processQuery],
  [VerdigrisCall.thread_query - VERDIGRIS_CALLS, verdigris.threadQuery],
]);

function handlerOf(number: u64): SystemCallHandler {
  if (number < u64(LINUX_CALLS)) return linuxCalls[u32(number)]!;
  const own = u64(number - u64(VERDIGRIS_CALLS));
  return own < u64(OWN_CALLS) ? ownCalls[u32(own)]! : notImplemented;
}

/** Runs the call that a frame holds; its value, or minus its error number, goes to the frame's RAX. */
export function dispatchSystemCall(frame: VirtAddr): void {
  const registers = TrapFrame.at(frame);
  const handler = handlerOf(registers.code);
  const result = handler(frame);
  registers.rax = result.ok ? result.value : u64(-u64(result.error));
}
