/** The translation lookaside buffers: filled from page walks, emptied by the instructions that the manual names (SDM vol. 3A 4.10). */

import {
  CODE_GRANULES,
  FIELDS,
  MMU_INDEXES,
  MMU_SUPERVISOR,
  MMU_SUPERVISOR_USER_ACCESS,
  MMU_USER,
  TLB_ADDEND,
  TLB_BYTES,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB_PHYSICAL_PAGE,
  TLB_SLOW_CODE,
  TLB_SLOW_DEVICE,
  TLB_SLOW_WATCH,
  TLB_TAG,
  tlbReadAddress,
} from '../layout.ts';
import type { CpuState } from '../state.ts';
import { Access, type PageWalker } from './page-walk.ts';
import { Spans } from './spans.ts';

/** What `Tlb.fill` found. */
export const Fill = {
  /** Translated, in RAM, and entered: `physical` is valid. */
  RAM: 0,
  /** #PF with `errorCode`. */
  PAGE_FAULT: 1,
  /** Translated, but no RAM is there: `physical` is valid. */
  DEVICE: 2,
  /** The address is not canonical: #SS(0) for a stack access, else #GP(0). */
  NON_CANONICAL: 3,
} as const;

const TABLES = MMU_INDEXES * 2;
const FETCH_SLOTS = 65536;
const FETCH_CONTEXT_WORD = FIELDS.supervisorFetchContext.address >> 2;
const SLOTS = TABLES * TLB_ENTRIES;
/** Status bits of a slot: which logs name it, and whether its present entry is a global one. */
const IN_LOCAL_LOG = 1;
const IN_GLOBAL_LOG = 2;
const GLOBAL = 4;

/** Number of a linear page, exact in a double: `high` signed, so that canonical addresses stay below 2^52 in magnitude. */
export function linearPage(low: number, high: number): number {
  return high * 2 ** 20 + (low >>> 12);
}

/** Slots that have been filled since the log was last emptied. */
class FillLog {
  readonly slots = new Int32Array(SLOTS);
  count = 0;
}

/**
 * Owner of the TLB entries in the CPU's memory. Filled slots are kept in two logs, of global entries and of the others, so that a
 * flush costs what it drops and not what the tables hold.
 */
export class Tlb {
  /** Physical address of the last successful fill. */
  physical = 0;
  /** #PF error code of the last failed fill. */
  errorCode = 0;
  /** What translated code may rely on while the entries stay as they are. */
  readonly spans: Spans;

  readonly #state: CpuState;
  readonly #walker: PageWalker;
  readonly #words: Int32Array;
  readonly #ram: number;
  readonly #ramBytes: number;
  readonly #status = new Uint8Array(SLOTS);
  readonly #local = new FillLog();
  readonly #global = new FillLog();
  /** Linear page numbers, without their low 9 or 18 bits, of the large pages that live entries may belong to. */
  readonly #pages2M = new Set<number>();
  readonly #pages1G = new Set<number>();
  /** Supervisor's fetch context in which code was last looked up, by a hash of the linear page. */
  readonly #fetched = new Int32Array(FETCH_SLOTS);
  /** Code that is not global has been fetched outside ring 3 since all fetches were last forgotten. */
  #hasLocalSupervisorCode = false;
  /** Watchers of each linear page whose accesses must all take the slow path. */
  readonly #watched = new Map<number, number>();

  constructor(state: CpuState, walker: PageWalker) {
    this.#state = state;
    this.spans = new Spans(state);
    this.#walker = walker;
    this.#words = state.i32;
    this.#ram = state.ramAddress;
    this.#ramBytes = state.memoryBytes;
  }

