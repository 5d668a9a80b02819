import { MAX_LENGTH } from '../decode/decoder.ts';
import { FORMS } from '../decode/forms.ts';
import type { CodeCache, CodePage, Run } from '../interpreter/code-cache.ts';
import { jumpCacheIndex } from '../interpreter/generate.ts';
import type { RecordWriter } from '../interpreter/record-writer.ts';
import * as R from '../interpreter/records.ts';
import { FLAT_SEGMENT, JUMP_CACHE, ZERO_SLOT } from '../layout.ts';
import type { CpuState } from '../state.ts';
import type { Programs, TranslatableProgram } from './programs.ts';

const PAGE = 4096;

/** One record to translate: an instruction, or a comparison with the conditional jump fused to it. */
export interface RegionInstruction {
  readonly record: number;
  /** Instructions that retire with it: 1, or 2 when fused. */
  readonly count: number;
  readonly translatable: TranslatableProgram;
}

/** Where control goes behind a block. */
export type Exit =
  /** Another block of the region. */
  | { readonly kind: 'block'; block: number }
  /** The record itself, in the interpreter. */
  | { readonly kind: 'record'; readonly record: number }
  /** Whatever the TARGET field of a branch's record holds when it is taken. */
  | { readonly kind: 'target'; readonly record: number };

/** A straight line of instructions with one entry. */
export interface Block {
  /** First record. */
  readonly record: number;
  readonly instructions: readonly RegionInstruction[];
  /** Instructions that retire in the whole block. */
  readonly count: number;
  /** What the last instruction does; 'next' when it only falls through. */
  readonly ending: TranslatableProgram['ending'];
  /** Where a taken branch goes; undefined without one. */
  readonly taken: Exit | undefined;
  /** Where control goes on otherwise; undefined behind an unconditional transfer. */
  readonly next: Exit | undefined;
  /** Blocks that a computed jump may lead to, by RIP. */
  readonly candidates: readonly Candidate[];
}

export interface Candidate {
  readonly rip: bigint;
  readonly block: number;
}

/** A lookup that must still be in the jump cache when the region is entered: then the page of `record` is mapped as it was. */
export interface PageGuard {
  readonly rip: bigint;
  readonly record: number;
}

export interface Region {
  /** The entry's page first. */
  readonly pages: readonly CodePage[];
  /** One for each page but the first. */
  readonly guards: readonly PageGuard[];
  readonly entry: number;
  readonly blocks: readonly Block[];
  readonly instructions: number;
}

/** Where a block's end may go, in the order in which code tests for it. */
export function successorsOf(block: Block): number[] {
  const exits = [block.taken, block.next]
    .filter((exit) => exit?.kind === 'block')
    .map((exit) => (exit as { block: number }).block);
  return [...exits, ...block.candidates.map((candidate) => candidate.block)];
}

/** The blocks from which control may come back to the entry. */
function reaching(blocks: readonly Block[]): ReadonlySet<number> {
  const predecessors: number[][] = blocks.map(() => []);
  blocks.forEach((block, number) => {
    for (const next of successorsOf(block)) predecessors[next]!.push(number);
  });
  const found = new Set<number>();
  const queue = [...predecessors[0]!];
  for (let block = queue.pop(); block !== undefined; block = queue.pop()) {
    if (found.has(block)) continue;
    found.add(block);
    queue.push(...predecessors[block]!);
  }
  return found;
}

/** How many instructions a region may have. */
export const REGION_LIMIT = 400;
/** How many more copies of its blocks may add (split.ts). */
export const COPY_LIMIT = 160;
/** Bounds what runs between two looks at the budget. */
export const REGION_REACH = REGION_LIMIT + COPY_LIMIT;

/** What is found behind one record. */
interface Step {
  readonly instruction: RegionInstruction | undefined;
  readonly taken: Exit | undefined;
  readonly next: Exit | undefined;
  /** Records that control may come to later: behind a call, where its callee returns; the entries of a jump's table. */
  readonly candidates: readonly number[];
}

const NOTHING: Step = { instruction: undefined, taken: undefined, next: undefined, candidates: [] };

/** How many pages a region may span. */
const PAGE_LIMIT = 4;
/** Computed jumps compare their target with no more places than this. */
const CANDIDATE_LIMIT = 64;

