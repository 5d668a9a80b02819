import type { Decoder } from './decode/decoder.ts';
import { Instruction } from './decode/instruction.ts';
import { CodeCache, type CodeSource, UNFETCHABLE } from './interpreter/code-cache.ts';
import type { CodePage } from './interpreter/code-page.ts';
import type { RecordWriter } from './interpreter/record-writer.ts';
import * as R from './interpreter/records.ts';
import type { Templates } from './interpreter/templates.ts';
import { FIELDS, MODE, MODE_DECODE_MASK, NO_FETCH_CONTEXT, SS } from './layout.ts';
import type { PendingFault } from './pending-fault.ts';
import type { CpuState } from './state.ts';
import type { SystemUnit } from './system/system-unit.ts';
import { Fill } from './system/tlb.ts';
import { Vector } from './system/vectors.ts';

const PAGE = 4096;
const RECENT = 1024;
const RIP_WORD = FIELDS.rip.address >> 2;

/** From RIP to decoded code: the segment's limit, the page walk of a fetch, the code cache. Faults are left pending. */
export class CodeFetch implements CodeSource {
  readonly cache: CodeCache;
  /** Every look-up is to be seen by the driver. */
  leavesRuns = false;
  /** The page in which `lookup` last found a record. */
  page: CodePage | undefined;

  readonly #state: CpuState;
  readonly #system: SystemUnit;
  readonly #writer: RecordWriter;
  readonly #fault: PendingFault;
  readonly #instruction = new Instruction();
  /** Recently fetched pages by linear page: tags and what they lead to. */
  readonly #tags = new Float64Array(RECENT).fill(-1);
  readonly #contexts = new Int32Array(RECENT);
  readonly #pages: (CodePage | undefined)[] = new Array<CodePage | undefined>(RECENT).fill(undefined);
  #codeBase = 0n;
  #codeLimit = 0;

  constructor(
    state: CpuState,
    system: SystemUnit,
    decoder: Decoder,
    templates: Templates,
    writer: RecordWriter,
    fault: PendingFault,
  ) {
    this.#state = state;
    this.#system = system;
    this.#writer = writer;
    this.#fault = fault;
    this.cache = new CodeCache(state, decoder, this, writer, templates);
  }

  /** @returns the record at RIP when no look-up is needed to know it, else 0 */
  known(): number {
    const { mode, i32 } = this.#state;
    return mode & MODE.code64 ? this.cache.find(i32[RIP_WORD]!, i32[RIP_WORD + 1]!) : 0;
  }

