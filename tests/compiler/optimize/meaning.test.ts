import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Evaluator } from '../../../src/compiler/ir/evaluate.ts';
import { bitsOf, type IrModule } from '../../../src/compiler/ir/module.ts';
import { printModule } from '../../../src/compiler/ir/print.ts';
import { verifyModule } from '../../../src/compiler/ir/verify.ts';
import { optimizeModule } from '../../../src/compiler/optimize/optimize.ts';
import { randomProgram } from '../random-ir.ts';

function outcome(module: IrModule, calls: ReturnType<typeof randomProgram>['calls']): string {
  const evaluator = new Evaluator(module);
  const results = calls.flatMap(({ name, given }) => {
    const fn = module.functions.find((candidate) => candidate.name === name)!;
    const narrowed = given.map((value, index) =>
      BigInt.asUintN(bitsOf[fn.registers[fn.parameters[index]!.register]!], value),
    );
    return evaluator.call(name, narrowed);
  });
  const array = evaluator.addressOf('array');
  return [...results, ...Array.from({ length: 8 }, (_, index) => evaluator.read(array + BigInt(index * 8), 8))].join();
}

describe('the optimiser', () => {
  it('keeps what random programs compute, by the evaluator', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(255), { minLength: 20, maxLength: 500, size: 'max' }), (bytes) => {
        const { module, calls } = randomProgram(bytes);
        const exported = { ...module, functions: module.functions.map((fn) => ({ ...fn, exported: true })) };
        const optimized = { ...module, functions: optimizeModule(exported) };
        expect(verifyModule(optimized)).toEqual([]);
        if (outcome(optimized, calls) !== outcome(module, calls)) throw new Error(printModule(module));
      }),
      { numRuns: 150 },
    );
  });

  it('leaves the module that it is given as it was', () => {
    const { module } = randomProgram(Array.from({ length: 400 }, (_, index) => (index * 37) & 255));
    const before = printModule(module);
    optimizeModule(module);
    expect(printModule(module)).toBe(before);
  });
});
