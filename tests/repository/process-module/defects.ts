import {
  addressSpace,
  allocationFailures,
  bootCurrent,
  comingAndGoing,
  futex,
  ipc,
  lifecycle,
  linux,
  linuxCall,
  locks,
  type NamedTest,
  processTable,
  scheduler,
  session,
  signals,
  systemCalls,
} from './named-test.ts';

/** A mistake that process modules are known for: the test that would fail if it were made here, or why it cannot be. */
export interface Defect {
  readonly number: number;
  readonly what: string;
  readonly heldBy: NamedTest | string;
}

type Row = readonly [what: string, heldBy: NamedTest | string];

const numbered = (first: number, rows: readonly Row[]): Defect[] =>
  rows.map(([what, heldBy], index) => ({ number: first + index, what, heldBy }));

const IDS = processTable('are never given out twice while in use, not even after the counter has come around');
const FULL_TABLE = processTable('holds exactly 1,024 processes, zombies included, and says EAGAIN to the next');
const STATES = processTable('change only from the predecessor that is named');
const BEFORE_ALLOCATING = processTable('are at most 256, counted before anything is allocated');
const TID_WORD = systemCalls('clear their tid word and end alone; the last one ends the process');
const EXEC_ERRORS = systemCalls('says why it cannot, and changes nothing');
const EXEC_FRESH = systemCalls(
  'starts the program with its arguments on a fresh stack, and with nothing of the old one',
);
const FORKED = lifecycle('has its parent’s ids, umask, limits, actions, mask and name, and nothing pending');
const NO_MEMORY = systemCalls('loses nothing when memory runs out at any point');
const CHILD_ENDS = systemCalls('sleeps until a child ends');
const DEATH = systemCalls('reports death by signal as the signal, and an orphan to init');
const FRAME = signals('begins below the red zone, 8 below a multiple of 16, with its arguments and mask');
const CONTEXT = signals('gives back what it interrupted, and of the flags only what is the program’s');
const FUTEX_SLEEP = futex('sleeps until it is woken');

const IDENTITY = numbered(1, [
  [
    'the current process is looked up under a lock, on the wrong processor',
    bootCurrent("gives way to the scheduler's current thread"),
  ],
  ['pointers outlive what they point to', comingAndGoing],
  [
    'several counters give out the same id',
    ['kernel/process-module.test.ts', 'gives out pids and tids from one counter, each once'],
  ],
  ['ids are never used again, or groups end at a fixed id', IDS],
  ['the count is tested before the slot is taken', FULL_TABLE],
  ['the 257th thread is refused too late', BEFORE_ALLOCATING],
  ['thread stacks collide', addressSpace('takes the highest free addresses below the stack that fit')],
  ['the main thread has another id than its process', systemCalls('tells a process who it is')],
  [
    'the boot identity is torn, or lost in a nested run',
    bootCurrent('is one value, so that nested runs give back the outer pair'),
  ],
  [
    'a walk over the table looks something up in it and hangs',
    processTable('is walked in ascending order of pids while it changes'),
  ],
  ['zombies are taken from parents that live', linux('waitid')],
  [
    'two paths take locks in opposite order',
    'There are no spin locks to order: kernel code runs on one processor with interrupts off and is never preempted, and no kernel code holds two sleeping locks.',
  ],
]);

const STATES_AND_SCHEDULER = numbered(13, [
  ['a late wake-up brings a zombie back', scheduler('does nothing to a thread that runs, is ready or has ended')],
  ['a terminated thread stays in a queue', futex('ends with EINTR when the thread is killed, and leaves its bucket')],
  [
    'a thread and its scheduler entry are not linked',
    'The thread is the only object that the scheduler knows; there is no second one to link.',
  ],
  ['what has ended is never freed', comingAndGoing],
  ['yielding with nothing to run loads a stale context', scheduler('returns at once when nobody else can run')],
  [
    'a candidate that does not preempt is forgotten',
    scheduler('lets equals run first, and forgets nobody who does not get the processor'),
  ],
  ['waking the running thread makes it vanish', scheduler('does nothing to a thread that runs, is ready or has ended')],
]);

