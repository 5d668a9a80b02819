import { jumpCacheIndex, SIDE_EXIT } from '../interpreter/generate.ts';
import * as R from '../interpreter/records.ts';
import {
  EXIT_SITE_TARGET,
  FIELDS,
  GPR,
  INDIRECT_RECORD,
  JUMP_CACHE,
  JUMP_CACHE_ENTRY_BYTES,
  SPAN_ADDEND,
  SPAN_BASE,
  SPAN_BYTES,
  SPAN_LENGTH,
  SPAN_OFFSET,
  XMM,
} from '../layout.ts';
import { DENORMAL_RESULTS, SETTLED } from '../semantics/sse-guards.ts';
import type { CpuState } from '../state.ts';
import { Code, type Label } from '../wasm/code.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { ControlFlow } from './control-flow.ts';
import { DenormalsFlow } from './denormals-flow.ts';
import type { ExitSite } from './exit-sites.ts';
import { type Flags, FlagsFlow, type FlagValue } from './flags-flow.ts';
import { RegionLowering, readsMxcsr } from './lower.ts';
import { type Block, type Candidate, type Exit, type Leaving, type Region, successorsOf } from './region.ts';
import type { RegionFrame, SpanLocals } from './region-frame.ts';
import { RegisterResolver, RegisterUse } from './register-use.ts';
import { splitLoops } from './split.ts';
import { type Segment, Swift, segmentsOf } from './swift.ts';

/** Functions of the interpreter that regions import: () -> i32. */
export interface ImportedFunctions {
  readonly conditions: readonly number[];
  readonly statusFlags: number;
  /** (linear address i64) -> i32 */
  readonly invalidatePage: number;
}

export const mxcsrIsSettled = (state: CpuState): boolean => (state.get('mxcsr') & SETTLED.mask) === SETTLED.value;

type SiteAllocator = (record: number, isComputed: boolean) => ExitSite | undefined;

/**
 * Turns one region into a function (budget i32) -> (record i32, budget i32): runs guest code until the budget of instructions is used
 * up or control leaves the region. The registers are in locals meanwhile; nothing is called on the way but for rare flags.
 */
export class RegionEmitter {
  readonly #region: Region;
  readonly #blocks: readonly Block[];
  readonly #flow: ControlFlow;
  readonly #flagsFlow: FlagsFlow;
  readonly #denormalsFlow: DenormalsFlow;
  readonly #code = new Code(1);
  readonly #budget = 0;
  readonly #exitRecord: number;
  readonly #resolver: RegisterResolver;
  readonly #use: RegisterUse;
  readonly #frame: RegionFrame;
  readonly #lowering: RegionLowering;
  readonly #labels = new Map<number, Label>();
  readonly #spans = new Map<string, SpanLocals & { readonly write: boolean }>();
  readonly #sites = new Map<string, ExitSite | undefined>();
  readonly #allocateSite: SiteAllocator;
  #exit!: Label;
  /** The instruction being emitted, and how many of its block retire with or after it. */
  #record = 0;
  #left = 0;
  /** Before it. */
  #flags!: Flags;

