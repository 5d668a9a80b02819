import { MAX_LENGTH } from '../decode/decoder.ts';
import { FORMS } from '../decode/forms.ts';
import type { CodeCache } from '../interpreter/code-cache.ts';
import type { CodePage } from '../interpreter/code-page.ts';
import { jumpCacheIndex } from '../interpreter/generate.ts';
import type { RecordWriter } from '../interpreter/record-writer.ts';
import * as R from '../interpreter/records.ts';
import { FLAT_SEGMENT, JUMP_CACHE, ZERO_SLOT } from '../layout.ts';
import type { CpuState } from '../state.ts';
import type { Programs, TranslatableProgram } from './programs.ts';
import {
  type Block,
  type Candidate,
  type Exit,
  type Leaving,
  REGION_LIMIT,
  type Region,
  type RegionInstruction,
} from './region.ts';
import { matchReturns, RETURN_OF } from './returns.ts';

const PAGE = 4096;

/** What is found at one record. */
export interface Step {
  readonly mnemonic: string;
  readonly instruction: RegionInstruction;
  /** Where a branch goes that is followed; 0 for one that leaves the region. */
  readonly taken: number;
  /** The record behind, where control may go on there without a call in between; else 0. */
  readonly next: number;
  /** Where a computed jump is expected to lead. */
  readonly targets: readonly number[];
  /** Behind a call: where its callee returns to; else 0. */
  readonly site: number;
}

const NONE: ReadonlySet<number> = new Set();

/** How many pages a region may span. */
const PAGE_LIMIT = 16;
/** Computed jumps compare their target with no more places than this. */
const CANDIDATE_LIMIT = 64;
/** Targets of one computed jump that are remembered. */
const OBSERVED_LIMIT = 8;
/** Computed jumps of which targets are remembered. */
const OBSERVER_LIMIT = 4096;

/**
 * Collects the records around a hot entry into a region: breadth first over direct branches, calls and what is known of computed jumps,
 * within one mode, until the limit. Anything else is a way out. Other pages than the entry's are followed where the jump cache knows
 * the way.
 */
export class RegionBuilder {
  readonly #state: CpuState;
  readonly #cache: CodeCache;
  readonly #writer: RecordWriter;
  readonly #programs: Programs;
  readonly #limit: number;
  readonly #followsAll: boolean;
  readonly #peek: (linear: bigint) => bigint | undefined;
  readonly #observed = new Map<number, Set<bigint>>();
  readonly #pages = new Set<CodePage>();
  #mode = 0;

  /**
   * @param followsAll whether branches are followed that have never been taken
   * @param peek reads 64 bits of memory without side effects; undefined where nothing is mapped
   */
  constructor(
    state: CpuState,
    cache: CodeCache,
    writer: RecordWriter,
    programs: Programs,
    limit: number,
    followsAll: boolean,
    peek: (linear: bigint) => bigint | undefined,
  ) {
    this.#peek = peek;
    this.#followsAll = followsAll;
    this.#state = state;
    this.#cache = cache;
    this.#writer = writer;
    this.#programs = programs;
    this.#limit = Math.min(limit, REGION_LIMIT);
  }

