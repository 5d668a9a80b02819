import { FORMS, type Form } from './forms.ts';

/** Register number that names no register: the slot after the sixteen registers, which always reads zero. */
export const NO_REGISTER = 16;

/** First number of the high-byte registers AH, CH, DH, BH (20 to 23) among the numbers `byteRegister` returns. */
export const HIGH_BYTE_REGISTERS = 20;

/** Segment register numbers, as in the reg field of MOV Sw, Ew (SDM vol. 2, table 3-1). */
export const Segment = { ES: 0, CS: 1, SS: 2, DS: 3, FS: 4, GS: 5 } as const;

/** Default operand and address size of a code segment: CS.L, else CS.D. */
export type CodeSize = 16 | 32 | 64;
export type OperandSize = 8 | 16 | 32 | 64;
export type AddressSize = 16 | 32 | 64;

/**
 * One decoded instruction, filled in by `decode` and reused for the next one: nobody may keep a reference across decodes.
 * Every field is a number or a boolean; all of them are valid after a decode that returned a length.
 */
export class Instruction {
  /** Index into FORMS. */
  form = 0;
  /** Length in bytes, 1 to 15. */
  length = 0;
  /** Where, from its start, displacement and immediate begin: what stands before, prefixes to SIB, decides all but their values. */
  operandsAt = 0;
  /** Size of the code segment it was decoded for. */
  codeSize: CodeSize = 64;
  /** Last opcode byte; its low four bits are the condition of Jcc, SETcc and CMOVcc. */
  opcode = 0;
  /**
   * 8 for forms that only have a byte size; otherwise what prefixes, mode and the form's default make it: 16, 32 or 64. Never 16 for
   * forms whose operands are of type `y`.
   */
  operandSize: OperandSize = 32;
  /** Width of effective addresses and of the counter and index registers of string instructions and loops. */
  addressSize: AddressSize = 64;
  /** The REX byte (or the equivalent 0x40 to 0x4f of a VEX prefix), 0 when there is none. */
  rex = 0;
  /** 0, 0xf2 (REPNE) or 0xf3 (REP, REPE): the last of the two in the instruction, mandatory prefixes included. */
  repeat = 0;
  lock = false;
  /** Segment of the memory operand that a prefix may override: the override if it counts in this mode, else SS or DS. */
  segment: number = Segment.DS;
  /** True when `segment` comes from a prefix. */
  segmentOverridden = false;

  /** The ModRM byte, 0 when the form has none. */
  modrm = 0;
  /** True when ModRM names memory (mod is not 3) or the form has a moffs operand. */
  memory = false;
  /** ModRM.reg extended by REX.R; forms that ignore REX.R (segment registers) mask it themselves. */
  reg = 0;
  /** ModRM.rm extended by REX.B, or the register in the opcode byte extended by REX.B. */
  rm = 0;
  /** Register of VEX.vvvv. */
  vvvv = 0;

  /** Base register 0 to 15, or NO_REGISTER. */
  base = NO_REGISTER;
  /** Index register 0 to 15, or NO_REGISTER. */
  index = NO_REGISTER;
  /** Left shift of the index: 0 to 3. */
  scale = 0;
  /** Low 32 bits of the displacement, signed; 8- and 16-bit ones are sign-extended. Addresses wrap to `addressSize`. */
  displacement = 0;
  /** High 32 bits: the sign extension, or the upper half of a 64-bit moffs. */
  displacementHigh = 0;
  /** The address is relative to the next instruction (base is NO_REGISTER then). */
  ripRelative = false;

  /** Low and high 32 bits, signed, of the immediate or branch offset: zero-extended for Ib and Iw, else sign-extended. */
  immediate = 0;
  immediateHigh = 0;
  /** The second immediate: nesting level of ENTER, selector of a far pointer. */
  immediate2 = 0;

  /** The form's row. */
  get description(): Form {
    return FORMS[this.form]!;
  }
}

/**
 * Number of a byte register operand: 0 to 15 for the low bytes, HIGH_BYTE_REGISTERS to +3 for AH, CH, DH, BH, which
 * numbers 4 to 7 mean without a REX prefix (SDM vol. 2, 2.2.1.2).
 */
export function byteRegister(number: number, rex: number): number {
  return rex === 0 && number >= 4 && number < 8 ? number + 16 : number;
}
