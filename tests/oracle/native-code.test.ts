import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Evaluator } from '../../src/compiler/ir/evaluate.ts';
import { bitsOf } from '../../src/compiler/ir/module.ts';
import { printModule } from '../../src/compiler/ir/print.ts';
import { verifyModule } from '../../src/compiler/ir/verify.ts';
import { emit } from '../../src/compiler/link/emit.ts';
import { type RandomProgram, randomProgram } from '../compiler/random-ir.ts';
import { runNative } from './native.ts';
import { nativeHost } from './tools.ts';

const host = nativeHost();

/** What the program's output must be, by the evaluator. */
function expectedOutput({ module, calls }: RandomProgram): string {
  const evaluator = new Evaluator(module);
  const lines = calls.map(({ name, given }) => {
    const fn = module.functions.find((candidate) => candidate.name === name)!;
    const narrowed = given.map((value, index) =>
      BigInt.asUintN(bitsOf[fn.registers[fn.parameters[index]!.register]!], value),
    );
    const [first, second] = evaluator.call(name, narrowed);
    return `${name}: ${first!.toString(16)} ${second!.toString(16)}`;
  });
  const array = evaluator.addressOf('array');
  const bytes = Array.from({ length: 8 }, (_, index) => evaluator.read(array + BigInt(index * 8), 8).toString(16));
  return [...lines, ...bytes].join('\n');
}

function nativeOutput({ module, calls }: RandomProgram, optimize: boolean): string {
  const { image } = emit(module, { optimize });
  const { status, signal, stdout } = runNative(image);
  if (status !== 0) return `status ${status} signal ${signal}`;
  const words = Array.from({ length: stdout.length / 8 }, (_, index) => stdout.readBigUInt64LE(index * 8));
  const lines = calls.map(
    ({ name }, index) => `${name}: ${words[index * 2]!.toString(16)} ${words[index * 2 + 1]!.toString(16)}`,
  );
  return [...lines, ...words.slice(calls.length * 2).map((word) => word.toString(16))].join('\n');
}

describe.skipIf(!host.present)(host.title("compiled IR on this host's processor"), () => {
  const runs = Number(process.env.VERDIGRIS_FUZZ_RUNS ?? 150);
  it.each([false, true])('random programs do what the evaluator says (optimize: %s)', (optimize) => {
    fc.assert(
      fc.property(fc.array(fc.nat(255), { minLength: 20, maxLength: 600, size: 'max' }), (bytes) => {
        const program = randomProgram(bytes);
        expect(verifyModule(program.module)).toEqual([]);
        const expected = expectedOutput(program);
        const actual = nativeOutput(program, optimize);
        if (actual !== expected)
          throw new Error(`expected\n${expected}\ngot\n${actual}\n${printModule(program.module)}`);
      }),
      {
        numRuns: runs,
        ...(process.env.VERDIGRIS_FUZZ_SEED ? { seed: Number(process.env.VERDIGRIS_FUZZ_SEED) } : {}),
      },
    );
  });
});
