/** CPUID: what this processor is and what it can do (SDM vol. 2A, CPUID; AMD APM vol. 3 appendix E for leaves 8000_00xxH). */

import { type Feature, IMPLEMENTED_FEATURES } from '../decode/features.ts';
import { PHYSICAL_ADDRESS_BITS } from './page-walk.ts';

type Register = 'eax' | 'ebx' | 'ecx' | 'edx';

interface CpuidBit {
  readonly leaf: number;
  readonly register: Register;
  readonly bit: number;
}

/** Features whose instructions the opcode table knows: advertised exactly when they execute. */
const instructionSets: Readonly<Partial<Record<Feature, CpuidBit>>> = {
  x87: { leaf: 1, register: 'edx', bit: 0 },
  mmx: { leaf: 1, register: 'edx', bit: 23 },
  sse: { leaf: 1, register: 'edx', bit: 25 },
  sse2: { leaf: 1, register: 'edx', bit: 26 },
  sse3: { leaf: 1, register: 'ecx', bit: 0 },
  cx16: { leaf: 1, register: 'ecx', bit: 13 },
  movbe: { leaf: 1, register: 'ecx', bit: 22 },
  popcnt: { leaf: 1, register: 'ecx', bit: 23 },
  lzcnt: { leaf: 0x8000_0001, register: 'ecx', bit: 5 },
  bmi1: { leaf: 7, register: 'ebx', bit: 3 },
  bmi2: { leaf: 7, register: 'ebx', bit: 8 },
  adx: { leaf: 7, register: 'ebx', bit: 19 },
  fsgsbase: { leaf: 7, register: 'ebx', bit: 0 },
  invpcid: { leaf: 7, register: 'ebx', bit: 10 },
  smap: { leaf: 7, register: 'ebx', bit: 20 },
  rdpid: { leaf: 7, register: 'ecx', bit: 22 },
  rdtscp: { leaf: 0x8000_0001, register: 'edx', bit: 27 },
};

/** What the rest of the processor does. */
const capabilities = {
  PCID: { leaf: 1, register: 'ecx', bit: 17 },
  X2APIC: { leaf: 1, register: 'ecx', bit: 21 },
  TSC_DEADLINE: { leaf: 1, register: 'ecx', bit: 24 },
  DE: { leaf: 1, register: 'edx', bit: 2 },
  PSE: { leaf: 1, register: 'edx', bit: 3 },
  TSC: { leaf: 1, register: 'edx', bit: 4 },
  MSR: { leaf: 1, register: 'edx', bit: 5 },
  PAE: { leaf: 1, register: 'edx', bit: 6 },
  CX8: { leaf: 1, register: 'edx', bit: 8 },
  SEP: { leaf: 1, register: 'edx', bit: 11 },
  MTRR: { leaf: 1, register: 'edx', bit: 12 },
  PGE: { leaf: 1, register: 'edx', bit: 13 },
  CMOV: { leaf: 1, register: 'edx', bit: 15 },
  PAT: { leaf: 1, register: 'edx', bit: 16 },
  PSE_36: { leaf: 1, register: 'edx', bit: 17 },
  CLFSH: { leaf: 1, register: 'edx', bit: 19 },
  FXSR: { leaf: 1, register: 'edx', bit: 24 },
  TSC_ADJUST: { leaf: 7, register: 'ebx', bit: 1 },
  SMEP: { leaf: 7, register: 'ebx', bit: 7 },
  ARCH_CAPABILITIES: { leaf: 7, register: 'edx', bit: 29 },
  LAHF_SAHF: { leaf: 0x8000_0001, register: 'ecx', bit: 0 },
  NX: { leaf: 0x8000_0001, register: 'edx', bit: 20 },
  PAGE_1GB: { leaf: 0x8000_0001, register: 'edx', bit: 26 },
  LM: { leaf: 0x8000_0001, register: 'edx', bit: 29 },
  INVARIANT_TSC: { leaf: 0x8000_0007, register: 'edx', bit: 8 },
} as const satisfies Readonly<Record<string, CpuidBit>>;

const advertised: readonly CpuidBit[] = [
  ...Object.values(capabilities),
  ...[...IMPLEMENTED_FEATURES].flatMap((name) => instructionSets[name] ?? []),
];

const APIC_FEATURE = 1 << 9;
const SYSCALL_FEATURE = 1 << 11;

const MAXIMUM_BASIC_LEAF = 0x16;
const MAXIMUM_EXTENDED_LEAF = 0x8000_0008;

