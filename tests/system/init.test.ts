import { beforeAll, describe, expect, it } from 'vitest';
import { boot, type Stop } from '../../src/index.ts';
import { ENGINE } from '../engine.ts';
import { initramfs, kernelImage } from './images.ts';

let text = '';
let stop: Stop;

beforeAll(async () => {
  const machine = await boot(kernelImage(), { ...ENGINE, initrd: initramfs() });
  stop = machine.runSync({ maxInstructions: 400_000_000 });
  text = machine.serial.text.replaceAll('\r', '');
}, 300_000);

/** What init prints of itself: a check by its name, and what the check is of. */
const CHECKS: readonly (readonly [title: string, check: string])[] = [
  ['starts threads through clone with CLONE_CHILD_CLEARTID', 'threads_clone'],
  ['joins them on the futex that the kernel wakes', 'threads_total'],
  ['forks, and waits for the status of its child', 'fork_exit_wait'],
  ['executes another program', 'exec_hello'],
  ['sees a child die of SIGSEGV', 'fault_segv'],
  ['kills a child and reaps it', 'kill_wait'],
  ['is preempted: two children that never yield both go on', 'preemption'],
];

describe('init', () => {
  it.each(CHECKS)('%s', (_title, check) => {
    expect(text).toContain(`  ${check} ...[ok]\n`);
  });

  it('checks nothing else, and nothing fails', () => {
    const checks = [...text.matchAll(/^ {2}(\w+) \.\.\.\[(\w+)\]$/gm)];
    expect(checks.map(([, name]) => name)).toEqual(CHECKS.map(([, name]) => name));
    expect(text).toContain('[INIT] 0 failures\n');
  });

  it('prints the process table', () => {
    const rows = text.slice(text.indexOf('  PID  PPID S THREADS PAGES NAME\n')).split('\n');
    expect(rows[1]).toMatch(/^ +1 +0 R +1 +\d+ init$/);
    expect(rows.slice(2).find((row) => / init$/.test(row))).toMatch(/^ +\d+ +1 [RS] +1 +\d+ init$/);
    expect(text).toMatch(/ {2}TID {3}PID S PRIORITY {2}TICKS\n( +\d+ +1 R .*\n){5}/);
  });

  it('powers the machine off with its own status', () => {
    expect(text).toMatch(/init has ended with status 0: powering off\n$/);
    expect(stop).toEqual({ reason: 'power-off', status: 0 });
  });
});