  /** @param allocateSpan gives the number of another span */
  constructor(
    state: CpuState,
    region: Region,
    imported: ImportedFunctions,
    allocateSpan: () => number,
    allocateSite: SiteAllocator,
  ) {
    this.#region = region;
    this.#allocateSite = allocateSite;
    this.#blocks = splitLoops(region.blocks);
    this.#flow = new ControlFlow(this.#blocks.map(successorsOf));
    const resolver = new RegisterResolver(state);
    this.#resolver = resolver;
    this.#flagsFlow = new FlagsFlow(this.#blocks, this.#flow, resolver);
    this.#denormalsFlow = new DenormalsFlow(this.#blocks, this.#flow, resolver);
    this.#use = new RegisterUse(resolver);
    for (const block of region.blocks) {
      for (const { record, translatable } of block.instructions) this.#use.add(record, translatable.program.statements);
    }
    const code = this.#code;
    this.#exitRecord = code.local('i32');
    const locals = (mask: number, type: 'i64' | 'v128') =>
      Array.from({ length: 32 }, (_, number) => (mask & (1 << number) ? code.local(type) : undefined));
    const numbers = new Map<string, number>();
    const usesMxcsr = region.blocks.some(({ instructions }) =>
      instructions.some(({ translatable }) => translatable.program.statements.some(readsMxcsr)),
    );
    const vector = locals(this.#use.vector, 'v128');
    this.#frame = {
      code,
      general: locals(this.#use.general, 'i64'),
      vector,
      flagsKind: code.local('i32'),
      flagsA: code.local('i64'),
      flagsB: code.local('i64'),
      tlbRead: code.local('i32'),
      tlbWrite: code.local('i32'),
      mxcsr: usesMxcsr ? code.local('i32') : undefined,
      isSettled: mxcsrIsSettled(state),
      branchTaken: code.local('i32'),
      jumpTarget: code.local('i64'),
      ...imported,
      span: (group, write) => {
        const key = `${group} ${write}`;
        let span = this.#spans.get(key);
        if (span === undefined) {
          const number = numbers.get(group) ?? allocateSpan();
          numbers.set(group, number);
          const [base, length, addend] = [code.local('i64'), code.local('i64'), code.local('i32')];
          span = { offset: SPAN_OFFSET + SPAN_BYTES * number, base, length, addend, write };
          this.#spans.set(key, span);
        }
        return span;
      },
      reloadSpans: (writes) => this.#loadSpans(writes),
      sideExit: () => this.#sideExit(),
      swift: new Swift(code, vector, (width, most) => this.#lowering.pushSomeBeyond(width, most)),
    };
    this.#lowering = new RegionLowering(this.#frame, state, resolver);
    for (const block of region.blocks) for (const each of block.instructions) this.#lowering.collectSpans(each);
  }

  /** How many instructions may retire between two looks at the budget. */
  get reach(): number {
    return this.#blocks.reduce((sum, block) => sum + block.count, 0);
  }

  /** The counted ways out of what has been emitted. */
  get sites(): ExitSite[] {
    return [...this.#sites.values()].filter((site) => site !== undefined);
  }

  /** Whether it was made for a settled MXCSR; undefined where that is no matter. */
  get isSettled(): boolean | undefined {
    return this.#frame.mxcsr === undefined ? undefined : this.#frame.isSettled;
  }

  /** Defines the region's function in a module. @returns its index */
  emit(module: ModuleBuilder): number {
    const index = module.declare(['i32'], ['i32', 'i32']);
    this.#checkMxcsr();
    this.#loadState();
    this.#lookInto(0, undefined, () => {
      this.#code
        .i32(this.#region.entry | SIDE_EXIT)
        .get(this.#budget)
        .return();
    });
    this.#exit = this.#code.block();
    this.#tree(0);
    this.#code.end();
    this.#storeState();
    this.#code.get(this.#exitRecord).get(this.#budget);
    module.define(index, this.#code);
    return index;
  }

  /** Leaves at once when MXCSR is not what the code was made for. */
  #checkMxcsr(): void {
    const { code, mxcsr, isSettled } = this.#frame;
    if (mxcsr === undefined) return;
    code.i32(0).load('i32', 32, FIELDS.mxcsr.address).set(mxcsr);
    if (!isSettled) return;
    code.get(mxcsr).i32(SETTLED.mask).op('i32.and').i32(SETTLED.value).op('i32.ne').if();
    code
      .i32(this.#region.entry | SIDE_EXIT)
      .get(this.#budget)
      .return()
      .end();
  }

  #loadState(): void {
    const { code, general, vector, flagsKind, flagsA, flagsB, tlbRead, tlbWrite } = this.#frame;
    general.forEach((local, number) => {
      if (local !== undefined)
        code
          .i32(0)
          .load('i64', 64, GPR + 8 * number)
          .set(local);
    });
    vector.forEach((local, number) => {
      if (local !== undefined)
        code
          .i32(0)
          .load('v128', 128, XMM + 16 * number)
          .set(local);
    });
    code.i32(0).load('i32', 32, FIELDS.flagsKind.address).set(flagsKind);
    code.i32(0).load('i64', 64, FIELDS.flagsA.address).set(flagsA);
    code.i32(0).load('i64', 64, FIELDS.flagsB.address).set(flagsB);
    code.i32(0).load('i32', 32, FIELDS.tlbRead.address).set(tlbRead);
    code.i32(0).load('i32', 32, FIELDS.tlbWrite.address).set(tlbWrite);
    this.#loadSpans(false);
    this.#loadSpans(true);
  }

  /** Takes the read or write spans of the TLB that is current now. */
  #loadSpans(writes: boolean): void {
    const { code, tlbRead, tlbWrite } = this.#frame;
    const tlb = writes ? tlbWrite : tlbRead;
    for (const { offset, base, length, addend, write } of this.#spans.values()) {
      if (write !== writes) continue;
      code
        .get(tlb)
        .load('i64', 64, offset + SPAN_BASE)
        .set(base);
      code
        .get(tlb)
        .load('i64', 64, offset + SPAN_LENGTH)
        .set(length);
      code
        .get(tlb)
        .load('i32', 32, offset + SPAN_ADDEND)
        .set(addend);
    }
  }

  #storeState(): void {
    const { code, general, vector, flagsKind, flagsA, flagsB } = this.#frame;
    general.forEach((local, number) => {
      if (local !== undefined && this.#use.generalWritten & (1 << number)) {
        code
          .i32(0)
          .get(local)
          .store('i64', 64, GPR + 8 * number);
      }
    });
    vector.forEach((local, number) => {
      if (local !== undefined && this.#use.vectorWritten & (1 << number)) {
        code
          .i32(0)
          .get(local)
          .store('v128', 128, XMM + 16 * number);
      }
    });
    code.i32(0).get(flagsKind).store('i32', 32, FIELDS.flagsKind.address);
    code.i32(0).get(flagsA).store('i64', 64, FIELDS.flagsA.address);
    code.i32(0).get(flagsB).store('i64', 64, FIELDS.flagsB.address);
  }

  /** Emits a block and all that it dominates: what several ways reach stands behind the block's own code. */
  #tree(block: number): void {
    const code = this.#code;
    const isHeader = this.#flow.isLoopHeader(block);
    if (isHeader) this.#labels.set(block, code.loop());
    const merges = this.#flow.children(block).filter((child) => this.#flow.isMerge(child));
    this.#within(block, merges.reverse());
    if (isHeader) code.end();
  }

  /** @param merges dominated blocks that are still to be placed behind, the last of them first */
  #within(block: number, merges: readonly number[]): void {
    const [merge, ...rest] = merges;
    if (merge === undefined) {
      this.#block(block);
      return;
    }
    const outer = this.#labels.get(merge);
    this.#labels.set(merge, this.#code.block());
    this.#within(block, rest);
    this.#code.end();
    if (outer !== undefined) this.#labels.set(merge, outer);
    this.#tree(merge);
  }

