import fc from 'fast-check';
import { it } from 'vitest';
import { agree, type Call } from './harness.ts';
import { randomArguments, randomPrograms } from './random-programs.ts';

const RUNS = Number(process.env.VERDIGRIS_FUZZ_RUNS ?? 6);

it('agrees with Node on random programs within the rules', () => {
  fc.assert(
    fc.property(randomPrograms, fc.array(randomArguments, { minLength: 4, maxLength: 4 }), (program, inputs) => {
      agree(
        program.text,
        program.names.flatMap((name) => inputs.map((input): Call => [name, ...input])),
      );
    }),
    { numRuns: RUNS, seed: Number(process.env.VERDIGRIS_FUZZ_SEED ?? 20261124) },
  );
}, 600_000);