  /** The computed jump at a record was seen to lead to a RIP: regions built from now on expect that. */
  observe(record: number, rip: bigint): void {
    if (this.#observed.size >= OBSERVER_LIMIT) this.#observed.clear();
    const targets = this.#observed.get(record) ?? new Set();
    if (targets.size < OBSERVED_LIMIT) this.#observed.set(record, targets.add(rip));
  }

  /** All records are gone. */
  forget(): void {
    this.#observed.clear();
  }

  /**
   * @param excluded records that are left to regions of their own
   * @returns undefined when the entry itself cannot be translated, or the cache was cleared meanwhile
   */
  build(page: CodePage, entry: number, excluded: ReadonlySet<number> = NONE): Region | undefined {
    if (this.#state.u8[entry + R.MARKS]! & R.MARK.crossing) return undefined;
    const { generation } = this.#cache;
    this.#pages.clear();
    this.#pages.add(page);
    this.#mode = page.mode;
    const steps = new Map<number, Step>();
    const interpreted = new Set<number>();
    const leaders = new Set<number>([entry]);
    const queue = [entry];
    const lead = (record: number) => {
      if (record === 0) return;
      leaders.add(record);
      queue.push(record);
    };
    let instructions = 0;
    for (let head = queue.shift(); head !== undefined; head = queue.shift()) {
      for (let record = head; record !== 0 && !steps.has(record); ) {
        if (instructions >= this.#limit) break;
        const step = excluded.has(record) ? undefined : this.#step(record);
        if (this.#cache.generation !== generation) return undefined;
        if (step === undefined) {
          if (!excluded.has(record) && this.#isInstruction(record)) interpreted.add(record);
          break;
        }
        steps.set(record, step);
        instructions += step.instruction.count;
        for (const target of step.targets) lead(target);
        lead(step.taken);
        lead(step.site);
        const { next } = step;
        const isStraight = step.instruction.translatable.ending === 'next' && next === record + R.RECORD_BYTES;
        if (next !== 0 && (!isStraight || steps.has(next))) leaders.add(next);
        record = next;
      }
    }
    if (!steps.has(entry)) return undefined;
    const blocks = new BlockCutter(this.#state, this.#writer, { steps, leaders, interpreted }).cut(entry);
    return { pages: [...this.#pages], entry, blocks, instructions };
  }

  /** It is neither a stub nor stands for another record. */
  #isInstruction(record: number): boolean {
    const handler = this.#state.i32[(record + R.HANDLER) >> 2]!;
    const isOrdinary = handler >= R.PSEUDO_HANDLERS || handler === R.PSEUDO.region || handler === R.PSEUDO.helper;
    return isOrdinary && (this.#state.u8[record + R.MARKS]! & R.MARK.stub) === 0;
  }

  /** @returns undefined for what only the interpreter executes */
  #step(record: number): Step | undefined {
    const page = this.#writer.pageOf(record);
    if (page === undefined || !this.#isInstruction(record)) return undefined;
    const marks = this.#state.u8[record + R.MARKS]!;
    const decoded = this.#writer.decodedAs(record);
    if (decoded === undefined) return undefined;
    const translatable = this.#programs.find(decoded.variant, decoded.condition);
    if (translatable === undefined) return undefined;
    const kind = this.#state.u8[record + R.ADDRESSING_KIND]!;
    if (kind > R.ADDRESSING.bits32In64) return undefined;
    const { ending } = translatable;
    const goesOn = ending === 'next' || ending === 'conditional';
    const branches = ending === 'branch' || ending === 'conditional';
    const mnemonic = FORMS[this.#state.view.getUint16(record + R.FORM, true)]!.mnemonic;
    return {
      mnemonic,
      instruction: { record, count: marks & R.MARK.fused ? 2 : 1, translatable },
      taken: branches ? this.#target(page, record) : 0,
      next: goesOn ? this.#behind(page, record + R.RECORD_BYTES) : 0,
      targets: ending === 'jump' ? this.#targets(page, record, mnemonic) : [],
      site: mnemonic in RETURN_OF ? this.#returnSite(page, record, ending) : 0,
    };
  }

  /** Where a computed jump leads: as its table has it, as it was seen to go, or as a model-specific register says. */
  #targets(page: CodePage, record: number, mnemonic: string): number[] {
    const rips = [...(this.#observed.get(record) ?? [])];
    if (mnemonic === 'SYSCALL') rips.push(this.#state.get64('lstar'));
    const found = rips.map((rip) => this.#at(page, rip)).filter((target) => target !== 0);
    return mnemonic === 'JMP' ? [...found, ...this.#tableEntries(page, record)] : found;
  }

  #at(page: CodePage, rip: bigint): number {
    return this.#find(page, Number(BigInt.asIntN(32, rip)), Number(BigInt.asIntN(32, rip >> 32n)));
  }

  /** Behind a call. */
  #returnSite(page: CodePage, record: number, ending: TranslatableProgram['ending']): number {
    if (ending !== 'branch' && ending !== 'jump') return 0;
    const low = this.#state.i32[(record + R.RIP) >> 2]!;
    const offset = ((low - (page.ripBase | 0)) | 0) + this.#state.u8[record + R.LENGTH]!;
    return offset < PAGE ? this.#recordAt(page, offset) : 0;
  }

  /**
   * Of a jump through a table at a fixed address, the entries that are code of this region's pages: a hint, since the table is memory
   * like any other and the jump itself compares.
   */
  #tableEntries(page: CodePage, record: number): number[] {
    const words = this.#state.i32;
    const isTable = words[(record + R.BASE) >> 2] === ZERO_SLOT && words[(record + R.INDEX) >> 2] !== ZERO_SLOT;
    if (!isTable || this.#state.u8[record + R.SEGMENT] !== FLAT_SEGMENT) return [];
    const table = this.#state.u64[(record + R.DISPLACEMENT) >> 3]!;
    const found: number[] = [];
    for (let entry = 0n; entry < BigInt(CANDIDATE_LIMIT); entry++) {
      const target = this.#peek(BigInt.asUintN(64, table + entry * 8n));
      if (target === undefined || Math.abs(Number(BigInt.asIntN(64, target)) - page.ripBase) > 2 * PAGE) break;
      const known = this.#at(page, target);
      if (known !== 0) found.push(known);
    }
    return found;
  }

  /** Where control goes on behind a record: past the stub that ends a run. */
  #behind(page: CodePage, record: number): number {
    return this.#state.u8[record + R.MARKS]! & R.MARK.stub ? this.#findField(page, record + R.RIP) : record;
  }

  /** Where a branch goes; 0 when it has never been taken, if that matters. */
  #target(page: CodePage, record: number): number {
    const target = this.#state.i32[(record + R.TARGET) >> 2]!;
    const isUnlinked = this.#state.i32[(target + R.HANDLER) >> 2] === R.PSEUDO.link;
    return isUnlinked && !this.#followsAll ? 0 : this.#findField(page, target + R.RIP);
  }

  /** @param field with a RIP */
  #findField(page: CodePage, field: number): number {
    return this.#find(page, this.#state.i32[field >> 2]!, this.#state.i32[(field >> 2) + 1]!);
  }

  /** @returns the record at a RIP, or 0 when it cannot be part of the region */
  #find(page: CodePage, low: number, high: number): number {
    const offset = high * 2 ** 32 + (low >>> 0) - page.ripBase;
    return offset >= 0 && offset < PAGE ? this.#recordAt(page, offset) : this.#findInCache(low, high);
  }

  /** Follows the jump cache into another page, of either ring; of what it held before mappings changed, it may do so again. */
  #findInCache(low: number, high: number): number {
    const words = this.#state.i32;
    const entry = (JUMP_CACHE >> 2) + jumpCacheIndex(low) * 4;
    if (words[entry] !== low || words[entry + 1] !== high) return 0;
    const record = words[entry + 2]!;
    const page = this.#writer.pageOf(record);
    const offset = low & (PAGE - 1);
    const isThere = page?.entries[offset] === record || page?.crossing.get(offset)?.record === record;
    if (page === undefined || !isThere || page.mode !== this.#mode) return 0;
    if (page.ripBase + offset !== high * 2 ** 32 + (low >>> 0)) return 0;
    if (!this.#pages.has(page)) {
      if (this.#pages.size >= PAGE_LIMIT) return 0;
      this.#pages.add(page);
    }
    return record;
  }

  #recordAt(page: CodePage, offset: number): number {
    const known = page.entries[offset]!;
    if (known !== 0) return known;
    const crossing = page.crossing.get(offset);
    if (crossing !== undefined) return crossing.record;
    if (this.#cache.isFull || offset > PAGE - MAX_LENGTH) return 0;
    return this.#cache.record(page, offset);
  }
}

/** What was found around an entry. */
interface Collected {
  readonly steps: ReadonlyMap<number, Step>;
  /** Records that begin blocks. */
  readonly leaders: ReadonlySet<number>;
  /** Instructions that only the interpreter executes. */
  readonly interpreted: ReadonlySet<number>;
}

/** Cuts what was collected into blocks. */
class BlockCutter {
  readonly #state: CpuState;
  readonly #writer: RecordWriter;
  readonly #steps: ReadonlyMap<number, Step>;
  readonly #leaders: ReadonlySet<number>;
  readonly #interpreted: ReadonlySet<number>;
  readonly #numbers = new Map<number, number>();

  constructor(state: CpuState, writer: RecordWriter, { steps, leaders, interpreted }: Collected) {
    this.#state = state;
    this.#writer = writer;
    this.#steps = steps;
    this.#leaders = leaders;
    this.#interpreted = interpreted;
    for (const leader of leaders) if (steps.has(leader)) this.#numbers.set(leader, this.#numbers.size);
  }

  /** @returns the entry's block first */
  cut(entry: number): Block[] {
    const returns = matchReturns(this.#steps);
    const jumps = [...this.#steps.values()].filter(({ mnemonic }) => mnemonic === 'JMP');
    const jumpTargets = jumps.flatMap(({ targets }) => targets);
    const blocks = [...this.#numbers.keys()].map((leader) => {
      const instructions: RegionInstruction[] = [];
      let record = leader;
      let last = this.#steps.get(record)!;
      for (;;) {
        instructions.push(last.instruction);
        const goesOn = last.instruction.translatable.ending === 'next';
        const following = goesOn && !this.#leaders.has(last.next) ? this.#steps.get(last.next) : undefined;
        if (following === undefined) break;
        record = last.next;
        last = following;
      }
      const { ending } = last.instruction.translatable;
      const targets = last.mnemonic === 'JMP' ? jumpTargets : [...last.targets, ...(returns.get(record) ?? [])];
      return {
        record: leader,
        rip: this.#ripOf(leader),
        instructions,
        count: instructions.reduce((sum, each) => sum + each.count, 0),
        ending,
        lastRip: this.#ripOf(record),
        mnemonic: last.mnemonic,
        returnSite: this.#numbers.get(last.site),
        taken:
          ending === 'conditional' || ending === 'branch'
            ? this.#exit(record, last.taken, { kind: 'target', record })
            : undefined,
        next:
          ending === 'next' || ending === 'conditional'
            ? this.#exit(record, last.next, this.#behind(record + R.RECORD_BYTES))
            : undefined,
        candidates: ending === 'jump' ? this.#candidates(record, last.mnemonic, targets) : [],
      };
    });
    return this.#numbers.get(entry) === 0 ? blocks : [];
  }

  #behind(record: number): Leaving {
    return { kind: this.#interpreted.has(record) ? 'interpreted' : 'record', record };
  }

  #ripOf(record: number): bigint {
    return this.#state.u64[(record + R.RIP) >> 3]!;
  }

  /** Control may only go on in another page, or with an instruction that does, where the jump cache leads there. */
  #mustBeKnown(from: number, to: number): boolean {
    const crosses = (this.#state.u8[to + R.MARKS]! & R.MARK.crossing) !== 0;
    return crosses || this.#writer.pageOf(from) !== this.#writer.pageOf(to);
  }

  #exit(from: number, to: number, otherwise: Leaving): Exit {
    const block = this.#numbers.get(to);
    if (block === undefined) return otherwise;
    return this.#mustBeKnown(from, to) ? { kind: 'block', block, unlessKnown: otherwise } : { kind: 'block', block };
  }

  /** @param targets records */
  #candidates(from: number, mnemonic: string, targets: readonly number[]): Candidate[] {
    const changesRing = mnemonic === 'SYSCALL' || mnemonic === 'SYSRET' || mnemonic === 'IRET';
    const found = [...new Set(targets)].flatMap((record): Candidate[] => {
      const block = this.#numbers.get(record);
      if (block === undefined) return [];
      return [{ rip: this.#ripOf(record), block, mustBeKnown: changesRing || this.#mustBeKnown(from, record) }];
    });
    return found.sort((a, b) => (a.rip < b.rip ? -1 : 1)).slice(0, CANDIDATE_LIMIT);
  }
}
