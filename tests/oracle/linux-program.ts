import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { boot } from '../../src/index.ts';
import { bootArchive, kernelImage } from '../system/images.ts';

const sources = resolve(import.meta.dirname, '../system/programs');
const folder = mkdtempSync(join(tmpdir(), 'verdigris-linux-'));
const LIMIT = 500_000_000;
/** Ctrl-D. */
const END_OF_INPUT = '\x04';

/** What a program printed, without empty lines, and its exit status. */
export interface Outcome {
  readonly lines: readonly string[];
  readonly status: number | null;
}

/** Compiles a C program of tests/system/programs as a static executable. @returns its path */
export function compileStatic(
  compiler: 'gcc' | 'musl-gcc',
  name: string,
  kind: readonly string[] = ['-static'],
): string {
  const program = join(folder, `${compiler}${kind[0]}-${name}`);
  const source = join(sources, `${name}.c`);
  execFileSync(compiler, ['-O1', ...kind, '-pthread', '-o', program, source], { stdio: 'pipe' });
  return program;
}

/** Compiles a Rust program of tests/system/programs with the C library linked in. @returns its path */
export function compileRust(name: string): string {
  const program = join(folder, `rust-${name}`);
  const options = ['-O', '-C', 'target-feature=+crt-static', '-o', program];
  execFileSync('rustc', [...options, join(sources, `${name}.rs`)], { stdio: 'pipe' });
  return program;
}

/** Compiles a Go program of tests/system/programs; without C they are static. @returns its path */
export function compileGo(name: string): string {
  const program = join(folder, `go-${name}`);
  const env = { ...process.env, CGO_ENABLED: '0', GOCACHE: join(folder, 'go-cache'), GO111MODULE: 'off' };
  execFileSync('go', ['build', '-o', program, join(sources, `${name}.go`)], { stdio: 'pipe', env });
  return program;
}

/** Runs a program as a process of this host. */
export function onLinux(program: string): Outcome {
  const { stdout, status } = spawnSync(program, ['one', 'two'], { encoding: 'utf8', input: '', timeout: 60_000 });
  const lines = stdout.replaceAll(program, '/bin/program').split('\n');
  return { lines: lines.filter((line) => line !== ''), status };
}

/** Runs it as the first process of our kernel. Lines of the kernel's own log begin with a bracket. */
export async function onVerdigris(program: string, memory = '256M'): Promise<Outcome> {
  const initrd = bootArchive({ 'bin/program': readFileSync(program) });
  const machine = await boot(kernelImage(), { memory, initrd, commandLine: 'init=/bin/program one two' });
  machine.serial.type(END_OF_INPUT);
  const stop = machine.runSync({ maxInstructions: LIMIT });
  const lines = machine.serial.text.replaceAll('\r', '').split('\n');
  return {
    lines: lines.filter((line) => !/^\[[A-Z]+\]|^BOOTOK$|^$/.test(line)),
    status: stop.reason === 'power-off' ? stop.status : null,
  };
}
