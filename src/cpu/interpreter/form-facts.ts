/** What the records of an instruction's form need, worked out once from the opcode table. */
import { FORMS, type Form } from '../decode/forms.ts';
import { byteRegister, HIGH_BYTE_REGISTERS } from '../decode/instruction.ts';
import { Immediate, PROPERTIES, Property } from '../decode/lookup.ts';
import { GPR, X87_REGISTERS, XMM } from '../layout.ts';
import { isImmediateShift } from './variants.ts';

/** Which registers a ModRM field names. */
const REGISTER = { none: 0, general: 1, byte: 2, vector: 3, mmx: 4 } as const;

class FormFacts {
  readonly rm: number;
  readonly reg: number;
  readonly vvvv: boolean;
  /** A direct branch. */
  readonly branch: boolean;
  /** Control may go on elsewhere than with the next instruction. */
  readonly endsRun: boolean;
  /** Control never goes on with the next instruction. */
  readonly leaves: boolean;
  readonly immediate: Form['operands'][number] | undefined;
  readonly secondImmediate: boolean;
  /** Its handler depends on the immediate, the count. */
  readonly shift: boolean;
  readonly implicitSegment: boolean;
  readonly popsToMemory: boolean;
  /** Its operand is neither read nor written. */
  readonly hint: boolean;
  readonly isLea: boolean;
  readonly isConditionalJump: boolean;
  /** Needs CR0.EM and TS clear and CR4.OSFXSR set. */
  readonly usesSse: boolean;

  constructor(form: Form) {
    const find = (methods: string) =>
      form.operands.find(({ method }) => method !== 'fixed' && methods.includes(method));
    const general = (type: string | undefined) =>
      type === undefined ? REGISTER.none : type === 'b' ? REGISTER.byte : REGISTER.general;
    this.rm = find('WU') ? REGISTER.vector : find('QN') ? REGISTER.mmx : general(find('ERZ')?.type);
    this.reg = find('V') ? REGISTER.vector : find('P') ? REGISTER.mmx : general(find('G')?.type);
    this.vvvv = find('B') !== undefined;
    this.branch = find('J') !== undefined;
    this.endsRun = form.endsRun;
    this.leaves = form.endsRun && !(this.branch && form.mnemonic !== 'JMP' && form.mnemonic !== 'CALL');
    this.immediate = form.operands.find(({ method }) => method === 'I' || method === 'sI');
    this.secondImmediate = form.mnemonic === 'ENTER';
    this.shift = isImmediateShift(form);
    this.implicitSegment = form.string || form.mnemonic === 'XLAT';
    this.popsToMemory = form.mnemonic === 'POP';
    this.hint = form.mnemonic === 'NOP';
    this.isLea = form.mnemonic === 'LEA';
    this.isConditionalJump = form.mnemonic === 'Jcc';
    const sse = form.feature === 'sse' || form.feature === 'sse2' || form.feature === 'mmx';
    this.usesSse = sse && (find('VWU') !== undefined || form.mnemonic.endsWith('MXCSR'));
  }
}

export type { FormFacts };

/** By form index. */
export const FACTS: readonly FormFacts[] = FORMS.map((form) => new FormFacts(form));

/** @returns host address of the register that a field numbered so names, 0 for a form that has no such operand */
export function slotOf(kind: number, number: number, rex: number): number {
  if (kind === REGISTER.vector) return XMM + 16 * number;
  if (kind === REGISTER.mmx) return X87_REGISTERS + 16 * (number & 7);
  if (kind === REGISTER.byte) {
    const byte = byteRegister(number, rex);
    return byte >= HIGH_BYTE_REGISTERS ? GPR + 8 * (byte - HIGH_BYTE_REGISTERS) + 1 : GPR + 8 * byte;
  }
  return kind === REGISTER.none ? 0 : GPR + 8 * number;
}

/** How the bytes of an immediate are read. */
export interface ImmediateEncoding {
  readonly bytes: 0 | 1 | 2 | 4 | 8;
  /** Else extended with zeros. */
  readonly signed: boolean;
}

const NO_IMMEDIATE: ImmediateEncoding = { bytes: 0, signed: false };

/** @returns undefined for one that is not a single number behind the displacement */
export function immediateEncoding(form: number, operandSize: number): ImmediateEncoding | undefined {
  switch (PROPERTIES[form]! >> Property.ImmediateShift) {
    case Immediate.None:
      return NO_IMMEDIATE;
    case Immediate.Byte:
      return { bytes: 1, signed: false };
    case Immediate.SignedByte:
      return { bytes: 1, signed: true };
    case Immediate.Word:
      return { bytes: 2, signed: false };
    case Immediate.Z:
      return { bytes: operandSize === 16 ? 2 : 4, signed: true };
    case Immediate.V:
      return { bytes: operandSize === 16 ? 2 : operandSize === 64 ? 8 : 4, signed: true };
    default:
      return undefined;
  }
}
