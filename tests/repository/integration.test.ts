import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { PACKAGES } from '../oracle/tools.ts';

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'verdigris-report-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What .ci/none-skipped.js says to a report of vitest with tests in these states. */
function judge(...states: string[]): { readonly status: number | null; readonly output: string } {
  const count = (state: string) => states.filter((each) => each === state).length;
  const report = {
    numPassedTests: count('passed'),
    numFailedTests: count('failed'),
    testResults: [{ assertionResults: states.map((status, index) => ({ status, fullName: `test ${index}` })) }],
  };
  const file = join(folder, 'tests.json');
  writeFileSync(file, JSON.stringify(report));
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, '.ci/none-skipped.js'), file], {
    encoding: 'utf8',
  });
  return { status, output: stderr + stdout };
}

describe('continuous integration', () => {
  const script = readFileSync(join(root, '.ci/run'), 'utf8');

  it('.ci/run installs the package of every tool that a test may want', () => {
    const installed = [...script.matchAll(/apt-get install -y -qq (.*) >/g)].flatMap(([, names]) => names!.split(' '));
    expect([...new Set(Object.values(PACKAGES))].filter((name) => !installed.includes(name))).toEqual([]);
    expect(installed).toEqual(expect.arrayContaining(['gcc', 'gdb', 'binutils', 'qemu-system-x86']));
  });

  it('.ci/run forbids skipping, runs npm test and looks for skipped tests', () => {
    expect(script).toMatch(/^set -euo pipefail$/m);
    expect(script).toMatch(/VERDIGRIS_REQUIRE_ORACLES=1\nnpm test\nnode \.ci\/none-skipped\.js dist\/tests\.json\n$/);
  });

  it('.ci/none-skipped.js fails for a skipped test, and for none at all', () => {
    expect(judge('passed', 'passed')).toEqual({ status: 0, output: '2 passed, 0 failed, 0 skipped\n' });
    for (const state of ['skipped', 'pending', 'todo'])
      expect(judge('passed', state)).toEqual({ status: 1, output: 'skipped: test 1\n1 passed, 0 failed, 1 skipped\n' });
    expect(judge('passed', 'failed').status).toBe(1);
    expect(judge().status).toBe(1);
  });
});
