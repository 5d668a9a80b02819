import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at, createModule, FunctionBuilder } from '../../src/compiler/ir/builder.ts';
import type { IrModule, Span } from '../../src/compiler/ir/module.ts';
import { emit } from '../../src/compiler/link/emit.ts';
import { nativeHost, tool } from './tools.ts';

const at_ = (line: number, column = 3): Span => ({ file: 0, line, column, length: 5 });

/** types: 0 u64, 1 u32, 2 State, 3 Process, 4 pointer to Process, 5 u32[4], 6 flags word with bit fields */
function addTypes(module: IrModule): void {
  module.types.push(
    { kind: 'base', name: 'u64', encoding: 'unsigned', size: 8 },
    { kind: 'base', name: 'u32', encoding: 'unsigned', size: 4 },
    {
      kind: 'enumeration',
      name: 'State',
      underlying: 1,
      values: [
        { name: 'Ready', value: 0n },
        { name: 'Running', value: 1n },
      ],
    },
    {
      kind: 'structure',
      name: 'Process',
      isClass: true,
      size: 40,
      members: [
        { name: 'pid', type: 1, offset: 0 },
        { name: 'state', type: 2, offset: 4 },
        { name: 'next', type: 4, offset: 8 },
        { name: 'affinity', type: 5, offset: 16 },
        { name: 'flags', type: 6, offset: 32 },
      ],
      span: at_(1),
    },
    { kind: 'pointer', to: 3 },
    { kind: 'array', element: 1, count: 4 },
    {
      kind: 'structure',
      name: 'Flags',
      isClass: false,
      size: 4,
      members: [
        { name: 'present', type: 1, offset: 0, bits: { offset: 0, width: 1 } },
        { name: 'frame', type: 1, offset: 0, bits: { offset: 12, width: 20 } },
      ],
    },
  );
}

/** u64 total(first: Process): sums the pids of a list, with a local of an inner block. */
function totalFunction(): FunctionBuilder['function'] {
  const build = new FunctionBuilder('Process.total', {
    displayName: 'total',
    results: ['i64'],
    resultType: 0,
    span: at_(10, 1),
    exported: true,
    inline: 'never',
  });
  const process = build.parameter('first', 'i64', 4);
  const sum = build.register('i64');
  const pid = build.register('i32');
  const [test, body, done] = [build.block(), build.block(), build.block()];
  build.span = at_(11);
  build.copy(sum, build.const('i64', 0n));
  build.jump(test);
  build.enter(test);
  build.span = at_(12);
  build.branchCompare('ne', process, build.const('i64', 0n), body, done);
  build.enter(body);
  build.span = at_(13, 5);
  build.copy(pid, build.load('i32', at.register(process)));
  build.span = at_(14, 5);
  build.copy(sum, build.binary('add', sum, build.convert('zeroExtend', 'i64', pid)));
  build.span = at_(15, 5);
  build.copy(process, build.load('i64', at.register(process, 8)));
  build.jump(test);
  build.enter(done);
  build.span = at_(17);
  build.return(sum);
  const local = (name: string, type: number, register: number, line: number) => ({
    name,
    type,
    span: at_(line),
    location: { kind: 'register' as const, register },
  });
  build.function.scope = {
    start: { line: 10, column: 1 },
    end: { line: 18, column: 2 },
    variables: [local('sum', 0, sum, 11)],
    scopes: [
      {
        start: { line: 13, column: 1 },
        end: { line: 16, column: 2 },
        variables: [local('pid', 1, pid, 13)],
        scopes: [],
      },
    ],
  };
  return build.function;
}

