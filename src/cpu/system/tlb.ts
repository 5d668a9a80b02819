/** The translation lookaside buffers: filled from page walks, emptied by the instructions that the manual names (SDM vol. 3A 4.10). */

import {
  CODE_GRANULES,
  FETCHED_PAGES,
  FIELDS,
  LARGE_1G,
  LARGE_4M,
  LARGE_PAGES,
  MMU_INDEXES,
  MMU_SUPERVISOR,
  MMU_SUPERVISOR_USER_ACCESS,
  MMU_USER,
  PAGE_HASH_FACTOR,
  PAGE_HASHES,
  TLB_ADDEND,
  TLB_BYTES,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB_GLOBAL,
  TLB_GLOBAL_LOG,
  TLB_IN_GLOBAL_LOG,
  TLB_IN_LOCAL_LOG,
  TLB_LOCAL_LOG,
  TLB_PHYSICAL_PAGE,
  TLB_SLOW_CODE,
  TLB_SLOW_DEVICE,
  TLB_SLOW_WATCH,
  TLB_STATUS,
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
const FETCHED = FETCHED_PAGES >> 2;
const FETCH_CONTEXT_WORD = FIELDS.supervisorFetchContext.address >> 2;
const WATCHED_WORD = FIELDS.watchedPages.address >> 2;

/** A log of filled slots: the word that counts them and comes before them, its mark in TLB_STATUS, and that of its entries. */
interface FillLog {
  readonly count: number;
  readonly mark: number;
  readonly kind: number;
}
const LOCAL_LOG: FillLog = { count: TLB_LOCAL_LOG >> 2, mark: TLB_IN_LOCAL_LOG, kind: 0 };
const GLOBAL_LOG: FillLog = { count: TLB_GLOBAL_LOG >> 2, mark: TLB_IN_GLOBAL_LOG, kind: TLB_GLOBAL };

/** Number of a linear page, exact in a double: `high` signed, so that canonical addresses stay below 2^52 in magnitude. */
export function linearPage(low: number, high: number): number {
  return high * 2 ** 20 + (low >>> 12);
}

/**
 * Owner of the TLB entries in the CPU's memory, and of what is noted beside them, which an engine's own walks keep as this class does
 * (interpreter/tlb-misses.ts). Filled slots are kept in two logs, of global entries and of the others, so that a flush costs what it
 * drops and not what the tables hold.
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
  readonly #bytes: Uint8Array;
  /** Code that is not global has been fetched outside ring 3 since all fetches were last forgotten. */
  #hasLocalSupervisorCode = false;
  /** Watchers of each linear page whose accesses must all take the slow path. */
  readonly #watched = new Map<number, number>();

  constructor(state: CpuState, walker: PageWalker) {
    this.#state = state;
    this.spans = new Spans(state);
    this.#walker = walker;
    this.#words = state.i32;
    this.#bytes = state.u8;
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
    this.#words[FETCHED + hashPage(low >>> 12, high)] = this.#words[FETCH_CONTEXT_WORD] as number;
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
    if (walker.pageShift === 30) this.#bytes[largePage(low >>> 30, high)]! |= LARGE_1G;
    else if (walker.pageShift !== 12) this.#bytes[largePage(low >>> 22, high)]! |= LARGE_4M;
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
    const log = this.#walker.global ? GLOBAL_LOG : LOCAL_LOG;
    const status = (this.#bytes[TLB_STATUS + slot] as number) & ~TLB_GLOBAL;
    if ((status & log.mark) === 0) this.#words[log.count + ++this.#words[log.count]!] = slot;
    this.#bytes[TLB_STATUS + slot] = status | log.mark | log.kind;
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
    this.#empty(LOCAL_LOG);
    if (keepGlobal) return;
    this.#empty(GLOBAL_LOG);
    this.#bytes.fill(0, LARGE_PAGES, LARGE_PAGES + PAGE_HASHES);
  }

  /** Empties a log, and clears its slots that still hold an entry of its kind. */
  #empty({ count, mark, kind }: FillLog): void {
    const [words, bytes] = [this.#words, this.#bytes];
    const last = count + (words[count] as number);
    for (let at = count + 1; at <= last; at++) {
      const slot = words[at] as number;
      const status = bytes[TLB_STATUS + slot] as number;
      if ((status & TLB_GLOBAL) === kind) this.#clear(slot);
      bytes[TLB_STATUS + slot] = status & ~mark;
    }
    words[count] = 0;
  }

  /** Visits the slots of both logs, some of them twice. */
  #forEachFilled(visit: (slot: number) => void): void {
    const words = this.#words;
    for (const { count } of [LOCAL_LOG, GLOBAL_LOG]) {
      for (let i = 1; i <= (words[count] as number); i++) visit(words[count + i] as number);
    }
  }

  /** INVLPG: drops the page that holds the address, global or not, and all of it when it may be a large one. */
  invalidatePage(low: number, high: number): void {
    this.#forgetFetches();
    this.spans.forgetAll();
    const page = linearPage(low, high);
    if ((this.#bytes[largePage(low >>> 30, high)]! & LARGE_1G) !== 0) this.#dropRange(page, 2 ** 18);
    else if ((this.#bytes[largePage(low >>> 22, high)]! & LARGE_4M) !== 0) this.#dropRange(page, 2 ** 10);
    else this.#dropSmallPage(low, high);
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
    this.#forEachFilled((slot) => {
      if (Math.floor(this.#pageOf(slot) / pages) === group) this.#clear(slot);
    });
  }

  #pageOf(slot: number): number {
    const word = (tlbReadAddress(0) + slot * TLB_ENTRY_BYTES) >>> 2;
    return linearPage(this.#words[word] as number, this.#words[word + 1] as number);
  }

  /** Makes every write to a physical page look at the code granules from now on: code has been decoded from it. */
  holdCode(physicalPage: number): void {
    this.spans.forgetAll();
    this.#forEachFilled((slot) => this.#holdSlot(slot, physicalPage));
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
    this.#words[WATCHED_WORD] = this.#watched.size;
    this.#dropRange(page, 1);
  }

  unwatch(page: number): void {
    const watchers = (this.#watched.get(page) ?? 1) - 1;
    if (watchers > 0) this.#watched.set(page, watchers);
    else this.#watched.delete(page);
    this.#words[WATCHED_WORD] = this.#watched.size;
    this.#dropRange(page, 1);
  }
}

/** Where a page is in the tables by hash. @param number bits 31 down to its lowest of the address @param high bits 63:32 */
function hashPage(number: number, high: number): number {
  return (number ^ Math.imul(high, PAGE_HASH_FACTOR)) & (PAGE_HASHES - 1);
}

/** Address of the byte for a large page. */
const largePage = (number: number, high: number): number => LARGE_PAGES + hashPage(number, high);

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
