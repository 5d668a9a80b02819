import type { Instruction } from '../../src/cpu/decode/instruction.ts';
import { FLAG } from '../../src/cpu/flags.ts';

/** Status flags that an instruction leaves undefined, with the manual's words (SDM vol. 2, "Flags Affected"). */
interface Undefined {
  readonly flags: number;
  readonly words: string;
  /** Only for shift counts other than 1 (and other than 0, which changes no flag). */
  readonly unlessCountOne?: number;
}

const { CF, PF, AF, ZF, SF, OF } = FLAG;

const LOGIC: Undefined = {
  flags: AF,
  words:
    'The OF and CF flags are cleared; the SF, ZF, and PF flags are set according to the result. The state of the AF flag is undefined.',
};
const SHIFT: Undefined = {
  flags: AF,
  unlessCountOne: OF,
  words:
    'The OF flag is affected only for 1-bit shifts; otherwise, it is undefined. For a non-zero count, the AF flag is undefined. The CF flag is undefined for SHL and SHR when the count is greater than or equal to the size of the destination operand.',
};
const ROTATE: Undefined = {
  flags: 0,
  unlessCountOne: OF,
  words: 'The OF flag is affected only for single-bit rotates; it is undefined for multi-bit rotates.',
};
const DOUBLE_SHIFT: Undefined = {
  flags: AF,
  unlessCountOne: OF,
  words:
    'For a 1-bit shift, the OF flag is set if a sign change occurred; otherwise, it is cleared. For shifts greater than 1 bit, the OF flag is undefined. If a shift occurs, the AF flag is undefined.',
};
const BIT_TEST: Undefined = {
  flags: OF | SF | AF | PF,
  words:
    'The CF flag contains the value of the selected bit. The ZF flag is unaffected. The OF, SF, AF, and PF flags are undefined.',
};
const BIT_SCAN: Undefined = {
  flags: CF | OF | SF | AF | PF,
  words:
    'The ZF flag is set to 1 if the source operand is 0; otherwise, it is cleared. The CF, OF, SF, AF, and PF flags are undefined.',
};
const MULTIPLY: Undefined = {
  flags: SF | ZF | AF | PF,
  words:
    'The OF and CF flags are set to 0 if the upper half of the result is 0; otherwise, they are set to 1. The SF, ZF, AF, and PF flags are undefined.',
};
const DIVIDE: Undefined = {
  flags: CF | OF | SF | ZF | AF | PF,
  words: 'The CF, OF, SF, ZF, AF, and PF flags are undefined.',
};
const COUNT_ZEROS: Undefined = {
  flags: OF | SF | PF | AF,
  words:
    'ZF is set to 1 in case of zero output; CF is set to 1 if input was zero. OF, SF, PF and AF flags are undefined.',
};
const BIT_MANIPULATION: Undefined = {
  flags: AF | PF,
  words: 'ZF and SF are updated based on the result. AF and PF flags are undefined.',
};
const EXTRACT_BITS: Undefined = {
  flags: AF | SF | PF,
  words: 'ZF is updated based on the result. AF, SF, and PF are undefined.',
};

const PACKED_DECIMAL: Undefined = {
  flags: OF,
  words: 'The SF, ZF, and PF flags are set according to the result. The OF flag is undefined.',
};
const UNPACKED_DECIMAL: Undefined = {
  flags: OF | SF | ZF | PF,
  words:
    'The AF and CF flags are set to 1 if the adjustment results in a decimal carry; otherwise they are set to 0. The OF, SF, ZF, and PF flags are undefined.',
};
const DECIMAL_PRODUCT: Undefined = {
  flags: OF | AF | CF,
  words:
    'The SF, ZF, and PF flags are set according to the resulting binary value in the AL register. The OF, AF, and CF flags are undefined.',
};

/** By mnemonic. An instruction that is not here defines every flag it changes. */
export const UNDEFINED_FLAGS: Readonly<Record<string, Undefined>> = {
  AND: LOGIC,
  OR: LOGIC,
  XOR: LOGIC,
  TEST: LOGIC,
  SHL: SHIFT,
  SHR: SHIFT,
  SAR: SHIFT,
  ROL: ROTATE,
  ROR: ROTATE,
  RCL: ROTATE,
  RCR: ROTATE,
  SHLD: DOUBLE_SHIFT,
  SHRD: DOUBLE_SHIFT,
  BT: BIT_TEST,
  BTS: BIT_TEST,
  BTR: BIT_TEST,
  BTC: BIT_TEST,
  BSF: BIT_SCAN,
  BSR: BIT_SCAN,
  MUL: MULTIPLY,
  IMUL: MULTIPLY,
  DIV: DIVIDE,
  IDIV: DIVIDE,
  TZCNT: COUNT_ZEROS,
  LZCNT: COUNT_ZEROS,
  ANDN: BIT_MANIPULATION,
  BLSR: BIT_MANIPULATION,
  BLSI: BIT_MANIPULATION,
  BLSMSK: BIT_MANIPULATION,
  BZHI: BIT_MANIPULATION,
  BEXTR: EXTRACT_BITS,
  DAA: PACKED_DECIMAL,
  DAS: PACKED_DECIMAL,
  AAA: UNPACKED_DECIMAL,
  AAS: UNPACKED_DECIMAL,
  AAM: DECIMAL_PRODUCT,
  AAD: DECIMAL_PRODUCT,
};

/** The count of a shift or rotate as the processor masks it. */
function shiftCount(instruction: Instruction, rcx: bigint): number {
  const last = instruction.description.operands.at(-1)!;
  const count = last.type === '1' ? 1 : last.type === 'CL' ? Number(rcx & 0xffn) : instruction.immediate;
  return count & (instruction.operandSize === 64 ? 63 : 31);
}

/**
 * Flags of a completed instruction that may have any value.
 *
 * @param rcx before the instruction
 */
export function undefinedFlags(instruction: Instruction, rcx: bigint): number {
  const entry = UNDEFINED_FLAGS[instruction.description.mnemonic];
  if (!entry) return 0;
  if (entry.unlessCountOne === undefined) return entry.flags;
  const count = shiftCount(instruction, rcx);
  if (count === 0) return 0;
  const size = instruction.operandSize;
  const carry = entry === SHIFT && count >= size && instruction.description.mnemonic !== 'SAR' ? CF : 0;
  return entry.flags | carry | (count === 1 ? 0 : entry.unlessCountOne);
}

/** Why processors may differ in the whole result of an instruction, in the manual's words where it says so; such cases are not compared. */
export function undefinedResult(instruction: Instruction, rcx: bigint): string | undefined {
  const { mnemonic } = instruction.description;
  if ((mnemonic === 'SHLD' || mnemonic === 'SHRD') && shiftCount(instruction, rcx) > instruction.operandSize) {
    return 'If the count is greater than the operand size, the result is undefined.';
  }
  if (mnemonic === 'BSWAP' && instruction.operandSize === 16) {
    return 'When the BSWAP instruction references a 16-bit register, the result is undefined.';
  }
  if (mnemonic === 'NOP' && instruction.opcode === 0x0d && !instruction.memory) {
    return '0F 0D with a register is reserved: NOP on Intel processors, undefined on AMD ones.';
  }
  if (mnemonic === 'MOVSXD' && instruction.operandSize === 16) {
    return 'MOVSXD without REX.W is discouraged; with 16-bit operands Intel processors read a word and AMD ones a doubleword.';
  }
  return undefined;
}
