import { describe, expect, it } from 'vitest';
import { createModule, FunctionBuilder } from '../../../src/compiler/ir/builder.ts';
import { parseModule } from '../../../src/compiler/ir/parse.ts';
import { printInstruction } from '../../../src/compiler/ir/print.ts';
import { optimizeFunction, optimizeModule } from '../../../src/compiler/optimize/optimize.ts';

/** A function from text: parameters %0, %1, ... of the given types, then the body's registers; its printed ops come out. */
function optimized(parameters: string, registers: string, results: string, blocks: string): string[] {
  const list = parameters
    .split(' ')
    .filter((type) => type !== '')
    .map((_, register) => ({ register, name: `p${register}`, type: -1 }));
  const header = {
    displayName: 'f',
    parameters: list,
    resultType: -1,
    slots: [{ name: 's', size: 16, alignment: 8 }],
    scope: { start: { line: 1, column: 1 }, end: { line: 1, column: 1 }, variables: [], scopes: [] },
  };
  const body = blocks
    .trim()
    .split('\n')
    .map((line) => (/^\s*b\d+:/.test(line) ? line.trim() : `  ${line.trim()} !0:1:1+0`))
    .join('\n');
  const text = `module user "m" "."
function @f .text sysv inline-auto exported -> (${results}) !0:1:1+0 {
  registers ${parameters} ${registers}
  header ${JSON.stringify(header)}
${body}
}`;
  const [fn] = parseModule(text.replace('registers  ', 'registers ')).functions;
  const result = optimizeFunction(fn!);
  return result.blocks.flatMap((block) =>
    [...block.instructions, block.terminator]
      .filter(({ op }) => op !== 'const' && op !== 'bind' && op !== 'copy')
      .map((instruction) => printInstruction(instruction).replace(/ !.*$/, '').replace(/%\d+/g, '%')),
  );
}

