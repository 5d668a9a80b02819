import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { mem, virt } from '../../src/compiler/library/index.ts';
import { VerdigrisCall } from '../../src/kernel/abi/calls.ts';
import { initializeTermios } from '../../src/kernel/console/termios.ts';
import { addressSpaceCount } from '../../src/kernel/memory/address-space.ts';
import { allocateFrame, freeFrameCount, releaseFrame } from '../../src/kernel/memory/frames.ts';
import { idleKernelStackCount } from '../../src/kernel/memory/kernel-stacks.ts';
import { ProcessState } from '../../src/kernel/process/pcb.ts';
import { findProcess, processCount } from '../../src/kernel/process/table.ts';
import { findThread, type Thread, ThreadState, threadCount } from '../../src/kernel/process/thread.ts';
import { frameBelow, TrapFrame } from '../../src/kernel/processor/trap-frame.ts';
import { SystemCall } from '../../src/kernel/syscall/numbers.ts';
import { program } from './elf-program.ts';
import { type FakeMachine, startMachine, unwrap } from './fake-machine.ts';
import { adopt, type Running, startProcess, switchTo, ThreadEnded, whileAway } from './fake-switch.ts';
import { filesAnswer, PlayedServer } from './played-server.ts';
import { systemCall } from './system-call.ts';

vi.mock('../../src/kernel/sched/switch.ts', async () =>
  (await vi.importActual<typeof import('./fake-switch.ts')>('./fake-switch.ts')).fakeSwitch(),
);

const EPERM = -1n;
const ENOENT = -2n;
const ESRCH = -3n;
const ENOEXEC = -8n;
const EBADF = -9n;
const ECHILD = -10n;
const EAGAIN = -11n;
const ENOMEM = -12n;
const EACCES = -13n;
const EFAULT = -14n;
const EINVAL = -22n;
const ENOTTY = -25n;
const ENOSYS = -38n;

/** Addresses that no program may pass: the null page, a hole, the kernel's, and one that wraps. */
const BAD = [8n, 0x1234_5678_0000n, 0xffff_8000_0000_0000n, 0xffff_ffff_ffff_fff8n];
const SIGCHLD = 17n;

let machine: FakeMachine;
let init: Running;
let server: PlayedServer;
let current: Thread;
/** A page that the running program may read and write. */
let page: bigint;

/** Makes the running thread's system call; RAX as a signed number. */
function call(number: number, ...parameters: readonly (number | bigint)[]): bigint {
  return systemCall(current, number, ...parameters);
}

function become(thread: Thread): void {
  current = thread;
  switchTo(machine, thread);
}

const threadOf = (id: bigint): Thread => findThread(Number(id) as never)!;

/** Has a child end, as its own last system call, and comes back to init. */
function endChild(pid: bigint, code: number): void {
  become(threadOf(pid));
  expect(() => call(SystemCall.exit_group, code)).toThrow(ThreadEnded);
  become(init.thread);
}

function store(address: bigint, text: string): bigint {
  for (const [index, byte] of Buffer.from(`${text}\0`).entries())
    mem.store8(virt(address + BigInt(index)), byte as never);
  return address;
}

interface Count {
  readonly frames: bigint;
  readonly processes: number;
  readonly threads: number;
  readonly spaces: number;
}

/** What is in use. Kernel stacks that wait for a thread count as free: four frames each. */
const count = (): Count => ({
  frames: freeFrameCount() + BigInt(idleKernelStackCount()) * 4n,
  processes: processCount(),
  threads: threadCount(),
  spaces: addressSpaceCount(),
});

beforeAll(() => {
  machine = startMachine(16);
  initializeTermios();
  init = startProcess(machine);
  current = init.thread;
  page = call(SystemCall.mmap, 0, 0x2000, 3, 0x22, -1, 0);
});
beforeEach(() => become(init.thread));

