import { keptBy } from './kept-by.ts';

/** src/cpu/translator: exactness, and what it may take of the host. */
export const ENGINES = [
  ...keptBy('repository/engine-projects.test.ts', 'a test file that executes a guest', [
    [
      'every test that runs on the interpreter runs on the translator, forced hot (threshold 1)',
      'runs with everything translated, or it is said why not',
    ],
    [
      "the kernel's tests pass in regions of one instruction",
      'runs in regions of one instruction when it runs in larger ones',
    ],
    ['it is the engine of the project that they run on', 'takes the engine that its project gives it'],
  ]),
  ...keptBy('cpu/translator.test.ts', 'the translator does what the interpreter does', [
    [
      '5,000 random programs, seeded: loops, calls, faults, page crossings, self-modification, interrupts at random counts, mapping changes',
      'in … random programs, whatever is reached translated at once',
    ],
    ['random programs in regions of one instruction', 'in random programs with regions of one instruction'],
  ]),
  ...keptBy('oracle/native-programs.test.ts', "random programs on the host's processor", [
    ["5,000 random programs end alike on interpreter, translator and the host's processor", 'end as they do on …'],
    ['their faults are those of the host', 'some end at their end, some in each kind of fault'],
  ]),
  ...keptBy('system/engines.test.ts', 'the kernel with … does what it does on the interpreter', [
    ["the kernel's text, instruction counts and state hashes on every engine", '"…"'],
  ]),
  ...keptBy('cpu/translator-stops.test.ts', 'in …', [
    [
      'single step, breakpoints, watchpoints and observed stores at any instruction, translated or not',
      'breakpoints, watchpoints, single steps, observed stores and the trap flag stop where the interpreter does',
    ],
    [
      'page-table changes under translated code',
      'mappings that change under a running loop mean the same, accessed and dirty flags included',
    ],
  ]),
  ...keptBy('debugger/trace.test.ts', 'trace: a line an instruction', [
    ['trace at any instruction, translated or not', 'gives the registers and the memory that changed'],
  ]),
  ...keptBy('cpu/translator-sse.test.ts', 'translated floating-point arithmetic', [
    [
      'SSE arithmetic with NaNs, infinities, denormals and every flag',
      'leaves registers, memory and flags as the interpreter does, with numbers of every kind',
    ],
  ]),
  ...keptBy('cpu/engine-patching.test.ts', 'code that is patched all the time, run in short slices', [
    ['self-modifying code while it is translated', 'means the same translated with …'],
  ]),
  ...keptBy('cpu/translator-capacity.test.ts', '', [
    [
      'memory for translated code is bounded and evicted',
      'keeps translated code within its capacity, however much code runs, with the same results',
    ],
  ]),
  ...keptBy('cli/memory.test.ts', 'verdigris boot --memory 256M', [
    ['total process memory under 300 MiB with --memory 256M', "takes less than 300 MiB of the host's memory"],
  ]),
];