describe('rewriting rules', () => {
  it('does 64-bit arithmetic of which 32 bits are wanted in 32 bits', () => {
    const body = `b0:
      %2 = zeroExtend %0
      %3 = zeroExtend %1
      %4 = add %2, %3
      %5 = truncate %4
      return (%5)`;
    expect(optimized('i32 i32', 'i64 i64 i64 i32', 'i32', body)).toEqual(['% = add %, %', 'return (%)']);
  });

  it('compares extended values at their own width', () => {
    const body = `b0:
      %2 = zeroExtend %0
      %3 = zeroExtend %1
      %4 = compare slt, %2, %3
      return (%4)`;
    expect(optimized('i32 i32', 'i64 i64 i8', 'i8', body)).toEqual(['% = compare ult, %, %', 'return (%)']);
  });

  it('decides comparisons that the operands bound', () => {
    const body = `b0:
      %1 = zeroExtend %0
      %2 = const 256
      %3 = compare ult, %1, %2
      return (%3)`;
    expect(optimized('i8', 'i64 i64 i8', 'i8', body)).toEqual(['return (%)']);
  });

  it('divides by constants without dividing', () => {
    const body = `b0:
      %1 = const 10
      %2 = divUnsigned %0, %1
      return (%2)`;
    expect(optimized('i32', 'i32 i32', 'i32', body).join()).not.toMatch(/div/);
    expect(optimized('i64', 'i64 i64', 'i64', body).join()).toMatch(/mulHighUnsigned/);
    expect(optimized('i64', 'i64 i64', 'i64', body.replace('10', '16'))).toEqual(['% = shr %, %', 'return (%)']);
  });

  it('recognises a rotation', () => {
    const body = `b0:
      %1 = const 7
      %2 = shl %0, %1
      %3 = const 25
      %4 = shr %0, %3
      %5 = or %2, %4
      return (%5)`;
    expect(optimized('i32', 'i32 i32 i32 i32 i32', 'i32', body)).toEqual(['% = rotl %, %', 'return (%)']);
  });

  it('folds sums and scaled indexes into addresses', () => {
    const body = `b0:
      %2 = const 3
      %3 = shl %1, %2
      %4 = add %0, %3
      %5 = const 16
      %6 = add %4, %5
      %7 = load [%6]
      return (%7)`;
    expect(optimized('i64 i64', 'i64 i64 i64 i64 i64 i32', 'i32', body)).toEqual([
      '% = load [% + % * 8 + 16]',
      'return (%)',
    ]);
  });

  it('forwards what was stored, unless a store in between may overlap', () => {
    const apart = `b0:
      store [%0], %1
      store [%0 + 8], %2
      %3 = load [%0]
      return (%3)`;
    expect(optimized('i64 i64 i64', 'i64', 'i64', apart).join()).not.toMatch(/load/);
    const overlapping = apart.replace('[%0 + 8]', '[%0 + 4]');
    expect(optimized('i64 i64 i64', 'i64', 'i64', overlapping).join()).toMatch(/load/);
  });

  it('keeps every volatile access', () => {
    const body = `b0:
      %1 = load [%0], volatile
      %2 = load [%0], volatile
      return ()`;
    expect(optimized('i64', 'i32 i32', '', body).filter((line) => line.includes('load'))).toHaveLength(2);
  });

  it('computes the same value once', () => {
    const body = `b0:
      %2 = mul %0, %1
      %3 = mul %1, %0
      %4 = add %2, %3
      return (%4)`;
    expect(optimized('i64 i64', 'i64 i64 i64', 'i64', body).filter((line) => line.includes('mul'))).toHaveLength(1);
  });

  it('moves what a loop does not change in front of it', () => {
    const body = `b0:
      %2 = const 0
      %3 = copy %2
      jump b1
      b1:
      branchCompare ult, %3, %1, b2, b3
      b2:
      %4 = mul %0, %1
      %3 = add %3, %4
      jump b1
      b3:
      return (%3)`;
    const lines = optimized('i64 i64', 'i64 i64 i64', 'i64', body);
    expect(lines.findIndex((line) => line.includes('mul'))).toBeLessThan(
      lines.findIndex((line) => line.startsWith('branchCompare')),
    );
  });

  it('goes straight to where a known truth value leads', () => {
    const body = `b0:
      branchCompare eq, %0, %1, b1, b2
      b1:
      %2 = compare ult, %0, %1
      %3 = copy %2
      jump b3
      b2:
      %4 = const 0
      %3 = copy %4
      jump b3
      b3:
      branch %3, b4, b5
      b4:
      return (%0)
      b5:
      return (%1)`;
    expect(optimized('i64 i64', 'i8 i8 i8', 'i64', body).join()).not.toMatch(/branch %/);
  });
});

describe('inlining', () => {
  const module = () => {
    const result = createModule('m', 'user', 'main');
    result.files.push('a.ts');
    const small = new FunctionBuilder('twice', { results: ['i64'] });
    const value = small.parameter('value', 'i64');
    small.return(small.binary('add', value, value));
    const main = new FunctionBuilder('main', { convention: 'entry', results: [] });
    main.span = { file: 0, line: 9, column: 1, length: 1 };
    const stack = main.parameter('stack', 'i64');
    const [doubled] = main.call('twice', [stack], ['i64']);
    main.intrinsic('writeFsBase', [doubled!]);
    main.unreachable();
    result.functions.push(small.function, main.function);
    return result;
  };

  it('expands small functions and drops them when nothing refers to them', () => {
    const functions = optimizeModule(module());
    expect(functions.map((fn) => fn.name)).toEqual(['main']);
    const ops = functions[0]!.blocks.flatMap((block) => block.instructions.map(({ op }) => op));
    expect(ops).toContain('add');
    expect(ops).not.toContain('call');
  });

  it('keeps functions that must not be expanded, and those whose address is taken', () => {
    const never = module();
    never.functions[0] = { ...never.functions[0]!, inline: 'never' };
    expect(optimizeModule(never).map((fn) => fn.name)).toEqual(['twice', 'main']);
    const taken = module();
    taken.data.push({
      name: 'table',
      section: '.rodata',
      alignment: 8,
      size: 8,
      bytes: new Uint8Array(8),
      relocations: [{ offset: 0, symbol: 'twice', addend: 0n, size: 8 }],
      debug: null,
    });
    expect(optimizeModule(taken).map((fn) => fn.name)).toEqual(['twice', 'main']);
  });
});