describe('the table of system calls', () => {
  it('answers ENOSYS to every number that it does not name', () => {
    const known = new Set<number>([...Object.values(SystemCall), ...Object.values(VerdigrisCall)]);
    const unknown = [...Array(600).keys(), 0x5602, 0x1_0000, 2 ** 31].filter((number) => !known.has(number));
    expect(unknown.filter((number) => call(number) !== ENOSYS)).toEqual([]);
    expect(call(-1)).toBe(ENOSYS);
  });

  it('tells a process who it is', () => {
    expect(init.process.pid).toBe(1);
    expect([SystemCall.getpid, SystemCall.gettid, SystemCall.getpgrp].map((number) => call(number))).toEqual([
      1n,
      1n,
      1n,
    ]);
    expect([SystemCall.getppid, SystemCall.getuid, SystemCall.getegid].map((number) => call(number))).toEqual([
      0n,
      0n,
      0n,
    ]);
  });
});

describe('bad pointers are EFAULT', () => {
  const pointers: Record<string, (bad: bigint) => bigint> = {
    'write buffer': (bad) => call(SystemCall.write, 1, bad, 8),
    'writev vector': (bad) => call(SystemCall.writev, 1, bad, 1),
    'execve path': (bad) => call(SystemCall.execve, bad, 0, 0),
    'execve argv': (bad) => call(SystemCall.execve, store(page, '/bin/program'), bad, 0),
    'execve envp': (bad) => call(SystemCall.execve, store(page, '/bin/program'), 0, bad),
    'nanosleep duration': (bad) => call(SystemCall.nanosleep, bad, 0),
    'clock_gettime time': (bad) => call(SystemCall.clock_gettime, 1, bad),
    'futex wait word': (bad) => call(SystemCall.futex, bad & ~7n, 0, 0, 0),
    'futex wait timeout': (bad) => call(SystemCall.futex, page, 0, 0, bad),
    'sched_setaffinity mask': (bad) => call(SystemCall.sched_setaffinity, 0, 8, bad),
    'sched_getaffinity mask': (bad) => call(SystemCall.sched_getaffinity, 0, 8, bad),
    'arch_prctl GET_FS address': (bad) => call(SystemCall.arch_prctl, 0x1003, bad),
    'rt_sigprocmask set': (bad) => call(SystemCall.rt_sigprocmask, 0, bad, 0, 8),
    'rt_sigprocmask old set': (bad) => call(SystemCall.rt_sigprocmask, 0, 0, bad, 8),
    'rt_sigaction action': (bad) => call(SystemCall.rt_sigaction, 10, bad, 0, 8),
    'rt_sigaction old action': (bad) => call(SystemCall.rt_sigaction, 10, 0, bad, 8),
    'uname buffer': (bad) => call(SystemCall.uname, bad),
    'pipe descriptors': (bad) => call(SystemCall.pipe, bad),
    'poll vector': (bad) => call(SystemCall.poll, bad, 1, 0),
    'ppoll timeout': (bad) => call(SystemCall.ppoll, page, 0, bad, 0, 8),
    'ppoll mask': (bad) => call(SystemCall.ppoll, page, 0, 0, bad, 8),
    'select set': (bad) => call(SystemCall.select, 1, bad, 0, 0, 0),
    'select timeout': (bad) => call(SystemCall.select, 0, 0, 0, 0, bad),
    'pselect6 mask': (bad) => call(SystemCall.pselect6, 0, 0, 0, 0, 0, bad),
    'readv vector': (bad) => call(SystemCall.readv, 0, bad, 1),
    'ioctl FIONBIO argument': (bad) => call(SystemCall.ioctl, 0, 0x5421, bad),
    'open path': (bad) => call(SystemCall.open, bad, 0, 0),
    'newfstatat path': (bad) => call(SystemCall.newfstatat, -100, bad, page, 0),
    'fstat buffer': (bad) => call(SystemCall.fstat, 0, bad),
    'access path': (bad) => call(SystemCall.access, bad, 0),
    'mkdir path': (bad) => call(SystemCall.mkdir, bad, 0),
    'unlink path': (bad) => call(SystemCall.unlink, bad),
    'rename old path': (bad) => call(SystemCall.rename, bad, page),
    'rename new path': (bad) => call(SystemCall.rename, store(page, 'old'), bad),
    'symlink target': (bad) => call(SystemCall.symlink, bad, page),
    'readlink path': (bad) => call(SystemCall.readlink, bad, page, 8),
    'chdir path': (bad) => call(SystemCall.chdir, bad),
    'truncate path': (bad) => call(SystemCall.truncate, bad, 0),
    'chmod path': (bad) => call(SystemCall.chmod, bad, 0),
    'utimensat times': (bad) => call(SystemCall.utimensat, -100, page, bad, 0),
    'ipc_call_buffers message': (bad) => call(VerdigrisCall.ipc_call_buffers, 0, bad),
    'process_query record': (bad) => call(VerdigrisCall.process_query, 0, bad),
    'thread_query record': (bad) => call(VerdigrisCall.thread_query, 1, 0, bad),
  };
  for (const [name, attempt] of Object.entries(pointers)) {
    it(name, () => {
      expect(BAD.map((bad) => attempt(bad))).toEqual(BAD.map(() => EFAULT));
    });
  }
});

