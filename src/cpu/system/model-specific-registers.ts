/** RDMSR and WRMSR: the registers of this core, with the checks on what they accept (SDM vol. 4). */

import { FS, GS, MTRRS } from '../layout.ts';
import type { Segment } from '../state.ts';
import { isCanonical } from './addresses.ts';
import { Cr0, Efer } from './control-bits.ts';
import { PHYSICAL_ADDRESS_BITS } from './page-walk.ts';
import type { SystemUnit } from './system-unit.ts';

export const Msr = {
  TSC: 0x10,
  TSC_ADJUST: 0x3b,
  BIOS_SIGN_ID: 0x8b,
  MTRRCAP: 0xfe,
  ARCH_CAPABILITIES: 0x10a,
  SYSENTER_CS: 0x174,
  SYSENTER_ESP: 0x175,
  SYSENTER_EIP: 0x176,
  MISC_ENABLE: 0x1a0,
  PAT: 0x277,
  MTRR_DEF_TYPE: 0x2ff,
  EFER: 0xc000_0080,
  STAR: 0xc000_0081,
  LSTAR: 0xc000_0082,
  CSTAR: 0xc000_0083,
  SFMASK: 0xc000_0084,
  FS_BASE: 0xc000_0100,
  GS_BASE: 0xc000_0101,
  KERNEL_GS_BASE: 0xc000_0102,
  TSC_AUX: 0xc000_0103,
} as const;

export const DEFAULT_PAT = 0x0007_0406_0007_0406n;
/** Fast strings on; branch trace storage and event-based sampling are not there. */
export const MISC_ENABLE_RESET = 0x1801n;
const MISC_ENABLE_WRITABLE = 0x1n;
/** Not vulnerable to Meltdown, L1TF, MDS, TAA or the machine-check race: nothing here is speculative. */
const ARCH_CAPABILITIES = 0x01n | 0x08n | 0x20n | 0x40n | 0x100n;

