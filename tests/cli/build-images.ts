import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';

/** Builds images/ once, before the tests of any layer that boots our kernel: else each of them would find it stale at the same time. */
export default function setup(): void {
  execFileSync(process.execPath, [resolve(import.meta.dirname, '../../bin/verdigris.js'), 'build'], { stdio: 'pipe' });
}