describe('descriptors', () => {
  it('are the console, and no others', () => {
    const written = machine.serial.length;
    store(page, 'one\ntwo');
    expect(call(SystemCall.write, 1, page, 7)).toBe(7n);
    expect(machine.serial.slice(written)).toBe('one\r\ntwo');
    expect(call(SystemCall.write, 3, page, 7)).toBe(EBADF);
    expect(call(SystemCall.read, 99, page, 7)).toBe(EBADF);
    expect(call(SystemCall.ioctl, 1, 0x5413, page)).toBe(0n);
    expect(call(SystemCall.ioctl, 1, 0x1234, page)).toBe(ENOTTY);
  });

  it('write whole pieces before a bad address and say how much', () => {
    expect(call(SystemCall.write, 1, page + 0x2000n - 2100n, 4096)).toBe(2048n);
    expect(call(SystemCall.write, 1, page + 0x2000n - 512n, 1024)).toBe(EFAULT);
  });
});

describe('fork', () => {
  it('gives the child a copy of everything, with 0 in RAX', () => {
    mem.store64(virt(page), 0x1111n);
    call(SystemCall.arch_prctl, 0x1002, 0x1_2345_6000);
    const pid = call(SystemCall.fork);
    const child = findProcess(Number(pid) as never)!;
    const thread = child.firstThread!;
    expect(TrapFrame.at(frameBelow(thread.kernelStack)).rax).toBe(0n);
    expect([thread.tid, thread.fsBase, child.pgid, child.parent]).toEqual([
      Number(pid),
      0x1_2345_6000n,
      1,
      init.process,
    ]);
    mem.store64(virt(page), 0x2222n);
    become(thread);
    expect(mem.load64(virt(page))).toBe(0x1111n);
    expect(call(SystemCall.getppid)).toBe(1n);
    become(init.thread);
    endChild(pid, 0);
    expect(call(SystemCall.wait4, pid, 0, 0, 0)).toBe(pid);
  });

  it('loses nothing when memory runs out at any point', () => {
    const before = count();
    const pid = call(SystemCall.fork);
    endChild(pid, 0);
    call(SystemCall.wait4, pid, 0, 0, 0);
    expect(count()).toEqual(before);
    let failures = 0;
    for (let allowed = 0n; ; allowed++) {
      const taken: bigint[] = [];
      while (freeFrameCount() > allowed) taken.push(unwrap(allocateFrame()));
      const result = call(SystemCall.fork);
      for (const frame of taken) releaseFrame(frame as never);
      if (result > 0n) {
        endChild(result, 0);
        call(SystemCall.wait4, result, 0, 0, 0);
        break;
      }
      failures++;
      expect(result).toBe(ENOMEM);
      expect(count()).toEqual(before);
    }
    // The copy's root table and three more for its one page; objects and stacks come from frames that are half used.
    expect(failures).toBe(4);
    expect(count()).toEqual(before);
  });

  it('refuses clone flags that contradict each other', () => {
    const [VM, SIGHAND, THREAD, NEWUSER] = [0x100n, 0x800n, 0x1_0000n, 0x1000_0000n];
    for (const flags of [THREAD, THREAD | VM, SIGHAND, NEWUSER, 100n])
      expect(call(SystemCall.clone, flags)).toBe(EINVAL);
  });
});