  /**
   * Translates for an access that missed, sets accessed and dirty flags, and enters what later accesses may use.
   * @param low bits 31:0 and @param high bits 63:32 of the linear address, as i32
   * @param access a combination of `Access`; a fetch enters nothing
   */
  fill(low: number, high: number, access: number): number {
    const walker = this.#walker;
    if (walker.mode === '4-level' && high >> 15 !== 0 && high >> 15 !== -1) return Fill.NON_CANONICAL;
    if ((access & Access.FETCH) === 0 && this.#isKnownDevice(low, high, access)) return Fill.DEVICE;
    if (!walker.walk(low, high, access)) {
      this.errorCode = walker.errorCode;
      return Fill.PAGE_FAULT;
    }
    this.physical = walker.physical;
    if ((access & Access.FETCH) === 0) this.#enter(low, high, access);
    else this.#noteFetch(low, high, access);
    return this.physical >= this.#ramBytes ? Fill.DEVICE : Fill.RAM;
  }

  /** Remembers that code of a page, and of what kind a page, has been looked up in the present fetch contexts. */
  #noteFetch(low: number, high: number, access: number): void {
    this.#fetched[fetchSlot(low, high)] = this.#words[FETCH_CONTEXT_WORD] as number;
    if ((access & Access.USER) === 0 && !this.#walker.global) this.#hasLocalSupervisorCode = true;
  }

  /** A page of a device has an entry like any other, so that it is not walked for at each access. */
  #isKnownDevice(low: number, high: number, access: number): boolean {
    const word = wordOf(access, low);
    if (this.#words[word] !== ((low & ~0xfff) | TLB_SLOW_DEVICE) || this.#words[word + 1] !== high) return false;
    this.physical = (this.#words[word + TLB_PHYSICAL_PAGE / 4] as number) * 4096 + (low & 0xfff);
    return true;
  }

  /** @returns the physical address when an entry allows the access at full speed, else -1 */
  probe(low: number, high: number, access: number): number {
    const word = wordOf(access, low);
    if (this.#words[word] !== (low & ~0xfff) || this.#words[word + 1] !== high) return -1;
    return (this.#words[word + TLB_PHYSICAL_PAGE / 4] as number) * 4096 + (low & 0xfff);
  }

  #enter(low: number, high: number, access: number): void {
    const walker = this.#walker;
    const index = mmuIndex(access);
    const isDevice = this.physical >= this.#ramBytes;
    const isWatched = this.#watched.size > 0 && this.#watched.has(linearPage(low, high));
    const watch = isDevice ? TLB_SLOW_DEVICE : isWatched ? TLB_SLOW_WATCH : 0;
    this.#store(index * 2, low, high, watch);
    if (walker.writeReady) this.#store(index * 2 + 1, low, high, watch || this.#codeTag(this.physical));
    if (walker.pageShift === 12) return;
    const page = linearPage(low, high);
    if (walker.pageShift === 30) this.#pages1G.add(Math.floor(page / 2 ** 18));
    else this.#pages2M.add(Math.floor(page / 2 ** 9));
  }

  #store(table: number, low: number, high: number, slow: number): void {
    const slot = table * TLB_ENTRIES + ((low >>> 12) & (TLB_ENTRIES - 1));
    const word = (tlbReadAddress(0) + slot * TLB_ENTRY_BYTES) >>> 2;
    const page = low & ~0xfff;
    const physicalPage = Math.floor(this.physical / 4096);
    const isSame = this.#words[word] === (page | slow) && this.#words[word + 1] === high;
    const isFree = this.#words[word] === -1 && this.#words[word + 1] === -1;
    if (!isFree && !(isSame && this.#words[word + TLB_PHYSICAL_PAGE / 4] === physicalPage))
      this.spans.forget(tlbReadAddress(0) + table * TLB_BYTES);
    this.#words[word + TLB_TAG / 4] = page | slow;
    this.#words[word + TLB_TAG / 4 + 1] = high;
    this.#words[word + TLB_ADDEND / 4] = this.#ram + physicalPage * 4096 - page;
    this.#words[word + TLB_PHYSICAL_PAGE / 4] = physicalPage;
    this.#enterLog(slot);
  }

  #enterLog(slot: number): void {
    const { global } = this.#walker;
    const log = global ? this.#global : this.#local;
    const mark = global ? IN_GLOBAL_LOG : IN_LOCAL_LOG;
    const status = (this.#status[slot] as number) & ~GLOBAL;
    if ((status & mark) === 0) log.slots[log.count++] = slot;
    this.#status[slot] = status | mark | (global ? GLOBAL : 0);
  }

  #codeTag(physical: number): number {
    const word = (CODE_GRANULES >>> 2) + Math.floor(physical / 4096) * 2;
    return (this.#words[word] as number) | (this.#words[word + 1] as number) ? TLB_SLOW_CODE : 0;
  }

  #clear(slot: number): void {
    const word = (tlbReadAddress(0) + slot * TLB_ENTRY_BYTES) >>> 2;
    this.#words[word + TLB_TAG / 4] = -1;
    this.#words[word + TLB_TAG / 4 + 1] = -1;
  }

  /** Drops every entry, or every entry that is not global (MOV to CR3 with CR4.PGE set). */
  flush(keepGlobal: boolean): void {
    if (keepGlobal && !this.#hasLocalSupervisorCode) this.#state.forgetUserFetches();
    else this.#forgetFetches();
    this.spans.forgetAll();
    this.#empty(this.#local, IN_LOCAL_LOG, 0);
    if (keepGlobal) return;
    this.#empty(this.#global, IN_GLOBAL_LOG, GLOBAL);
    this.#pages2M.clear();
    this.#pages1G.clear();
  }

  /** Empties a log, and clears its slots that still hold an entry of its kind. @param kind GLOBAL or 0 */
  #empty(log: FillLog, mark: number, kind: number): void {
    const status = this.#status;
    for (let i = 0; i < log.count; i++) {
      const slot = log.slots[i] as number;
      if (((status[slot] as number) & GLOBAL) === kind) this.#clear(slot);
      status[slot] = (status[slot] as number) & ~mark;
    }
    log.count = 0;
  }

  /** INVLPG: drops the page that holds the address, global or not, and all of it when it is a large one. */
  invalidatePage(low: number, high: number): void {
    this.#forgetFetches();
    this.spans.forgetAll();
    const page = linearPage(low, high);
    if (this.#pages1G.has(Math.floor(page / 2 ** 18))) this.#dropRange(page, 2 ** 18);
    else if (this.#pages2M.has(Math.floor(page / 2 ** 9))) this.#dropRange(page, 2 ** 10);
    else this.#dropSmallPage(low, high);
  }

  /** INVLPG of a small page that no code has been fetched from. @returns 0, with nothing done, when it may be another */
  invalidateData(low: number, high: number): 0 | 1 {
    const page = linearPage(low, high);
    const isLarge = this.#pages1G.has(Math.floor(page / 2 ** 18)) || this.#pages2M.has(Math.floor(page / 2 ** 9));
    if (isLarge || this.#fetched[fetchSlot(low, high)] === this.#words[FETCH_CONTEXT_WORD]) return 0;
    this.#dropSmallPage(low, high);
    return 1;
  }

  #dropSmallPage(low: number, high: number): void {
    for (let table = 0; table < TABLES; table++) {
      const slot = table * TLB_ENTRIES + ((low >>> 12) & (TLB_ENTRIES - 1));
      if (this.#pageOf(slot) !== linearPage(low, high)) continue;
      this.spans.forget(tlbReadAddress(0) + table * TLB_BYTES);
      this.#clear(slot);
    }
  }

  #forgetFetches(): void {
    this.#hasLocalSupervisorCode = false;
    this.#state.forgetFetches();
  }

  /** Drops the aligned group of `pages` pages around one; 4-MByte pages are why 2-MByte ones drop their neighbour too. */
  #dropRange(page: number, pages: number): void {
    const group = Math.floor(page / pages);
    for (const { slots, count } of [this.#local, this.#global]) {
      for (let i = 0; i < count; i++) {
        const slot = slots[i] as number;
        if (Math.floor(this.#pageOf(slot) / pages) === group) this.#clear(slot);
      }
    }
  }

  #pageOf(slot: number): number {
    const word = (tlbReadAddress(0) + slot * TLB_ENTRY_BYTES) >>> 2;
    return linearPage(this.#words[word] as number, this.#words[word + 1] as number);
  }

  /** Makes every write to a physical page look at the code granules from now on: code has been decoded from it. */
  holdCode(physicalPage: number): void {
    this.spans.forgetAll();
    for (const { slots, count } of [this.#local, this.#global]) {
      for (let i = 0; i < count; i++) this.#holdSlot(slots[i] as number, physicalPage);
    }
  }

  #holdSlot(slot: number, physicalPage: number): void {
    const word = (tlbReadAddress(0) + slot * TLB_ENTRY_BYTES) >>> 2;
    const writes = (Math.floor(slot / TLB_ENTRIES) & 1) === 1;
    if (!writes || this.#words[word + TLB_PHYSICAL_PAGE / 4] !== physicalPage) return;
    const tag = this.#words[word] as number;
    if ((tag & 0xfff) === 0) this.#words[word] = tag | TLB_SLOW_CODE;
  }

  /** Sends every access to a linear page through the slow path, until as many `unwatch`es. @param page `linearPage` */
  watch(page: number): void {
    this.spans.forgetAll();
    this.#watched.set(page, (this.#watched.get(page) ?? 0) + 1);
    this.#dropRange(page, 1);
  }

  unwatch(page: number): void {
    const watchers = (this.#watched.get(page) ?? 1) - 1;
    if (watchers > 0) this.#watched.set(page, watchers);
    else this.#watched.delete(page);
    this.#dropRange(page, 1);
  }
}

/** Position of a linear page in the hash table of fetched pages. */
function fetchSlot(low: number, high: number): number {
  return ((low >>> 12) ^ Math.imul(high, 0x9e3779b1)) & (FETCH_SLOTS - 1);
}

/** Index in `i32` of the entry that an access may use. */
function wordOf(access: number, low: number): number {
  const table = mmuIndex(access) * 2 + ((access & Access.WRITE) === 0 ? 0 : 1);
  const slot = table * TLB_ENTRIES + ((low >>> 12) & (TLB_ENTRIES - 1));
  return (tlbReadAddress(0) + slot * TLB_ENTRY_BYTES) >>> 2;
}

function mmuIndex(access: number): number {
  if ((access & Access.USER) !== 0) return MMU_USER;
  return (access & Access.USER_PAGES_ALLOWED) !== 0 ? MMU_SUPERVISOR_USER_ACCESS : MMU_SUPERVISOR;
}
