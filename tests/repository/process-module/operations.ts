import {
  addressSpace,
  bootCurrent,
  comingAndGoing,
  futex,
  lifecycle,
  linux,
  linuxCall,
  loader,
  locks,
  type NamedTest,
  processModule,
  processTable,
  scheduler,
  script,
  session,
  signals,
  systemCalls,
  terminal,
} from './named-test.ts';

/** What a process module does, what does it here, and a test that exercises it. */
export interface Operation {
  readonly name: string;
  /** Declared in `file`, below src/kernel. */
  readonly symbol: string;
  readonly file: string;
  readonly test: NamedTest;
}

type Row = readonly [name: string, symbol: string, test: NamedTest];

const inFile = (file: string, rows: readonly Row[]): Operation[] =>
  rows.map(([name, symbol, test]) => ({ name, symbol, file, test }));

const TID_WORD = systemCalls('clear their tid word and end alone; the last one ends the process');
const DEATH = systemCalls('reports death by signal as the signal, and an orphan to init');
const CONTEXT = signals('gives back what it interrupted, and of the flags only what is the program’s');
const FORKED = lifecycle('has its parent’s ids, umask, limits, actions, mask and name, and nothing pending');

/** Names on the left are those by which the operations are commonly known. */
export const OPERATIONS: readonly Operation[] = [
  ...inFile('process/mod.ts', [
    [
      'set the boot identity',
      'setBootCurrent',
      bootCurrent('names the program before the scheduler has a current thread'),
    ],
    ['clear the boot identity', 'clearBootCurrent', bootCurrent('is nobody until it is set')],
    [
      'restore the boot identity',
      'restoreBootCurrent',
      bootCurrent('is one value, so that nested runs give back the outer pair'),
    ],
    ['current process', 'currentProcess', bootCurrent('names nobody when its process is gone')],
    ['current thread', 'currentThread', bootCurrent("gives way to the scheduler's current thread")],
    ['current thread id', 'getThreadTid', bootCurrent('names the program before the scheduler has a current thread')],
    ['yield', 'yieldThread', processModule('blocks a thread until it is woken by its tid')],
    [
      'terminate a thread',
      'terminateThread',
      processModule('terminates a thread of the process that is named with it, and no other'),
    ],
    ['block the current thread', 'blockThread', processModule('blocks a thread until it is woken by its tid')],
    [
      'prepare to block',
      'prepareToBlock',
      processModule('loses no wake-up that comes between the decision to block and the block'),
    ],
    [
      'wake a thread by id',
      'wakeThreadById',
      scheduler('by id reaches a thread of any process, and is not lost when it comes before the sleep'),
    ],
    ['create a thread', 'createThread', scheduler('begins at its entry with its argument, stack and TLS base')],
    ['set affinity', 'setThreadAffinity', processModule('places threads on processors that exist')],
    ['get affinity', 'getThreadAffinity', linuxCall('sched_getaffinity')],
  ]),
  ...inFile('process/table.ts', [
    [
      'limit of processes',
      'MAX_PROCESSES',
      processTable('holds exactly 1,024 processes, zombies included, and says EAGAIN to the next'),
    ],
    [
      'new process id',
      'allocPid',
      processTable('are never given out twice while in use, not even after the counter has come around'),
    ],
    ['new thread id', 'allocTid', processModule('gives out pids and tids from one counter, each once')],
    [
      'reserve a slot',
      'reserveProcess',
      processTable('holds exactly 1,024 processes, zombies included, and says EAGAIN to the next'),
    ],
    ['add to the table', 'addProcess', processTable('finds by pid what is in it and nothing else')],
    ['remove from the table', 'removeProcess', processTable('finds by pid what is in it and nothing else')],
    ['find by pid', 'findProcess', processTable('finds by pid what is in it and nothing else')],
    [
      'list of processes, and every search through them',
      'nextProcess',
      processTable('is walked in ascending order of pids while it changes'),
    ],
    [
      'count',
      'processCount',
      processTable('holds exactly 1,024 processes, zombies included, and says EAGAIN to the next'),
    ],
    ['free a process', 'freeProcess', comingAndGoing],
    [
      'statistics: threads of a user',
      'threadsOf',
      lifecycle('is refused to a user who has as many as the limit allows'),
    ],
    [
      'statistics: pending signals of a user',
      'queuedSignalsOf',
      signals('are refused when the user has too many pending, but for what kill sends'),
    ],
  ]),
  ...inFile('process/pcb.ts', [
    ['a process', 'Process', FORKED],
    [
      'change of a process’s state',
      'changeProcessState',
      processTable('change only from the predecessor that is named'),
    ],
    [
      'is it alive',
      'isAlive',
      systemCalls('reaches a zombie without effect, and a process of another user only for root'),
    ],
    ['reserve a thread', 'reserveThread', processTable('are at most 256, counted before anything is allocated')],
    [
      'take a reservation back',
      'unreserveThread',
      processTable('are at most 256, counted before anything is allocated'),
    ],
    ['add a thread', 'linkThread', systemCalls('are 256 at most')],
    ['remove a thread', 'unlinkThread', TID_WORD],
    ['make a child', 'linkChild', DEATH],
    [
      'orphan a child',
      'unlinkChild',
      lifecycle('gives orphans to the nearest ancestor that adopts them, with the signal they asked for'),
    ],
  ]),
  ...inFile('process/creation.ts', [
    [
      'create a process',
      'createEmptyProcess',
      ['system/boot.test.ts', 'boots, runs init, and powers off with its status'],
    ],
    [
      'execute a program',
      'execProcess',
      systemCalls('starts the program with its arguments on a fresh stack, and with nothing of the old one'),
    ],
    [
      'reset signal handlers',
      'resetSignalHandlers',
      lifecycle('sets caught signals back to their default and leaves ignored ones ignored'),
    ],
  ]),
  ...inFile('process/exec-stack.ts', [
    ['measure arguments', 'measureVector', linux('exec-arguments')],
    ['stack of a new program, with its auxiliary vector', 'buildStack', linux('exec-arguments')],
  ]),
  ...inFile('process/loader.ts', [
    ['check a program', 'checkProgram', loader('is refused whole when anything in it is wrong')],
    ['load a program', 'loadProgram', loader('is mapped segment by segment, zeroed behind its file')],
  ]),
  ...inFile('process/script.ts', [
    ['first line of a script', 'parseScriptLine', script('… names its interpreter and one argument')],
  ]),
  ...inFile('process/lifecycle.ts', [
    ['check for signals on the way to user mode', 'prepareForUserMode', linux('signal-handlers')],
  ]),
  ...inFile('process/fork.ts', [
    ['fork', 'forkProcess', systemCalls('gives the child a copy of everything, with 0 in RAX')],
    ['vfork', 'vforkProcess', linux('fork-tree')],
    ['clone', 'cloneTask', lifecycle('has its maker’s mask, policy and name, and nothing pending')],
    ['check the flags of clone', 'checkCloneFlags', systemCalls('refuses clone flags that contradict each other')],
  ]),
  ...inFile('memory/address-space.ts', [
    ['fork with copy on write', 'forkAddressSpace', addressSpace('keeps one frame until somebody writes, then two')],
    ['free an address space', 'releaseAddressSpace', addressSpace('frees every frame and area when both spaces go')],
  ]),
  ...inFile('process/exit.ts', [
    ['exit of a thread', 'exitThread', TID_WORD],
    [
      'exit of a process, whatever the cause',
      'terminateProcess',
      lifecycle('is one for a whole process: the first cause counts, and its last thread makes the zombie'),
    ],
    ['kill a thread', 'killThread', futex('ends with EINTR when the thread is killed, and leaves its bucket')],
    ['clean up a process', 'finishProcess', comingAndGoing],
    ['tell the parent', 'announceEnd', linux('waitid')],
    [
      'orphans to init',
      'orphanChildren',
      lifecycle('gives orphans to the nearest ancestor that adopts them, with the signal they asked for'),
    ],
    ['reap', 'reapProcess', systemCalls('sleeps until a child ends')],
    [
      'clear the tid word',
      'clearTidAddress',
      lifecycle('clears the tid word when others use the memory, and takes no notice of a bad address'),
    ],
    ['let vfork return', 'completeVfork', linux('fork-tree')],
  ]),
  ...inFile('process/wait.ts', [
    ['wait for a child', 'waitForChild', systemCalls('says ECHILD, EINVAL, and 0 for "not yet"')],
    ['options of wait', 'WaitOption', linux('waitid')],
    ['wait status', 'waitStatus', DEATH],
  ]),
  ...inFile('process/robust-list.ts', [
    [
      'walk the robust list',
      'abandonRobustLocks',
      futex('marks what the thread held, wakes a waiter, and leaves other locks alone'),
    ],
  ]),
  ...inFile('process/signal-delivery.ts', [
    ['signal numbers', 'Signal', linux('signal-handlers')],
    ['default action', 'defaultSignalAction', linux('signal-handlers')],
    ['signal a process', 'sendSignal', systemCalls('checks signal and target before anything else')],
    ['signal a thread', 'sendThreadSignal', signals('are taken by number, but a fault before all others')],
    ['fault as a signal', 'forceSignal', signals('reaches a handler, and ends a process that blocks its signal')],
    ['stop', 'stopProcess', linux('waitid')],
    ['continue', 'continueProcess', linux('waitid')],
    ['tell the parent of stops', 'notifyParent', linux('waitid')],
    ['is a signal pending', 'pendingSignalsOf', linux('signal-queue')],
    ['next pending signal', 'takeSignal', signals('are taken by number, but a fault before all others')],
    [
      'take a signal that is waited for',
      'takeSignalOf',
      signals('go to the thread that waits for them, whatever their action is'),
    ],
    [
      'clear pending signals',
      'discardPending',
      signals('are refused when the user has too many pending, but for what kill sends'),
    ],
    ['signal mask', 'setSignalMask', signals('wait behind the mask, keep their first sender, and come once')],
    [
      'is a wait interrupted',
      'isInterrupted',
      futex('is not ended by signals that are blocked or ignored, only by one to act on'),
    ],
  ]),
  ...inFile('process/signal-frame.ts', [
    [
      'deliver a signal',
      'deliverSignal',
      signals('begins below the red zone, 8 below a multiple of 16, with its arguments and mask'),
    ],
    ['restore a signal frame', 'leaveHandler', CONTEXT],
    [
      'restart a system call',
      'restartCall',
      signals('has the interrupted call made again with SA_RESTART, and not without'),
    ],
    [
      'alternate stack',
      'setAlternateStack',
      signals('takes the frame of a handler that asks for it, and cannot change meanwhile'),
    ],
  ]),
  ...inFile('process/session.ts', [
    [
      'process groups',
      'setProcessGroup',
      session('moves the caller or its child into a group of its own, or one of the session'),
    ],
    [
      'sessions',
      'createSession',
      session('makes a session and a group without a terminal, but not for the leader of a group'),
    ],
    ['group and session of a process', 'findForQuery', session('a pid of 0 asks about the caller')],
  ]),
  ...inFile('process/job-control.ts', [
    [
      'take the terminal',
      'takeTerminal',
      terminal('ends with the session: its foreground hears SIGHUP, and nobody in it has the terminal any more'),
    ],
    [
      'signal the foreground group',
      'signalForeground',
      terminal('has typed characters signal the foreground group, and forgets what was typed'),
    ],
    [
      'orphaned groups',
      'isOrphanedGroup',
      terminal('does not stop an orphaned group by the keyboard, and tells a stopped one when it becomes orphaned'),
    ],
  ]),
  ...inFile('process/cwd.ts', [['working directory', 'changeDirectory', linux('files')]]),
  ...inFile('syscall/stat-calls.ts', [['path of the working directory', 'getcwd', linux('files')]]),
  ...inFile('process/memory.ts', [
    ['map memory', 'mapMemory', addressSpace('refuses what Linux refuses')],
    ['unmap memory', 'unmapMemory', addressSpace('punches a hole and leaves both sides')],
    ['protect memory', 'protectMemory', addressSpace('takes writing away and gives it back without losing contents')],
    ['move the break', 'setBreak', addressSpace('grows, shrinks, and gives the pages back')],
  ]),
  ...inFile('process/thread.ts', [
    ['limit of threads', 'MAX_THREADS_PER_PROCESS', systemCalls('are 256 at most')],
    [
      'a thread with its kernel stack',
      'allocateThread',
      processTable('are at most 256, counted before anything is allocated'),
    ],
    ['free a thread', 'freeThread', comingAndGoing],
    ['find a thread', 'findThread', systemCalls('checks signal and target before anything else')],
    ['change of a thread’s state', 'changeState', processTable('change only from the predecessor that is named')],
    ['number of threads', 'threadCount', comingAndGoing],
  ]),
  ...inFile('process/sync.ts', [
    ['prepare to wait', 'prepareToWait', futex('sleeps until it is woken')],
    ['end of a wait', 'finishWaiting', futex('sleeps until it is woken')],
    ['wake one', 'wakeOne', locks('lets as many through as were given, and holds no more than its limit')],
    ['wake all', 'wakeAll', locks('opens when the last has come, each time anew')],
  ]),
  ...inFile('process/locks.ts', [
    ['mutex', 'Mutex', locks('is handed over to who waits, who has it when lock returns')],
    ['semaphore', 'Semaphore', locks('lets as many through as were given, and holds no more than its limit')],
    ['condition variable', 'ConditionVariable', locks('misses no news between letting go of the mutex and sleeping')],
    [
      'lock for readers and writers',
      'ReadWriteLock',
      locks('lets readers in together, and nobody new while a writer waits'),
    ],
    ['barrier', 'Barrier', locks('opens when the last has come, each time anew')],
    [
      'mutex with priority inheritance',
      'InheritingMutex',
      locks('has its owner run with the priority of who waits, until it lets go'),
    ],
  ]),
  ...inFile('process/scheduling.ts', [
    ['priority of a thread', 'setPolicy', scheduler('put real-time threads before others, the highest priority first')],
    ['nice value', 'setNice', scheduler('are lengths of slices, cut to what there is, and cost a privilege downwards')],
  ]),
  ...inFile('sched/scheduler.ts', [
    ['start a thread', 'startThread', scheduler('begins at its entry with its argument, stack and TLS base')],
    ['sleep', 'sleep', futex('sleeps until it is woken')],
    ['wake a thread', 'wakeThread', scheduler('does nothing to a thread that runs, is ready or has ended')],
    ['yield the processor', 'yieldProcessor', scheduler('returns at once when nobody else can run')],
    ['end the running thread', 'exitRunningThread', TID_WORD],
    ['account for a tick', 'accountTick', scheduler('end a slice with its last tick, but never that of a FIFO thread')],
  ]),
  ...inFile('sched/timer-queue.ts', [
    [
      'sleep until a time',
      'armTimer',
      futex('ends with ETIMEDOUT at its deadline, and a wake that comes later is not lost on it'),
    ],
    [
      'check who is to wake',
      'expireTimers',
      futex('ends with ETIMEDOUT at its deadline, and a wake that comes later is not lost on it'),
    ],
  ]),
  ...inFile('sched/futex.ts', [
    ['futex wait', 'futexWait', futex('says EAGAIN at once when the word holds something else')],
    ['futex wake', 'futexWake', futex('is not woken through bits that it does not wait for')],
    [
      'futex requeue',
      'futexRequeue',
      futex('has a waiter wait on the other word, and follows it there when it times out'),
    ],
    [
      'futex wake and change',
      'futexWakeOp',
      futex('wakes the second word only if the old value passes its signed test'),
    ],
  ]),
  ...inFile('syscall/thread-calls.ts', [
    ['set the clear-tid address', 'setTidAddress', linuxCall('set_tid_address')],
    ['set the robust list', 'setRobustList', linux('futex-operations')],
    ['TLS base', 'archPrctl', linuxCall('arch_prctl')],
  ]),
  ...inFile('syscall/signal-calls.ts', [
    ['set a signal handler, get it', 'rtSigaction', linux('signal-handlers')],
    ['signals by pid, group or all', 'kill', systemCalls('checks signal and target before anything else')],
    ['wait with another mask', 'rtSigsuspend', linux('signal-handlers')],
  ]),
];