describe('wait4', () => {
  it('says ECHILD, EINVAL, and 0 for "not yet"', () => {
    expect(call(SystemCall.wait4, -1, 0, 0, 0)).toBe(ECHILD);
    expect(call(SystemCall.wait4, -1, 0, 0x10, 0)).toBe(EINVAL);
    const pid = call(SystemCall.fork);
    expect(call(SystemCall.wait4, -1, 0, 1, 0)).toBe(0n);
    expect(call(SystemCall.wait4, Number(pid) + 1, 0, 1, 0)).toBe(ECHILD);
    endChild(pid, 3);
    expect(call(SystemCall.wait4, -1, page, 0, 0)).toBe(pid);
    expect(mem.load32(virt(page))).toBe(0x300);
    expect(call(SystemCall.wait4, -1, 0, 0, 0)).toBe(ECHILD);
  });

  it('sleeps until a child ends', () => {
    const pid = call(SystemCall.fork);
    whileAway(() => {
      expect(init.thread.state.load()).toBe(ThreadState.Blocked);
      current = threadOf(pid);
      adopt(machine, current);
      expect(() => call(SystemCall.exit, 7)).toThrow(ThreadEnded);
      current = init.thread;
      adopt(machine, current);
    });
    expect(call(SystemCall.wait4, -1, page, 0, 0)).toBe(pid);
    expect(mem.load32(virt(page))).toBe(0x700);
  });

  it('reports death by signal as the signal, and an orphan to init', () => {
    const parent = call(SystemCall.fork);
    become(threadOf(parent));
    const orphan = call(SystemCall.fork);
    become(init.thread);
    endChild(parent, 0);
    expect(findProcess(Number(orphan) as never)!.parent).toBe(init.process);
    expect(call(SystemCall.wait4, parent, 0, 0, 0)).toBe(parent);
    expect(call(SystemCall.kill, orphan, 9)).toBe(0n);
    endChild(orphan, 0);
    expect(call(SystemCall.wait4, -1, page, 0, 0)).toBe(orphan);
    expect(mem.load32(virt(page))).toBe(9);
  });
});

describe('kill', () => {
  it('checks signal and target before anything else', () => {
    expect(call(SystemCall.kill, 1, 65)).toBe(EINVAL);
    expect(call(SystemCall.kill, 4000, 0)).toBe(ESRCH);
    expect(call(SystemCall.kill, 1, 0)).toBe(0n);
    expect(call(SystemCall.tgkill, 1, 4000, 9)).toBe(ESRCH);
    expect(call(SystemCall.tgkill, 0, 1, 9)).toBe(EINVAL);
    expect(call(SystemCall.tkill, 0, 9)).toBe(EINVAL);
  });

  it('reaches a zombie without effect, and a process of another user only for root', () => {
    const pid = call(SystemCall.fork);
    Object.assign(findProcess(Number(pid) as never)!.credentials.user, { real: 1000, effective: 1000, saved: 1000 });
    become(threadOf(pid));
    expect(call(SystemCall.kill, 1, 15)).toBe(EPERM);
    become(init.thread);
    endChild(pid, 5);
    expect(findProcess(Number(pid) as never)!.state.load()).toBe(ProcessState.Zombie);
    expect(call(SystemCall.kill, pid, 9)).toBe(0n);
    call(SystemCall.wait4, pid, page, 0, 0);
    expect(mem.load32(virt(page))).toBe(0x500);
  });
});

