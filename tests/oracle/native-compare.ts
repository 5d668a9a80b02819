import { Decoder } from '../../src/cpu/decode/decoder.ts';
import { Instruction } from '../../src/cpu/decode/instruction.ts';
import { FLAG } from '../../src/cpu/flags.ts';
import { undefinedFlags, undefinedResult } from './native-masks.ts';

const CODE_MEGABYTE = 0x100n;
const DATA_MEGABYTE = 0x200n;
const DEFAULT_START = '10000800';

const decoder = new Decoder();
const instruction = new Instruction();

/** Results of these are approximations that processors may choose freely within the manual's bound. */
const APPROXIMATIONS = /^R(SQRT|CP)[PS]S$/;
/** Instructions with more than one access to memory, or whose one access is made in pieces. */
const SEVERAL_ACCESSES =
  /^(CALLF?|CMPS|ENTER|FXRSTOR|FXSAVE|IRET|JMPF?|LEAVE|L[DEFGS]S|MASKMOV(DQU|Q)|MOVS|POP|PUSH|RETF?)$/;
/** #SS, #GP, #PF, #AC. */
const MEMORY_FAULTS = ['12', '13', '14', '17'];
/** #MF. */
const X87_FAULT = '16';
const X87_STACK = /^(fsw|ftw|st\d)$/;
/** What tells one fault from another. */
const FAULT_FIELDS = ['v', 'err', 'cr2'];
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
 * @param prologue bytes of code before the instruction, which is then a 32-bit one
 * @returns a sentence naming the first difference, or undefined
 */
export function difference(caseLine: string, expected: string, actual: string, prologue = 0): string | undefined {
  if (expected === actual || (/ v=to /.test(expected) && / v=to /.test(actual))) return undefined;
  const input = fieldsOf(caseLine);
  const code = bytesOf(input.get('code')!).subarray(prologue);
  const decoded = decoder.decode(code, 0, code.length, prologue === 0 ? 64 : 32, instruction) > 0;
  const mnemonic = decoded ? instruction.description.mnemonic : '';
  const [wanted, got] = [fieldsOf(expected), fieldsOf(actual)];
  const rcx = BigInt(`0x${input.get('rcx') ?? '0'}`);
  if (decoded && (undefinedResult(instruction, rcx) || isFaultOfChoice(mnemonic, wanted, got))) return undefined;
  if (decoded && mayLeaveStack(instruction, wanted)) {
    for (const fields of [wanted, got]) for (const name of fields.keys()) if (X87_STACK.test(name)) fields.delete(name);
  }
  if (decoded && wanted.get('rip') !== (input.get('at') ?? DEFAULT_START)) {
    mask(wanted, got, undefinedFlags(instruction, rcx));
  }
  if (prologue > 0) for (const fields of [wanted, got]) cutStackPointer(fields, input.get('rsp')!);
  if (isOutside(wanted.get('cr2'))) for (const fields of [wanted, got]) clearPresent(fields);
  if (mnemonic === 'FXSAVE' && onlyMxcsrMaskDiffers(wanted, got)) return undefined;
  for (const name of new Set([...wanted.keys(), ...got.keys()])) {
    const [a, b] = [wanted.get(name), got.get(name)];
    if (a === b) continue;
    const approximate = APPROXIMATIONS.test(mnemonic) && /^x\d+$/.test(name);
    if (approximate && approximatelyEqual(a ?? input.get(name)!, b ?? input.get(name)!)) continue;
    const flags = name === 'fl' ? ` (${flagNames(Number.parseInt(a ?? '0', 16) ^ Number.parseInt(b ?? '0', 16))})` : '';
    return `${name}: expected ${a ?? 'no change'}, got ${b ?? 'no change'}${flags}`;
  }
  return undefined;
}

/**
 * Whether both answers are faults of an instruction that makes several accesses, of which processors may report any: faults on
 * executing an instruction have no order among themselves (SDM vol. 3A, 6.9). A masked move may fault for bytes it does not select, and a
 * misaligned vector beyond the limit of SS for either reason.
 */
