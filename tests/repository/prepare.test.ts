import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/** A clone with nothing to build and an npm that notes how it was called. */
let clone = '';
let tools = '';

beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'verdigris-clone-'));
  tools = join(clone, 'tools');
  for (const folder of ['bin', 'src', 'dist', 'tools']) mkdirSync(join(clone, folder));
  cpSync(join(root, 'bin/prepare.js'), join(clone, 'bin/prepare.js'));
  writeFileSync(join(clone, 'package.json'), '{"type":"module"}');
  writeFileSync(join(clone, 'package-lock.json'), '{}');
  writeFileSync(join(clone, 'dist/.built'), '');
  fakeNpm('mkdir -p node_modules; touch node_modules/.package-lock.json; echo noise');
});
afterEach(() => rmSync(clone, { recursive: true }));

function fakeNpm(script: string): void {
  writeFileSync(join(tools, 'npm'), `#!/bin/sh\necho "$@" >> ${clone}/calls\n${script}\n`, { mode: 0o755 });
}

function touch(file: string, secondsFromNow: number): void {
  const time = Date.now() / 1000 + secondsFromNow;
  utimesSync(join(clone, file), time, time);
}

function prepare(): { readonly output: string; readonly status: number | null; readonly calls: string[] } {
  const env = { ...process.env, PATH: `${tools}${delimiter}${process.env.PATH}` };
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(clone, 'bin/prepare.js')], {
    encoding: 'utf8',
    env,
  });
  const calls = existsSync(join(clone, 'calls')) ? readFileSync(join(clone, 'calls'), 'utf8').trim().split('\n') : [];
  return { output: stdout + stderr, status, calls };
}

describe('npm scripts', () => {
  it('install dependencies when there are none and when the lock file is newer, and say nothing', () => {
    touch('dist/.built', 100);
    const install = 'ci --silent --no-audit --no-fund';
    expect(prepare()).toEqual({ output: '', status: 0, calls: [install] });
    touch('node_modules/.package-lock.json', 10);
    expect(prepare()).toEqual({ output: '', status: 0, calls: [install] });
    touch('package-lock.json', 20);
    expect(prepare()).toEqual({ output: '', status: 0, calls: [install, install] });
  });

  it('say in one sentence why an installation failed', () => {
    fakeNpm('echo "no network" >&2; exit 1');
    const { output, status } = prepare();
    expect(output).toBe(`verdigris: npm ci failed in ${clone}: no network\n\n`);
    expect(status).toBe(1);
  });
});
