import { Decoder } from '../../src/cpu/decode/decoder.ts';
import { Instruction } from '../../src/cpu/decode/instruction.ts';
import { FLAG } from '../../src/cpu/flags.ts';
import { undefinedFlags, undefinedResult } from './native-masks.ts';

const CODE_PAGE = 0x1000_0000;
const DATA_PAGE = 0x2000_0000;
const DEFAULT_START = '10000800';

const decoder = new Decoder();
const instruction = new Instruction();

/** Results of these are approximations that processors may choose freely within the manual's bound. */
const APPROXIMATIONS = /^R(SQRT|CP)[PS]S$/;
/** SDM vol. 2B, RCPPS and RSQRTPS: relative error of at most 1.5 * 2^-12 each. */
const APPROXIMATION_ERROR = 2 * 1.5 * 2 ** -12;

/** Splits `name=value` fields; repeated `m` fields are told apart by their addresses. */
function fieldsOf(line: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const field of line.split(' ')) {
    const equals = field.indexOf('=');
    const [name, value] = [field.slice(0, equals), field.slice(equals + 1)];
    if (name === 'm') fields.set(`m=${value.split(':')[0]}`, value);
    else fields.set(name, value);
  }
  return fields;
}

function bytesOf(code: string): Uint8Array {
  return Uint8Array.from(code.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Whether two XMM registers hold single-precision numbers as close as approximations must be. */
function approximatelyEqual(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => new Float32Array(bytesOf(text).buffer)) as [Float32Array, Float32Array];
  return a.every((value, lane) => {
    const wanted = b[lane]!;
    return (
      Object.is(value, wanted) ||
      (Number.isNaN(value) && Number.isNaN(wanted)) ||
      Math.abs(value - wanted) <= Math.abs(wanted) * APPROXIMATION_ERROR
    );
  });
}

/**
 * Compares two answers to a case where the manual defines them.
 *
 * @param caseLine the case, for its code and RCX
 * @returns a sentence naming the first difference, or undefined
 */
export function difference(caseLine: string, expected: string, actual: string): string | undefined {
  if (expected === actual || (/ v=to /.test(expected) && / v=to /.test(actual))) return undefined;
  const input = fieldsOf(caseLine);
  const code = bytesOf(input.get('code')!);
  const decoded = decoder.decode(code, 0, code.length, 64, instruction) > 0;
  const [wanted, got] = [fieldsOf(expected), fieldsOf(actual)];
  const rcx = BigInt(`0x${input.get('rcx') ?? '0'}`);
  if (decoded && undefinedResult(instruction, rcx)) return undefined;
  if (decoded && wanted.get('rip') !== (input.get('at') ?? DEFAULT_START))
    mask(wanted, got, undefinedFlags(instruction, rcx));
  if (isOutside(wanted.get('cr2'))) for (const fields of [wanted, got]) clearPresent(fields);
  const approximate = decoded && APPROXIMATIONS.test(instruction.description.mnemonic);
  for (const name of new Set([...wanted.keys(), ...got.keys()])) {
    const [a, b] = [wanted.get(name), got.get(name)];
    if (a === b) continue;
    if (approximate && /^x\d+$/.test(name) && approximatelyEqual(a ?? input.get(name)!, b ?? input.get(name)!))
      continue;
    const flags = name === 'fl' ? ` (${flagNames(Number.parseInt(a ?? '0', 16) ^ Number.parseInt(b ?? '0', 16))})` : '';
    return `${name}: expected ${a ?? 'no change'}, got ${b ?? 'no change'}${flags}`;
  }
  return undefined;
}

/** Whether an address belongs to neither code nor data of the cases: what else the host has mapped is its own affair. */
function isOutside(address: string | undefined): boolean {
  const page = address === undefined ? CODE_PAGE : Number.parseInt(address, 16) & -0x10_0000;
  return page !== CODE_PAGE && page !== DATA_PAGE;
}

/** Clears the bit of a page fault's error code that says that the page is present. */
function clearPresent(fields: Map<string, string>): void {
  fields.set('err', (Number.parseInt(fields.get('err') ?? '0', 16) & ~1).toString(16));
}

function mask(wanted: Map<string, string>, got: Map<string, string>, undefinedBits: number): void {
  for (const fields of [wanted, got]) {
    fields.set('fl', (Number.parseInt(fields.get('fl')!, 16) & ~undefinedBits).toString(16));
  }
}

function flagNames(bits: number): string {
  return Object.entries(FLAG)
    .filter(([, bit]) => (bits & bit) !== 0)
    .map(([name]) => name)
    .join(' ');
}

/** The command that runs a case again. */
export function reproduction(caseLine: string): string {
  const [, code, ...fields] = caseLine.split(' ') as [string, string, ...string[]];
  return `verdigris exec ${code.slice('code='.length)} ${fields.filter((field) => !/=0$/.test(field)).join(' ')}`;
}
