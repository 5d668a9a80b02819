/** Which variants are arms of the interpreter's br_table: frequent in compiled code. All others are functions of their own. */
import type { Variant } from '../semantics/context.ts';

/** How many ways a variant is hot in: plain addressing without an index, with one; without storing dead flags. */
export interface Heat {
  readonly base: boolean;
  readonly index: boolean;
  readonly noFlags: boolean;
}

const COLD: Heat = { base: false, index: false, noFlags: false };

const ALU = ['ADD', 'SUB', 'AND', 'OR', 'XOR', 'CMP'];
const SHIFTS = ['SHL', 'SHR', 'SAR', 'ROL', 'ROR'];

/** Register forms, by name, at 32 and 64 bits. */
const REGISTER_FORMS = new Set([
  ...ALU.flatMap((name) => [`${name}_Ev_Gv`, `${name}_Ev_Iz`]),
  ...SHIFTS.map((name) => `${name}_Ev_Ib`),
  ...['SHL', 'SHR', 'SAR'].map((name) => `${name}_Ev_CL`),
  ...['ADC_Ev_Gv', 'SBB_Ev_Gv', 'TEST_Ev_Gv', 'TEST_Ev_Iz', 'MOV_Ev_Gv', 'MOV_Ev_Iz', 'INC_Ev', 'DEC_Ev', 'NEG_Ev'],
  ...['NOT_Ev', 'IMUL_Gv_Ev', 'IMUL_Gv_Ev_Iz', 'MUL_Ev', 'DIV_Ev', 'CBW', 'CWD', 'CMOVcc_Gv_Ev', 'BSWAP_Zv'],
  ...['MOVZX_Gv_Eb', 'MOVZX_Gv_Ew', 'MOVSX_Gv_Eb', 'MOVSX_Gv_Ew', 'MOVSXD_Gv_Ez'],
]);

/** Memory forms at 32 and 64 bits; those in INDEXED have an arm for indexed addresses too. */
const MEMORY_FORMS = new Set([
  ...ALU.flatMap((name) => [`${name}_Ev_Gv`, `${name}_Gv_Ev`, `${name}_Ev_Iz`]),
  ...['MOV_Ev_Gv', 'MOV_Gv_Ev', 'MOV_Ev_Iz', 'LEA_Gv_M', 'MOVZX_Gv_Eb', 'MOVZX_Gv_Ew', 'MOVSX_Gv_Eb', 'MOVSXD_Gv_Ez'],
  ...['IMUL_Gv_Ev', 'INC_Ev', 'DEC_Ev', 'TEST_Ev_Gv'],
]);
const INDEXED = new Set([
  ...['MOV_Ev_Gv', 'MOV_Gv_Ev', 'MOV_Ev_Iz', 'LEA_Gv_M', 'MOVZX_Gv_Eb', 'MOVZX_Gv_Ew', 'MOVSX_Gv_Eb', 'MOVSXD_Gv_Ez'],
  ...['ADD_Gv_Ev', 'ADD_Ev_Gv', 'CMP_Gv_Ev', 'XOR_Gv_Ev', 'JMP_Ev'],
]);

/** Byte forms: in a register, in memory without and with an index. */
const BYTE_FORMS: Readonly<Record<string, string>> = {
  MOV_Eb_Gb: 'rmi',
  MOV_Gb_Eb: 'mi',
  MOV_Eb_Ib: 'rm',
  CMP_Eb_Gb: 'rm',
  CMP_Gb_Eb: 'm',
  CMP_Eb_Ib: 'rmi',
  TEST_Eb_Gb: 'r',
  TEST_Eb_Ib: 'rm',
  AND_Eb_Ib: 'r',
  AND_Eb_Gb: 'r',
  OR_Eb_Gb: 'r',
  XOR_Eb_Gb: 'r',
  XOR_Gb_Eb: 'm',
  ADD_Eb_Ib: 'r',
  SETcc_Eb: 'r',
};

/** Forms with one operand size that matters in 64-bit mode. */
const STACK_AND_CONTROL: Readonly<Record<string, string>> = {
  PUSH_Ev: 'rm',
  POP_Ev: 'r',
  PUSH_Iz: 'r',
  CALL_Jz: 'r',
  CALL_Ev: 'rm',
  RET: 'r',
  JMP_Jz: 'r',
  JMP_Jb: 'r',
  JMP_Ev: 'rmi',
  Jcc_Jb: 'r',
  Jcc_Jz: 'r',
  LEAVE: 'r',
};

