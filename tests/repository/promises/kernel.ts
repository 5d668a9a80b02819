import { keptBy } from './kept-by.ts';

const CALLS = [
  ...['read', 'write', 'writev', 'exit', 'exit_group', 'getpid', 'getppid', 'gettid', 'sched_yield', 'clone', 'fork'],
  ...['vfork', 'execve', 'wait4', 'futex', 'set_tid_address', 'arch_prctl', 'mmap', 'munmap', 'mprotect', 'brk'],
  ...['nanosleep', 'clock_gettime', 'sched_setaffinity', 'sched_getaffinity', 'kill'],
];

/** src/kernel and src/user. */
export const KERNEL = [
  ...keptBy('system/boot.test.ts', '', [
    [
      'boots into long mode in the higher half and runs init',
      'the compiled kernel on our machine > boots, runs init, and powers off with its status',
    ],
    ['PVH and Multiboot', 'the compiled kernel on our machine > is entered by PVH and by Multiboot alike'],
    ['the same twice', 'the compiled kernel on our machine > does the same again: text, instruction count and state'],
    [
      'init= chooses the first program and its arguments',
      'init= on the command line > chooses the program and gives it its arguments',
    ],
    [
      'a user fault ends that process with the right status',
      'exceptions of user programs > …: ends the program with signal …',
    ],
    ['the shell: ps, threads, kill', 'the shell > lists, signals and reaps what runs in the background'],
    ['the shell: run', 'the shell > echoes, edits, runs programs and reports their ends'],
  ]),
  ...keptBy('compiler/elf/image.test.ts', 'kernel images', [
    [
      'the kernel lives in the higher half',
      'load at 1 MiB, the boot part at physical addresses, the rest in the higher half',
    ],
  ]),
  ...keptBy('kernel/frames.test.ts', 'the frame allocator', [
    ['physical frames', 'hands out every frame once, then says ENOMEM'],
  ]),
  ...keptBy('kernel/address-space.test.ts', '', [
    ['address spaces', 'mmap > gives zeroed pages on first touch and none before'],
  ]),
  ...keptBy('debugger/session.test.ts', 'step: a debugging session on our kernel', [
    ['GDT, IDT and TSS', 'walks page tables and shows GDT and IDT'],
  ]),
  ...keptBy('kernel/drivers.test.ts', '', [['the APIC timer ticks', 'the clocks > tick a thousand times a second']]),
  ...keptBy('kernel/process-table.test.ts', '', [
    [
      '1,024 processes, zombies included',
      'the process table > holds exactly 1,024 processes, zombies included, and says EAGAIN to the next',
    ],
    ['256 threads a process', 'threads of a process > are at most 256, counted before anything is allocated'],
    ['the table is listed in order', 'the process table > is walked in ascending order of pids while it changes'],
    ['states', 'states > change only from the predecessor that is named'],
  ]),
  ...keptBy('system/atomics.test.ts', 'ids', [
    ['PID and TID counters are lock xadd', 'are counted by lock xadd: pids, and tids which are drawn from the same'],
  ]),
  ...keptBy('kernel/process-module.test.ts', 'the process module', [
    ['create', 'creates a thread of the current process, ready to run'],
    ['block and wake by tid', 'blocks a thread until it is woken by its tid'],
    ['terminate', 'terminates a thread of the process that is named with it, and no other'],
    ['affinity', 'places threads on processors that exist'],
    ['list', 'lists processes by pid'],
  ]),
  ...keptBy('kernel/boot-current.test.ts', 'the boot-current fallback', [
    [
      'boot-current: used before the scheduler has a current task',
      'names the program before the scheduler has a current thread',
    ],
    ['boot-current: one value, saved and restored', 'is one value, so that nested runs give back the outer pair'],
    ['boot-current: gives way', "gives way to the scheduler's current thread"],
  ]),
  ...keptBy('kernel/system-calls.test.ts', '', [
    [
      'at exit a thread clears its word, then wakes',
      'threads > clear their tid word and end alone; the last one ends the process',
    ],
    [
      'every other number is ENOSYS',
      'the table of system calls > answers ENOSYS to every number that it does not name',
    ],
    ['bad pointers are EFAULT', 'bad pointers are EFAULT'],
  ]),
  ...keptBy('oracle/linux-calls.test.ts', 'a system call answers as Linux does', [
    ...CALLS.map((call) => [`${call} by its Linux number`, call] as const),
    ['unknown numbers, compared with Linux', 'with a number that is none: ENOSYS'],
  ]),
  ...keptBy('oracle/linux-programs.test.ts', '… do on our kernel what they do on Linux', [
    ['an unmodified static musl program runs, and is compared with Linux', 'hello'],
    ['EFAULT everywhere', 'efault'],
  ]),
  ...keptBy('system/init.test.ts', 'init', [
    ['threads by clone', 'starts threads through clone with CLONE_CHILD_CLEARTID'],
    ['joins on the futex', 'joins them on the futex that the kernel wakes'],
    ['forks and waits', 'forks, and waits for the status of its child'],
    ['execs', 'executes another program'],
    ['sees a fault', 'sees a child die of SIGSEGV'],
    ['kills', 'kills a child and reaps it'],
    ['preemption', 'is preempted: two children that never yield both go on'],
    ['prints the process table', 'prints the process table'],
    ['powers off', 'powers the machine off with its own status'],
  ]),
];
