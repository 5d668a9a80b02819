import type { EngineSetting } from './engine.ts';

/** Test files that execute short pieces of code on whatever engine they are given. */
const INSTRUCTIONS = [
  'cpu/engine',
  'cpu/engine-protected',
  'cpu/engine-stops',
  'cpu/mmx',
  'cpu/resume-flag',
  'cpu/sse',
  'cpu/system-stack-alignment',
  'machine/guest',
  'machine/linux',
];

/** Test files that boot kernels: ours with its programs and with unmodified ones of Linux, and those that ask questions. */
const KERNELS = [
  'debugger/session',
  'debugger/trace',
  'system/boot',
  'system/init',
  'system/servers',
  'oracle/busybox',
  'oracle/devices-qemu',
  'oracle/linux-calls',
  'oracle/linux-programs',
  'oracle/out-of-memory',
  'oracle/system-kernel',
  'oracle/task-kernel',
];

/** Why other test files that make a processor or a machine are not run again on each engine. */
export const LEFT_OUT: Readonly<Record<string, readonly string[]>> = {
  'names the engines that it compares': [
    'cpu/code-changes',
    'cpu/device-access',
    'cpu/engine-mappings',
    'cpu/engine-patching',
    'cpu/page-faults',
    'cpu/repeat',
    'cpu/system-privilege',
    'cpu/translator',
    'cpu/translator-capacity',
    'cpu/translator-denormals',
    'cpu/translator-growth',
    'cpu/translator-resumption',
    'cpu/translator-mxcsr',
    'cpu/translator-sse',
    'cpu/translator-stops',
    'oracle/native-programs',
    'system/engines',
  ],
  'executes each instruction once and then overwrites it, and such pages are never translated': [
    'cpu/features',
    'cpu/random-bytes',
    'debugger/cases',
    'oracle/instruction-groups',
    'oracle/native',
    'oracle/native-fuzz',
    'oracle/x87',
    'cli/exec',
  ],
  'executes no guest, or only what an option needs to be seen': [
    'cpu/tlb-misses',
    'machine/acpi-tables',
    'machine/run',
    'cli/boot',
    'cli/run-report',
  ],
  'does thousands of times what system/engines does on each engine': ['system/endurance'],
  'boots what system/boot does, to compare it with QEMU': ['oracle/verdigris-qemu'],
  'is about code that the compiler makes, which other tests execute on each engine': [
    'compiler/differential/data',
    'compiler/differential/integers',
    'compiler/differential/random',
    'compiler/differential/statements',
    'compiler/grammar/matrix',
  ],
  'sees whether what is delivered works at all': ['repository/browser', 'repository/package', 'repository/packed'],
};

export interface EngineProject {
  readonly name: string;
  readonly files: readonly string[];
  readonly engine: EngineSetting;
}

/**
 * Instructions in a region where whatever is reached is translated at once. Larger ones overlap more and take a multiple of the time;
 * tests/system/engines.test.ts has them.
 */
const REGION_LIMITS = { hot: 20, tiny: 1 };

/** The test files of each engine as vitest projects: `npx vitest run --project kernels-hot`. */
export const ENGINE_PROJECTS: readonly EngineProject[] = Object.entries(REGION_LIMITS).flatMap(([name, regionLimit]) =>
  [
    { name: `instructions-${name}`, files: INSTRUCTIONS, batch: 1 },
    { name: `kernels-${name}`, files: KERNELS, batch: 16 },
  ].map(({ name, files, batch }) => ({
    name,
    files: files.map((file) => `tests/${file}.test.ts`),
    engine: { engine: 'translator', translator: { regionLimit, batch } },
  })),
);
