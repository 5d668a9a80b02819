import { spawnSync } from 'node:child_process';

/**
 * How V8 compiles fastest, which runs much code for a short time: optimising with less inlining, as most of the work on a function is
 * for those that it inlines there, and on one thread, as more of them push the main thread aside on two processors. These cannot
 * change once a process runs: V8 aborts when the limits change while it optimises.
 */
const FLAGS = ['--v8-pool-size=1', '--max-inlined-bytecode-size=60', '--max-inlined-bytecode-size-cumulative=100'];

/** The verb `build` runs in a process with these flags. Does not return, unless this is that process or another verb. */
export function compileInOwnProcess() {
  if (process.argv[2] !== 'build' || FLAGS.every((flag) => process.execArgv.includes(flag))) return;
  const { status, signal } = spawnSync(process.execPath, [...FLAGS, ...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
  });
  if (signal !== null) process.kill(process.pid, signal);
  process.exit(status ?? 1);
}