/** Vector forms: in registers, in memory without and with an index. */
const VECTOR_FORMS: Readonly<Record<string, string>> = {
  MOVAPS_Vps_Wps: 'rmi',
  MOVAPS_Wps_Vps: 'mi',
  MOVUPS_Vps_Wps: 'mi',
  MOVUPS_Wps_Vps: 'mi',
  MOVAPD_Vpd_Wpd: 'rmi',
  MOVAPD_Wpd_Vpd: 'mi',
  MOVDQA_Vdq_Wdq: 'rmi',
  MOVDQA_Wdq_Vdq: 'mi',
  MOVDQU_Vdq_Wdq: 'mi',
  MOVDQU_Wdq_Vdq: 'mi',
  MOVSD_Vsd_Wsd: 'mi',
  MOVSD_Wsd_Vsd: 'mi',
  MOVSS_Vss_Wss: 'mi',
  MOVSS_Wss_Vss: 'mi',
  MOVQ_Vdq_Eq: 'r',
  MOVD_Vdq_Ed: 'r',
  MOVQ_Vq_Wq: 'm',
  MOVQ_Wq_Vq: 'm',
  ADDSD_Vsd_Wsd: 'rmi',
  SUBSD_Vsd_Wsd: 'rmi',
  MULSD_Vsd_Wsd: 'rmi',
  DIVSD_Vsd_Wsd: 'rm',
  UCOMISD_Vsd_Wsd: 'rm',
  COMISD_Vsd_Wsd: 'rm',
  CVTSI2SD_Vsd_Ey: 'r',
  CVTTSD2SI_Gy_Wsd: 'r',
  ADDSS_Vss_Wss: 'rm',
  MULSS_Vss_Wss: 'rm',
  ADDPD_Vpd_Wpd: 'rm',
  SUBPD_Vpd_Wpd: 'r',
  MULPD_Vpd_Wpd: 'rm',
  ADDPS_Vps_Wps: 'r',
  MULPS_Vps_Wps: 'r',
  XORPS_Vps_Wps: 'r',
  PXOR_Vdq_Wdq: 'r',
  PAND_Vdq_Wdq: 'r',
  POR_Vdq_Wdq: 'r',
  PADDD_Vdq_Wdq: 'rm',
  PADDQ_Vdq_Wdq: 'r',
  PCMPEQB_Vdq_Wdq: 'rm',
  PMINUB_Vdq_Wdq: 'r',
  PMOVMSKB_Gy_Udq: 'r',
  PSHUFD_Vdq_Wdq_Ib: 'r',
  PSLLD_Udq_Ib: 'r',
  PSRLD_Udq_Ib: 'r',
  NOP: 'r',
  NOP_Ev: 'rm',
};

const NO_FLAGS = /^(ADD|SUB|AND|OR|XOR|SHL|SHR|SAR|ROL|ROR|INC|DEC|IMUL)_/;

function letters({ base, memory }: { base: string | undefined; memory: boolean }): Heat {
  if (base === undefined) return COLD;
  if (!memory) return { ...COLD, base: base.includes('r') };
  return { ...COLD, base: base.includes('m'), index: base.includes('i') };
}

export function heatOf(variant: Variant): Heat {
  const { form, memory, operandSize, stackSize } = variant;
  const { name } = form;
  if (stackSize !== 64) return COLD;
  if (name in VECTOR_FORMS) return letters({ base: VECTOR_FORMS[name], memory });
  if (operandSize === 8) return letters({ base: BYTE_FORMS[name], memory });
  if (name in STACK_AND_CONTROL) return operandSize === 64 ? letters({ base: STACK_AND_CONTROL[name], memory }) : COLD;
  if (operandSize === 16) return memory && /^MOV_(Ev_Gv|Gv_Ev)$/.test(name) ? { ...COLD, base: true } : COLD;
  if (memory) return MEMORY_FORMS.has(name) ? { base: true, index: INDEXED.has(name), noFlags: false } : COLD;
  if (!REGISTER_FORMS.has(name) || (form.mnemonic !== 'Jcc' && isZeroCountShift(variant))) return COLD;
  return { base: true, index: false, noFlags: NO_FLAGS.test(name) };
}

function isZeroCountShift({ form, countNonzero }: Variant): boolean {
  return /^(SHL|SHR|SAR|ROL|ROR)_Ev_Ib$/.test(form.name) && !countNonzero;
}

/** First instructions of fused pairs, by form name, with the condition codes that get an arm each. */
const ORDER = [2, 3, 4, 5, 6, 7, 12, 13, 14, 15];
const SIGNS = [4, 5, 8, 9, 14, 15];
const ZERO = [4, 5];

export function fusedConditions(variant: Variant): readonly number[] {
  const { form, memory, operandSize, stackSize } = variant;
  if (stackSize !== 64 || operandSize === 16) return [];
  switch (form.name) {
    case 'CMP_Ev_Gv':
    case 'CMP_Ev_Iz':
      return ORDER;
    case 'CMP_Gv_Ev':
      return memory ? ORDER : [];
    case 'CMP_Eb_Ib':
      return memory ? ZERO : [...ZERO, 2, 3, 6, 7];
    case 'CMP_Eb_Gb':
      return memory ? [] : ZERO;
    case 'TEST_Ev_Gv':
      return memory ? [] : SIGNS;
    case 'TEST_Eb_Gb':
    case 'TEST_Eb_Ib':
    case 'TEST_Ev_Iz':
      return memory && form.name !== 'TEST_Eb_Ib' ? [] : ZERO;
    case 'SUB_Ev_Iz':
    case 'ADD_Ev_Iz':
    case 'DEC_Ev':
    case 'AND_Ev_Iz':
      return memory ? [] : ZERO;
    default:
      return [];
  }
}