const VARIABLE_RANGES = 8;
const MTRR_VARIABLE = 0x200;
const FIXED_RANGES = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];
/** IA32_MTRR_DEF_TYPE, then the variable pairs, then the fixed ranges. */
export const MTRR_COUNT = 1 + 2 * VARIABLE_RANGES + FIXED_RANGES.length;
/** Fixed ranges supported, write combining supported. */
const MTRRCAP = BigInt(VARIABLE_RANGES) | 0x500n;
const PHYSICAL_MASK = (1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 1n;

/** 64-bit fields that RDMSR and WRMSR move as they are. */
const plainFields = {
  [Msr.STAR]: 'star',
  [Msr.TSC_AUX]: 'tscAux',
  [Msr.SFMASK]: 'sfmask',
  [Msr.SYSENTER_CS]: 'sysenterCs',
} as const;

/** Fields that hold a linear address and refuse one that is not canonical. */
const addressFields = {
  [Msr.LSTAR]: 'lstar',
  [Msr.CSTAR]: 'cstar',
  [Msr.KERNEL_GS_BASE]: 'kernelGsBase',
  [Msr.SYSENTER_ESP]: 'sysenterEsp',
  [Msr.SYSENTER_EIP]: 'sysenterEip',
} as const;

type Named<T> = Readonly<Record<number, T[keyof T] | undefined>>;
const plain: Named<typeof plainFields> = plainFields;
const addresses: Named<typeof addressFields> = addressFields;

export class ModelSpecificRegisters {
  readonly #system: SystemUnit;

  constructor(system: SystemUnit) {
    this.#system = system;
  }

  /** Time-stamp counter as RDTSC reads it: virtual time plus what the guest wrote. */
  get timeStamp(): bigint {
    const time = BigInt(Math.floor(this.#system.bus.timeStampCounter()));
    return BigInt.asUintN(64, time + this.#system.state.get64('tscAdjust'));
  }

  /** @param index unsigned @returns undefined when there is no such register: #GP(0) */
  read(index: number): bigint | undefined {
    const { state } = this.#system;
    const field = plain[index] ?? addresses[index];
    if (field !== undefined) return state.get64(field);
    switch (index) {
      case Msr.TSC:
        return this.timeStamp;
      case Msr.TSC_ADJUST:
        return state.get64('tscAdjust');
      case Msr.BIOS_SIGN_ID:
        return 0n;
      case Msr.MTRRCAP:
        return MTRRCAP;
      case Msr.ARCH_CAPABILITIES:
        return ARCH_CAPABILITIES;
      case Msr.MISC_ENABLE:
        return state.get64('miscEnable');
      case Msr.PAT:
        return state.get64('pat');
      case Msr.EFER:
        return state.get64('efer');
      case Msr.FS_BASE:
        return (state.segments[FS] as Segment).base;
      case Msr.GS_BASE:
        return (state.segments[GS] as Segment).base;
    }
    const mtrr = mtrrSlot(index);
    if (mtrr !== undefined) return state.u64[(MTRRS >>> 3) + mtrr] as bigint;
    return this.#system.bus.readMsr(index);
  }

  /** @returns false when the register does not exist or refuses the value: #GP(0) */
  write(index: number, value: bigint): boolean {
    const { state } = this.#system;
    const address = addresses[index];
    if (address !== undefined) {
      if (!isCanonical(value)) return false;
      state.set64(address, value);
      return true;
    }
    switch (index) {
      case Msr.STAR:
        state.set64('star', value);
        return true;
      case Msr.SYSENTER_CS:
      case Msr.TSC_AUX:
      case Msr.SFMASK:
        if (value >> 32n !== 0n) return false;
        state.set64(plain[index] as 'sfmask', value);
        return true;
      case Msr.TSC:
        state.set64('tscAdjust', state.get64('tscAdjust') + value - this.timeStamp);
        return true;
      case Msr.TSC_ADJUST:
        state.set64('tscAdjust', value);
        return true;
      case Msr.BIOS_SIGN_ID:
        return true;
      case Msr.MISC_ENABLE:
        if (((value ^ MISC_ENABLE_RESET) & ~MISC_ENABLE_WRITABLE) !== 0n) return false;
        state.set64('miscEnable', value);
        return true;
      case Msr.PAT:
        if (!validPat(value)) return false;
        state.set64('pat', value);
        return true;
      case Msr.EFER:
        return this.#writeEfer(value);
      case Msr.FS_BASE:
        return this.#writeBase(FS, value);
      case Msr.GS_BASE:
        return this.#writeBase(GS, value);
      case Msr.MTRRCAP:
      case Msr.ARCH_CAPABILITIES:
        return false;
    }
    const mtrr = mtrrSlot(index);
    if (mtrr === undefined) return this.#system.bus.writeMsr(index, value);
    if (!validMtrr(index, value)) return false;
    state.u64[(MTRRS >>> 3) + mtrr] = value;
    return true;
  }

  #writeBase(segment: number, value: bigint): boolean {
    if (!isCanonical(value)) return false;
    (this.#system.state.segments[segment] as Segment).base = value;
    return true;
  }

  /** LMA follows LME and CR0.PG by itself; LME cannot change while paging is on (SDM vol. 3A 9.8.5). */
  #writeEfer(value: bigint): boolean {
    const { state } = this.#system;
    const writable = BigInt(Efer.SCE | Efer.LME | Efer.NXE);
    if ((value & ~(writable | BigInt(Efer.LMA))) !== 0n) return false;
    const old = state.get64('efer');
    const paging = (state.get('cr0') & Cr0.PG) !== 0;
    if (paging && ((value ^ old) & BigInt(Efer.LME)) !== 0n) return false;
    state.set64('efer', (value & writable) | (old & BigInt(Efer.LMA)));
    this.#system.pagingChanged(true);
    return true;
  }
}

/** Memory types: UC, WC, WT, WP, WB, and in PAT entries UC-. */
function validType(type: bigint, inPat: boolean): boolean {
  return type === 0n || type === 1n || (type >= 4n && type <= 6n) || (inPat && type === 7n);
}

function bytesOf(value: bigint): bigint[] {
  return Array.from({ length: 8 }, (_, i) => (value >> BigInt(8 * i)) & 0xffn);
}

function validPat(value: bigint): boolean {
  return bytesOf(value).every((type) => validType(type, true));
}

function mtrrSlot(index: number): number | undefined {
  if (index === Msr.MTRR_DEF_TYPE) return 0;
  if (index >= MTRR_VARIABLE && index < MTRR_VARIABLE + 2 * VARIABLE_RANGES) return 1 + index - MTRR_VARIABLE;
  const fixed = FIXED_RANGES.indexOf(index);
  return fixed < 0 ? undefined : 1 + 2 * VARIABLE_RANGES + fixed;
}

function validMtrr(index: number, value: bigint): boolean {
  if (index === Msr.MTRR_DEF_TYPE) return (value & ~0xcffn) === 0n && validType(value & 0xffn, false);
  if (index >= 0x250) return bytesOf(value).every((type) => validType(type, false));
  if ((index & 1) === 0) return (value & ~(PHYSICAL_MASK & ~0xf00n)) === 0n && validType(value & 0xffn, false);
  return (value & ~(PHYSICAL_MASK & ~0x7ffn)) === 0n;
}
