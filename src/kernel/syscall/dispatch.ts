/** The system calls this kernel has, by number. What is not here is ENOSYS. */
import { Errno, err, type Result, sparseTable, u32, u64, type VirtAddr } from '#dialect';
import { VERDIGRIS_CALLS, VerdigrisCall } from '../abi/calls.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import * as control from './control-calls.ts';
import * as credential from './credential-calls.ts';
import * as descriptor from './descriptor-calls.ts';
import * as epoll from './epoll-calls.ts';
import * as file from './file-calls.ts';
import * as io from './io-calls.ts';
import * as ipc from './ipc-calls.ts';
import * as memory from './memory-calls.ts';
import { SystemCall } from './numbers.ts';
import * as poll from './poll-calls.ts';
import * as process from './process-calls.ts';
import * as resource from './resource-calls.ts';
import * as scheduling from './scheduling-calls.ts';
import * as signal from './signal-calls.ts';
import * as stat from './stat-calls.ts';
import * as thread from './thread-calls.ts';
import * as time from './time-calls.ts';
import * as timer from './timer-calls.ts';
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
  [SystemCall.open, file.open],
  [SystemCall.close, descriptor.close],
  [SystemCall.stat, stat.stat],
  [SystemCall.fstat, stat.fstat],
  [SystemCall.lstat, stat.lstat],
  [SystemCall.poll, poll.poll],
  [SystemCall.lseek, io.lseek],
  [SystemCall.mmap, memory.mmap],
  [SystemCall.mprotect, memory.mprotect],
  [SystemCall.munmap, memory.munmap],
  [SystemCall.brk, memory.brk],
  [SystemCall.rt_sigaction, signal.rtSigaction],
  [SystemCall.rt_sigprocmask, signal.rtSigprocmask],
  [SystemCall.rt_sigreturn, signal.rtSigreturn],
  [SystemCall.ioctl, descriptor.ioctl],
  [SystemCall.pread64, io.pread64],
  [SystemCall.pwrite64, io.pwrite64],
  [SystemCall.readv, io.readv],
  [SystemCall.writev, io.writev],
  [SystemCall.access, file.access],
  [SystemCall.pipe, descriptor.pipe],
  [SystemCall.select, poll.select],
  [SystemCall.sched_yield, scheduling.schedYield],
  [SystemCall.mremap, memory.mremap],
  [SystemCall.msync, memory.msync],
  [SystemCall.mincore, memory.mincore],
  [SystemCall.madvise, memory.madvise],
  [SystemCall.dup, descriptor.dup],
  [SystemCall.dup2, descriptor.dup2],
  [SystemCall.pause, signal.pause],
  [SystemCall.nanosleep, time.nanosleep],
  [SystemCall.getitimer, timer.getitimer],
  [SystemCall.alarm, timer.alarm],
  [SystemCall.setitimer, timer.setitimer],
  [SystemCall.getpid, process.getpid],
  [SystemCall.clone, process.clone],
  [SystemCall.fork, process.fork],
  [SystemCall.vfork, process.vfork],
  [SystemCall.execve, process.execve],
  [SystemCall.exit, process.exit],
  [SystemCall.wait4, process.wait4],
  [SystemCall.kill, signal.kill],
  [SystemCall.uname, process.uname],
  [SystemCall.fcntl, descriptor.fcntl],
  [SystemCall.fsync, stat.fsync],
  [SystemCall.fdatasync, stat.fsync],
  [SystemCall.truncate, file.truncate],
  [SystemCall.ftruncate, stat.ftruncate],
  [SystemCall.getcwd, stat.getcwd],
  [SystemCall.chdir, stat.chdir],
  [SystemCall.fchdir, stat.fchdir],
  [SystemCall.rename, file.rename],
  [SystemCall.mkdir, file.mkdir],
  [SystemCall.rmdir, file.rmdir],
  [SystemCall.creat, file.creat],
  [SystemCall.link, file.link],
  [SystemCall.unlink, file.unlink],
  [SystemCall.symlink, file.symlink],
  [SystemCall.readlink, file.readlink],
  [SystemCall.chmod, file.chmod],
  [SystemCall.fchmod, stat.fchmod],
  [SystemCall.chown, file.chown],
  [SystemCall.fchown, stat.fchown],
  [SystemCall.lchown, file.lchown],
  [SystemCall.umask, process.umask],
  [SystemCall.gettimeofday, time.gettimeofday],
  [SystemCall.getrlimit, resource.getrlimit],
  [SystemCall.getrusage, resource.getrusage],
  [SystemCall.sysinfo, resource.sysinfo],
  [SystemCall.times, resource.timesOfProcess],
  [SystemCall.getuid, credential.getuid],
  [SystemCall.getgid, credential.getgid],
  [SystemCall.setuid, credential.setuid],
  [SystemCall.setgid, credential.setgid],
  [SystemCall.geteuid, credential.geteuid],
  [SystemCall.getegid, credential.getegid],
  [SystemCall.setpgid, process.setpgid],
  [SystemCall.getppid, process.getppid],
  [SystemCall.getpgrp, process.getpgrp],
  [SystemCall.setsid, process.setsid],
  [SystemCall.setreuid, credential.setreuid],
  [SystemCall.setregid, credential.setregid],
  [SystemCall.getgroups, credential.getgroups],
  [SystemCall.setgroups, credential.setgroups],
  [SystemCall.setresuid, credential.setresuid],
  [SystemCall.getresuid, credential.getresuid],
  [SystemCall.setresgid, credential.setresgid],
  [SystemCall.getresgid, credential.getresgid],
  [SystemCall.getpgid, process.getpgid],
  [SystemCall.setfsuid, credential.setfsuid],
  [SystemCall.setfsgid, credential.setfsgid],
  [SystemCall.getsid, process.getsid],
  [SystemCall.rt_sigpending, signal.rtSigpending],
  [SystemCall.rt_sigtimedwait, signal.rtSigtimedwait],
  [SystemCall.rt_sigqueueinfo, signal.rtSigqueueinfo],
  [SystemCall.rt_sigsuspend, signal.rtSigsuspend],
  [SystemCall.sigaltstack, signal.sigaltstack],
  [SystemCall.utime, stat.utime],
  [SystemCall.mknod, file.mknod],
  [SystemCall.personality, control.personality],
  [SystemCall.statfs, file.statfs],
  [SystemCall.fstatfs, stat.fstatfs],
  [SystemCall.getpriority, scheduling.getpriority],
  [SystemCall.setpriority, scheduling.setpriority],
  [SystemCall.sched_setparam, scheduling.schedSetparam],
  [SystemCall.sched_getparam, scheduling.schedGetparam],
  [SystemCall.sched_setscheduler, scheduling.schedSetscheduler],
  [SystemCall.sched_getscheduler, scheduling.schedGetscheduler],
  [SystemCall.sched_get_priority_max, scheduling.schedGetPriorityMax],
  [SystemCall.sched_get_priority_min, scheduling.schedGetPriorityMin],
  [SystemCall.sched_rr_get_interval, scheduling.schedRrGetInterval],
  [SystemCall.mlock, memory.mlock],
  [SystemCall.munlock, memory.munlock],
  [SystemCall.mlockall, memory.mlockall],
  [SystemCall.munlockall, memory.munlockall],
  [SystemCall.prctl, control.prctl],
  [SystemCall.arch_prctl, thread.archPrctl],
  [SystemCall.setrlimit, resource.setrlimit],
  [SystemCall.chroot, stat.chroot],
  [SystemCall.sync, file.sync],
  [SystemCall.settimeofday, time.settimeofday],
  [SystemCall.gettid, thread.gettid],
  [SystemCall.tkill, signal.tkill],
  [SystemCall.time, time.time],
  [SystemCall.futex, thread.futex],
  [SystemCall.sched_setaffinity, scheduling.schedSetaffinity],
  [SystemCall.sched_getaffinity, scheduling.schedGetaffinity],
  [SystemCall.getdents64, stat.getdents64],
  [SystemCall.set_tid_address, thread.setTidAddress],
  [SystemCall.restart_syscall, thread.restartSyscall],
  [SystemCall.fadvise64, io.fadvise64],
  [SystemCall.timer_create, timer.timerCreate],
  [SystemCall.timer_settime, timer.timerSettime],
  [SystemCall.timer_gettime, timer.timerGettime],
  [SystemCall.timer_getoverrun, timer.timerGetoverrun],
  [SystemCall.timer_delete, timer.timerDelete],
  [SystemCall.clock_settime, time.clockSettime],
  [SystemCall.clock_gettime, time.clockGettime],
  [SystemCall.clock_getres, time.clockGetres],
  [SystemCall.clock_nanosleep, time.clockNanosleep],
  [SystemCall.exit_group, process.exitGroup],
  [SystemCall.tgkill, signal.tgkill],
  [SystemCall.utimes, stat.utimes],
  [SystemCall.waitid, process.waitid],
  [SystemCall.openat, file.openat],
  [SystemCall.mkdirat, file.mkdirat],
  [SystemCall.mknodat, file.mknodat],
  [SystemCall.fchownat, file.fchownat],
  [SystemCall.futimesat, stat.futimesat],
  [SystemCall.newfstatat, stat.newfstatat],
  [SystemCall.unlinkat, file.unlinkat],
  [SystemCall.renameat, file.renameat],
  [SystemCall.linkat, file.linkat],
  [SystemCall.symlinkat, file.symlinkat],
  [SystemCall.readlinkat, file.readlinkat],
  [SystemCall.fchmodat, file.fchmodat],
  [SystemCall.faccessat, file.faccessat],
  [SystemCall.pselect6, poll.pselect6],
  [SystemCall.ppoll, poll.ppoll],
  [SystemCall.epoll_create, epoll.epollCreate],
  [SystemCall.epoll_create1, epoll.epollCreate1],
  [SystemCall.epoll_ctl, epoll.epollCtl],
  [SystemCall.epoll_wait, epoll.epollWait],
  [SystemCall.epoll_pwait, epoll.epollPwait],
  [SystemCall.epoll_pwait2, epoll.epollPwait2],
  [SystemCall.set_robust_list, thread.setRobustList],
  [SystemCall.get_robust_list, thread.getRobustList],
  [SystemCall.utimensat, stat.utimensat],
  [SystemCall.eventfd, descriptor.eventfd],
  [SystemCall.fallocate, stat.fallocate],
  [SystemCall.eventfd2, descriptor.eventfd2],
  [SystemCall.dup3, descriptor.dup3],
  [SystemCall.pipe2, descriptor.pipe2],
  [SystemCall.preadv, io.preadv],
  [SystemCall.pwritev, io.pwritev],
  [SystemCall.rt_tgsigqueueinfo, signal.rtTgsigqueueinfo],
  [SystemCall.prlimit64, resource.prlimit64],
  [SystemCall.getcpu, scheduling.getcpu],
  [SystemCall.renameat2, file.renameat2],
  [SystemCall.getrandom, control.getrandom],
  [SystemCall.mlock2, memory.mlock2],
  [SystemCall.close_range, descriptor.closeRange],
  [SystemCall.faccessat2, file.faccessat2],
]);

