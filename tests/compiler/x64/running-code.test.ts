import { describe, expect, it } from 'vitest';
import { runBareProgram } from '../../../src/cli/bench/bare-program.ts';
import { at, createModule, FunctionBuilder } from '../../../src/compiler/ir/builder.ts';
import type { AsmOperand, IrModule, Register } from '../../../src/compiler/ir/module.ts';
import { emit } from '../../../src/compiler/link/emit.ts';

/** The exit status of a program whose entry leaves with what `body` computes; not optimised and optimised alike. */
function statusOf(body: (build: FunctionBuilder, module: IrModule) => Register): number {
  const statuses = [false, true].map((optimize) => {
    const module = createModule('program', 'user', '_start');
    module.files.push('program.ts');
    const build = new FunctionBuilder('_start', { convention: 'entry' });
    build.parameter('stack', 'i64');
    const result = body(build, module);
    const zero = build.const('i64', 0n);
    build.intrinsic('syscall', [build.const('i64', 60n), result, zero, zero, zero, zero, zero], ['i64']);
    build.unreachable();
    module.functions.push(build.function);
    return runBareProgram(emit(module, { optimize }).image).status;
  });
  expect(statuses[1]).toBe(statuses[0]);
  return statuses[0]!;
}

function asm(build: FunctionBuilder, text: string, operands: readonly AsmOperand[], clobbers: string[] = []): void {
  build.emit({ op: 'asm', text, mode: 64, operands, clobbers });
}

describe('inline assembly', () => {
  it('gets its operands in registers of their own', () => {
    const status = statusOf((build) => {
      const [a, b, sum] = [build.const('i64', 5n), build.const('i64', 7n), build.register('i64')];
      asm(build, 'mov {sum}, {a}\nadd {sum}, {b}\nadd {sum}, {a}', [
        { name: 'a', direction: 'in', register: a },
        { name: 'b', direction: 'in', register: b },
        { name: 'sum', direction: 'out', register: sum },
      ]);
      return sum;
    });
    expect(status).toBe(17);
  });

  it('gets pinned operands where it wants them, and values survive what it clobbers', () => {
    const status = statusOf((build) => {
      const kept = build.load('i64', at.symbol('_start'));
      const low = build.binary('and', kept, build.const('i64', 0n));
      const [input, output] = [build.const('i64', 20n), build.register('i64')];
      asm(
        build,
        'lea rax, [rdi + 1]\nxor ecx, ecx\nxor ebx, ebx',
        [
          { name: 'input', direction: 'in', register: input, physical: 'rdi' },
          { name: 'output', direction: 'out', register: output, physical: 'rax' },
        ],
        ['rcx', 'rbx', 'flags'],
      );
      return build.binary('add', build.binary('add', output, input), low);
    });
    expect(status).toBe(41);
  });

  it('changes an operand in place', () => {
    const status = statusOf((build) => {
      const value = build.register('i64');
      build.copy(value, build.const('i64', 3n));
      asm(build, 'imul {value}, {value}, 9', [{ name: 'value', direction: 'inout', register: value }]);
      return value;
    });
    expect(status).toBe(27);
  });

  it('may be expanded twice: its labels are its own', () => {
    const status = statusOf((build) => {
      const count = build.register('i64');
      const countdown = 'mov {count}, 10\nagain: sub {count}, 3\njns again';
      for (let round = 0; round < 2; round++) {
        asm(build, countdown, [{ name: 'count', direction: 'out', register: count }]);
      }
      return build.unary('neg', count);
    });
    expect(status).toBe(2);
  });
});

describe('accesses that may fault', () => {
  it('give the value and no fault where memory is', () => {
    const status = statusOf((build, module) => {
      const bytes = Uint8Array.of(42, 0, 0, 0);
      const rest = { alignment: 4, relocations: [], debug: null };
      module.data.push({ name: 'answer', section: '.data', size: 4, bytes, ...rest });
      const [result, fault, stored] = [build.register('i32'), build.register('i8'), build.register('i8')];
      build.emit({ op: 'tryLoad', result, fault, address: at.symbol('answer') });
      build.emit({ op: 'tryStore', fault: stored, address: at.symbol('answer'), source: build.const('i32', 50n) });
      const faults = build.convert('zeroExtend', 'i64', build.binary('or', fault, stored));
      const values = build.binary('add', result, build.load('i32', at.symbol('answer')));
      return build.binary('add', build.convert('zeroExtend', 'i64', values), faults);
    });
    expect(status).toBe(92);
  });

  it('copy everything where both sides are memory', () => {
    const status = statusOf((build) => {
      const slot = build.slot('buffer', 64, 8);
      const [destination, source] = [build.addressOf(at.slot(slot)), build.addressOf(at.symbol('_start'))];
      const result = build.register('i64');
      build.emit({ op: 'tryCopy', result, destination, source, length: build.const('i64', 64n) });
      const same = build.compare(
        'eq',
        build.load('i64', at.slot(slot, 56)),
        build.load('i64', at.symbol('_start', 56)),
      );
      return build.binary('add', build.convert('zeroExtend', 'i64', same), result);
    });
    expect(status).toBe(1);
  });
});

describe('atomic operations', () => {
  it('return the old value and leave the new one', () => {
    const status = statusOf((build) => {
      const slot = build.slot('word', 8, 8);
      build.store(at.slot(slot), build.const('i64', 6n));
      let sum = build.const('i64', 0n);
      for (const operator of ['add', 'exchange', 'or', 'and', 'xor'] as const) {
        const result = build.register('i64');
        build.emit({ op: 'atomicUpdate', operator, result, address: at.slot(slot), source: build.const('i64', 9n) });
        sum = build.binary('add', sum, result);
      }
      const swapped = build.register('i64');
      const [expected, replacement] = [build.const('i64', 0n), build.const('i64', 100n)];
      build.emit({ op: 'compareExchange', result: swapped, address: at.slot(slot), expected, replacement });
      return build.binary('add', build.binary('add', sum, swapped), build.load('i64', at.slot(slot)));
    });
    // old values 6 15 9 9 9, then 0 found and 100 put
    expect(status).toBe(148);
  });
});
