import { at, createModule, FunctionBuilder } from '../../../src/compiler/ir/builder.ts';
import type { IrModule, Span } from '../../../src/compiler/ir/module.ts';

const place = (line: number, column = 3): Span => ({ file: 0, line, column, length: 5 });

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
      span: place(1),
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
    span: place(10, 1),
    exported: true,
    inline: 'never',
  });
  const process = build.parameter('first', 'i64', 4);
  const sum = build.register('i64');
  const pid = build.register('i32');
  const [test, body, done] = [build.block(), build.block(), build.block()];
  build.span = place(11);
  build.copy(sum, build.const('i64', 0n));
  build.jump(test);
  build.enter(test);
  build.span = place(12);
  build.branchCompare('ne', process, build.const('i64', 0n), body, done);
  build.enter(body);
  build.span = place(13, 5);
  build.copy(pid, build.load('i32', at.register(process)));
  build.span = place(14, 5);
  build.copy(sum, build.binary('add', sum, build.convert('zeroExtend', 'i64', pid)));
  build.span = place(15, 5);
  build.copy(process, build.load('i64', at.register(process, 8)));
  build.jump(test);
  build.enter(done);
  build.span = place(17);
  build.return(sum);
  const local = (name: string, type: number, register: number, line: number) => ({
    name,
    type,
    span: place(line),
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

/**
 * A program with a class, an enumeration, bit fields, two linked objects and a function that sums their numbers:
 * what debuggers are asked about.
 */
export function debugSample(): IrModule {
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
    debug: { displayName: name, type: 3, span: place(3) },
  });
  module.data.push(object('init', 7, 'shell'), object('shell', 35, null));
  const start = new FunctionBuilder('_start', { convention: 'entry', span: place(20, 1) });
  start.span = place(21);
  const [total] = start.call('Process.total', [start.addressOf(at.symbol('init'))], ['i64']);
  start.span = place(22);
  const zero = start.const('i64', 0n);
  start.intrinsic('syscall', [start.const('i64', 60n), total!, zero, zero, zero, zero, zero], ['i64']);
  start.unreachable();
  module.functions.push(totalFunction(), start.function);
  return module;
}
