import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

it('npm start boots the kernel, runs its programs and ends with the status of init', { timeout: 120_000 }, async () => {
  const child = spawn('npm', ['start', '--silent'], { cwd: root, env: { ...process.env, NO_COLOR: '1' } });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  child.stdin.end();
  const status = await new Promise((settle) => child.on('close', settle));
  const text = stdout.replaceAll('\r', '');
  expect(text).toContain('[KERNEL] Boot sequence complete!\nBOOTOK\n');
  expect(text).toContain('[INIT] 0 failures\n[KERNEL] init has ended with status 0: powering off\n');
  expect([stderr, status]).toEqual(['', 0]);
});