const ENDS = numbered(20, [
  ['a thread is seen to have ended while it still runs', TID_WORD],
  ['the tid word is read from memory that is gone', linux('threads')],
  [
    'a bad tid address faults in the kernel',
    lifecycle('clears the tid word when others use the memory, and takes no notice of a bad address'),
  ],
  ['the last thread does not end the process', TID_WORD],
  ['exit and exit_group are the same', linux('threads')],
  ['a join spins, or is cut to 32 bits', 'Threads are joined by programs, on the tid word; the kernel has no join.'],
  ['the robust list is not walked', futex('marks what the thread held, wakes a waiter, and leaves other locks alone')],
  [
    'a new thread loses its argument, stack or TLS base',
    scheduler('begins at its entry with its argument, stack and TLS base'),
  ],
  [
    'waking by process wakes the wrong thread, and early wake-ups are lost',
    scheduler('by id reaches a thread of any process, and is not lost when it comes before the sleep'),
  ],
]);

const FORK_AND_EXEC = numbered(29, [
  ['a child runs as root', FORKED],
  ['a child forgets handlers and mask', FORKED],
  [
    'a child forgets umask, FS base or the size of its stack',
    systemCalls('gives the child a copy of everything, with 0 in RAX'),
  ],
  ['copying on write copies at once and leaks frames', addressSpace('keeps one frame until somebody writes, then two')],
  ['a fork that fails half-way leaves something behind', NO_MEMORY],
  ['exec destroys the old image before the new one is known to be good', EXEC_ERRORS],
  ['other threads live on after exec', linux('exec')],
  [
    'scripts that name each other recurse without end',
    ['kernel/script.test.ts', '… names its interpreter and one argument'],
  ],
  ['static programs get no auxiliary vector', linux('exec-arguments')],
  ['FS base, tid word, robust list or name survive exec', EXEC_FRESH],
  [
    'exec makes ignored signals default ones',
    lifecycle('sets caught signals back to their default and leaves ignored ones ignored'),
  ],
  ['every failure of exec is the same error', EXEC_ERRORS],
  ['strings are written before their size is checked', linux('exec-arguments')],
]);

const EXIT_AND_WAIT = numbered(42, [
  ['a wait is interrupted by the SIGCHLD it waits for', CHILD_ENDS],
  ['death by signal reads as an exit', DEATH],
  ['stops and continuations are guessed, or reported twice', linux('waitid')],
  ['groups cannot be waited for, unknown options are taken', systemCalls('says ECHILD, EINVAL, and 0 for "not yet"')],
  ['children that nobody wants stay zombies', linux('waitid')],
  [
    'orphans get a parent that is gone',
    lifecycle('gives orphans to the nearest ancestor that adopts them, with the signal they asked for'),
  ],
  ['a child that ends between look and sleep is missed', CHILD_ENDS],
  ['a parent is frozen until its child ends', linux('pipes')],
  [
    'some causes of an end skip part of it',
    lifecycle('is one for a whole process: the first cause counts, and its last thread makes the zombie'),
  ],
]);

const SIGNALS = numbered(51, [
  ['kill knows other processes than those that exist', systemCalls('checks signal and target before anything else')],
  [
    'a blocked signal acts at once, a zombie is an error',
    systemCalls('reaches a zombie without effect, and a process of another user only for root'),
  ],
  ['a stop loses the wait, opposites stay pending', linux('futex-operations')],
  ['ignored signals pile up and starve the others', signals('are taken by number, but a fault before all others')],
  ['handlers begin with a misaligned stack', FRAME],
  ['registers come back shifted', CONTEXT],
  [
    'the way back from a handler lies on a stack that cannot execute',
    'The kernel writes no code: a frame returns through the address that sigaction gave (SA_RESTORER), and without one there is no handler.',
  ],
  ['the frame overwrites the red zone', FRAME],
  [
    'a frame that crosses a page is written to a foreign one',
    signals('without room for its frame ends the process with SIGSEGV'),
  ],
  [
    'returning from a handler takes flags and addresses unchecked',
    signals('cannot return to an address that is not canonical'),
  ],
]);

