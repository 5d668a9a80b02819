import { describe, expect, it } from 'vitest';
import { at, createModule, FunctionBuilder } from '../../../src/compiler/ir/builder.ts';
import { parseInstruction, parseModule } from '../../../src/compiler/ir/parse.ts';
import { printInstruction, printModule } from '../../../src/compiler/ir/print.ts';
import { verifyModule } from '../../../src/compiler/ir/verify.ts';

function sampleModule() {
  const module = createModule('sample', 'user', 'main');
  module.files.push('src/sample.ts');
  module.types.push({ kind: 'base', name: 'u64', encoding: 'unsigned', size: 8 }, { kind: 'pointer', to: -1 });
  module.types.push({ kind: 'enumeration', name: 'State', underlying: 0, values: [{ name: 'Free', value: 0n }] });
  module.data.push({
    name: 'table',
    section: '.rodata',
    alignment: 8,
    size: 8,
    bytes: new Uint8Array(8),
    relocations: [{ offset: 0, symbol: 'main', addend: 0n, size: 8 }],
    debug: null,
  });
  const build = new FunctionBuilder('main', { results: ['i64'], span: { file: 0, line: 3, column: 1, length: 9 } });
  const limit = build.parameter('limit', 'i64', 0);
  const loop = build.block();
  const done = build.block(true);
  const sum = build.const('i64', 0n);
  build.jump(loop);
  build.enter(loop);
  build.copy(sum, build.binary('add', sum, build.load('i64', at.element(limit, sum, 8, -16))));
  build.branchCompare('ult', sum, limit, loop, done);
  build.enter(done);
  build.return(sum);
  module.functions.push(build.function);
  return module;
}

describe('IR text', () => {
  it('reads back what it prints', () => {
    const text = printModule(sampleModule());
    expect(printModule(parseModule(text))).toBe(text);
    expect(verifyModule(parseModule(text))).toEqual([]);
  });

  const lines = [
    '%1 = const -5 !0:1:2+3',
    '%0 = compare ult, %1, %2 !0:1:2+3',
    '%0 = load gs:[16], volatile !0:1:2+3',
    'store [slot 0 + %1 * 4 + -4], %2 !0:1:2+3',
    '%0, %1 = call @f, (%2, %3) !0:1:2+3',
    'call %4, () !0:1:2+3',
    '%0, %1 = tryLoad [%2] !0:1:2+3',
    '%0 = atomicUpdate add, [@counter], %1 !0:1:2+3',
    '%0, %1, %2, %3 = intrinsic cpuid, (%4, %5) !0:1:2+3',
    'asm "mov rax, {value}\\nret", 64, (value in rdi %1, out out %2), (rax, memory) !0:1:2+3',
    'switch %0, {0: b1, -1: b2}, b3 !0:1:2+3',
    'return (%0, %1) !0:1:2+3',
    'unreachable !0:1:2+3',
  ];
  it.each(lines)('round-trips %s', (line) => {
    expect(printInstruction(parseInstruction(line))).toBe(line);
  });

  it('names the line that it cannot read', () => {
    const text = printModule(sampleModule()).replace('= add', '= bad');
    expect(() => parseModule(text)).toThrow(/IR line \d+: unknown instruction 'bad'/);
  });
});

describe('IR verifier', () => {
  const broken: [string, string, string][] = [
    ['a type mismatch', '%4 = add %1, %3', '%4 = add %1, %9'],
    ['a register that does not exist', 'return (%1)', 'return (%77)'],
    ['a block that does not exist', 'b1, b2', 'b1, b9'],
    ['a wrong number of results', 'return (%1)', 'return ()'],
    ['an unknown symbol', '"symbol":"main"', '"symbol":"nowhere"'],
  ];
  it.each(broken)('reports %s', (_what, from, to) => {
    const text = printModule(sampleModule());
    const good = text.match(/%\d+ = add [^!]*/)?.[0];
    const changed = from.includes('add')
      ? text.replace(good!, good!.replace(/%\d+ $/, '%99 '))
      : text.replace(from, to);
    expect(changed).not.toBe(text);
    expect(verifyModule(parseModule(changed)).length).toBeGreaterThan(0);
  });
});