describe('threads', () => {
  const FLAGS = 0x35_0f00n;

  it('clear their tid word and end alone; the last one ends the process', () => {
    const pid = call(SystemCall.fork);
    become(threadOf(pid));
    const tid = call(SystemCall.clone, FLAGS, page + 0x1000n, page, page);
    expect(mem.load32(virt(page))).toBe(Number(tid));
    become(threadOf(tid));
    expect([call(SystemCall.getpid), call(SystemCall.gettid)]).toEqual([pid, tid]);
    expect(() => call(SystemCall.exit, 1)).toThrow(ThreadEnded);
    become(threadOf(pid));
    expect(mem.load32(virt(page))).toBe(0);
    become(init.thread);
    endChild(pid, 2);
    call(SystemCall.wait4, pid, page, 0, 0);
    expect(mem.load32(virt(page))).toBe(0x200);
  });

  it('are 256 at most', () => {
    const pid = call(SystemCall.fork);
    become(threadOf(pid));
    const before = count();
    const tids: bigint[] = [];
    for (let made = 1; made < 256; made++) tids.push(call(SystemCall.clone, FLAGS, page + 0x1000n, page, page));
    expect(call(SystemCall.clone, FLAGS, page + 0x1000n, page, page)).toBe(EAGAIN);
    for (const tid of tids) {
      become(threadOf(tid));
      expect(() => call(SystemCall.exit, 0)).toThrow(ThreadEnded);
    }
    become(threadOf(pid));
    call(SystemCall.sched_yield);
    expect(count().threads).toBeLessThanOrEqual(before.threads + 1);
    become(init.thread);
    endChild(pid, 0);
    call(SystemCall.wait4, pid, 0, 0, 0);
  });
});

describe('execve', () => {
  beforeAll(() => {
    const text = { address: 0x40_1000n, bytes: Buffer.from('code') };
    const files = {
      '/bin/program': program({ entry: 0x40_1000n, segments: [text] }),
      '/bin/text': Buffer.from('#'),
      '/bin': null,
    };
    server = new PlayedServer(machine, init.thread, filesAnswer(files));
    server.giveRoot(init.process);
    become(init.thread);
  });

  it('says why it cannot, and changes nothing', () => {
    const attempt = (): bigint[] => {
      const results = ['/bin/none', '/bin/text', '/bin', ''].map((path) =>
        call(SystemCall.execve, store(page, path), 0, 0),
      );
      server.hearOfCloses();
      become(init.thread);
      return results;
    };
    attempt();
    const before = count();
    expect(attempt()).toEqual([ENOENT, ENOEXEC, EACCES, ENOENT]);
    expect(count()).toEqual(before);
  });

  it('starts the program with its arguments on a fresh stack, and with nothing of the old one', () => {
    const pid = call(SystemCall.fork);
    const thread = threadOf(pid);
    become(thread);
    mem.store64(virt(page + 0x100n), store(page, '/bin/program'));
    mem.store64(virt(page + 0x108n), store(page + 0x40n, 'argument'));
    mem.store64(virt(page + 0x110n), 0n);
    expect(call(SystemCall.execve, page, page + 0x100n, 0)).toBe(0n);
    const registers = TrapFrame.at(frameBelow(thread.kernelStack));
    machine.space = thread.process!.addressSpace;
    expect([registers.rip, registers.rsp % 16n, thread.fsBase]).toEqual([0x40_1000n, 0n, 0n]);
    const stack = registers.rsp;
    const text = (address: bigint, length: number): string =>
      String.fromCharCode(...Array.from({ length }, (_, index) => mem.load8(virt(address + BigInt(index)))));
    expect(mem.load64(virt(stack))).toBe(2n);
    expect(text(mem.load64(virt(stack + 8n)), 13)).toBe('/bin/program\0');
    expect(text(mem.load64(virt(stack + 16n)), 9)).toBe('argument\0');
    expect([mem.load64(virt(stack + 24n)), mem.load64(virt(stack + 32n))]).toEqual([0n, 0n]);
    expect(text(0x40_1000n, 4)).toBe('code');
    expect(String.fromCharCode(...[...thread.process!.name].slice(0, 8))).toBe('program\0');
    expect(thread.process!.addressSpace!.areas.count).toBe(2);
    become(init.thread);
    endChild(pid, Number(SIGCHLD));
    call(SystemCall.wait4, pid, 0, 0, 0);
  });
});