const VENDOR = 'VerdigrisCPU';
const BRAND = 'Verdigris virtual processor';
/** Family 6, model 15, stepping 1; EDX holds it after a reset too. */
export const PROCESSOR_SIGNATURE = 0x0000_06f1;
const CLFLUSH_LINE_BYTES = 64;
const LINEAR_ADDRESS_BITS = 48;
/** The time-stamp counter counts virtual nanoseconds. */
const TIME_STAMP_HERTZ = 1_000_000_000;

export interface CpuidResult {
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

/** The state that CPUID reflects besides constants. */
export interface CpuidContext {
  readonly apicId: number;
  /** IA32_APIC_BASE.EN. */
  readonly apicEnabled: boolean;
  /** CS.L in long mode: SYSCALL is reported only there, as it works only there. */
  readonly in64BitMode: boolean;
}

/**
 * The four result registers for a leaf and subleaf, each an i32 bit pattern. A basic leaf beyond the last one answers as
 * the last basic leaf does, an extended one likewise (SDM vol. 2A, CPUID: "input EAX exceeds the maximum").
 */
export function cpuid(leaf: number, subleaf: number, context: CpuidContext): CpuidResult {
  const index = clampLeaf(leaf >>> 0);
  const result = { eax: 0, ebx: 0, ecx: 0, edx: 0 };
  if (subleaf === 0 || index !== 7) {
    for (const { leaf: home, register, bit } of advertised) {
      if (home === index) result[register] |= 1 << bit;
    }
  }
  identify(index, subleaf, context, result);
  return result;
}

function clampLeaf(leaf: number): number {
  if (leaf <= MAXIMUM_BASIC_LEAF) return leaf;
  if (leaf >= 0x8000_0000 && leaf <= MAXIMUM_EXTENDED_LEAF) return leaf;
  return MAXIMUM_BASIC_LEAF;
}

function identify(leaf: number, subleaf: number, context: CpuidContext, result: CpuidResult): void {
  switch (leaf) {
    case 0:
      result.eax = MAXIMUM_BASIC_LEAF;
      [result.ebx, result.edx, result.ecx] = [0, 4, 8].map((offset) => fourCharacters(VENDOR, offset)) as Triple;
      break;
    case 1:
      result.eax = PROCESSOR_SIGNATURE;
      result.ebx = (context.apicId << 24) | (1 << 16) | ((CLFLUSH_LINE_BYTES / 8) << 8);
      if (context.apicEnabled) result.edx |= APIC_FEATURE;
      break;
    case 0xb:
      topology(subleaf, context.apicId, result);
      break;
    case 0x15:
      Object.assign(result, { eax: 1, ebx: 1, ecx: TIME_STAMP_HERTZ });
      break;
    case 0x16:
      Object.assign(result, { eax: TIME_STAMP_HERTZ / 1e6, ebx: TIME_STAMP_HERTZ / 1e6 });
      break;
    case 0x8000_0000:
      result.eax = MAXIMUM_EXTENDED_LEAF | 0;
      [result.ebx, result.edx, result.ecx] = [0, 4, 8].map((offset) => fourCharacters(VENDOR, offset)) as Triple;
      break;
    case 0x8000_0001:
      if (context.in64BitMode) result.edx |= SYSCALL_FEATURE;
      break;
    case 0x8000_0002:
    case 0x8000_0003:
    case 0x8000_0004:
      brand(leaf - 0x8000_0002, result);
      break;
    case 0x8000_0008:
      result.eax = PHYSICAL_ADDRESS_BITS | (LINEAR_ADDRESS_BITS << 8);
      break;
  }
}

type Triple = [number, number, number];

/** Leaf 0BH: one logical processor in one core in one package. */
function topology(subleaf: number, apicId: number, result: CpuidResult): void {
  const levelType = subleaf === 0 ? 1 : subleaf === 1 ? 2 : 0;
  result.ebx = levelType === 0 ? 0 : 1;
  result.ecx = (subleaf & 0xff) | (levelType << 8);
  result.edx = apicId;
}

function brand(part: number, result: CpuidResult): void {
  const text = BRAND.padEnd(48, '\0');
  const offset = part * 16;
  result.eax = fourCharacters(text, offset);
  result.ebx = fourCharacters(text, offset + 4);
  result.ecx = fourCharacters(text, offset + 8);
  result.edx = fourCharacters(text, offset + 12);
}

function fourCharacters(text: string, offset: number): number {
  let value = 0;
  for (let i = 0; i < 4; i++) value |= text.charCodeAt(offset + i) << (8 * i);
  return value;
}