  #block(number: number): void {
    const code = this.#code;
    const block = this.#blocks[number]!;
    code.get(this.#budget).i32(block.count).op('i32.sub').set(this.#budget);
    const segments = this.#frame.isSettled
      ? segmentsOf(block, this.#denormalsFlow.known[number]!, this.#resolver)
      : undefined;
    if (segments === undefined) this.#instructions(number, () => {});
    else this.#twice(number, segments);
    this.#ending(number, block);
  }

  /** The swift and the careful version of a block, one behind the other. */
  #twice(number: number, segments: readonly Segment[]): void {
    const code = this.#code;
    const { swift } = this.#frame;
    const join = code.block();
    const careful = segments.map(() => code.block()).reverse();
    const startingAt = new Map(segments.map(({ first }, at) => [first, at]));
    this.#instructions(number, (index) => {
      const at = startingAt.get(index);
      if (at !== undefined) swift.begin(segments[at]!, careful[at]!);
    });
    swift.end();
    code.br(join);
    this.#instructions(number, (index) => {
      if (!startingAt.has(index)) return;
      code.end();
      this.#lowering.forgetScalars();
    });
    code.end();
  }

  /** @param before is told where each instruction begins */
  #instructions(number: number, before: (index: number) => void): void {
    const block = this.#blocks[number]!;
    this.#flags = this.#flagsFlow.atEntry[number]!;
    this.#left = block.count;
    this.#lowering.forgetScalars();
    block.instructions.forEach((instruction, index) => {
      before(index);
      const isDead = this.#flagsFlow.dead[number]![index]!;
      this.#record = instruction.record;
      this.#lowering.lower(instruction, this.#flags.kind, isDead, this.#denormalsFlow.known[number]![index]!);
      this.#left -= instruction.count;
      this.#flags = this.#flagsFlow.behind(this.#flags, instruction, isDead);
    });
  }

  #ending(number: number, block: Block): void {
    const code = this.#code;
    if (block.ending === 'jump') {
      const { resumes } = block.instructions.at(-1)!.translatable;
      if (resumes) this.#noteResumption();
      this.#chooseTarget(number, block.candidates);
      this.#leaveByJump(number);
    } else if (block.taken === undefined) {
      this.#goTo(number, block.next!);
    } else if (block.next === undefined) {
      this.#goTo(number, block.taken);
    } else {
      code.get(this.#frame.branchTaken).if();
      this.#goTo(number, block.taken);
      code.else();
      this.#goTo(number, block.next);
      code.end();
    }
  }

  /** Behind an IRET: the ticks that are left, of which the budget lacks what is held back for the region's reach. */
  #noteResumption(): void {
    const code = this.#code.i32(0).get(this.#budget).i32(this.reach).op('i32.add');
    code.i32(0).load('i32', 32, FIELDS.overrun.address).op('i32.sub');
    code.store('i32', 32, FIELDS.resumeTicks.address);
  }

  /** Goes to the candidate that the jump's target is, by bisection; falls through when it is none. @param candidates by RIP */
  #chooseTarget(from: number, candidates: readonly Candidate[]): void {
    const code = this.#code;
    if (candidates.length <= 2) {
      for (const { rip, block, mustBeKnown } of candidates) {
        code.get(this.#frame.jumpTarget).i64(rip).op('i64.eq').if();
        if (mustBeKnown) {
          this.#pushIsKnown(this.#blocks[block]!);
          code.if();
        }
        this.#goToBlock(from, block);
        if (mustBeKnown) code.end();
        code.end();
      }
      return;
    }
    const middle = candidates.length >> 1;
    code.get(this.#frame.jumpTarget).i64(candidates[middle]!.rip).op('i64.lt_u').if();
    this.#chooseTarget(from, candidates.slice(0, middle));
    code.else();
    this.#chooseTarget(from, candidates.slice(middle));
    code.end();
  }

  /** Pushes whether the jump cache leads to a block's first record. */
  #pushIsKnown({ rip, record }: Block): void {
    const entry = JUMP_CACHE + jumpCacheIndex(Number(BigInt.asIntN(32, rip))) * JUMP_CACHE_ENTRY_BYTES;
    const code = this.#code.i32(0).load('i64', 64, entry).i64(rip).op('i64.eq');
    code
      .i32(0)
      .load('i32', 32, entry + 8)
      .i32(record)
      .op('i32.eq')
      .op('i32.and');
    code.i32(0).load('i32', 32, entry + 12);
    code.i32(0).load('i32', 32, FIELDS.fetchContext.address).op('i32.eq').op('i32.and');
  }

  #goTo(from: number, exit: Exit): void {
    if (exit.kind !== 'block') {
      this.#leave(from, exit);
    } else if (exit.unlessKnown === undefined) {
      this.#goToBlock(from, exit.block);
    } else {
      this.#pushIsKnown(this.#blocks[exit.block]!);
      this.#code.if();
      this.#goToBlock(from, exit.block);
      this.#code.else();
      this.#leave(from, exit.unlessKnown);
      this.#code.end();
    }
  }

  #goToBlock(from: number, to: number): void {
    if (this.#flow.isIrreducible(from, to)) {
      this.#leave(from, { kind: 'record', record: this.#blocks[to]!.record });
    } else if (!this.#flow.isForward(from, to)) {
      this.#repeat(from, to);
    } else {
      this.#lookInto(to, from, () => this.#leaveTo(from, () => this.#code.i32(this.#blocks[to]!.record)));
      if (this.#flow.isMerge(to)) this.#code.br(this.#labels.get(to)!);
      else this.#tree(to);
    }
  }

  /** On the way into a loop, looks at what the loop then need not look at in every round. @param from undefined from outside */
  #lookInto(to: number, from: number | undefined, leave: () => void): void {
    const looks = this.#denormalsFlow.looksInto(to, from);
    if (looks.length === 0) return;
    const { code, vector, mxcsr } = this.#frame;
    looks.forEach(({ register, parts }, index) => {
      this.#lowering.pushDenormals(vector[register]!, parts);
      if (index > 0) code.op('i32.or');
    });
    code.if();
    code.get(mxcsr!).i32(DENORMAL_RESULTS.mask).op('i32.and').i32(DENORMAL_RESULTS.value).op('i32.ne').if();
    leave();
    code.end().end();
  }

  /**
   * Goes back to a loop's header, unless the budget is used up. Looking at it here and not in the header lets flags die that the
   * loop replaces before anyone reads them.
   */
  #repeat(from: number, header: number): void {
    const code = this.#code.get(this.#budget).i32(0).op('i32.lt_s').if();
    code.i32(0).i32(1).store('i32', 32, FIELDS.covered.address);
    this.#leaveTo(from, () => code.i32(this.#blocks[header]!.record));
    code.end().br(this.#labels.get(header)!);
  }

  /** Leaves behind a block by a way that is no block's. */
  #leave(from: number, { kind, record }: Leaving): void {
    const code = this.#code;
    if (kind === 'interpreted') {
      this.#leaveTo(from, () => code.i32(record | SIDE_EXIT));
      return;
    }
    this.#count(from, `${kind} ${record}`, false);
    this.#leaveTo(from, () => {
      if (kind === 'record') code.i32(record);
      else code.i32(0).load('i32', 32, record + R.TARGET);
    });
  }

  /** Leaves behind a computed jump for wherever it leads. */
  #leaveByJump(from: number): void {
    const code = this.#code;
    const site = this.#count(from, 'jump', true);
    if (site !== undefined) {
      code
        .i32(0)
        .get(this.#frame.jumpTarget)
        .store('i64', 64, site.address + EXIT_SITE_TARGET);
    }
    code.i32(0).get(this.#frame.jumpTarget).store('i64', 64, FIELDS.rip.address);
    code.i32(0).i32(0).store('i32', 32, FIELDS.leaveCost.address);
    this.#leaveTo(from, () => code.i32(INDIRECT_RECORD));
  }

  /** Counts a way out behind a block; copies of the block count together. */
  #count(from: number, way: string, isComputed: boolean): ExitSite | undefined {
    const { record } = this.#blocks[from]!.instructions.at(-1)!;
    const key = `${record} ${way}`;
    if (!this.#sites.has(key)) this.#sites.set(key, this.#allocateSite(record, isComputed));
    const site = this.#sites.get(key);
    if (site === undefined) return undefined;
    this.#code.i32(0).i32(0).load('i32', 32, site.address).i32(1).op('i32.add').store('i32', 32, site.address);
    return site;
  }

  /** Leaves behind a block. */
  #leaveTo(from: number, pushRecord: () => void): void {
    this.#collectFlags(this.#flagsFlow.atEnd[from]!);
    pushRecord();
    this.#code.set(this.#exitRecord).br(this.#exit);
  }

  /** Leaves before the instruction being emitted: its block has been charged in full. */
  #sideExit(): void {
    const code = this.#code.get(this.#budget).i32(this.#left).op('i32.add').set(this.#budget);
    this.#collectFlags(this.#flags);
    code
      .i32(this.#record | SIDE_EXIT)
      .set(this.#exitRecord)
      .br(this.#exit);
  }

  /** Brings the flags' locals up to date from where the values are known to be as well. */
  #collectFlags({ kind, a, b }: Flags): void {
    const { flagsKind, flagsA, flagsB } = this.#frame;
    if (kind !== undefined) this.#code.i32(kind).set(flagsKind);
    this.#collect(a, flagsA);
    this.#collect(b, flagsB);
  }

  #collect(value: FlagValue, local: number): void {
    const code = this.#code;
    if (value.in === 'constant') code.i64(value.bits).set(local);
    if (value.in !== 'register') return;
    code.get(this.#frame.general[value.number]!);
    if (value.bits < 64) code.i64((1n << BigInt(value.bits)) - 1n).op('i64.and');
    code.set(local);
  }
}
