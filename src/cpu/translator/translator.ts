import { FORMS } from '../decode/forms.ts';
import type { CodeCache } from '../interpreter/code-cache.ts';
import type { CodePage } from '../interpreter/code-page.ts';
import type { Handlers } from '../interpreter/generate.ts';
import type { RecordWriter } from '../interpreter/record-writer.ts';
import * as R from '../interpreter/records.ts';
import { MODE, REGION_SLOTS, REGION_TICKS } from '../layout.ts';
import type { CpuState } from '../state.ts';
import type { Spans } from '../system/spans.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { mxcsrIsSettled, RegionEmitter } from './emit.ts';
import { type ExitSite, ExitSites } from './exit-sites.ts';
import { outermostLoop } from './outermost-loop.ts';
import { Programs } from './programs.ts';
import { REGION_LIMIT, type Region, successorsOf } from './region.ts';
import { RegionBuilder } from './region-builder.ts';
import { SideExits } from './side-exits.ts';

export interface TranslatorOptions {
  /** How often the interpreter must be found at a place before it is translated; 1 translates whatever is reached. */
  readonly threshold: number;
  /** Instructions in a region, at most. */
  readonly regionLimit: number;
  /** Regions compiled as one module. */
  readonly batch: number;
  /** Bytes of WebAssembly that may be kept; beyond it the oldest half goes. */
  readonly capacity: number;
  /** Samples between two looks at how often regions were left. */
  readonly review: number;
  /** By one way in that time, to be built anew. */
  readonly manyExits: number;
}

export const DEFAULT_TRANSLATOR: TranslatorOptions = {
  threshold: 6,
  regionLimit: REGION_LIMIT,
  batch: 16,
  capacity: 8 << 20,
  review: 16,
  manyExits: 3_000,
};

/** Samples after which a batch is compiled though it is not full. */
const PATIENCE = 24;
/** A page whose translations were dropped so often is left to the interpreter: it holds code that keeps changing. */
const DROP_LIMIT = 16;
/** `manyExits` cost about as much as compiling so many instructions. */
const INSTRUCTIONS_WORTH = 16;
/** How often a region is built anew because it was left often. */
const GROWTH_LIMIT = 6;
/** Places of which anything is remembered. */
const SAMPLE_LIMIT = 65536;
const MEMORY_PAGES = 65536;

interface Installed {
  readonly region: Region;
  readonly slot: number;
  readonly module: CompiledModule;
  readonly sites: readonly ExitSite[];
  /** Exits before it is considered whether to build it anew. */
  patience: number;
  /** Whether MXCSR was settled (sse-guards.ts) when it was compiled; undefined where that is no matter. */
  readonly isSettled: boolean | undefined;
}

/** What was compiled at once. The host frees its code when the last region is gone. */
interface CompiledModule {
  readonly bytes: number;
  readonly installed: Set<Installed>;
}

/** A way out of translated code, and how often it was taken. */
export interface RegionExit {
  /** `interpreted`: this instruction was left to the interpreter; `ordinary`: control left behind it. */
  readonly kind: 'interpreted' | 'ordinary';
  readonly count: number;
  readonly rip: bigint;
  /** Name of the form. */
  readonly instruction: string;
}

/** What the translator has done, for reports. */
export interface TranslatorStatistics {
  regions: number;
  modules: number;
  instructions: number;
  /** Regions whose code has changed. */
  dropped: number;
  /** Regions that made room for others. */
  evicted: number;
  /** Size of the modules kept now. */
  bytes: number;
}

/**
 * Turns hot code into WebAssembly. Where the interpreter stands when its slice is over is a sample of where time goes; places that are
 * found often become regions, compiled in batches. A region is entered through its first record, so nothing else knows of it; when
 * code of its page changes, the record gets its own handler back.
 */
export class Translator {
  readonly statistics: TranslatorStatistics = {
    regions: 0,
    modules: 0,
    instructions: 0,
    dropped: 0,
    evicted: 0,
    bytes: 0,
  };
  readonly options: TranslatorOptions;
  readonly #state: CpuState;
  readonly #cache: CodeCache;
  readonly #spans: Spans;
  readonly #builder: RegionBuilder;
  readonly #pageOf: (record: number) => CodePage | undefined;
  readonly #exports: WebAssembly.Exports;
  readonly #table: WebAssembly.Table;
  readonly #firstSlot: number;
  readonly #freeSlots: number[] = [];
  #usedSlots = 0;
  readonly #samples = new Map<number, number>();
  readonly #refused = new Set<number>();
  /** By every page that a region has code of. */
  readonly #installed = new Map<CodePage, Set<Installed>>();
  readonly #byEntry = new Map<number, Installed>();
  readonly #sites: ExitSites;
  readonly #leftToInterpreter: SideExits;
  /** How often a region with this entry was built anew. */
  readonly #growths = new Map<number, number>();
  #unreviewed = 0;
  readonly #drops = new Map<number, number>();
  /** Oldest first. */
  readonly #modules = new Set<CompiledModule>();
  #queue: Region[] = [];
  #waited = 0;

