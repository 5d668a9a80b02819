/** Page-table walks (SDM vol. 3A chapter 4): unpaged, 32-bit, PAE and 4-level paging behind one function. */

import { FIELDS, PDPTES } from '../layout.ts';
import type { CpuState } from '../state.ts';
import { Cr0, Cr4, Efer } from './control-bits.ts';

/** Physical address bits, as CPUID leaf 80000008H reports them. */
export const PHYSICAL_ADDRESS_BITS = 40;

/** What an access is, in the bit positions of the #PF error code; the last one is ours and never reported. */
export const Access = {
  /** A read by the processor itself, of a descriptor table or a TSS: supervisor, and SMAP applies whatever EFLAGS.AC says. */
  SYSTEM: 0,
  WRITE: 2,
  USER: 4,
  FETCH: 16,
  /** An explicit supervisor data access with EFLAGS.AC set: SMAP does not apply. */
  USER_PAGES_ALLOWED: 0x100,
} as const;

/** Bits of the low half of an entry (SDM vol. 3A tables 4-14 to 4-20). */
export const Entry = {
  PRESENT: 1,
  WRITABLE: 2,
  USER: 4,
  ACCESSED: 0x20,
  DIRTY: 0x40,
  LARGE: 0x80,
  GLOBAL: 0x100,
} as const;
const { PRESENT, WRITABLE, USER, ACCESSED, DIRTY, LARGE, GLOBAL } = Entry;
const ERROR_RESERVED = 8;
const NO_EXECUTE = 0x8000_0000 | 0;

/** Bits 51:MAXPHYADDR of an entry, in its high half. */
const RESERVED_ADDRESS_BITS = 0x000f_ffff & ~((1 << (PHYSICAL_ADDRESS_BITS - 32)) - 1);
const ADDRESS_HIGH = (1 << (PHYSICAL_ADDRESS_BITS - 32)) - 1;
/** The bits of a 64-bit entry that say where the table or the small page is. */
export const ENTRY_ADDRESS = (BigInt(ADDRESS_HIGH) << 32n) | 0xffff_f000n;

/** One level of a walk, as a debugger shows it. */
export interface WalkLevel {
  /** Name of the structure the entry belongs to. */
  readonly structure: 'PML4' | 'PDPT' | 'PD' | 'PT';
  readonly index: number;
  /** Physical address of the entry (for PAE paging's PDPTEs: their index in the PDPTE registers, as no memory is read). */
  readonly entryAddress: number;
  readonly entry: bigint;
}

type Mode = 'unpaged' | '32-bit' | 'PAE' | '4-level';

const STRUCTURES = ['', 'PT', 'PD', 'PDPT', 'PML4'] as const;

/**
 * Translates linear addresses. One walk leaves its results in the public fields, so that a TLB miss allocates nothing.
 * The caller checks canonicality first.
 */
export class PageWalker {
  /** Result of the last successful walk: the physical address. */
  physical = 0;
  /** 12, 21, 22 or 30: log2 of the size of the page found. */
  pageShift = 12;
  /** The page may be written by the privilege that asked, and its dirty flag is set. */
  writeReady = false;
  /** The page survives a MOV to CR3. */
  global = false;
  /** Error code of the last walk that failed. */
  errorCode = 0;

  readonly #state: CpuState;
  readonly #words: Int32Array;
  readonly #ramBytes: number;
  #mode: Mode = 'unpaged';
  #root = 0;
  #writeProtect = false;
  #noExecute = false;
  #reservedHigh = 0;
  #pageSizeExtensions = false;
  #globalPages = false;
  #smep = false;
  #smap = false;
  /** PAE paging's PDPTE registers, low and high halves. */
  readonly #pdptes: Int32Array;

  constructor(state: CpuState) {
    this.#state = state;
    this.#words = new Int32Array(state.memory.buffer, state.ramAddress, state.memoryBytes >>> 2);
    this.#ramBytes = state.memoryBytes;
    this.#pdptes = new Int32Array(state.memory.buffer, PDPTES, 8);
    this.configure();
  }

  get mode(): Mode {
    return this.#mode;
  }

