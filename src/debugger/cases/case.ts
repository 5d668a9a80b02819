/**
 * Instruction cases: bytes to execute and the state to execute them on, and what came of it. The line format is that of
 * tests/oracle/native-oracle.c, so that the same line can be given to a processor and to us.
 */

/** General registers in encoding order. */
export const REGISTER_NAMES = [
  ...['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'],
  ...['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'],
] as const;

/** Where code and data of a case live; everything else is unmapped. Addresses and sizes in bytes. */
export const CaseMemory = {
  CODE: 0x1000_0000,
  CODE_SIZE: 0x1000,
  /** Read and write, not executable. */
  DATA: 0x2000_0000,
  DATA_SIZE: 0x4000,
  /** Follows the data. */
  READ_ONLY_SIZE: 0x1000,
  DEFAULT_START: 0x1000_0800,
} as const;

const MAX_CODE_BYTES = 2048;
const DEFAULT_STACK = 0x2000_1000n;
const DEFAULT_MXCSR = 0x1f80;
const DEFAULT_X87_CONTROL = 0x37f;

/** Flags a case may set: CF PF AF ZF SF DF OF and AC; bit 1 and IF are always set. */
export const INPUT_FLAGS = 0x40cd5;

/** The registers of user mode. */
export class CaseState {
  readonly registers = new BigUint64Array(16);
  rip = 0n;
  flags = 0x202;
  fsBase = 0n;
  gsBase = 0n;
  mxcsr = DEFAULT_MXCSR;
  x87Control = DEFAULT_X87_CONTROL;
  x87Status = 0;
  /** One bit a physical register, set when it is in use (FXSAVE's abridged tag). */
  x87Tag = 0;
  /** ST(0) to ST(7), ten bytes each. */
  readonly x87 = new Uint8Array(80);
  /** XMM0 to XMM15. */
  readonly xmm = new Uint8Array(256);
}

export interface MemoryPiece {
  readonly address: number;
  readonly bytes: Uint8Array;
}

export interface InstructionCase {
  /** Echoed in the answer. */
  readonly id: string;
  readonly code: Uint8Array;
  /** Stop after one instruction, by TF, instead of at the fence behind the code. */
  readonly step: boolean;
  /** `rip` is where the code stands. */
  readonly state: CaseState;
  readonly stores: readonly MemoryPiece[];
}

/** How a case ended: at the fence, in an exception, in a system call, or not in time. */
export type Outcome = 'ok' | 'sys' | 'to' | number;

export interface CaseResult {
  readonly outcome: Outcome;
  readonly errorCode: number;
  /** CR2 after a page fault. */
  readonly faultAddress: bigint;
  readonly state: CaseState;
  /** Changed runs of data bytes, lowest address first. */
  readonly changes: readonly MemoryPiece[];
  /** There were more changed runs than are reported. */
  readonly moreChanges: boolean;
}

/** A case that cannot be read, in a sentence for its author. */
export class CaseError extends Error {}

/** @param code character code of 0 to 9, A to F or a to f */
function digitValue(code: number): number {
  return (code & 15) + (code >= 0x41 ? 9 : 0);
}

/** Bytes from hexadecimal digits in pairs. @throws CaseError naming what is wrong with `text` */
export function parseBytes(text: string, what: string): Uint8Array {
  if (text.length === 0) throw new CaseError(`${what} is empty: give its bytes as hexadecimal digits`);
  const stray = /[^0-9a-fA-F]/.exec(text);
  if (stray)
    throw new CaseError(`${what} has '${stray[0]}' at position ${stray.index + 1}, which is not a hexadecimal digit`);
  if (text.length % 2 !== 0) throw new CaseError(`${what} has ${text.length} hexadecimal digits: a byte takes two`);
  const bytes = new Uint8Array(text.length / 2);
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = (digitValue(text.charCodeAt(2 * index)) << 4) | digitValue(text.charCodeAt(2 * index + 1));
  }
  return bytes;
}

function parseNumber(text: string, what: string): bigint {
  const digits = text.startsWith('0x') ? text.slice(2) : text;
  if (!/^[0-9a-fA-F]{1,16}$/.test(digits)) {
    throw new CaseError(`${what}=${text} is not a hexadecimal number of at most 16 digits`);
  }
  return BigInt(`0x${digits}`);
}

function parseSmall(text: string, what: string, bits: number): number {
  const value = parseNumber(text, what);
  if (value >> BigInt(bits)) throw new CaseError(`${what}=${text} does not fit in ${bits} bits`);
  return Number(value);
}

function parseStore(text: string): MemoryPiece {
  const [address, bytes] = text.split(':') as [string, string?];
  if (bytes === undefined) throw new CaseError(`m=${text} is not of the form m=ADDRESS:BYTES`);
  const start = Number(parseNumber(address, 'm'));
  const piece = { address: start, bytes: parseBytes(bytes, `m=${address}`) };
  const { DATA, DATA_SIZE } = CaseMemory;
  if (start < DATA || start + piece.bytes.length > DATA + DATA_SIZE) {
    throw new CaseError(
      `m=${address} is outside the data pages, ${DATA.toString(16)} to ${(DATA + DATA_SIZE - 1).toString(16)}`,
    );
  }
  return piece;
}

function parseStart(text: string): bigint {
  const start = parseNumber(text, 'at');
  const { CODE, CODE_SIZE } = CaseMemory;
  if (start < BigInt(CODE) || start >= BigInt(CODE + CODE_SIZE)) {
    throw new CaseError(
      `at=${text} is outside the code page, ${CODE.toString(16)} to ${(CODE + CODE_SIZE - 1).toString(16)}`,
    );
  }
  return start;
}