/**
 * Collects the records around a hot entry into a region: breadth first over direct branches, within a few pages and one mode, until
 * the limit. Anything else is a way out. Other pages than the entry's are followed where the jump cache knows the way.
 */
export class RegionBuilder {
  readonly #state: CpuState;
  readonly #cache: CodeCache;
  readonly #writer: RecordWriter;
  readonly #programs: Programs;
  readonly #limit: number;
  readonly #peek: (linear: bigint) => bigint | undefined;
  #guards = new Map<CodePage, PageGuard | undefined>();

  /** @param peek reads 64 bits of memory without side effects; undefined where nothing is mapped */
  constructor(
    state: CpuState,
    cache: CodeCache,
    writer: RecordWriter,
    programs: Programs,
    limit: number,
    peek: (linear: bigint) => bigint | undefined,
  ) {
    this.#peek = peek;
    this.#state = state;
    this.#cache = cache;
    this.#writer = writer;
    this.#programs = programs;
    this.#limit = Math.min(limit, REGION_LIMIT);
  }

  /**
   * @param excluded a record that is left to a region of its own, 0 for none
   * @returns undefined when the entry itself cannot be translated, or the cache was cleared meanwhile
   */
  build(page: CodePage, entry: number, excluded = 0): Region | undefined {
    if (this.#state.u8[entry + R.MARKS]! & R.MARK.crossing) return undefined;
    const { generation } = this.#cache;
    this.#guards = new Map([[page, undefined]]);
    const steps = new Map<number, Step>();
    const leaders = new Set<number>([entry]);
    const queue = [entry];
    let instructions = 0;
    for (let head = queue.shift(); head !== undefined; head = queue.shift()) {
      for (let record: number | undefined = head; record !== undefined && !steps.has(record); ) {
        if (instructions >= this.#limit) break;
        const step: Step = record === excluded ? NOTHING : this.#step(this.#writer.pageOf(record) ?? page, record);
        if (this.#cache.generation !== generation) return undefined;
        steps.set(record, step);
        instructions += step.instruction?.count ?? 0;
        const { taken, next, candidates } = step;
        for (const candidate of candidates) {
          leaders.add(candidate);
          queue.push(candidate);
        }
        if (taken?.kind === 'record') {
          leaders.add(taken.record);
          queue.push(taken.record);
        }
        const goesOn: number | undefined =
          step.instruction !== undefined && next?.kind === 'record' ? next.record : undefined;
        if (goesOn !== undefined && (taken !== undefined || goesOn !== record + R.RECORD_BYTES || steps.has(goesOn)))
          leaders.add(goesOn);
        record = goesOn;
      }
    }
    if (steps.get(entry)?.instruction === undefined) return undefined;
    const guards = [...this.#guards.values()].filter((guard) => guard !== undefined);
    return {
      pages: [...this.#guards.keys()],
      guards,
      entry,
      blocks: this.#blocks(entry, steps, leaders),
      instructions,
    };
  }

  /**
   * Where the outermost loop around a region's entry begins: the lowest target of a jump backward over the entry, from where control
   * comes to the entry again; a recursive function is a loop as well. A region that begins there has loops of a single entry.
   * @returns its record, or 0 when the entry is in no loop
   */
  loopAround({ blocks }: Region): number {
    const ripOf = (record: number) => this.#state.u64[(record + R.RIP) >> 3]!;
    const entry = ripOf(blocks[0]!.record);
    const cycle = reaching(blocks);
    let found = 0;
    blocks.forEach((block, number) => {
      const { taken } = block;
      if (taken?.kind !== 'block' || !cycle.has(number) || !cycle.has(taken.block)) return;
      const jump = block.instructions.at(-1)!.record;
      const { record } = blocks[taken.block]!;
      const isAround = ripOf(record) <= entry && ripOf(jump) >= entry;
      if (!isAround || (this.#mnemonic(jump) === 'CALL' && !this.#isRecursive(blocks, number, taken.block))) return;
      if (found === 0 || ripOf(record) < ripOf(found)) found = record;
    });
    return found;
  }

  /** @returns whether the function whose body begins with a block has the call that ends another one */
  #isRecursive(blocks: readonly Block[], call: number, body: number): boolean {
    const places = new Map(blocks.map(({ record }, number) => [this.#state.u64[(record + R.RIP) >> 3]!, number]));
    const seen = new Set<number>();
    const queue = [body];
    for (let number = queue.pop(); number !== undefined; number = queue.pop()) {
      if (number === call) return true;
      if (seen.has(number)) continue;
      seen.add(number);
      const { instructions } = blocks[number]!;
      const last = instructions.at(-1)!.record;
      const mnemonic = this.#mnemonic(last);
      if (mnemonic === 'RET') continue;
      const behind = places.get(this.#state.u64[(last + R.RIP) >> 3]! + BigInt(this.#state.u8[last + R.LENGTH]!));
      if (mnemonic !== 'CALL') queue.push(...successorsOf(blocks[number]!));
      else if (behind !== undefined) queue.push(behind);
    }
    return false;
  }

  /** Cuts what was collected into blocks, the entry's first. */
  #blocks(entry: number, steps: ReadonlyMap<number, Step>, leaders: ReadonlySet<number>): Block[] {
    const isBlock = (record: number) => steps.get(record)?.instruction !== undefined;
    const numbers = new Map<number, number>();
    for (const leader of leaders) if (isBlock(leader)) numbers.set(leader, numbers.size);
    const resolve = (exit: Exit): Exit => {
      const block = exit.kind === 'record' ? numbers.get(exit.record) : undefined;
      return block === undefined ? exit : { kind: 'block', block };
    };
    const candidatesOf = (mnemonic: string): Candidate[] => {
      const records = [...steps].flatMap(([record, step]) =>
        this.#mnemonic(record) === mnemonic ? step.candidates : [],
      );
      const found = [...new Set(records)].flatMap((record): Candidate[] => {
        const block = numbers.get(record);
        return block === undefined ? [] : [{ rip: this.#state.u64[(record + R.RIP) >> 3]!, block }];
      });
      return found.sort((a, b) => (a.rip < b.rip ? -1 : 1)).slice(0, CANDIDATE_LIMIT);
    };
    // A return goes behind a call, a jump to where jumps were seen to go.
    const candidates: Record<string, Candidate[]> = { RET: candidatesOf('CALL'), JMP: candidatesOf('JMP') };
    const blocks: Block[] = [];
    for (const leader of numbers.keys()) {
      const instructions: RegionInstruction[] = [];
      let last: Step;
      for (let record = leader; ; ) {
        last = steps.get(record)!;
        instructions.push(last.instruction!);
        const { next, taken } = last;
        if (taken !== undefined || next?.kind !== 'record' || leaders.has(next.record) || !isBlock(next.record)) break;
        record = next.record;
      }
      blocks.push({
        record: leader,
        instructions,
        count: instructions.reduce((sum, each) => sum + each.count, 0),
        ending: last.instruction!.translatable.ending,
        taken: last.taken && this.#orTarget(resolve(last.taken), last.instruction!.record),
        next: last.next && resolve(last.next),
        candidates:
          last.instruction!.translatable.ending === 'jump'
            ? (candidates[this.#mnemonic(last.instruction!.record)] ?? [])
            : [],
      });
    }
    return numbers.get(entry) === 0 ? blocks : [];
  }

  /** A branch that leaves the region goes where its record says at that moment: linking may have moved it. */
  #orTarget(exit: Exit, record: number): Exit {
    return exit.kind === 'block' ? exit : { kind: 'target', record };
  }

  #step(page: CodePage, record: number): Step {
    const marks = this.#state.u8[record + R.MARKS]!;
    const handler = this.#state.i32[(record + R.HANDLER) >> 2]!;
    const standsForOthers = handler < R.PSEUDO_HANDLERS && handler !== R.PSEUDO.region;
    if (marks & R.MARK.stub || standsForOthers) return NOTHING;
    const decoded = this.#writer.decodedAs(record);
    if (decoded === undefined) return NOTHING;
    const translatable = this.#programs.find(decoded.variant, decoded.condition);
    if (translatable === undefined) return NOTHING;
    const kind = this.#state.u8[record + R.ADDRESSING_KIND]!;
    if (kind > R.ADDRESSING.bits32In64) return NOTHING;
    const count = marks & R.MARK.fused ? 2 : 1;
    const instruction: RegionInstruction = { record, count, translatable };
    const { ending } = translatable;
    const next = ending === 'branch' || ending === 'jump' ? undefined : this.#behind(page, record + R.RECORD_BYTES);
    const branches = ending === 'branch' || ending === 'conditional';
    const taken = branches ? this.#target(page, record) : undefined;
    return { instruction, taken, next, candidates: this.#candidates(page, record, translatable) };
  }

  #mnemonic(record: number): string {
    return FORMS[this.#state.view.getUint16(record + R.FORM, true)]!.mnemonic;
  }

  /** Behind a call: where its callee will return to. Of a computed jump: where control was seen to come to in this page. */
  #candidates(page: CodePage, record: number, { ending }: TranslatableProgram): number[] {
    const mnemonic = this.#mnemonic(record);
    if (mnemonic === 'JMP' && ending === 'jump') return this.#tableEntries(page, record);
    if (mnemonic !== 'CALL') return [];
    const low = this.#state.i32[(record + R.RIP) >> 2]!;
    const offset = ((low - (page.ripBase | 0)) | 0) + this.#state.u8[record + R.LENGTH]!;
    const site = offset < PAGE ? this.#recordAt(page, offset) : 0;
    return site === 0 ? [] : [site];
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
      if (target === undefined) break;
      const target32 = Number(BigInt.asIntN(32, target));
      const offset = Number(BigInt.asIntN(64, target)) - page.ripBase;
      if (Math.abs(offset) > 2 * PAGE) break;
      const known =
        offset >= 0 && offset < PAGE
          ? this.#recordAt(page, offset)
          : this.#findInCache(target32, Number(BigInt.asIntN(32, target >> 32n)));
      if (known !== 0) found.push(known);
    }
    return found;
  }

  /** Where control goes on behind a record: past the stub that ends a run, if the next run is in this page. */
  #behind(page: CodePage, record: number): Exit {
    if ((this.#state.u8[record + R.MARKS]! & R.MARK.stub) === 0) return { kind: 'record', record };
    const known = this.#find(page, record + R.RIP);
    return { kind: 'record', record: known === 0 ? record : known };
  }

  #target(page: CodePage, record: number): Exit {
    const known = this.#find(page, this.#state.i32[(record + R.TARGET) >> 2]! + R.RIP);
    return known === 0 ? { kind: 'target', record } : { kind: 'record', record: known };
  }

  /** @param field with a RIP @returns the record there, or 0 when it cannot be part of the region */
  #find(page: CodePage, field: number): number {
    const low = this.#state.i32[field >> 2]!;
    const high = this.#state.i32[(field >> 2) + 1]!;
    const offset = high * 2 ** 32 + (low >>> 0) - page.ripBase;
    return offset >= 0 && offset < PAGE ? this.#recordAt(page, offset) : this.#findInCache(low, high);
  }

  /** Follows the jump cache into another page. */
  #findInCache(low: number, high: number): number {
    const words = this.#state.i32;
    const entry = (JUMP_CACHE >> 2) + jumpCacheIndex(low) * 4;
    if (words[entry] !== low || words[entry + 1] !== high) return 0;
    if (words[entry + 3] !== this.#state.get('fetchContext')) return 0;
    const record = words[entry + 2]!;
    const page = this.#writer.pageOf(record);
    if (page === undefined || this.#state.u8[record + R.MARKS]! & (R.MARK.crossing | R.MARK.stub)) return 0;
    if (!this.#guards.has(page)) {
      if (this.#guards.size >= PAGE_LIMIT) return 0;
      this.#guards.set(page, { rip: this.#state.u64[(record + R.RIP) >> 3]!, record });
    }
    return record;
  }

  /** An instruction that goes on in another page, if the jump cache says that the same page still follows. */
  #crossingAt(page: CodePage, run: Run): number {
    const behind = page.ripBase + run.end;
    const next = this.#findInCache(behind | 0, Math.floor(behind / 2 ** 32) | 0);
    return next !== 0 && this.#writer.pageOf(next)?.physicalPage === run.secondPage ? run.first : 0;
  }

  #recordAt(page: CodePage, offset: number): number {
    const known = page.entries[offset]!;
    if (known !== 0) return known;
    const crossing = page.crossing.get(offset);
    if (crossing !== undefined) return this.#crossingAt(page, crossing);
    if (this.#cache.isFull || offset > PAGE - MAX_LENGTH) return 0;
    const record = this.#cache.record(page, offset);
    return record === 0 || this.#state.u8[record + R.MARKS]! & R.MARK.crossing ? 0 : record;
  }
}
