/** CPUID: what this processor is and what it can do (SDM vol. 2A, CPUID; AMD APM vol. 3 appendix E for leaves 8000_00xxH). */

import { PHYSICAL_ADDRESS_BITS } from './page-walk.ts';

type Register = 'eax' | 'ebx' | 'ecx' | 'edx';

interface Feature {
  readonly leaf: number;
  readonly register: Register;
  readonly bit: number;
}

/** Every advertised feature. An instruction set enters this list when its tests pass, never before. */
const features: Readonly<Record<string, Feature>> = {
  CX16: { leaf: 1, register: 'ecx', bit: 13 },
  PCID: { leaf: 1, register: 'ecx', bit: 17 },
  X2APIC: { leaf: 1, register: 'ecx', bit: 21 },
  'TSC-DEADLINE': { leaf: 1, register: 'ecx', bit: 24 },
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
  'PSE-36': { leaf: 1, register: 'edx', bit: 17 },
  CLFSH: { leaf: 1, register: 'edx', bit: 19 },
  FXSR: { leaf: 1, register: 'edx', bit: 24 },
  SSE: { leaf: 1, register: 'edx', bit: 25 },
  SSE2: { leaf: 1, register: 'edx', bit: 26 },
  FSGSBASE: { leaf: 7, register: 'ebx', bit: 0 },
  TSC_ADJUST: { leaf: 7, register: 'ebx', bit: 1 },
  SMEP: { leaf: 7, register: 'ebx', bit: 7 },
  INVPCID: { leaf: 7, register: 'ebx', bit: 10 },
  SMAP: { leaf: 7, register: 'ebx', bit: 20 },
  ARCH_CAPABILITIES: { leaf: 7, register: 'edx', bit: 29 },
  'LAHF-SAHF': { leaf: 0x8000_0001, register: 'ecx', bit: 0 },
  NX: { leaf: 0x8000_0001, register: 'edx', bit: 20 },
  'PAGE-1GB': { leaf: 0x8000_0001, register: 'edx', bit: 26 },
  RDTSCP: { leaf: 0x8000_0001, register: 'edx', bit: 27 },
  LM: { leaf: 0x8000_0001, register: 'edx', bit: 29 },
  'INVARIANT-TSC': { leaf: 0x8000_0007, register: 'edx', bit: 8 },
};

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
    for (const feature of Object.values(features)) {
      if (feature.leaf === index) result[feature.register] |= 1 << feature.bit;
    }
  }
  identify(index, subleaf, context, result);
  return result;
}

/** Whether CPUID advertises a feature by the SDM's name. */
export function advertises(name: string): boolean {
  return name in features;
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
