import { afterAll, describe, expect, it } from 'vitest';
import { Cpu } from '../../src/cpu/cpu.ts';
import { OracleProcessor } from '../../src/cpu/oracle/oracle-processor.ts';
import { formatResult, parseCase } from '../../src/debugger/cases/case.ts';
import { CaseMachine } from '../../src/debugger/cases/case-machine.ts';
import { ENGINE } from '../engine.ts';
import { difference, reproduction } from './native-compare.ts';
import {
  CaseGenerator,
  exercisedForms,
  exercisedForms32,
  type GeneratedCase,
  PROLOGUE_32,
  SEGMENTED_PROLOGUE_BYTES,
} from './native-generator.ts';
import { NativeOracle } from './native-process.ts';
import { nativeHost, tool } from './tools.ts';

const BATCHES = 14;
const BATCH = 20_000;
/** Differences shown; each names its case. */
const SHOWN = 10;

const gcc = tool('gcc');
const host = nativeHost();
const available = gcc.present && host.present;

interface Batch {
  readonly seed: number;
  readonly codeSize: 64 | 32;
  readonly segments: 'flat' | 'limited';
}

/** Ten batches of 64-bit code, four of 32-bit code in compatibility mode, two of them with segments that have limits. */
const batches = Array.from(
  { length: BATCHES },
  (_, index): Batch => ({
    seed: index + 1,
    codeSize: index < 10 ? 64 : 32,
    segments: index < 12 ? 'flat' : 'limited',
  }),
);

function generate({ seed, codeSize, segments }: Batch): GeneratedCase[] {
  const forms = codeSize === 64 ? exercisedForms() : exercisedForms32();
  const generator = new CaseGenerator(seed, forms, codeSize, segments === 'limited');
  return Array.from({ length: BATCH }, () => generator.next());
}

/** Differences between two lists of answers, a line each with the command that shows it. */
function compare(
  { codeSize, segments }: Batch,
  cases: readonly GeneratedCase[],
  expected: readonly string[],
  actual: readonly string[],
): string[] {
  const prologue = codeSize === 64 ? 0 : segments === 'flat' ? PROLOGUE_32.length : SEGMENTED_PROLOGUE_BYTES;
  return cases.flatMap(({ line, form }, index) => {
    const found = difference(line, expected[index]!, actual[index]!, prologue);
    return found ? [`${form.name}: ${found}\n  ${reproduction(line)}`] : [];
  });
}

function answers(machine: CaseMachine, cases: readonly GeneratedCase[]): string[] {
  return cases.map(({ line }) => {
    const instructionCase = parseCase(line.split(' '));
    return formatResult(instructionCase, machine.run(instructionCase));
  });
}

const title = `the interpreter does the same: ${BATCH} cases of seed $seed in $codeSize-bit code, $segments segments`;
const interpreter = new CaseMachine((options) => new Cpu({ ...ENGINE, ...options }));

describe.skipIf(!available)(gcc.title(host.title("instructions on the host's processor")), () => {
  const native = available ? new NativeOracle() : undefined;
  afterAll(() => native?.dispose());

  it.for(batches)(title, { timeout: 300_000 }, (batch, { skip }) => {
    skip(batch.segments === 'limited' && !native!.hasLocalSegments, 'the host has no modify_ldt');
    const cases = generate(batch);
    const expected = native!.run(cases.map(({ line }) => line));
    const differences = compare(batch, cases, expected, answers(interpreter, cases));
    expect(differences.slice(0, SHOWN), `${differences.length} differences`).toEqual([]);
  });
});

describe('instructions evaluated on bigints', () => {
  const oracle = new CaseMachine((options) => new OracleProcessor(options));

  it.each(batches)(title, { timeout: 300_000 }, (batch) => {
    const cases = generate(batch);
    const expected = answers(oracle, cases);
    const differences = answers(interpreter, cases).filter((answer, index) => answer !== expected[index]);
    const shown = differences.slice(0, SHOWN).map((answer) => {
      const id = Number(/^id=(\d+)/.exec(answer)![1]);
      return `${cases[id]!.form.name}: ${answer}\n  expected ${expected[id]}\n  ${reproduction(cases[id]!.line)}`;
    });
    expect(shown, `${differences.length} differences`).toEqual([]);
  });
});
