import { beforeAll, describe, expect, it } from 'vitest';
import { ENGINE } from '../engine.ts';
import { kernelImage } from '../system/images.ts';
import { compileGo, compileRust, compileStatic, onLinux, onVerdigris } from './linux-program.ts';
import { nativeHost, type ToolName, tool } from './tools.ts';

/** What each program does is said at the head of its source. */
const PROGRAMS = [
  'hello',
  'threads',
  'futex',
  'futex-operations',
  'fork-tree',
  'waitid',
  'exec',
  'exec-arguments',
  'exec-scripts',
  'file-mapping',
  'efault',
  'memory',
  'memory-calls',
  'signal-handlers',
  'signal-queue',
  'credentials',
  'limits',
  'timers',
  'pipes',
  'orphans',
  'descriptors',
  'files',
  'poll',
  'epoll',
  'vfork',
];

/** Those that are also linked as programs that can be loaded anywhere. */
const POSITION_INDEPENDENT = ['hello', 'exec-arguments', 'threads'];

/** With everything translated, each library's programs are for one size of regions: both lead through the same kernel. */
const IN_TINY_REGIONS = ENGINE.translator?.regionLimit === 1;
const COMPILERS = (['musl-gcc', 'gcc'] as const satisfies readonly ToolName[]).filter(
  (compiler) => ENGINE.engine === undefined || (compiler === 'musl-gcc') === IN_TINY_REGIONS,
);

const host = nativeHost();

for (const compiler of COMPILERS) {
  const present = tool(compiler);
  const title = present.present ? host.title(`unmodified static programs of ${compiler}`) : present.title(compiler);
  describe.skipIf(!present.present || !host.present)(`${title} do on our kernel what they do on Linux`, () => {
    beforeAll(() => {
      kernelImage();
    }, 300_000);

    // musl's wrapper of gcc makes dynamic programs of these.
    it.each(compiler === 'gcc' ? POSITION_INDEPENDENT : [])(
      '%s, position-independent',
      { timeout: 120_000 },
      async (name) => {
        const program = compileStatic(compiler, name, ['-static-pie', '-fPIE']);
        expect(await onVerdigris(program)).toEqual(onLinux(program));
      },
    );

    it.each(PROGRAMS)('%s', { timeout: 120_000 }, async (name) => {
      const program = compileStatic(compiler, name);
      expect(await onVerdigris(program)).toEqual(onLinux(program));
    });
  });
}

/** Programs whose runtimes ask more of a kernel than C's: Rust's standard library, Go's scheduler and collector. */
const RUNTIMES = [
  ['rustc', 'channels', compileRust],
  ['go', 'goroutines', compileGo],
] as const;

for (const [compiler, name, compileProgram] of RUNTIMES) {
  const present = tool(compiler);
  const title = present.present ? host.title(`an unmodified static program of ${compiler}`) : present.title(compiler);
  describe.skipIf(!present.present || !host.present)(`${title} does on our kernel what it does on Linux`, () => {
    it(name, { timeout: 300_000 }, async () => {
      const program = compileProgram(name);
      expect(await onVerdigris(program)).toEqual(onLinux(program));
    });
  });
}