const OWN_CALLS = 18;
const ownCalls = sparseTable<SystemCallHandler>(OWN_CALLS, notImplemented, [
  [VerdigrisCall.process_query - VERDIGRIS_CALLS, verdigris.processQuery],
  [VerdigrisCall.thread_query - VERDIGRIS_CALLS, verdigris.threadQuery],
  [VerdigrisCall.endpoint_create - VERDIGRIS_CALLS, ipc.endpointCreate],
  [VerdigrisCall.capability_create - VERDIGRIS_CALLS, ipc.capabilityCreate],
  [VerdigrisCall.capability_revoke - VERDIGRIS_CALLS, ipc.capabilityRevoke],
  [VerdigrisCall.ipc_call - VERDIGRIS_CALLS, ipc.ipcCall],
  [VerdigrisCall.ipc_call_buffers - VERDIGRIS_CALLS, ipc.ipcCallBuffers],
  [VerdigrisCall.ipc_receive - VERDIGRIS_CALLS, ipc.ipcReceive],
  [VerdigrisCall.ipc_reply - VERDIGRIS_CALLS, ipc.ipcReply],
  [VerdigrisCall.ipc_reply_receive - VERDIGRIS_CALLS, ipc.ipcReplyReceive],
  [VerdigrisCall.ipc_copy_in - VERDIGRIS_CALLS, ipc.ipcCopyIn],
  [VerdigrisCall.ipc_copy_out - VERDIGRIS_CALLS, ipc.ipcCopyOut],
  [VerdigrisCall.initramfs_map - VERDIGRIS_CALLS, verdigris.initramfsMap],
  [VerdigrisCall.process_arguments - VERDIGRIS_CALLS, verdigris.processArguments],
  [VerdigrisCall.process_areas - VERDIGRIS_CALLS, verdigris.processAreas],
  [VerdigrisCall.process_badge - VERDIGRIS_CALLS, ipc.processBadge],
  [VerdigrisCall.ipc_reply_receive_words - VERDIGRIS_CALLS, ipc.ipcReplyReceiveWords],
  [VerdigrisCall.schedule_seed - VERDIGRIS_CALLS, verdigris.scheduleSeed],
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
