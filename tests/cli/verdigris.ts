import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const program = resolve(import.meta.dirname, '../../bin/verdigris.js');

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line with an empty or given standard input. */
export function verdigris(options: readonly string[], input = '', executable = program): Promise<Outcome> {
  return new Promise((settle, fail) => {
    const child = spawn(process.execPath, [executable, ...options], { env: { ...process.env, NO_COLOR: '1' } });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.on('error', fail).on('close', (status) => settle({ status, stdout, stderr }));
    child.stdin.on('error', () => {}).end(input);
  });
}

export const scratch = mkdtempSync(join(tmpdir(), 'verdigris-cli-'));

/** @returns the path of a new file with these bytes */
export function file(name: string, bytes: Uint8Array | string): string {
  const path = join(scratch, name);
  writeFileSync(path, bytes);
  return path;
}
