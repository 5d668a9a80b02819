import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { boot } from '../../src/index.ts';
import { ENGINE } from '../engine.ts';
import { bootArchive, kernelImage } from '../system/images.ts';

const sources = resolve(import.meta.dirname, '../system/programs');
const cache = join(tmpdir(), 'verdigris-programs');
const LIMIT = 500_000_000;
/** Ctrl-D. */
const END_OF_INPUT = '\x04';

/** What a program printed, without empty lines, and its exit status. */
export interface Outcome {
  readonly lines: readonly string[];
  readonly status: number | null;
}

const ask = (compiler: string, argument: string) => execFileSync(compiler, [argument], { stdio: 'pipe' });

/**
 * Compiles a program of tests/system/programs, or takes the executable that an earlier run made of the same sources.
 * @param build writes the executable @returns its path
 */
function compiled(source: string, compilerVersion: Buffer, build: (program: string) => void, options = ''): string {
  const hash = createHash('sha256').update(compilerVersion).update(options);
  for (const file of [source, 'check.h']) hash.update(readFileSync(join(sources, file)));
  const program = join(cache, hash.digest('hex').slice(0, 16));
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  const draft = `${program}.${process.pid}`;
  build(draft);
  renameSync(draft, program);
  return program;
}

/** Compiles a C program as a static executable. @returns its path */
export function compileStatic(
  compiler: 'gcc' | 'musl-gcc',
  name: string,
  kind: readonly string[] = ['-static'],
): string {
  const source = `${name}.c`;
  const build = (program: string) => {
    execFileSync(compiler, ['-O1', ...kind, '-pthread', '-o', program, join(sources, source)], { stdio: 'pipe' });
  };
  return compiled(source, ask(compiler, '--version'), build, `${compiler} ${kind.join(' ')}`);
}

/** Compiles a Rust program with the C library linked in. @returns its path */
export function compileRust(name: string): string {
  const source = `${name}.rs`;
  const build = (program: string) => {
    const options = ['-O', '-C', 'target-feature=+crt-static', '--crate-name', name, '-o', program];
    execFileSync('rustc', [...options, join(sources, source)], { stdio: 'pipe' });
  };
  return compiled(source, ask('rustc', '--version'), build);
}

/** Compiles a Go program; without C they are static. @returns its path */
export function compileGo(name: string): string {
  const source = `${name}.go`;
  const build = (program: string) => {
    const env = { ...process.env, CGO_ENABLED: '0', GOCACHE: join(cache, 'go'), GO111MODULE: 'off' };
    execFileSync('go', ['build', '-o', program, join(sources, source)], { stdio: 'pipe', env });
  };
  return compiled(source, ask('go', 'version'), build);
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
  const machine = await boot(kernelImage(), { ...ENGINE, memory, initrd, commandLine: 'init=/bin/program one two' });
  machine.serial.type(END_OF_INPUT);
  const stop = machine.runSync({ maxInstructions: LIMIT });
  const lines = machine.serial.text.replaceAll('\r', '').split('\n');
  return {
    lines: lines.filter((line) => !/^\[[A-Z]+\]|^BOOTOK$|^$/.test(line)),
    status: stop.reason === 'power-off' ? stop.status : null,
  };
}
