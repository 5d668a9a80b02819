import { afterAll, describe, expect, it } from 'vitest';
import { Cpu } from '../../src/cpu/cpu.ts';
import { formatResult, parseCase } from '../../src/debugger/cases/case.ts';
import { CaseMachine } from '../../src/debugger/cases/case-machine.ts';
import { ENGINE } from '../engine.ts';
import { NativeOracle } from './native-process.ts';
import { nativeHost, tool } from './tools.ts';
import { X87_FORMS, X87CaseGenerator } from './x87-cases.ts';

const host = nativeHost();
const gcc = tool('gcc');
const available = host.present && gcc.present;

/** Whose results need only be close: within one unit in the last place (SDM vol. 1 8.3.10). */
const TRANSCENDENTAL = /^(F2XM1|FYL2X|FYL2XP1|FSIN|FCOS|FSINCOS|FPTAN|FPATAN)/;
const UNITS_IN_LAST_PLACE = 2n;
const PRECISION_AND_UNDERFLOW = 0x30;
const C1 = 0x200;
const SUMMARY = 0x8080;

function fieldsOf(line: string): Map<string, string> {
  return new Map(
    line.split(' ').map((field): [string, string] => {
      const equals = field.indexOf('=');
      const name = field.startsWith('m=') ? (field.split(':')[0] as string) : field.slice(0, equals);
      return [name, field.slice(equals + 1)];
    }),
  );
}

/** A register's ten bytes as one integer. */
function bitsOf(hexadecimal: string): bigint {
  return BigInt(`0x${(hexadecimal.match(/../g) as string[]).reverse().join('')}`);
}

/** Neighbouring normal numbers of one sign differ by 1: the integer bit, always set, is left out. */
function order(hexadecimal: string): bigint {
  const bits = bitsOf(hexadecimal);
  return ((bits >> 64n) << 63n) | BigInt.asUintN(63, bits);
}

function isClose(one: string, other: string): boolean {
  const difference = order(one) - order(other);
  return (difference < 0n ? -difference : difference) <= UNITS_IN_LAST_PLACE;
}

/** Status bits that the manual or the approximation leaves open. */
function openStatus(name: string): number {
  if (TRANSCENDENTAL.test(name)) return PRECISION_AND_UNDERFLOW | C1 | SUMMARY;
  // SDM vol. 2A says that FCOMI clears C1; this generation of AMD's processors leaves it.
  return /^FU?COMI/.test(name) ? C1 : 0;
}

/** FYL2XP1 is defined for arguments below 1 - sqrt(2)/2 in magnitude only; the environment's pointers are the host's own. */
function isUndefined(name: string, input: Map<string, string>): boolean {
  const exponent = Number((bitsOf(input.get('st0') as string) >> 64n) & 0x7fffn);
  return name === 'FYL2XP1' && exponent >= 16381 && exponent < 0x7fff;
}

function differenceOf(name: string, line: string, wanted: string, got: string): string | undefined {
  if (wanted === got) return undefined;
  const [input, a, b] = [fieldsOf(line), fieldsOf(wanted), fieldsOf(got)];
  if (isUndefined(name, input)) return undefined;
  for (const key of new Set([...a.keys(), ...b.keys()])) {
    const [one, other] = [a.get(key) ?? input.get(key), b.get(key) ?? input.get(key)];
    if (one === other) continue;
    if (key.startsWith('m=') && /^FNS(TENV|AVE)/.test(name)) continue;
    if (
      key === 'fsw' &&
      ((Number.parseInt(one ?? '0', 16) ^ Number.parseInt(other ?? '0', 16)) & ~openStatus(name)) === 0
    ) {
      continue;
    }
    if (key.startsWith('st') && TRANSCENDENTAL.test(name) && isClose(one as string, other as string)) continue;
    return `${name} ${key}: expected ${one}, got ${other}`;
  }
  return undefined;
}

describe.skipIf(!available)(host.title(gcc.title("x87 instructions on this host's processor")), () => {
  const oracle = available ? new NativeOracle() : undefined;
  afterAll(() => oracle?.dispose());
  const cases = Number(process.env.VERDIGRIS_X87_CASES ?? 20_000);
  const seed = Number(process.env.VERDIGRIS_FUZZ_SEED ?? 1987);

  it(`agree in ${cases} cases over ${X87_FORMS.length} forms`, () => {
    const generator = new X87CaseGenerator(seed);
    const generated = Array.from({ length: cases }, () => generator.next());
    const answers = (oracle as NativeOracle).run(generated.map(({ line }) => line));
    const machine = new CaseMachine((options) => new Cpu({ ...ENGINE, ...options }));
    const differences = generated.flatMap(({ line, form }, i) => {
      const parsed = parseCase(line.split(' '));
      const found = differenceOf(form.name, line, answers[i] as string, formatResult(parsed, machine.run(parsed)));
      return found === undefined ? [] : [`${found}\n  ${line}\n  ${answers[i]}`];
    });
    expect(differences.slice(0, 5)).toEqual([]);
  });
});