function sample(): IrModule {
  const module = createModule('sample', 'user', '_start');
  module.files.push('src/kernel/process/list.ts');
  addTypes(module);
  const object = (name: string, pid: number, next: string | null): IrModule['data'][number] => ({
    name,
    section: '.data',
    alignment: 8,
    size: 40,
    bytes: Uint8Array.from({ length: 40 }, (_, index) => (index === 0 ? pid : 0)),
    relocations: next ? [{ offset: 8, symbol: next, addend: 0n, size: 8 }] : [],
    debug: { displayName: name, type: 3, span: at_(3) },
  });
  module.data.push(object('init', 7, 'shell'), object('shell', 35, null));
  const start = new FunctionBuilder('_start', { convention: 'entry', span: at_(20, 1) });
  start.span = at_(21);
  const [total] = start.call('Process.total', [start.addressOf(at.symbol('init'))], ['i64']);
  start.span = at_(22);
  const zero = start.const('i64', 0n);
  start.intrinsic('syscall', [start.const('i64', 60n), total!, zero, zero, zero, zero, zero], ['i64']);
  start.unreachable();
  module.functions.push(totalFunction(), start.function);
  return module;
}

const gdb = tool('gdb');
const readelf = tool('readelf');
const host = nativeHost();

describe.each([true, false])('debug information (optimize: %s)', (optimize) => {
  let folder = '';
  let path = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'verdigris-'));
    path = join(folder, 'sample');
    writeFileSync(path, emit(sample(), { optimize }).image, { mode: 0o755 });
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  const ask = (...commands: string[]): string => {
    const list = commands.flatMap((command) => ['-ex', command]);
    const { stdout, stderr } = spawnSync('gdb', ['-nx', '-batch', ...list, path], { encoding: 'utf8' });
    return stdout + stderr;
  };

  it.skipIf(!readelf.present)(readelf.title('is read by readelf without a warning'), () => {
    const { stdout, stderr } = spawnSync('readelf', ['--wide', '--all', '--debug-dump', path], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(stdout).not.toMatch(/warning|error|corrupt/i);
  });

  it.skipIf(!readelf.present)(readelf.title('maps addresses to lines, by readelf'), () => {
    const text = execFileSync('readelf', ['--debug-dump=decodedline', path], { encoding: 'utf8' });
    for (const line of [10, 12, 13, 14, 15, 17, 20, 21, 22])
      expect(text).toMatch(new RegExp(`list\\.ts\\s+${line}\\s+0x`));
  });

  it.skipIf(!gdb.present)(gdb.title('lists functions, types and lines, by gdb'), () => {
    expect(ask('info functions total')).toMatch(/10:\s+u64 total\(struct Process \*\);/);
    expect(ask('ptype struct Process').replace(/\s+/g, ' ')).toContain(
      'type = struct Process { u32 pid; enum State state; struct Process *next; u32 affinity[4]; struct Flags flags; }',
    );
    expect(ask('ptype struct Flags').replace(/\s+/g, ' ')).toContain('{ u32 present : 1; u32 frame : 20; }');
    expect(ask('info line list.ts:13')).toMatch(
      /Line 13 of "src\/kernel\/process\/list.ts" starts at address 0x[0-9a-f]+/,
    );
    expect(ask('print init')).toContain('pid = 7, state = Ready');
    expect(ask('print shell.pid')).toContain('= 35');
  });

  it.skipIf(!gdb.present || !host.present)(gdb.title('stops at file:line with the values of variables, by gdb'), () => {
    const text = ask(
      'break list.ts:14',
      'run',
      'print pid',
      'print sum',
      'print first->pid',
      'continue',
      'print pid',
      'print sum',
      'backtrace',
      'info locals',
    );
    expect(text).toMatch(/Breakpoint 1, total \(first=0x[0-9a-f]+ <init>\)/);
    const printed = [...text.matchAll(/\$\d+ = (\d+)/g)].map((match) => match[1]);
    expect(printed).toEqual(['7', '0', '7', '35', '7']);
    expect(text).toMatch(/#0 {2}total .*\n#1 .*_start \(\)/);
  });

  it.skipIf(!gdb.present || !host.present)(gdb.title('finds parameters at the first instruction, by gdb'), () => {
    expect(ask('break *total', 'run', 'print first->pid', 'backtrace')).toMatch(/\$1 = 7\n#0 {2}total .*\n#1 .*_start/);
  });
});
