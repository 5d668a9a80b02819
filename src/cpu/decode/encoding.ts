import type { Form } from './forms.ts';

/** Opcode maps; VEX-encoded ones follow the legacy ones in the same order. */
export const OpcodeMap = { OneByte: 0, Map0F: 1, Map0F38: 2, Map0F3A: 3, Vex0F: 4, Vex0F38: 5, Vex0F3A: 6 } as const;

export const MAP_COUNT = 7;

/** Mandatory prefixes in the order of VEX.pp. */
export const PREFIX_NAMES = ['NP', '66', 'F3', 'F2'] as const;

/** What one row's encoding column says, as sets of values that select the row. */
export interface Encoding {
  readonly map: number;
  /** Positions in PREFIX_NAMES. */
  readonly prefixes: readonly number[];
  /** Indices of the operand size prefixes ask for: 0, 1, 2 for 16, 32, 64 bits. */
  readonly sizes: readonly number[];
  /** The opcode bytes the row covers: one, eight (`+r`) or sixteen (`+cc`). */
  readonly opcodes: readonly number[];
  readonly registerInOpcode: boolean;
  readonly modrm: boolean;
  /**
   * Undefined when any ModRM selects the row, else the selecting values as `modrmIndex` numbers them.
   */
  readonly modrmIndices: readonly number[] | undefined;
  /** Rows of a higher rank hide those of a lower one where both match. */
  readonly rank: number;
}

/** Number of values `modrmIndex` returns. */
export const MODRM_INDICES = 72;

/** Index that tells apart everything of a ModRM byte that can select a form: 0 to 7 memory by digit, 8 to 71 mod = 3 by low six bits. */
export function modrmIndex(modrm: number): number {
  return modrm >= 0xc0 ? modrm - 0xb8 : (modrm >> 3) & 7;
}

const BYTE = /^[0-9A-F]{2}$/;
const ESCAPES = ['0F', '0F38', '0F3A'];
const REGISTER_ONLY = ['R', 'U', 'N'];

const range = (count: number, from = 0) => Array.from({ length: count }, (_, index) => from + index);

/** Parses the encoding column of a form; see OpcodeRow for the notation. */
export function parseEncoding(form: Form): Encoding {
  const words = form.encoding.split(' ');
  const next = (test: (word: string) => boolean) => (words.length > 0 && test(words[0]!) ? words.shift()! : undefined);
  const take = (...names: string[]) => next((word) => names.includes(word));

  let map: number = OpcodeMap.OneByte;
  let prefixes = range(4);
  let sizes = range(3);
  let rank = 0;
  const vex = next((word) => word.startsWith('VEX.'))?.split('.');
  if (vex) {
    map = OpcodeMap.Vex0F + ESCAPES.indexOf(vex.find((part) => ESCAPES.includes(part))!);
    prefixes = [Math.max(0, ...PREFIX_NAMES.map((name, index) => (vex.includes(name) ? index : 0)))];
  } else {
    const prefix = take('NP', 'NFx', '66', 'F3', 'F2');
    if (prefix) {
      prefixes = prefix === 'NFx' ? [0, 1] : [PREFIX_NAMES.indexOf(prefix as (typeof PREFIX_NAMES)[number])];
      rank += 8;
    }
    if (take('REX.W')) {
      sizes = [2];
      rank += 4;
    }
    if (take('0F')) map = take('38') ? OpcodeMap.Map0F38 : take('3A') ? OpcodeMap.Map0F3A : OpcodeMap.Map0F;
  }

  const [opcode, suffix] = words.shift()!.split('+') as [string, string?];
  const opcodes = range(suffix === 'r' ? 8 : suffix === 'cc' ? 16 : 1, Number.parseInt(opcode, 16));
  const second = next((word) => BYTE.test(word.slice(0, 2)));
  const slash = next((word) => word.startsWith('/'));
  const registerForm = take('11B') !== undefined || form.operands.some(({ method }) => REGISTER_ONLY.includes(method));
  const moving = form.operands.some(({ method }) => method === 'C' || method === 'D');
  const memoryForm = form.operands.some(({ method }) => method === 'M');
  if (words.length > 0) throw new Error(`opcode table: ${form.encoding}`);

  let indices = range(MODRM_INDICES);
  if (second) {
    const modrm = Number.parseInt(second, 16);
    indices = range(second.endsWith('+i') ? 8 : 1, modrmIndex(modrm));
  }
  if (slash && slash !== '/r') {
    const digit = Number(slash[1]);
    indices = indices.filter((index) => (index < 8 ? index === digit : (index >> 3) - 1 === digit));
  }
  if (registerForm && !moving) indices = indices.filter((index) => index >= 8);
  if (memoryForm) indices = indices.filter((index) => index < 8);
  const constrained = indices.length < MODRM_INDICES;
  return {
    map,
    prefixes,
    sizes,
    opcodes,
    registerInOpcode: suffix === 'r',
    modrm: slash !== undefined || second !== undefined,
    modrmIndices: constrained ? indices : undefined,
    rank: rank - (suffix ? 1 : 0) + (!constrained ? 0 : second ? 3 : slash === '/r' ? 1 : 2),
  };
}