function isFaultOfChoice(
  mnemonic: string,
  wanted: ReadonlyMap<string, string>,
  got: ReadonlyMap<string, string>,
): boolean {
  const [theirs, ours] = [wanted.get('v')!, got.get('v')!];
  if (mnemonic.startsWith('MASKMOV') && theirs === '14' && ours === 'ok') return true;
  if (mnemonic === 'CVTPI2PS' && instruction.memory && ours === X87_FAULT) return true;
  const vector = instruction.description.operands.some(({ method }) => 'VPU'.includes(method));
  if (vector && instruction.memory && theirs === '13' && ours === '12') return true;
  if (!SEVERAL_ACCESSES.test(mnemonic) || !MEMORY_FAULTS.includes(theirs) || !MEMORY_FAULTS.includes(ours))
    return false;
  const unequal = [...wanted.keys(), ...got.keys()].filter((name) => wanted.get(name) !== got.get(name));
  // A far call that faults may have pushed already: below the stack pointer nobody looks.
  const pushes = mnemonic === 'CALLF';
  return unequal.every((name) => FAULT_FIELDS.includes(name) || (pushes && name.startsWith('m=')));
}

/**
 * Whether processors may differ in what an MMX instruction does to the x87 stack. One that faults need not have taken it over yet,
 * though AMD's do so first. CVTPI2PS from memory takes it and looks for pending exceptions (SDM vol. 2A), but not on AMD's.
 */
function mayLeaveStack({ description, memory }: Instruction, wanted: ReadonlyMap<string, string>): boolean {
  if (description.feature !== 'mmx') return false;
  return wanted.get('v') !== 'ok' || (description.mnemonic === 'CVTPI2PS' && memory);
}

/** Whether an address belongs to neither code nor data of the cases: what else the host has mapped is its own affair. */
function isOutside(address: string | undefined): boolean {
  if (address === undefined) return false;
  const megabyte = BigInt(`0x${address}`) >> 20n;
  return megabyte !== CODE_MEGABYTE && megabyte !== DATA_MEGABYTE;
}

/** Clears the bit of a page fault's error code that says that the page is present. */
function clearPresent(fields: Map<string, string>): void {
  fields.set('err', (Number.parseInt(fields.get('err') ?? '0', 16) & ~1).toString(16));
}

/**
 * MXCSR_MASK in an FXSAVE image belongs to the processor's model: AMD's have bit 17 (misaligned operands), in the byte at offset 30.
 *
 * @returns whether that one byte, 2 there and 0 here, is all that differs
 */
function onlyMxcsrMaskDiffers(wanted: ReadonlyMap<string, string>, got: ReadonlyMap<string, string>): boolean {
  const [theirs, ours] = [changedBytes(wanted), changedBytes(got)];
  const addresses = new Set([...theirs.keys(), ...ours.keys()]);
  const differing = [...addresses].filter((address) => theirs.get(address) !== ours.get(address));
  const [address] = differing;
  if (differing.length !== 1 || address === undefined || address % 16 !== 14) return false;
  return (theirs.get(address) ?? 2) === 2 && (ours.get(address) ?? 0) === 0;
}

/** Changed bytes by address. */
function changedBytes(fields: ReadonlyMap<string, string>): Map<number, number> {
  const bytes = new Map<number, number>();
  for (const [name, value] of fields) {
    if (!name.startsWith('m=') || name === 'm=more') continue;
    const [address, text] = value.split(':') as [string, string];
    for (const [offset, byte] of bytesOf(text).entries()) bytes.set(Number.parseInt(address, 16) + offset, byte);
  }
  return bytes;
}

/** An interrupt that returns to a 16-bit stack leaves anything above bit 31 (espfix in Linux's arch/x86/entry/entry_64.S). */
function cutStackPointer(fields: Map<string, string>, before: string): void {
  fields.set('rsp', (BigInt(`0x${fields.get('rsp') ?? before}`) & 0xffff_ffffn).toString(16));
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