/** Fills `target` from the start; what the text does not reach stays zero. */
function parseVector(text: string, what: string, target: Uint8Array): void {
  const bytes = parseBytes(text, what);
  if (bytes.length > target.length)
    throw new CaseError(`${what} has ${bytes.length} bytes: at most ${target.length} fit`);
  target.fill(0);
  target.set(bytes);
}

const REGISTER_NUMBERS = new Map<string, number>(REGISTER_NAMES.map((name, number) => [name, number]));

/** Sets one `name=value` of a state. @returns false for a name that is not part of the state */
function setField(state: CaseState, name: string, value: string): boolean {
  const register = REGISTER_NUMBERS.get(name);
  if (register !== undefined) state.registers[register] = parseNumber(value, name);
  else if (name === 'fl') state.flags = (parseSmall(value, name, 32) & INPUT_FLAGS) | 0x202;
  else if (name === 'fs') state.fsBase = parseNumber(value, name);
  else if (name === 'gs') state.gsBase = parseNumber(value, name);
  else if (name === 'mxcsr') state.mxcsr = parseSmall(value, name, 16);
  else if (name === 'fcw') state.x87Control = parseSmall(value, name, 16);
  else if (name === 'fsw') state.x87Status = parseSmall(value, name, 16);
  else if (name === 'ftw') state.x87Tag = parseSmall(value, name, 8);
  else if (/^x(mm)?(\d|1[0-5])$/.test(name)) {
    const start = 16 * Number(/\d+/.exec(name)![0]);
    parseVector(value, name, state.xmm.subarray(start, start + 16));
  } else if (/^st[0-7]$/.test(name)) {
    const start = 10 * Number(name[2]);
    parseVector(value, name, state.x87.subarray(start, start + 10));
  } else return /^y(\d|1[0-5])$/.test(name);
  return true;
}

/** Reads a case from its fields, `name=value` each. @throws CaseError */
export function parseCase(fields: readonly string[]): InstructionCase {
  const state = new CaseState();
  state.registers[4] = DEFAULT_STACK;
  state.rip = BigInt(CaseMemory.DEFAULT_START);
  const stores: MemoryPiece[] = [];
  let id = '0';
  let step = false;
  let code: Uint8Array | undefined;
  for (const field of fields) {
    if (field === '') continue;
    const equals = field.indexOf('=');
    if (equals <= 0) throw new CaseError(`'${field}' is not of the form name=value`);
    const name = field.slice(0, equals);
    const value = field.slice(equals + 1);
    if (name === 'id') id = value;
    else if (name === 'code') code = parseBytes(value, 'code');
    else if (name === 'at') state.rip = parseStart(value);
    else if (name === 'step') step = parseNumber(value, name) !== 0n;
    else if (name === 'm') stores.push(parseStore(value));
    else if (!setField(state, name, value)) throw new CaseError(`there is no register or field named '${name}'`);
  }
  if (code === undefined) throw new CaseError('the case has no code=BYTES');
  if (code.length > MAX_CODE_BYTES)
    throw new CaseError(`code has ${code.length} bytes: at most ${MAX_CODE_BYTES} are executed`);
  return { id, code, step, state, stores };
}

const HEX_BYTES = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, '0'));

/** Bytes as hexadecimal digits, first byte first. */
export function hexadecimal(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX_BYTES[byte];
  return text;
}

/** True when the two arrays differ in `length` bytes from `start`. */
function differs(a: Uint8Array, b: Uint8Array, start: number, length: number): boolean {
  for (let index = start; index < start + length; index++) if (a[index] !== b[index]) return true;
  return false;
}

/** The fields of the answer that changed, as `name=value`; flags always. */
export function changedFields(before: CaseState, result: CaseResult): string[] {
  const after = result.state;
  const fields: string[] = [];
  const compare = (name: string, old: bigint | number, value: bigint | number) => {
    if (old !== value) fields.push(`${name}=${value.toString(16)}`);
  };
  for (let index = 0; index < 16; index++)
    compare(REGISTER_NAMES[index]!, before.registers[index]!, after.registers[index]!);
  fields.push(`fl=${(after.flags & INPUT_FLAGS).toString(16)}`);
  compare('fs', before.fsBase, after.fsBase);
  compare('gs', before.gsBase, after.gsBase);
  compare('fcw', before.x87Control, after.x87Control);
  compare('fsw', before.x87Status, after.x87Status);
  compare('ftw', before.x87Tag, after.x87Tag);
  compare('mxcsr', before.mxcsr, after.mxcsr);
  for (let index = 0; index < 8; index++) {
    if (differs(before.x87, after.x87, 10 * index, 10)) {
      fields.push(`st${index}=${hexadecimal(after.x87.subarray(10 * index, 10 * index + 10))}`);
    }
  }
  for (let index = 0; index < 16; index++) {
    if (differs(before.xmm, after.xmm, 16 * index, 16)) {
      fields.push(`x${index}=${hexadecimal(after.xmm.subarray(16 * index, 16 * index + 16))}`);
    }
  }
  for (const { address, bytes } of result.changes) fields.push(`m=${address.toString(16)}:${hexadecimal(bytes)}`);
  if (result.moreChanges) fields.push('m=more');
  return fields;
}

/** The answer to a case in the line format. */
export function formatResult({ id, state }: InstructionCase, result: CaseResult): string {
  const { outcome, errorCode, faultAddress } = result;
  const fault = typeof outcome === 'number' ? ` err=${errorCode.toString(16)}` : '';
  const address = outcome === 14 ? ` cr2=${faultAddress.toString(16)}` : '';
  const rip = result.state.rip.toString(16);
  return `id=${id} v=${outcome}${fault}${address} rip=${rip} ${changedFields(state, result).join(' ')}`;
}
