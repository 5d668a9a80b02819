import { afterAll, describe, expect, it } from 'vitest';
import { Cpu, type CpuOptions } from '../../src/cpu/cpu.ts';
import { Decoder } from '../../src/cpu/decode/decoder.ts';
import { Instruction } from '../../src/cpu/decode/instruction.ts';
import { formatResult, parseCase } from '../../src/debugger/cases/case.ts';
import { CaseMachine } from '../../src/debugger/cases/case-machine.ts';
import { BASE, FUEL, Random, RandomProgram } from '../cpu/random-programs.ts';
import { UNDEFINED_FLAGS } from './native-masks.ts';
import { NativeOracle } from './native-process.ts';
import { nativeHost, tool } from './tools.ts';

const PROGRAMS = 5000;
/** The pages of cases: see native-oracle.c. */
const START = 0x1000_0000;
const DATA = 0x2000_0000;
/** A jump over the table of computed jumps. */
const TABLE = START + 8;
const CODE = START + 40;
const NAMES = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13'];

const decoder = new Decoder();
const decoded = new Instruction();
/** CMP RAX, RBX, which defines all status flags. */
const COMPARE = [0x48, 0x39, 0xd8];

/** Where the manual leaves flags undefined, a comparison defines them before anything can look. */
function settle(instruction: number[]): number[] {
  decoder.decode(Uint8Array.from(instruction), 0, instruction.length, 64, decoded);
  return decoded.description.mnemonic in UNDEFINED_FLAGS ? [...instruction, ...COMPARE] : instruction;
}

const hexadecimal = (bytes: ArrayLike<number>): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** A program as a case. */
function caseOf(seed: number): string {
  const program = new RandomProgram(seed, { code: CODE, jumpTable: TABLE, isKernel: false, settle });
  const jump = [0xe9, CODE - START - 5, 0, 0, 0, 0, 0, 0];
  const table = new Uint8Array(BigUint64Array.from(program.table, (rip) => BigInt(rip)).buffer);
  const random = new Random(seed ^ 0x5bd1e995);
  const values = NAMES.map((name) => [name, BigInt(random.below(2 ** 32)) * random.pick([1n, 1n, 0x1_0000_0001n])]);
  const registers = new Map(values as [string, bigint][])
    .set('rsp', BigInt(DATA + 0x3000))
    .set(`r${FUEL}`, BigInt(20 + random.below(100)))
    .set(`r${BASE}`, BigInt(DATA));
  const fields = [...registers].map(([name, value]) => `${name}=${value.toString(16)}`);
  return [
    `id=${seed} code=${hexadecimal([...jump, ...table, ...program.code])} at=${START.toString(16)}`,
    ...fields,
  ].join(' ');
}

/** What lies at addresses of neither code nor data is the host's own affair: a page may be present there. */
function comparable(answer: string): string {
  const [, error, address] = / v=14 err=([0-9a-f]+) cr2=([0-9a-f]+)/.exec(answer) ?? [];
  const isOurs = address === undefined || /^(100|200)[0-9a-f]{5}$/.test(address);
  if (isOurs) return answer;
  return answer.replace(` err=${error}`, ` err=${(Number.parseInt(error!, 16) & ~1).toString(16)}`);
}

/** A processor that forgets with each case that the code of the last one has changed: else it would translate none before long. */
function machine(options: Pick<CpuOptions, 'engine' | 'translator'>): { machine: CaseMachine; cpu: () => Cpu } {
  let cpu: Cpu | undefined;
  const machine = new CaseMachine((given) => {
    const made = new Cpu({ ...given, ...options });
    cpu = made;
    return {
      state: made.state,
      system: made.system,
      get instructionCount() {
        return made.instructionCount;
      },
      run: (until) => made.run(until),
      invalidateCode: () => made.refresh(),
    };
  });
  return { machine, cpu: () => cpu! };
}

const gcc = tool('gcc');
const host = nativeHost();
const available = gcc.present && host.present;

describe.skipIf(!available)(gcc.title(host.title("random programs on the host's processor")), () => {
  const native = available ? new NativeOracle() : undefined;
  afterAll(() => native?.dispose());
  const cases = available ? Array.from({ length: PROGRAMS }, (_, index) => caseOf(index + 1)) : [];
  let expected: string[] | undefined;

  it.each([
    ['the interpreter', { engine: 'interpreter' }, PROGRAMS],
    ['the translator, whatever is reached translated at once', { engine: 'translator' }, PROGRAMS],
  ] as const)('end as they do on %s', { timeout: 300_000 }, (_name, options, count) => {
    expected ??= native!.run(cases).map(comparable);
    const { machine: subject, cpu } = machine(options);
    const differences = cases.slice(0, count).flatMap((line, index) => {
      const given = parseCase(line.split(' '));
      const actual = comparable(formatResult(given, subject.run(given)));
      return actual === expected![index] ? [] : [`${line}\n  expected ${expected![index]}\n  got      ${actual}`];
    });
    expect(differences.slice(0, 3), `${differences.length} differences`).toEqual([]);
    expect(cpu().translator?.statistics.regions ?? count).toBeGreaterThan(count / 2);
  });

  it('some end at their end, some in each kind of fault', () => {
    const outcomes = new Map<string, number>();
    for (const answer of expected!) {
      const outcome = / v=(\w+)/.exec(answer)![1]!;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    expect(outcomes.get('ok')).toBeGreaterThan(PROGRAMS / 4);
    for (const vector of ['0', '6', '13', '14']) expect(outcomes.get(vector)).toBeGreaterThan(PROGRAMS / 200);
  });
});
