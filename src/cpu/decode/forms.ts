import { FEATURES, type Feature } from './features.ts';
import { INTEGER_ROWS } from './opcodes-integer.ts';
import { SSE_ROWS } from './opcodes-sse.ts';
import { SYSTEM_ROWS } from './opcodes-system.ts';
import { X87_ROWS } from './opcodes-x87.ts';

/**
 * A row of the opcode table: [encoding, mnemonic, operands, attributes].
 *
 * Encoding, as the opcode column of SDM vol. 2 chapters 3 to 6 writes it:
 * - optional `NP` (no 66, F2 or F3 may stand before it), `NFx` (no F2 or F3) or a mandatory prefix `66`, `F2`, `F3`; a row with
 *   none of them accepts all three as ordinary prefixes, unless a row with that mandatory prefix exists;
 * - optional `REX.W`, or `VEX.LZ.66.0F38.W0` and the like (`WIG` or no W: either);
 * - the opcode bytes with their escape bytes; `+r` (register in the low three bits), `+cc` (condition in the low four), `+i` (ST(i));
 * - `/r` (ModRM), `/0` to `/7` (ModRM with the digit in reg), `11B` (only with mod = 3), or a second byte that fixes ModRM whole.
 *
 * Operands, in the notation of SDM vol. 2, appendix A.2 (addressing method, then type), separated by spaces, with these additions:
 * `Z` the register in the opcode byte, `sI` an immediate sign-extended to the operand size, `STi` the x87 register in ModRM.rm;
 * types `fs fd ft` (real of 32, 64, 80 bits), `fe` (x87 environment), `fn` (x87 state), `fx` (FXSAVE image), `dt` (packed BCD),
 * `vw` and `yw` (a register of type v or y, or a word in memory), `n` (64 bits in 64-bit mode, else 32), and none for memory
 * that is addressed, not accessed.
 *
 * Attributes, separated by spaces: `d64 f64 i64 o64` (appendix A.2.5: operand size defaults to, is forced to 64 bits in
 * 64-bit mode; invalid in, only valid in 64-bit mode), `lock` (LOCK allowed with a memory destination), `rep` (a string
 * instruction), `sized` (depends on the operand size though no operand shows it), `priv` (CPL 0 only),
 * `ends` (control does not simply continue with the next instruction, or the state that decoding and interrupts depend on may
 * change: a run of records ends behind it), and any name of FEATURES (absent feature: the row does not exist).
 */
export type OpcodeRow = readonly [encoding: string, mnemonic: string, operands?: string, attributes?: string];

/** How an operand is found; see OpcodeRow. `fixed` is a register or constant the opcode implies. */
export type OperandMethod =
  | ('A' | 'B' | 'C' | 'D' | 'E' | 'G' | 'I' | 'sI' | 'J' | 'M' | 'N' | 'O' | 'P' | 'Q' | 'R' | 'S')
  | ('U' | 'V' | 'W' | 'X' | 'Y' | 'Z' | 'STi' | 'fixed');

export interface Operand {
  /** As the row writes it: `Ev`, `sIb`, `AL`, `1`. */
  readonly text: string;
  readonly method: OperandMethod;
  /** Type letters (`b v z ps sd ...`); for a fixed operand its name: `AL CL DX rAX eAX 1 ES ... ST0`. */
  readonly type: string;
}

/** A compiled row: what decoder, semantics, disassembler and tests read. */
export interface Form {
  /** Position in FORMS; what `Instruction.form` holds. */
  readonly index: number;
  /** Mnemonic and operands, `ADD_Ev_Gv`: the name of the meaning. Rows that mean the same in another encoding share it. */
  readonly name: string;
  /** SDM spelling; families by condition are `Jcc`, `SETcc`, `CMOVcc`; by size, the shortest name (`MOVS`, `CBW`, `PUSHF`, `IRET`). */
  readonly mnemonic: string;
  readonly operands: readonly Operand[];
  readonly encoding: string;
  /** True when the meaning depends on `Instruction.operandSize` (16, 32, 64); otherwise one size, 8 when `byte`. */
  readonly sized: boolean;
  /** True when every sized operand is a byte: `operandSize` is 8. */
  readonly byte: boolean;
  readonly default64: boolean;
  readonly forced64: boolean;
  readonly invalid64: boolean;
  readonly only64: boolean;
  readonly lockable: boolean;
  readonly string: boolean;
  readonly privileged: boolean;
  readonly endsRun: boolean;
  readonly feature: Feature | undefined;
}

const FLAGS = ['d64', 'f64', 'i64', 'o64', 'lock', 'rep', 'sized', 'priv', 'ends'];
const FIXED = /^(1|AL|AH|CL|DX|AX|rAX|eAX|ES|CS|SS|DS|FS|GS|ST0|XMM0)$/;
const OPERAND = /^(sI|STi|[A-EGI-JM-SU-Z])([a-z]*)$/;

function parseOperand(text: string): Operand {
  if (FIXED.test(text)) return { text, method: 'fixed', type: text };
  const match = OPERAND.exec(text);
  if (!match) throw new Error(`opcode table: operand ${text}`);
  return { text, method: match[1] as OperandMethod, type: match[2]! };
}

/** True when the operand's width follows the operand size. */
function followsOperandSize({ method, type }: Operand): boolean {
  return method === 'fixed' ? type === 'rAX' || type === 'eAX' : ['v', 'z', 'y', 'p', 'a', 'vw', 'yw'].includes(type);
}

function compile([encoding, mnemonic, operandText = '', attributeText = '']: OpcodeRow, index: number): Form {
  const operands = operandText.split(' ').filter(Boolean).map(parseOperand);
  const attributes = attributeText.split(' ').filter(Boolean);
  const has = (name: string) => attributes.includes(name);
  const feature = FEATURES.find(has);
  for (const name of attributes) {
    if (!FLAGS.includes(name) && name !== feature) throw new Error(`opcode table: attribute ${name} of ${encoding}`);
  }
  const sized = has('sized') || has('d64') || has('f64') || operands.some(followsOperandSize);
  return {
    index,
    name: [mnemonic, ...operands.map((operand) => operand.text)].join('_'),
    mnemonic,
    operands,
    encoding,
    sized,
    byte: !sized && operands.some(({ method, type }) => type === 'AL' || (type === 'b' && /[EGZOXY]/.test(method))),
    default64: has('d64'),
    forced64: has('f64'),
    invalid64: has('i64'),
    only64: has('o64'),
    lockable: has('lock'),
    string: has('rep'),
    privileged: has('priv'),
    endsRun: has('ends'),
    feature,
  };
}

/** Every form of the opcode table, features that are not implemented included; `Form.index` is the position. */
export const FORMS: readonly Form[] = [...INTEGER_ROWS, ...SYSTEM_ROWS, ...SSE_ROWS, ...X87_ROWS].map(compile);