const CLONE_CALLS = numbered(61, [
  ['a cloned thread starts at the program’s entry', linux('threads')],
  ['a cloned thread never runs', linux('threads')],
  ['flags that C libraries pass are refused', systemCalls('refuses clone flags that contradict each other')],
  ['a thread exists although its clone has failed', allocationFailures('clone of a thread')],
  [
    'cloning changes the process’s state or the thread’s class',
    lifecycle('has its maker’s mask, policy and name, and nothing pending'),
  ],
  ['mask, affinity, name are not inherited', lifecycle('has its maker’s mask, policy and name, and nothing pending')],
  ['an affinity to nothing is accepted', linuxCall('sched_setaffinity')],
]);

const FUTEX_CALLS = numbered(68, [
  ['a wake-up between compare and sleep is lost', FUTEX_SLEEP],
  [
    'timeouts are not armed, or a wake-up counts as one',
    futex('counts as woken when the wake came before the deadline was noticed'),
  ],
  [
    'signals that are blocked or ignored end a wait',
    futex('is not ended by signals that are blocked or ignored, only by one to act on'),
  ],
  ['operations are told apart by single bits', linux('futex-operations')],
  ['the second count, mask or word does not arrive', linux('futex-operations')],
  ['the fields of WAKE_OP are mixed up', futex('wakes the second word only if the old value passes its signed test')],
  [
    'waiters wake in the wrong order',
    futex('is ended in the order of real-time priorities, and among equals of arrival'),
  ],
  [
    'words are known by process: sharing does not meet, the dead stay queued',
    futex('bring the two sides of shared memory together'),
  ],
  [
    'a waiter that was moved is looked for where it was',
    futex('has a waiter wait on the other word, and follows it there when it times out'),
  ],
  ['waits ask one scheduler and wake-ups another', STATES],
  ['a wait that would block is an error', FUTEX_SLEEP],
]);

const REST = numbered(79, [
  ['signals are off by one in masks', linux('signal-queue')],
  [
    'mask and pending signals belong to the process only',
    signals('go to another thread when the one that was to take them blocks them'),
  ],
  ['flags, mask and restorer of an action are dropped', linux('signal-handlers')],
  [
    'a bad user pointer halts the machine',
    addressSpace('answers EFAULT for kernel addresses, wrapping ranges and holes'),
  ],
  ['a user exception halts the machine', ['system/boot.test.ts', '…: ends the program with signal …']],
  ['registers are kept in places that the next thread uses', linux('threads')],
  ['loading a null segment erases the FS base', systemCalls('gives the child a copy of everything, with 0 in RAX')],
  [
    'calls fail because there were many',
    'No call is refused for coming too often: there is no such limit in the kernel.',
  ],
  [
    'job control knows no rules',
    session('refuses strangers, children that have executed a program, leaders, and groups of other sessions'),
  ],
  ['the clock stands still, sleeps cannot be interrupted', linux('timers')],
  [
    'locks lose wake-ups, starve writers, take owners for processes',
    locks('misses no news between letting go of the mutex and sleeping'),
  ],
  [
    'capabilities forget generations, messages go to the wrong object',
    ipc('is needed for every right: receiving, and answering only what one has received'),
  ],
]);

export const DEFECTS: readonly Defect[] = [
  ...IDENTITY,
  ...STATES_AND_SCHEDULER,
  ...ENDS,
  ...FORK_AND_EXEC,
  ...EXIT_AND_WAIT,
  ...SIGNALS,
  ...CLONE_CALLS,
  ...FUTEX_CALLS,
  ...REST,
];
