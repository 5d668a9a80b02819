import { keptBy } from './kept-by.ts';

/** src/cli: the table of verbs, row by row. */
export const COMMAND_LINE = [
  ...keptBy('cli/start.test.ts', '', [
    ['boot: our kernel by default', 'npm start boots the kernel, runs its programs and ends with the status of init'],
  ]),
  ...keptBy('cli/boot.test.ts', '', [
    ['boot: any PVH image', 'the kernel gets > its command line and its initrd'],
    ['boot: any Multiboot 1 image', 'the kernel gets > its command line and its initrd from Multiboot 1, too'],
    ['boot --initrd --append', 'the kernel gets > its command line and its initrd'],
    ['boot --max-instructions', 'the exit status > is 124 at the instruction limit'],
    ['boot --exit-on', 'the exit status > is 0 when --exit-on matches'],
    ['boot --stats', 'the report > ends a run on stderr with --stats'],
    ['boot --json', 'the report > is one line of JSON with --json'],
    ['stdin is the console', 'the kernel gets > what comes in on standard input'],
    ['exit status of port 0xf4', 'the exit status > is (v << 1) | 1 for a write of v to port 0xf4'],
    ['exit status of a power-off', 'the exit status > is the status left at port 0xf5 when the guest powers off'],
    ['exit status 125', 'the exit status > is 125, with one sentence, for a file that is no kernel'],
    [
      'boot --rootfs',
      '--rootfs DIRECTORY > makes a directory of the host the root of the file system, from which init is taken',
    ],
    ['boot --record and --replay', 'a recorded session > replays to the same output, instruction count and state hash'],
  ]),
  ...keptBy('cli/memory.test.ts', 'verdigris boot --memory 3G', [
    ['boot --memory', "takes no more of the host's memory than one with 64M, give or take 64 MiB"],
  ]),
  ...keptBy('cli/run-report.test.ts', 'the ranking of exits from translated code', [
    ['boot --stats ranks the exits of translated code', 'is part of the report, as lines before the instruction count'],
  ]),
  ...keptBy('cli/terminal.test.ts', '', [
    [
      'a terminal session: typing, Ctrl-A x, the terminal restored',
      "boot in a terminal > types into the guest's shell, shows help with Ctrl-A h, leaves with Ctrl-A x and gives the terminal back",
    ],
    [
      'step: completion and history',
      'step in a terminal > completes commands and symbols with Tab, repeats with an empty line, and keeps its history in a file',
    ],
    [
      'step: history of the last session',
      'step in a terminal > has the history of the last session under the arrow keys',
    ],
    ['step: Ctrl-C', 'step in a terminal > interrupts a running machine with Ctrl-C'],
  ]),
  ...keptBy('cli/busybox-terminal.test.ts', '', [
    [
      'a terminal session with BusyBox',
      "a terminal is BusyBox's: pipes, Ctrl-C at a job, and its exit status is that of verdigris",
    ],
  ]),
  ...keptBy('cli/build.test.ts', 'build', [
    [
      'build: kernel and programs into images/',
      'leaves the kernel, its programs, its servers and an initramfs with all of them in images/',
    ],
  ]),
  ...keptBy('cli/trace.test.ts', 'verdigris trace', [
    ['trace: a line an instruction', 'prints a line an instruction from the first one on'],
    ['trace --from SYMBOL/COUNT --count --json', 'begins at a symbol or a count, and gives JSON for programs'],
    ['trace --function', 'keeps to one function, over what it calls'],
    ['trace --syscalls', 'prints a line a system call'],
    ['trace --syscalls --count --json', 'counts and lists system calls as JSON'],
    ['trace [image]', 'traces an image that is not ours'],
    ['trace: interrupts inline', 'shows interrupts between the instructions'],
  ]),
  ...keptBy('debugger/trace.test.ts', 'trace: a line an instruction', [
    [
      'trace: count, ring, rip, symbol, file:line, disassembly',
      'gives count, ring, RIP, symbol, TypeScript line and disassembly',
    ],
    ['trace: registers and memory changed', 'gives the registers and the memory that changed'],
    ['trace: faults inline', 'gives faults inline with vector, error code and address'],
  ]),
  ...keptBy('debugger/session.test.ts', 'step: a debugging session on our kernel', [
    ['step: instruction', 'steps one instruction, and several'],
    ['step: source line, over, out', 'steps source lines into calls, over calls, and out of them'],
    ['step: breakpoint on symbol; stack with symbols', 'stops at a symbol and shows its source line and who called it'],
    ['step: breakpoint on file:line', 'stops at a line of a user program, knowing which program runs'],
    [
      'step: breakpoint on an address; source beside disassembly',
      'stops at an address, and shows source beside disassembly',
    ],
    ['step: memory write', 'stops when memory is written'],
    ['step: registers, memory, stack', 'shows registers, memory, stack, locals and variables'],
    ['step: page walk, GDT, IDT', 'walks page tables and shows GDT and IDT'],
    ['step: process table', 'shows the process table out of guest memory'],
    ['step: continue', 'runs to the end and says how it ended'],
    ['step: completion', 'lists every command in its help, and completes commands, symbols and registers'],
  ]),
  ...keptBy('cli/exec.test.ts', '', [
    [
      'exec HEX reg=value',
      'verdigris exec HEX [reg=value ...] > runs instruction bytes on a given state and shows what changed',
    ],
    ['exec --cases', 'verdigris exec --cases > answers the line format of the native oracle, one line a case'],
    [
      'exec --cases: 20,000 a second',
      'verdigris exec --cases > takes no more processor time than a second for 20,000 cases',
    ],
  ]),
  ...keptBy('cli/help.test.ts', '', [
    ['every verb has help with examples', 'the help of every verb > …: describes each option and gives examples'],
    ['the examples work', 'the examples in the help > …'],
  ]),
  ...keptBy('cli/failures.test.ts', '', [
    [
      'bad input is one sentence',
      'bad input of every verb is answered by one sentence, a status that is not 0, and no stack trace',
    ],
    ['a closed pipe', 'a reader that goes away (verdigris ... | head -1) ends the verb quietly'],
    ['a full disk', 'a full disk behind stdout'],
  ]),
  ...keptBy('cli/bench.test.ts', '', [
    [
      'bench: MIPS on our guests, and the ratio to QEMU',
      'the report > shows instructions a second, and each ratio with the goal of its class',
    ],
  ]),
];
