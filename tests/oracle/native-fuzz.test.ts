import { afterAll, describe, expect, it } from 'vitest';
import { Cpu } from '../../src/cpu/cpu.ts';
import { OracleProcessor } from '../../src/cpu/oracle/oracle-processor.ts';
import { formatResult, parseCase } from '../../src/debugger/cases/case.ts';
import { CaseMachine, type CaseProcessorFactory } from '../../src/debugger/cases/case-machine.ts';
import { ENGINE } from '../engine.ts';
import { ByteCaseGenerator } from './native-bytes.ts';
import { difference, reproduction } from './native-compare.ts';
import { NativeOracle } from './native-process.ts';
import { nativeHost, tool } from './tools.ts';

const CASES = 50_000;
/** Differences shown; each names its case. */
const SHOWN = 10;

const gcc = tool('gcc');
const host = nativeHost();
const available = gcc.present && host.present;

const PROCESSORS: readonly (readonly [string, CaseProcessorFactory])[] = [
  ['the interpreter', (options) => new Cpu({ ...ENGINE, ...options })],
  ['the evaluation on bigints', (options) => new OracleProcessor(options)],
];

describe.skipIf(!available)(gcc.title(host.title("random bytes on the host's processor, a step each")), () => {
  const native = available ? new NativeOracle() : undefined;
  afterAll(() => native?.dispose());

  it.each(PROCESSORS)(
    `%s executes them alike or raises the same fault: ${CASES} cases`,
    { timeout: 300_000 },
    (_, factory) => {
      const generator = new ByteCaseGenerator(1);
      const lines = Array.from({ length: CASES }, () => generator.next());
      const expected = native!.run(lines);
      const machine = new CaseMachine(factory);
      const differences = lines.flatMap((line, index) => {
        const instructionCase = parseCase(line.split(' '));
        const found = difference(line, expected[index]!, formatResult(instructionCase, machine.run(instructionCase)));
        return found ? [`${found}\n  ${reproduction(line)}`] : [];
      });
      expect(differences.slice(0, SHOWN), `${differences.length} differences`).toEqual([]);
      expect(expected.filter((answer) => answer.includes(' v=ok ')).length).toBeGreaterThan(CASES / 4);
      expect(generator.skipped).toBeLessThan(CASES);
    },
  );
});