  /** @param exports of the interpreter's instance @param peek reads 64 bits of memory without side effects, if it is mapped */
  constructor(
    state: CpuState,
    cache: CodeCache,
    writer: RecordWriter,
    handlers: Handlers,
    exports: WebAssembly.Exports,
    options: TranslatorOptions,
    peek: (linear: bigint) => bigint | undefined,
    spans: Spans,
  ) {
    this.options = options;
    this.#state = state;
    this.#cache = cache;
    this.#spans = spans;
    this.#sites = new ExitSites(state);
    this.#leftToInterpreter = new SideExits(state);
    this.#pageOf = (record) => writer.pageOf(record);
    const programs = new Programs(handlers.table);
    const { regionLimit } = options;
    this.#builder = new RegionBuilder(state, cache, writer, programs, regionLimit, this.isEager, peek);
    this.#exports = exports;
    this.#table = exports.table as WebAssembly.Table;
    this.#firstSlot = handlers.firstRegionSlot;
    cache.onRecordsDropped = (page) => this.#drop(page);
    cache.onCleared = () => this.#forget();
  }

  /** Time passes, from one possible sample to the next. */
  pass(): void {
    if (!this.isEager && ++this.#unreviewed >= this.options.review) this.#review();
    if (this.#queue.length > 0 && ++this.#waited >= PATIENCE) this.#compile();
  }

  /** The interpreter is at a record of `page` at the end of a slice, or control came there by a way that was not linked yet. */
  sample(page: CodePage, record: number): void {
    if ((page.mode & MODE.code64) === 0 || this.#refused.has(record) || this.#isKnown(record)) return;
    if (this.#samples.size >= SAMPLE_LIMIT) this.#samples.clear();
    const count = (this.#samples.get(record) ?? 0) + 1;
    this.#samples.set(record, count);
    if (count < this.options.threshold || (!this.isEager && this.#isAwaited(record))) return;
    this.#samples.delete(record);
    this.#enqueue(page, record);
  }

  /** Whatever control reaches is to be sampled. */
  get isEager(): boolean {
    return this.options.threshold === 1;
  }

  /** Where regions were left most often. @param limit how many of each kind */
  exits(limit: number): RegionExit[] {
    const ranked = (kind: RegionExit['kind'], exits: readonly { count: number; rip: bigint; form: number }[]) =>
      exits
        .filter(({ count }) => count > 0)
        .sort((a, b) => b.count - a.count)
        .slice(0, limit)
        .map(({ count, rip, form }) => ({ kind, count, rip, instruction: FORMS[form]?.name ?? '?' }));
    return [...ranked('interpreted', this.#leftToInterpreter.ranking()), ...ranked('ordinary', this.#sites.ranking())];
  }

  #isHead(record: number): boolean {
    return this.#state.i32[(record + R.HANDLER) >> 2] === R.PSEUDO.region;
  }

  #enqueue(page: CodePage, record: number): void {
    if ((this.#drops.get(page.physicalPage) ?? 0) >= DROP_LIMIT) return;
    const region = this.#shape(page, record);
    if (region === undefined) {
      if (this.#refused.size >= SAMPLE_LIMIT) this.#refused.clear();
      this.#refused.add(record);
      return;
    }
    this.#queue.push(region);
    if (this.#queue.length >= this.options.batch) this.#compile();
  }

  /** Regions that are left often are built anew: by now more of the ways that control takes is known. */
  #review(): void {
    this.#unreviewed = 0;
    const exits = new Map<number, number>();
    for (const site of this.#sites.review(this.options.manyExits)) {
      if (site.isComputed) this.#builder.observe(site.record, this.#sites.target(site));
      exits.set(site.entry, Math.max(exits.get(site.entry) ?? 0, this.#sites.count(site)));
    }
    const left = [...exits].map(([entry, count]) => ({ installed: this.#byEntry.get(entry)!, count }));
    left.sort((a, b) => b.installed.region.instructions - a.installed.region.instructions);
    for (const { installed, count } of left) this.#grow(installed, count);
    if (mxcsrIsSettled(this.#state)) this.#settle();
    for (const record of this.#leftToInterpreter.review(this.options.manyExits, this.#cache.records))
      this.#resumeBehind(record);
  }

  /** Regions that were compiled before MXCSR was what it is in nearly all code are compiled anew. */
  #settle(): void {
    for (const { region, isSettled } of this.#byEntry.values()) {
      const { entry } = region;
      const growths = this.#growths.get(entry) ?? 0;
      if (isSettled !== false || growths >= GROWTH_LIMIT || this.#queue.some((each) => each.entry === entry)) continue;
      this.#growths.set(entry, growths + 1);
      this.#queue.push(region);
    }
  }

  /** Regions leave this instruction to the interpreter over and over: what follows it is to be translated code again. */
  #resumeBehind(record: number): void {
    const next = record + R.RECORD_BYTES;
    const page = this.#pageOf(next);
    if (page === undefined || this.#isKnown(next)) return;
    if ((this.#drops.get(page.physicalPage) ?? 0) >= DROP_LIMIT) return;
    const region = this.#builder.build(page, next);
    if (region !== undefined) this.#queue.push(region);
  }

  /** Builds a region anew once the ways out that may become ways inside have cost about as much as compiling it will. */
  #grow(installed: Installed, exits: number): void {
    const { region } = installed;
    const { entry } = region;
    const growths = this.#growths.get(entry) ?? 0;
    if (exits < installed.patience || growths >= GROWTH_LIMIT || this.#isAwaited(entry)) return;
    const grown = this.#builder.build(region.pages[0]!, entry);
    const worth = grown === undefined ? 0 : (grown.instructions / INSTRUCTIONS_WORTH) * this.options.manyExits;
    if (grown === undefined || exits < worth || ways(grown) <= ways(region)) {
      installed.patience = Math.max(worth, 2 * exits);
      return;
    }
    this.#growths.set(entry, growths + 1);
    this.#queue.push(grown);
  }

  /**
   * The region for a hot place. Within a loop it begins where the outermost loop around the place does; when that is a region
   * already, an inner loop gets one that leaves the rest to it.
   */
  #shape(page: CodePage, record: number): Region | undefined {
    const outer = new Set<number>();
    for (;;) {
      const region = this.#builder.build(page, record, outer);
      if (region === undefined || this.isEager) return region;
      const loop = outermostLoop(region);
      if (loop === record) return region;
      if (loop === 0) return outer.size === 0 ? region : undefined;
      if (!this.#isKnown(loop) && !this.#refused.has(loop))
        return this.#builder.build(this.#pageOf(loop) ?? page, loop, outer);
      outer.add(loop);
    }
  }

  /** A region that waits to be compiled has the record: control may not come out of it any more. */
  #isAwaited(record: number): boolean {
    return this.#queue.some(({ blocks }) => blocks.some((block) => block.record === record));
  }

  /** A region begins at the record, or will. */
  #isKnown(record: number): boolean {
    return this.#isHead(record) || this.#queue.some(({ entry }) => entry === record);
  }

  /** Compiles what waits as one module and installs it. */
  #compile(): void {
    const regions = this.#queue;
    this.#queue = [];
    this.#makeRoom(regions.length);
    this.#waited = 0;
    const module = new ModuleBuilder();
    const allocateSpan = () => this.#spans.allocate();
    const imported = {
      statusFlags: module.import('statusFlags', [], ['i32']),
      invalidatePage: module.import('invalidatePage', ['i64'], ['i32']),
      conditions: Array.from({ length: 8 }, (_, pair) => module.import(`condition${pair}`, [], ['i32'])),
    };
    const emitters = regions.map((region, number) => {
      const allocateSite = (record: number, isComputed: boolean) =>
        this.#sites.allocate(region.entry, record, isComputed);
      const emitter = new RegionEmitter(this.#state, region, imported, allocateSpan, allocateSite);
      module.export(`region${number}`, emitter.emit(module));
      return emitter;
    });
    const bytes = module.bytes({ minimum: 1, maximum: MEMORY_PAGES });
    const env = { ...this.#exports, memory: this.#state.memory };
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env });
    this.statistics.modules++;
    this.statistics.bytes += bytes.length;
    const compiled: CompiledModule = { bytes: bytes.length, installed: new Set() };
    this.#modules.add(compiled);
    regions.forEach((region, number) => {
      this.#install(region, exports[`region${number}`], compiled, emitters[number]!);
    });
  }

  /** Gives up the oldest modules when the capacity or the slots are used up, until half of each is free. */
  #makeRoom(regions: number): void {
    const { capacity } = this.options;
    const slots = () => this.#usedSlots - this.#freeSlots.length + regions;
    if (this.statistics.bytes < capacity && slots() <= REGION_SLOTS) return;
    for (const { installed } of this.#modules) {
      if (this.statistics.bytes <= capacity / 2 && slots() <= REGION_SLOTS / 2) return;
      this.statistics.evicted += installed.size;
      for (const each of installed) this.#remove(each);
    }
  }

  #install(
    region: Region,
    code: WebAssembly.ExportValue | undefined,
    module: CompiledModule,
    { sites, reach, isSettled }: RegionEmitter,
  ): void {
    const outgrown = this.#byEntry.get(region.entry);
    if (outgrown !== undefined) this.#remove(outgrown);
    const slot = this.#freeSlots.pop() ?? this.#usedSlots++;
    this.#table.set(this.#firstSlot + slot, code);
    const words = this.#state.i32;
    words[(REGION_TICKS >> 2) + slot] = reach;
    const handler = words[(region.entry + R.HANDLER) >> 2]!;
    words[(region.entry + R.SCALE) >> 2]! |= (handler << R.REGION.handlerShift) | (slot << R.REGION.slotShift);
    words[(region.entry + R.HANDLER) >> 2] = R.PSEUDO.region;
    const installed: Installed = { region, slot, module, sites, isSettled, patience: 0 };
    this.#byEntry.set(region.entry, installed);
    module.installed.add(installed);
    for (const page of region.pages) {
      const others = this.#installed.get(page) ?? new Set();
      this.#installed.set(page, others.add(installed));
    }
    this.statistics.regions++;
    this.statistics.instructions += region.instructions;
  }

  /** Code of the page has changed: its regions go. */
  #drop(page: CodePage): void {
    if (this.#queue.length > 0) this.#queue = this.#queue.filter((region) => !region.pages.includes(page));
    if (this.#refused.size > 0) this.#refused.clear();
    if (this.#samples.size > 0) this.#samples.clear();
    const installed = this.#installed.get(page);
    if (installed === undefined || installed.size === 0) return;
    for (const each of installed) this.#remove(each);
    this.#drops.set(page.physicalPage, (this.#drops.get(page.physicalPage) ?? 0) + 1);
    this.statistics.dropped += installed.size;
  }

  /** Gives the region's head its own handler back. */
  #remove(installed: Installed): void {
    const { region, slot, module, sites } = installed;
    for (const site of sites) this.#sites.release(site);
    this.#byEntry.delete(region.entry);
    const words = this.#state.i32;
    const scale = words[(region.entry + R.SCALE) >> 2]!;
    if (this.#isHead(region.entry)) {
      words[(region.entry + R.HANDLER) >> 2] = (scale >>> R.REGION.handlerShift) & R.REGION.handlerMask;
    }
    words[(region.entry + R.SCALE) >> 2] = scale & ((1 << R.REGION.handlerShift) - 1);
    this.#release(slot);
    for (const page of region.pages) this.#installed.get(page)?.delete(installed);
    module.installed.delete(installed);
    if (module.installed.size > 0) return;
    this.#modules.delete(module);
    this.statistics.bytes -= module.bytes;
  }

  #release(slot: number): void {
    this.#table.set(this.#firstSlot + slot, null);
    this.#freeSlots.push(slot);
  }

  /** All records are gone. */
  #forget(): void {
    const all = new Set([...this.#installed.values()].flatMap((installed) => [...installed]));
    for (const { slot, sites } of all) {
      this.#release(slot);
      for (const site of sites) this.#sites.release(site);
    }
    this.#installed.clear();
    this.#byEntry.clear();
    this.#growths.clear();
    this.#modules.clear();
    this.statistics.bytes = 0;
    this.#samples.clear();
    this.#refused.clear();
    this.#drops.clear();
    this.#queue = [];
    this.#builder.forget();
  }
}

/** How many instructions a region has, and how many ways between them. */
const ways = ({ blocks, instructions }: Region): number =>
  blocks.reduce((sum, block) => sum + successorsOf(block).length, instructions);