  /** Takes over CR0, CR3, CR4 and EFER after any change to them. */
  configure(): void {
    const [cr0, cr4, efer] = [this.#state.get('cr0'), this.#state.get('cr4'), this.#state.get('efer')];
    if ((cr0 & Cr0.PG) === 0) this.#mode = 'unpaged';
    else if ((efer & Efer.LMA) !== 0) this.#mode = '4-level';
    else this.#mode = (cr4 & Cr4.PAE) !== 0 ? 'PAE' : '32-bit';
    this.#root = Number(this.#state.get64('cr3') & 0x000f_ffff_ffff_f000n);
    this.#writeProtect = (cr0 & Cr0.WP) !== 0;
    this.#pageSizeExtensions = (cr4 & Cr4.PSE) !== 0;
    this.#globalPages = (cr4 & Cr4.PGE) !== 0;
    this.#smep = (cr4 & Cr4.SMEP) !== 0;
    this.#smap = (cr4 & Cr4.SMAP) !== 0;
    this.#noExecute = (cr4 & Cr4.PAE) !== 0 && (efer & Efer.NXE) !== 0;
    this.#reservedHigh = RESERVED_ADDRESS_BITS | (this.#noExecute ? 0 : NO_EXECUTE);
    if (this.#mode === 'PAE') this.#reservedHigh |= 0x7ff0_0000;
    this.#describe();
  }

  /** Leaves what the engine's own walks go by. */
  #describe(): void {
    const state = this.#state;
    const isInRam = this.#mode === '4-level' && this.#root + 4096 <= this.#ramBytes;
    state.set('walkTable', isInRam ? state.ramAddress + this.#root : 0);
    state.setHalves(FIELDS.walkReserved.address, 0, this.#reservedHigh);
    state.set('walkSupervisorWrite', this.#writeProtect ? WRITABLE : 0);
    state.set('walkGlobal', this.#globalPages ? GLOBAL : 0);
  }

  /**
   * Loads the PDPTE registers from the table at `cr3` (SDM vol. 3A 4.4.1).
   * @returns false when a present entry has a reserved bit set: the MOV to CR must raise #GP(0), and nothing is loaded.
   */
  loadPdptes(cr3: bigint): boolean {
    const table = Number(cr3 & 0xffff_ffe0n);
    const loaded = new Int32Array(8);
    for (let i = 0; i < 4; i++) {
      const low = this.#word(table + i * 8);
      const high = this.#word(table + i * 8 + 4);
      if ((low & PRESENT) !== 0 && ((low & 0x1e6) !== 0 || (high & ~ADDRESS_HIGH) !== 0)) return false;
      loaded[i * 2] = low;
      loaded[i * 2 + 1] = high;
    }
    this.#pdptes.set(loaded);
    return true;
  }

  /**
   * Walks for an access and sets accessed and dirty flags as the processor does.
   * @param low bits 31:0 of the linear address, @param high bits 63:32, both as i32
   * @param access a combination of `Access`
   * @returns true with `physical` and its companions filled in, or false with `errorCode`
   */
  walk(low: number, high: number, access: number): boolean {
    return this.#dispatch(low, high, access, true, null);
  }

  /** The same walk with no effect on memory; `levels`, when given, receives each entry met. */
  inspect(low: number, high: number, access: number, levels: WalkLevel[] | null = null): boolean {
    return this.#dispatch(low, high, access, false, levels);
  }

  #dispatch(low: number, high: number, access: number, update: boolean, levels: WalkLevel[] | null): boolean {
    switch (this.#mode) {
      case 'unpaged':
        this.physical = low >>> 0;
        this.pageShift = 12;
        this.writeReady = true;
        this.global = false;
        return true;
      case '32-bit':
        return this.#walk32(low, access, update, levels);
      case 'PAE':
        return this.#walkPae(low, access, update, levels);
      case '4-level':
        return this.#walk64(low, high, access, update, levels, 4, this.#root);
    }
  }

  #walkPae(low: number, access: number, update: boolean, levels: WalkLevel[] | null): boolean {
    const index = low >>> 30;
    const pdpteLow = this.#pdptes[index * 2] as number;
    const pdpteHigh = this.#pdptes[index * 2 + 1] as number;
    levels?.push({ structure: 'PDPT', index, entryAddress: index, entry: entryValue(pdpteLow, pdpteHigh) });
    if ((pdpteLow & PRESENT) === 0) return this.#fault(access, 0);
    const table = ((pdpteLow & 0xffff_f000) >>> 0) + (pdpteHigh & ADDRESS_HIGH) * 0x1_0000_0000;
    return this.#walk64(low, 0, access, update, levels, 2, table);
  }

  #walk64(
    low: number,
    high: number,
    access: number,
    update: boolean,
    levels: WalkLevel[] | null,
    topLevel: number,
    root: number,
  ): boolean {
    let table = root;
    let rights = USER | WRITABLE;
    let noExecute = 0;
    for (let level = topLevel; ; level--) {
      const index = indexAt(low, high, level);
      const address = table + index * 8;
      const entryLow = this.#word(address);
      const entryHigh = this.#word(address + 4);
      const structure = STRUCTURES[level] as WalkLevel['structure'];
      levels?.push({ structure, index, entryAddress: address, entry: entryValue(entryLow, entryHigh) });
      if ((entryLow & PRESENT) === 0) return this.#fault(access, 0);
      const leaf = level === 1 || ((entryLow & LARGE) !== 0 && level < 4);
      if ((entryHigh & this.#reservedHigh) !== 0 || (entryLow & reservedLow(level, leaf)) !== 0) {
        return this.#fault(access, PRESENT | ERROR_RESERVED);
      }
      rights &= entryLow;
      noExecute |= entryHigh & NO_EXECUTE;
      if (leaf) {
        if (!this.#permits(access, rights, noExecute !== 0)) return this.#fault(access, PRESENT);
        this.#finish(entryLow, access, rights, address, update);
        this.pageShift = 3 + level * 9;
        const offsetMask = (1 << this.pageShift) - 1;
        const base = ((entryLow & 0xffff_f000 & ~offsetMask) >>> 0) + (entryHigh & ADDRESS_HIGH) * 0x1_0000_0000;
        this.physical = base + (low & offsetMask);
        return true;
      }
      if (update && (entryLow & ACCESSED) === 0) this.#setFlags(address, entryLow | ACCESSED);
      table = ((entryLow & 0xffff_f000) >>> 0) + (entryHigh & ADDRESS_HIGH) * 0x1_0000_0000;
    }
  }

  #walk32(low: number, access: number, update: boolean, levels: WalkLevel[] | null): boolean {
    let table = this.#root % 2 ** 32;
    let rights = USER | WRITABLE;
    for (let level = 2; ; level--) {
      const index = (low >>> (level === 2 ? 22 : 12)) & 0x3ff;
      const address = table + index * 4;
      const entry = this.#word(address);
      levels?.push({
        structure: STRUCTURES[level] as WalkLevel['structure'],
        index,
        entryAddress: address,
        entry: entryValue(entry, 0),
      });
      if ((entry & PRESENT) === 0) return this.#fault(access, 0);
      const large = level === 2 && this.#pageSizeExtensions && (entry & LARGE) !== 0;
      // PSE-36: bits 20:13 of a 4-MByte entry are address bits 39:32; bit 21 is reserved.
      if (large && (entry & 0x20_0000) !== 0) return this.#fault(access, PRESENT | ERROR_RESERVED);
      rights &= entry;
      if (level === 1 || large) {
        if (!this.#permits(access, rights, false)) return this.#fault(access, PRESENT);
        this.#finish(entry, access, rights, address, update);
        this.pageShift = large ? 22 : 12;
        this.physical = large
          ? ((entry & 0xffc0_0000) >>> 0) + ((entry >>> 13) & 0xff) * 2 ** 32 + (low & 0x3f_ffff)
          : ((entry & 0xffff_f000) >>> 0) + (low & 0xfff);
        return true;
      }
      if (update && (entry & ACCESSED) === 0) this.#setFlags(address, entry | ACCESSED);
      table = (entry & 0xffff_f000) >>> 0;
    }
  }

  /** SDM vol. 3A 4.6.1. */
  #permits(access: number, rights: number, noExecute: boolean): boolean {
    const userPage = (rights & USER) !== 0;
    if ((access & Access.USER) !== 0 && !userPage) return false;
    if ((access & Access.FETCH) !== 0) {
      if (noExecute && this.#noExecute) return false;
      return !(this.#smep && userPage && (access & Access.USER) === 0);
    }
    if (this.#smap && userPage && (access & (Access.USER | Access.USER_PAGES_ALLOWED)) === 0) return false;
    return (access & Access.WRITE) === 0 || this.#writable(access, rights);
  }

  #writable(access: number, rights: number): boolean {
    return (rights & WRITABLE) !== 0 || ((access & Access.USER) === 0 && !this.#writeProtect);
  }

  #finish(entry: number, access: number, rights: number, address: number, update: boolean): void {
    const flags = entry | ACCESSED | ((access & Access.WRITE) !== 0 ? DIRTY : 0);
    if (update && flags !== entry) this.#setFlags(address, flags);
    this.writeReady = (flags & DIRTY) !== 0 && this.#writable(access, rights);
    this.global = this.#globalPages && (entry & GLOBAL) !== 0;
  }

  #fault(access: number, cause: number): false {
    let code = cause | (access & (Access.WRITE | Access.USER));
    if ((access & Access.FETCH) !== 0 && (this.#noExecute || this.#smep)) code |= Access.FETCH;
    this.errorCode = code;
    return false;
  }

  /** Where there is no RAM a read gives all ones, here as everywhere. */
  #word(address: number): number {
    return address < this.#ramBytes ? (this.#words[address >>> 2] as number) : -1;
  }

  #setFlags(address: number, entryLow: number): void {
    this.#words[address >>> 2] = entryLow;
  }
}

function indexAt(low: number, high: number, level: number): number {
  switch (level) {
    case 1:
      return (low >>> 12) & 0x1ff;
    case 2:
      return (low >>> 21) & 0x1ff;
    case 3:
      return ((low >>> 30) | (high << 2)) & 0x1ff;
    default:
      return (high >>> 7) & 0x1ff;
  }
}

/** Reserved bits in the low half of a 64-bit entry (SDM vol. 3A tables 4-14 to 4-20). */
function reservedLow(level: number, leaf: boolean): number {
  if (level === 4) return LARGE;
  if (!leaf || level === 1) return 0;
  return level === 3 ? 0x3fff_e000 : 0x001f_e000;
}

function entryValue(low: number, high: number): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}