  /** @returns the record at RIP, or 0 with a fault pending */
  lookup(): number {
    const state = this.#state;
    const low = state.i32[RIP_WORD]!;
    const high = state.i32[RIP_WORD + 1]!;
    const mode = state.mode;
    let linearLow = low;
    let linearHigh = high;
    if ((mode & MODE.code64) === 0) {
      if (low >>> 0 > state.cs.limit) return this.#fault.raise(Vector.GENERAL_PROTECTION, 0);
      this.#followCodeSegment();
      linearLow = (low + Number(this.#codeBase)) | 0;
      linearHigh = 0;
    }
    const page = this.#fetchPage(linearLow, linearHigh, low, high, mode);
    if (page === undefined) return 0;
    this.page = page;
    this.cache.reserve();
    const record = this.cache.record(this.#current(page), this.offset());
    if (record !== 0) this.cache.remember(low, high, record);
    return record;
  }

  /** Within a run. @returns the record at RIP, or 0 where the run must end: the driver does what there is to do */
  lookupInRun(): number {
    return this.leavesRuns || this.#state.fetchContext === NO_FETCH_CONTEXT ? 0 : this.lookup();
  }

  /** Within a run: makes the branch that a link stub stands for find its target from now on, if it can be looked up. */
  link(stub: number): void {
    if (this.leavesRuns) return;
    const { generation } = this.cache;
    const record = this.#lookupAt(stub);
    if (record !== 0 && this.cache.generation === generation) this.cache.link(stub, record);
  }

  /** Decodes a dropped record anew, or makes it find what stands for it now. @returns the record at its RIP, or 0 with a fault pending */
  renew(dropped: number): number {
    if (this.cache.renew(dropped)) {
      this.page = this.#writer.pageOf(dropped);
      return dropped;
    }
    const { generation } = this.cache;
    const record = this.#lookupAt(dropped);
    if (record !== 0 && this.cache.generation === generation) this.cache.supersede(dropped);
    return record;
  }

  /**
   * `renew` within a run.
   * @returns 1 when the record may be executed; 0 when control must go on at its RIP; -1, with nothing done, when only the driver can go on
   */
  renewInRun(dropped: number): -1 | 0 | 1 {
    if (this.cache.renew(dropped)) return 1;
    if (this.leavesRuns) return -1;
    const { generation } = this.cache;
    return this.renew(dropped) === 0 && this.cache.generation === generation ? -1 : 0;
  }

  #lookupAt(record: number): number {
    const words = this.#state.i32;
    words[RIP_WORD] = words[(record + R.RIP) >> 2]!;
    words[RIP_WORD + 1] = words[(record + R.RIP + 4) >> 2]!;
    return this.lookup();
  }

  /** @returns a record at RIP for one instruction by itself, or 0 with a fault pending */
  lookupSingle(): number {
    return this.lookup() === 0 ? 0 : this.cache.single(this.page!, this.offset());
  }

  /** The instruction at RIP, decoded on the spot. It is overwritten by the next such call. */
  decodeHere(): Instruction {
    this.lookup();
    this.cache.decode(this.page!, this.offset(), this.#instruction);
    return this.#instruction;
  }

  /** Whether the memory operand of a record's instruction is in the stack segment. */
  isStackOperand(record: number): boolean {
    const page = this.#writer.pageOf(record);
    if (page === undefined) return false;
    const offset = (this.#state.i32[(record + R.RIP) >> 2]! - page.ripBase) & (PAGE - 1);
    return this.cache.decode(page, offset, this.#instruction) >= 0 && this.#instruction.segment === SS;
  }

  /** Offset of RIP in the page. */
  offset(): number {
    return ((this.#state.i32[RIP_WORD]! - (this.page!.ripBase | 0)) | 0) & (PAGE - 1);
  }

  fetchBehind(page: CodePage, offset: number): number {
    const state = this.#state;
    const rip = page.ripBase + offset;
    if (!state.mode64 && rip > state.cs.limit) {
      this.#fault.raise(Vector.GENERAL_PROTECTION, 0);
      return UNFETCHABLE;
    }
    const base = state.mode64 ? 0 : Number(state.cs.base);
    const linear = state.mode64 ? rip : (rip + base) % 2 ** 32;
    const code = this.#system.fetch(linear | 0, Math.floor(linear / 2 ** 32) | 0);
    if (code === Fill.RAM) return this.#system.tlb.physical;
    if (code === Fill.PAGE_FAULT) this.#fault.pageFault();
    else this.#fault.raise(Vector.GENERAL_PROTECTION, 0);
    return UNFETCHABLE;
  }

  holdCode(physicalPage: number): void {
    this.#system.tlb.holdCode(physicalPage);
  }

  /** Outside 64-bit mode records hold linear addresses, so that they belong to one base of CS. */
  #followCodeSegment(): void {
    const { base, limit } = this.#state.cs;
    if (base === this.#codeBase && limit === this.#codeLimit) return;
    this.#codeBase = base;
    this.#codeLimit = limit;
    this.#writer.codeBase = Number(base);
    this.#state.forgetFetches();
  }

  /** The page again, after a reserve that may have dropped it. */
  #current(page: CodePage): CodePage {
    this.page = this.cache.page(page.physicalPage, page.ripBase, page.mode, page.limit);
    return this.page;
  }

  #fetchPage(linearLow: number, linearHigh: number, low: number, high: number, mode: number): CodePage | undefined {
    const context = this.#state.fetchContext;
    const tag = linearHigh * 2 ** 20 + (linearLow >>> 12);
    const slot = tag & (RECENT - 1);
    const ripBase = high * 2 ** 32 + (low >>> 0) - (linearLow & (PAGE - 1));
    const limit = this.#lastRip();
    if (this.#tags[slot] === tag && this.#contexts[slot] === context) {
      const known = this.#pages[slot]!;
      if (known.ripBase === ripBase && known.mode === (mode & MODE_DECODE_MASK) && known.limit === limit) return known;
    }
    if (!this.#fetch(linearLow, linearHigh)) return undefined;
    const physicalPage = Math.floor(this.#system.tlb.physical / PAGE);
    const page = this.cache.page(physicalPage, ripBase, mode & MODE_DECODE_MASK, limit);
    this.#tags[slot] = tag;
    this.#contexts[slot] = context;
    this.#pages[slot] = page;
    return page;
  }

  /** @returns whether there is RAM to fetch from, at tlb.physical; else a fault is pending */
  #fetch(linearLow: number, linearHigh: number): boolean {
    const code = this.#system.fetch(linearLow, linearHigh);
    if (code === Fill.RAM) return true;
    if (code === Fill.PAGE_FAULT) this.#fault.pageFault();
    else if (code === Fill.NON_CANONICAL) this.#fault.raise(Vector.GENERAL_PROTECTION, 0);
    else this.#fault.raise(Vector.INVALID_OPCODE);
    return false;
  }

  /** The last RIP that may be fetched. */
  #lastRip(): number {
    return this.#state.mode64 ? Number.POSITIVE_INFINITY : this.#state.cs.limit;
  }
}
