import { beforeAll, describe, expect, it } from 'vitest';
import { kernelImage } from '../system/images.ts';
import { compileStatic, onLinux, onVerdigris } from './linux-program.ts';
import { nativeHost, tool } from './tools.ts';

const musl = tool('musl-gcc');
const host = nativeHost();

/** The calls that tests/system/programs/system-calls.c makes by their numbers; its lines begin with their names. */
const CALLS = [
  ...['read', 'write', 'writev', 'exit', 'exit_group', 'getpid', 'getppid', 'gettid', 'sched_yield', 'clone', 'fork'],
  ...['vfork', 'execve', 'wait4', 'futex', 'set_tid_address', 'arch_prctl', 'mmap', 'munmap', 'mprotect', 'brk'],
  ...['nanosleep', 'clock_gettime', 'sched_setaffinity', 'sched_getaffinity', 'kill'],
] as const;

describe.skipIf(!musl.present || !host.present)(musl.title(host.title('a system call answers as Linux does')), () => {
  let ours: readonly string[] = [];
  let theirs: readonly string[] = [];
  beforeAll(async () => {
    kernelImage();
    const program = compileStatic('musl-gcc', 'system-calls');
    theirs = onLinux(program).lines;
    ours = (await onVerdigris(program)).lines;
  }, 300_000);

  const linesOf = (lines: readonly string[], call: string) => lines.filter((line) => line.startsWith(`${call}: `));

  it.each(CALLS)('%s', (call) => {
    const expected = linesOf(theirs, call);
    expect(expected.length).toBeGreaterThan(0);
    expect(linesOf(ours, call)).toEqual(expected);
  });

  it('with a number that is none: ENOSYS', () => {
    expect(linesOf(ours, 'unknown')).toEqual(['unknown: number 999: -1 ENOSYS', 'unknown: number -5: -1 ENOSYS']);
    expect(linesOf(theirs, 'unknown')).toEqual(linesOf(ours, 'unknown'));
  });
});
