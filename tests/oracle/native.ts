import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface NativeRun {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
}

/** Runs an executable image as a process of this host. */
export function runNative(image: Uint8Array, input: string | Uint8Array = ''): NativeRun {
  const folder = mkdtempSync(join(tmpdir(), 'verdigris-'));
  try {
    const path = join(folder, 'program');
    writeFileSync(path, image, { mode: 0o755 });
    const { status, signal, stdout } = spawnSync(path, { input, timeout: 10_000 });
    return { status, signal, stdout };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
