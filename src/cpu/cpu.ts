import { type CpuBus, GuestException } from './bus.ts';
import { type CpuSnapshot, captureCpu, restoreCpu } from './cpu-snapshot.ts';
import { DebugStops, toSigned } from './debug-stops.ts';
import { DecodeError, Decoder } from './decode/decoder.ts';
import { FORMS } from './decode/forms.ts';
import { Instruction } from './decode/instruction.ts';
import { FLAG } from './flags.ts';
import { CodeCache, type CodePage, UNFETCHABLE } from './interpreter/code-cache.ts';
import { interpreterModule } from './interpreter/instance.ts';
import { RecordWriter } from './interpreter/record-writer.ts';
import * as R from './interpreter/records.ts';
import { DEVICE_HOST } from './interpreter/shared-functions.ts';
import {
  BRANCH_RECORD,
  EXIT_RECORD,
  FIELDS,
  INDIRECT_RECORD,
  MODE,
  MODE_DECODE_MASK,
  NO_FETCH_CONTEXT,
  RESUME_RECORD,
  SS,
  STRING_LIMIT,
  TLB_ENTRIES,
  TLB_SLOW_WATCH,
  tlbReadAddress,
  tlbWriteAddress,
} from './layout.ts';
import { CpuState } from './state.ts';
import { SystemUnit } from './system/system-unit.ts';
import { Fill } from './system/tlb.ts';
import { Vector } from './system/vectors.ts';
import { REGION_REACH } from './translator/region.ts';
import { DEFAULT_TRANSLATOR, Translator, type TranslatorOptions } from './translator/translator.ts';

export type Engine = 'interpreter' | 'auto' | 'translator';

export interface CpuOptions {
  /** Guest RAM in bytes, a multiple of 4 KiB up to 3 GiB. */
  readonly memoryBytes: number;
  /** The machine around. */
  readonly bus: CpuBus;
  /** `auto` (the default) translates hot code, `translator` all code it can. The guest sees no difference. */
  readonly engine?: Engine;
  /** How eagerly hot code is translated, instead of what `engine` stands for. */
  readonly translator?: Partial<TranslatorOptions>;
}

/** Why `run` or `step` came back. `stop`: requestStop was called. `shutdown`: a triple fault. */
export interface RunExit {
  readonly reason: 'budget' | 'halt' | 'shutdown' | 'breakpoint' | 'watchpoint' | 'stop';
  /** Linear address of the breakpoint or of the watched access. */
  readonly address?: bigint;
}

const PAGE = 4096;
/** Control may go on for this many instructions after its ticks are used up: through a region, a run entered anywhere, and a run. */
const MARGIN = 2 * R.RUN_LIMIT + REGION_REACH;
/** Instructions between returns to TypeScript: V8 replaces a running function by its optimised version only when it is called. */
const SLICE = 200_000;
/**
 * Where events and system instructions end every slice early, one ends by itself after so many instructions, so that the translator gets
 * a sample. Translating such code gains little for what it costs: it must go on for long.
 */
const RARE_SAMPLES = 2_000_000;
/** Ticks with which every taken branch comes back. */
const NO_TICKS = -MARGIN;
/** How often in a row nothing may retire, as where a handler of exceptions cannot be reached, before the host gets a turn. */
const PATIENCE = 32;
const FETCH_CACHE = 1024;
const RIP_WORD = FIELDS.rip.address >> 2;
const INTERRUPT_PENDING_WORD = FIELDS.interruptPending.address >> 2;
const EXIT_REASON_WORD = FIELDS.exitReason.address >> 2;
const STRING_LIMIT_WORD = FIELDS.stringLimit.address >> 2;
const DEVICE_ACCESS_WORD = FIELDS.deviceAccess.address >> 2;
const FAULT_VECTOR_WORD = FIELDS.faultVector.address >> 2;
const FAULT_HAS_ERROR_CODE_WORD = FIELDS.faultHasErrorCode.address >> 2;
const FAULT_ERROR_CODE_WORD = FIELDS.faultErrorCode.address >> 2;
const SYSTEM_FLAGS_WORD = FIELDS.systemFlags.address >> 2;
const RESUME_TICKS_WORD = FIELDS.resumeTicks.address >> 2;
const EXIT_RECORD_WORD = FIELDS.exitRecord.address >> 2;
const FAULT_ADDRESS_WORD = FIELDS.faultAddress.address >> 2;

/** An exception or interrupt that is about to be delivered. */
export interface CpuEvent {
  readonly kind: 'exception' | 'interrupt' | 'nmi' | 'software-interrupt';
  readonly vector: number;
  readonly errorCode?: number;
  /** Linear address of a page fault. */
  readonly address?: bigint;
  readonly rip: bigint;
}

/** Exits of an instruction that is complete. */
const { LINK, LOOKUP, RELOOKUP, TICKS, STOP, BOUNDARY } = R.EXIT;
const GONE_ON: ReadonlySet<number> = new Set([LINK, LOOKUP, RELOOKUP, TICKS, STOP, BOUNDARY]);

type Run = (record: number, ticks: number) => number;

/**
 * The processor: drives the interpreter, hands rare instructions to their TypeScript functions, and takes faults and interrupts.
 *
 * Invariants: between calls RIP and instructionCount are exact and no record is half executed. Interrupts are looked at only at
 * instruction boundaries where something may have raised or allowed one: after TypeScript instructions, after device accesses, and
 * when a slice is over; the machine ends slices at its next timed event. Nothing depends on how long the host takes.
 */
export class Cpu {
  readonly state: CpuState;
  readonly memory: WebAssembly.Memory;
  readonly system: SystemUnit;
  readonly bus: CpuBus;
  /**
   * Instructions retired, which is virtual time. A HLT counts, a faulting instruction does not, a repeated string instruction counts
   * once and STRING_LIMIT for each pause: time goes on within one that takes for ever. `run` may come back so much late.
   */
  instructionCount = 0;

  /** Told of every exception and interrupt that is delivered. */
  onEvent: ((event: CpuEvent) => void) | undefined;

  readonly #stops: DebugStops;
  /** Undefined with the engine `interpreter`. */
  readonly translator: Translator | undefined;
  readonly #cache: CodeCache;
  readonly #writer: RecordWriter;
  readonly #run: Run;
  readonly #instruction = new Instruction();
  /** Recently fetched pages by linear page: tags and what they lead to. */
  readonly #fetchTags = new Float64Array(FETCH_CACHE).fill(-1);
  readonly #fetchContexts = new Int32Array(FETCH_CACHE);
  readonly #fetchPages: (CodePage | undefined)[] = new Array<CodePage | undefined>(FETCH_CACHE).fill(undefined);
  #page: CodePage | undefined;
  #codeBase = 0n;
  #codeLimit = 0;
  /** Record at RIP, when it is known. */
  #next = 0;
  /** Instructions until a slice ends for the sake of a sample. */
  #untilSample = RARE_SAMPLES;
  /** Record at which the interpreter came back. */
  #record = 0;
  #passedAt = -1;
  #passedRip = 0n;
  #stopRequested = false;
  #deviceAddress = 0;
  /** The fault being reported came from an operand whose base register decides between #SS and #GP. */
  #operandFault = false;

  constructor({ memoryBytes, bus, engine = 'auto', translator }: CpuOptions) {
    this.state = new CpuState(memoryBytes);
    this.memory = this.state.memory;
    this.bus = bus;
    this.system = new SystemUnit(this.state, bus, {
      stopRequested: () => this.#stopRequested,
      event: (source, vector, errorCode, address) => this.#reportEvent(source, vector, errorCode, address),
    });
    this.#stops = new DebugStops(this.state, this.system.tlb, this.system.memory);
    this.system.memory.onCodeWrite = (physical, bytes) => this.#cache.invalidate(physical, bytes);
    this.state.i32[STRING_LIMIT_WORD] = STRING_LIMIT;
    this.#writeFixedRecords();
    const { handlers, module } = interpreterModule();
    this.#writer = new RecordWriter(this.state, handlers);
    const source = {
      fetchBehind: (page: CodePage, offset: number) => this.#fetchBehind(page, offset),
      holdCode: (physicalPage: number) => this.system.tlb.holdCode(physicalPage),
    };
    this.#cache = new CodeCache(this.state, new Decoder(), source, this.#writer);
    const instance = new WebAssembly.Instance(module, {
      env: {
        memory: this.memory,
        fill: (low: number, high: number, size: number, flags: number) => this.#fill(low, high, size, flags),
        readDevice: (size: number) => this.#readDevice(size),
        writeDevice: (size: number) => this.#writeDevice(size),
        invalidatePage: (low: number, high: number) => this.system.tlb.invalidateData(low, high),
        codeWritten: (host: number, size: number) => this.#cache.invalidate((host >>> 0) - this.state.ramAddress, size),
      },
    });
    this.#run = instance.exports.run as Run;
    this.state.statusFlags = instance.exports.statusFlags as () => number;
    this.system.events.engine = instance.exports.deliverEvent as () => number;
    if (engine === 'interpreter') return;
    const eagerness = engine === 'translator' ? { threshold: 1, batch: 1 } : {};
    const options = { ...DEFAULT_TRANSLATOR, ...eagerness, ...translator };
    this.translator = new Translator(
      this.state,
      this.#cache,
      this.#writer,
      handlers,
      instance.exports,
      options,
      (linear) => this.#peek64(linear),
      this.system.tlb.spans,
    );
  }

  get guestRam(): Uint8Array {
    return this.state.guestRam;
  }

  #writeFixedRecords(): void {
    this.state.i32[(EXIT_RECORD + R.HANDLER) >> 2] = R.PSEUDO.exit;
    this.state.i32[(INDIRECT_RECORD + R.HANDLER) >> 2] = R.PSEUDO.indirect;
    this.state.i32[(BRANCH_RECORD + R.HANDLER) >> 2] = R.PSEUDO.goto;
    this.state.i32[(RESUME_RECORD + R.HANDLER) >> 2] = R.PSEUDO.resume;
  }

  /** Runs until instructionCount reaches `until`, or something stops it. */
  run(until: number): RunExit {
    this.#next = 0;
    let pauses = 0;
    for (let count = this.instructionCount; ; ) {
      const exit = this.#boundary();
      if (exit) return exit;
      const left = until - this.instructionCount;
      if (left <= 0) return { reason: 'budget' };
      pauses = this.instructionCount === count ? pauses + 1 : 0;
      if (pauses > PATIENCE) return { reason: 'stop' };
      count = this.instructionCount;
      const stopped = this.system.mustStep ? (this.#breakpointHere() ?? this.#single()) : this.#advance(left);
      if (stopped) return stopped;
    }
  }

  /** Executes exactly one instruction, or delivers one event. */
  step(): RunExit {
    this.#next = 0;
    if (this.state.halted !== 0 && !this.system.eventPending) return { reason: 'halt' };
    const exit = this.system.eventPending
      ? { reason: this.system.takeEvent() ? ('budget' as const) : ('shutdown' as const) }
      : (this.#single() ?? { reason: 'budget' });
    this.#stops.report();
    return exit;
  }

  /** Makes `run` stop before the instruction at a linear address, except when it starts there. */
  addBreakpoint(linear: bigint): void {
    this.#writer.breakpoints.add(toSigned(linear));
    if (linear === this.#linearRip()) this.#passBreakpoint();
    this.#cache.clear();
  }

  removeBreakpoint(linear: bigint): void {
    this.#writer.breakpoints.delete(toSigned(linear));
    this.#cache.clear();
  }

  /** Makes `run` stop behind an instruction that writes to any of these bytes. */
  addWatchpoint(linear: bigint, bytes: number): void {
    this.#stops.add(linear, bytes);
  }

  removeWatchpoint(linear: bigint): void {
    this.#stops.remove(linear);
  }

  /** Told of each store, after its instruction: linear address and bytes. Undefined costs nothing. */
  set onStore(observer: ((linear: bigint, size: number) => void) | undefined) {
    this.#stops.observe(observer);
  }
  get onStore(): ((linear: bigint, size: number) => void) | undefined {
    return this.#stops.onStore;
  }

  /** The page-table entries that translate a linear address, topmost first; no side effects. */
  walk(linear: bigint): ReturnType<SystemUnit['walkReport']> {
    return this.system.walkReport(linear);
  }

  /** Makes a running processor come back at the next instruction boundary. */
  requestStop(): void {
    this.#stopRequested = true;
  }

  raiseNmi(): void {
    this.system.raiseNmi();
  }

  reset(): void {
    this.system.reset();
    this.#cache.clear();
  }

  /** RAM has been written from outside: by a loader, a device, a debugger. @param address physical @param length in bytes */
  invalidateCode(address: number, length: number): void {
    this.#cache.invalidate(address, length);
  }

  /** The boot state has been written into `state`: recomputes what is derived from it. */
  refresh(): void {
    this.system.refresh();
    this.#cache.clear();
  }

  /** Everything but RAM. */
  save(): CpuSnapshot {
    return captureCpu(this.state, this.instructionCount);
  }

  /** The counterpart of `save`. RAM may have changed as well. */
  restore(snapshot: CpuSnapshot): void {
    restoreCpu(this.state, snapshot);
    this.instructionCount = snapshot.instructionCount;
    this.refresh();
    this.#passBreakpoint();
  }

  /** @returns the physical address behind a linear one, or undefined; changes nothing and never faults */
  translate(linear: bigint): number | undefined {
    return this.system.translate(linear);
  }

  #linearRip(): bigint {
    const { state } = this;
    return state.mode64 ? state.rip : (state.cs.base + state.rip) & 0xffff_ffffn;
  }

  /** The breakpoint at this very point of the run does not stop it. */
  #passBreakpoint(): void {
    this.#passedAt = this.instructionCount;
    this.#passedRip = this.state.rip;
  }

  /** @returns the exit for a breakpoint at RIP that has not been reported yet */
  #breakpointHere(): RunExit | undefined {
    const address = this.#linearRip();
    if (!this.#writer.breakpoints.has(toSigned(address))) return undefined;
    if (this.#passedAt === this.instructionCount && this.#passedRip === this.state.rip) return undefined;
    this.#passBreakpoint();
    return { reason: 'breakpoint', address };
  }

  #reportEvent(source: string, vector: number, errorCode: number | undefined, address: bigint | undefined): void {
    if (!this.onEvent) return;
    const kinds = {
      exception: 'exception',
      external: vector === Vector.NMI ? 'nmi' : 'interrupt',
      nmi: 'nmi',
    } as const;
    const kind = kinds[source as keyof typeof kinds] ?? 'software-interrupt';
    this.onEvent({
      kind,
      vector,
      rip: this.state.rip,
      ...(errorCode === undefined ? {} : { errorCode }),
      ...(address === undefined ? {} : { address }),
    });
  }

  /** Takes what is due at this instruction boundary. */
  #boundary(): RunExit | undefined {
    this.#stops.report();
    if (this.#stops.hit !== undefined) {
      const address = this.#stops.hit;
      this.#stops.hit = undefined;
      return { reason: 'watchpoint', address };
    }
    if (this.#stopRequested) {
      this.#stopRequested = false;
      return { reason: 'stop' };
    }
    while (this.system.eventPending) {
      this.#next = 0;
      if (!this.system.takeEvent()) return { reason: 'shutdown' };
    }
    return this.state.halted !== 0 ? { reason: 'halt' } : undefined;
  }

  #advance(left: number): RunExit | undefined {
    const record = this.#next || this.#known() || this.#lookup();
    if (record === 0) return this.#deliverPending();
    if (left <= MARGIN) return this.#atMost(record, left);
    const before = this.instructionCount;
    const reason = this.#execute(record, Math.min(left - MARGIN, SLICE, this.#untilSample));
    this.#untilSample -= this.instructionCount - before;
    return this.#handle(reason);
  }

  /**
   * Runs records from one on and accounts for what retired.
   * @param ticks instructions after which the first taken branch comes back
   * @returns an R.EXIT; RIP is exact
   */
  #execute(record: number, ticks: number): number {
    const words = this.state.i32;
    this.#next = 0;
    words[INTERRUPT_PENDING_WORD] = this.system.interruptBlocked ? 1 : 0;
    const resumed = words[SYSTEM_FLAGS_WORD]! & FLAG.RF;
    const left = this.#run(record, ticks + this.#cache.position(record));
    const reason = words[EXIT_REASON_WORD]!;
    if (reason === R.EXIT.LOOKUP) {
      this.instructionCount += ticks - left;
      if (resumed === 0) this.#endResumption(left);
      if (this.state.fetchContext !== NO_FETCH_CONTEXT) return reason;
      this.state.updateMode();
      return R.EXIT.BOUNDARY;
    }
    const at = words[EXIT_RECORD_WORD]!;
    this.#record = at;
    const leftAtRecord = left - this.#cache.position(at);
    this.instructionCount += ticks - leftAtRecord;
    if (resumed === 0) this.#endResumption(leftAtRecord);
    words[RIP_WORD] = words[(at + R.RIP) >> 2]!;
    words[RIP_WORD + 1] = words[(at + R.RIP + 4) >> 2]!;
    return reason;
  }

  /** Clears the RF that an IRET has set meanwhile, unless no instruction has retired behind it. */
  #endResumption(left: number): void {
    const words = this.state.i32;
    if ((words[SYSTEM_FLAGS_WORD]! & FLAG.RF) !== 0 && words[RESUME_TICKS_WORD] !== left)
      words[SYSTEM_FLAGS_WORD]! &= ~FLAG.RF;
  }

  #handle(reason: number): RunExit | undefined {
    switch (reason) {
      case R.EXIT.LINK:
        return this.#link(this.#record);
      case R.EXIT.LOOKUP:
        this.#next = this.#lookup();
        this.#reached(this.#next);
        return this.#next === 0 ? this.#deliverPending() : undefined;
      case R.EXIT.RELOOKUP:
        return this.#relookup(this.#record);
      case R.EXIT.HELPER:
        return this.#helper(this.#record);
      case R.EXIT.FAULT:
        return this.#deliverPending();
      case R.EXIT.DEVICE:
        return this.#deviceInstruction();
      case R.EXIT.BREAKPOINT: {
        const exit = this.#breakpointHere();
        if (exit === undefined) this.#next = this.#record + R.RECORD_BYTES;
        return exit;
      }
      case R.EXIT.BOUNDARY:
        return undefined;
      case R.EXIT.TICKS:
        this.#sample();
        return undefined;
      case R.EXIT.RESTART:
        this.#next = this.#record;
        if (this.state.get('stringLimit') === STRING_LIMIT) this.instructionCount += STRING_LIMIT;
        return undefined;
      default:
        this.#next = this.#record;
        return undefined;
    }
  }

  /** @returns 64 bits of RAM at a linear address within a page, without side effects */
  #peek64(linear: bigint): bigint | undefined {
    const physical = linear & 7n ? undefined : this.system.translate(linear);
    if (physical === undefined || physical + 8 > this.state.memoryBytes) return undefined;
    return this.state.view.getBigUint64(this.state.ramAddress + physical, true);
  }

  /** The end of a slice shows where time is spent. */
  #sample(): void {
    this.#next = this.#record;
    this.#untilSample = RARE_SAMPLES;
    this.system.tlb.spans.refresh();
    if (this.translator !== undefined && this.#lookup() === this.#record)
      this.translator.sample(this.#page!, this.#record);
  }

  /** Control came to a record by a way that was not linked yet. */
  #reached(record: number): void {
    if (record === 0 || !this.translator?.isEager) return;
    this.system.tlb.spans.refresh();
    this.translator.sample(this.#page!, record);
  }

  #link(stub: number): RunExit | undefined {
    const { generation } = this.#cache;
    const record = this.#lookup();
    if (record === 0) return this.#deliverPending();
    if (this.#cache.generation === generation) this.#cache.link(stub, record);
    this.#next = record;
    this.#reached(record);
    return undefined;
  }

  #relookup(stale: number): RunExit | undefined {
    const { generation } = this.#cache;
    const record = this.#lookup();
    if (record === 0) return this.#deliverPending();
    if (this.#cache.generation === generation) this.#cache.supersede(stale);
    this.#next = record;
    return undefined;
  }

  /** Runs no more than `count` instructions, which is at most MARGIN: from one taken branch to the next, at last to a marked record. */
  #atMost(first: number, count: number): RunExit | undefined {
    const until = this.instructionCount + count;
    for (let record = first; ; record = this.#record) {
      const stop = this.#recordAfter(record, until - this.instructionCount);
      if (stop < 0) return this.#single();
      const reason = stop === 0 ? this.#execute(record, NO_TICKS) : this.#executeTo(stop, record);
      if (reason !== R.EXIT.TICKS || this.instructionCount >= until) return this.#handle(reason);
    }
  }

  /** Runs from one record on to a taken branch, or to the record `stop` in the same run. @returns an R.EXIT */
  #executeTo(stop: number, record: number): number {
    const words = this.state.i32;
    const handler = words[(stop + R.HANDLER) >> 2]!;
    const own = (words[(stop + R.SCALE) >> 2]! >>> R.REGION.handlerShift) & R.REGION.handlerMask;
    words[(stop + R.HANDLER) >> 2] = R.PSEUDO.stop;
    const reason = this.#execute(record, NO_TICKS);
    if (words[(stop + R.HANDLER) >> 2] === R.PSEUDO.stop) {
      const regionGone = handler === R.PSEUDO.region && words[(stop + R.SCALE) >> 2]! >>> R.REGION.handlerShift === 0;
      words[(stop + R.HANDLER) >> 2] = regionGone ? own : handler;
    }
    return reason;
  }

  /**
   * @returns the record `count` instructions behind one in its run; 0 when the run ends before; -1 when there is none at that place, or
   * none with exact flags before it
   */
  #recordAfter(record: number, count: number): number {
    const bytes = this.state.u8;
    const wanted = this.#cache.position(record) + count;
    let at = record;
    for (;;) {
      const marks = bytes[at + R.MARKS]!;
      if (marks & R.MARK.stub) return 0;
      const count = marks & R.MARK.breakpoint ? 0 : marks & R.MARK.fused ? 2 : 1;
      const next = this.#cache.position(at) + count;
      if (next > wanted) return -1;
      at += R.RECORD_BYTES;
      if (this.#cache.position(at) !== next) return 0;
      if (next === wanted) return bytes[at + R.MARKS]! & R.MARK.staleFlags ? -1 : at;
    }
  }

  /** One instruction by itself, with what the debug features ask before and after it. */
  #single(): RunExit | undefined {
    const { system, state } = this;
    try {
      system.beforeInstruction();
    } catch (exception) {
      return this.#deliverThrown(exception);
    }
    const before = this.instructionCount;
    state.i32[STRING_LIMIT_WORD] = system.stepTrap ? 1 : STRING_LIMIT;
    const exit = this.#isolated(this.#lookup());
    state.i32[STRING_LIMIT_WORD] = STRING_LIMIT;
    if (this.#paused && !system.stepTrap) system.paused();
    else if (this.#paused || this.instructionCount > before) system.retired();
    return exit;
  }

  /** What was executed alone stopped between two iterations. */
  #paused = false;

  /** Executes the instruction at RIP and nothing behind it. @param record of it, or 0 with a fault to deliver */
  #isolated(record: number): RunExit | undefined {
    this.#paused = false;
    const alone = record === 0 ? 0 : this.#alone(record);
    if (alone === 0) return this.#deliverPending();
    const { generation } = this.#cache;
    const stop = this.#recordAfter(alone, 1);
    const reason = stop <= 0 ? this.#execute(alone, NO_TICKS) : this.#executeTo(stop, alone);
    this.#paused = reason === R.EXIT.RESTART;
    if (reason === R.EXIT.FAULT || reason === R.EXIT.DEVICE) this.#stops.discard();
    // What comes next belongs to the next step: its fetch may fault, behind whatever this instruction left pending.
    const exit = GONE_ON.has(reason) ? undefined : this.#handle(reason);
    const goesOn = reason === R.EXIT.STOP && alone === record && this.#cache.generation === generation;
    this.#next = goesOn ? this.#record : 0;
    return exit;
  }

  /**
   * @param record at RIP
   * @returns it, if its instruction can be executed alone there, else a record made for that; 0 with a fault to deliver
   */
  #alone(record: number): number {
    const isBreakpoint = (this.state.u8[record + R.MARKS]! & R.MARK.breakpoint) !== 0;
    if (!isBreakpoint && this.#recordAfter(record, 1) >= 0) return record;
    return this.#lookup() === 0 ? 0 : this.#cache.single(this.#page!, this.#offset());
  }

  /** Repeats the instruction at RIP, which met a device or a watched page, with access to them. */
  #deviceInstruction(): RunExit | undefined {
    this.state.i32[DEVICE_ACCESS_WORD] = 1;
    try {
      return this.#isolated(this.#record);
    } finally {
      this.state.i32[DEVICE_ACCESS_WORD] = 0;
    }
  }

  #offset(): number {
    return ((this.state.i32[RIP_WORD]! - (this.#page!.ripBase | 0)) | 0) & (PAGE - 1);
  }

  /** @returns the record at RIP when no look-up is needed to know it, else 0 */
  #known(): number {
    const { state } = this;
    return state.mode & MODE.code64 ? this.#cache.find(state.i32[RIP_WORD]!, state.i32[RIP_WORD + 1]!) : 0;
  }

  /** @returns the record at RIP, or 0 with a fault to deliver in the fault fields */
  #lookup(): number {
    const { state } = this;
    const low = state.i32[RIP_WORD]!;
    const high = state.i32[RIP_WORD + 1]!;
    const mode = state.mode;
    let linearLow = low;
    let linearHigh = high;
    if ((mode & MODE.code64) === 0) {
      if (low >>> 0 > state.cs.limit) return this.#raise(Vector.GENERAL_PROTECTION, 0);
      const { base, limit } = state.cs;
      if (base !== this.#codeBase || limit !== this.#codeLimit) {
        this.#codeBase = base;
        this.#codeLimit = limit;
        this.#writer.codeBase = Number(base);
        state.forgetFetches();
      }
      linearLow = (low + Number(base)) | 0;
      linearHigh = 0;
    }
    const page = this.#fetchPage(linearLow, linearHigh, low, high, mode);
    if (page === undefined) return 0;
    this.#page = page;
    this.#cache.reserve();
    const record = this.#cache.record(this.#current(page), this.#offset());
    if (record !== 0) this.#cache.remember(low, high, record);
    return record;
  }

  /** The page again, after a reserve that may have dropped it. */
  #current(page: CodePage): CodePage {
    this.#page = this.#cache.page(page.physicalPage, page.ripBase, page.mode, page.limit);
    return this.#page;
  }

  #fetchPage(linearLow: number, linearHigh: number, low: number, high: number, mode: number): CodePage | undefined {
    const context = this.state.fetchContext;
    const tag = linearHigh * 2 ** 20 + (linearLow >>> 12);
    const slot = tag & (FETCH_CACHE - 1);
    if (this.#fetchTags[slot] === tag && this.#fetchContexts[slot] === context) {
      const known = this.#fetchPages[slot]!;
      const ripBase = high * 2 ** 32 + (low >>> 0) - (linearLow & (PAGE - 1));
      const limit = this.#lastRip;
      if (known.ripBase === ripBase && known.mode === (mode & MODE_DECODE_MASK) && known.limit === limit) return known;
    }
    const code = this.system.fetch(linearLow, linearHigh);
    if (code === Fill.PAGE_FAULT) {
      this.#operandFault = false;
      return undefined;
    }
    if (code === Fill.NON_CANONICAL) {
      this.#raise(Vector.GENERAL_PROTECTION, 0);
      return undefined;
    }
    if (code === Fill.DEVICE) {
      this.#raise(Vector.INVALID_OPCODE);
      return undefined;
    }
    const physicalPage = Math.floor(this.system.tlb.physical / PAGE);
    const ripBase = high * 2 ** 32 + (low >>> 0) - (linearLow & (PAGE - 1));
    const page = this.#cache.page(physicalPage, ripBase, mode & MODE_DECODE_MASK, this.#lastRip);
    this.#fetchTags[slot] = tag;
    this.#fetchContexts[slot] = context;
    this.#fetchPages[slot] = page;
    return page;
  }

  /** The last RIP that may be fetched. */
  get #lastRip(): number {
    return this.state.mode64 ? Number.POSITIVE_INFINITY : this.state.cs.limit;
  }

  /** CodeSource.fetchBehind: the fault is left in the fault fields. */
  #fetchBehind(page: CodePage, offset: number): number {
    const { state } = this;
    const rip = page.ripBase + offset;
    if (!state.mode64 && rip > state.cs.limit) {
      this.#raise(Vector.GENERAL_PROTECTION, 0);
      return UNFETCHABLE;
    }
    const base = state.mode64 ? 0 : Number(state.cs.base);
    const linear = state.mode64 ? rip : (rip + base) % 2 ** 32;
    const code = this.system.fetch(linear | 0, Math.floor(linear / 2 ** 32) | 0);
    if (code === Fill.RAM) return this.system.tlb.physical;
    this.#operandFault = false;
    if (code !== Fill.PAGE_FAULT) this.#raise(Vector.GENERAL_PROTECTION, 0);
    return UNFETCHABLE;
  }

  /** Leaves an exception in the fault fields. */
  #raise(vector: number, errorCode?: number): 0 {
    this.#operandFault = false;
    this.state.i32[FAULT_VECTOR_WORD] = vector;
    this.state.i32[FAULT_HAS_ERROR_CODE_WORD] = errorCode === undefined ? 0 : 1;
    this.state.i32[FAULT_ERROR_CODE_WORD] = errorCode ?? 0;
    return 0;
  }

  #deliverPending(): RunExit | undefined {
    const { state } = this;
    const vector = this.#operandFault && this.#isStackOperand() ? Vector.STACK_FAULT : state.i32[FAULT_VECTOR_WORD]!;
    this.#operandFault = false;
    const errorCode = state.i32[FAULT_HAS_ERROR_CODE_WORD]! === 0 ? undefined : state.i32[FAULT_ERROR_CODE_WORD]!;
    if (vector !== Vector.PAGE_FAULT) return this.#deliver(new GuestException(vector, errorCode));
    state.setHalves(FIELDS.cr2.address, state.i32[FAULT_ADDRESS_WORD]!, state.i32[FAULT_ADDRESS_WORD + 1]!);
    const address = this.onEvent ? state.get64('faultAddress') : undefined;
    return this.#deliver(new GuestException(vector, errorCode, address));
  }

  #deliverThrown(exception: unknown): RunExit | undefined {
    if (exception instanceof GuestException) return this.#deliver(exception);
    throw exception;
  }

  #deliver(exception: GuestException): RunExit | undefined {
    this.#next = 0;
    return this.system.deliver(exception) ? undefined : { reason: 'shutdown' };
  }

  /** Whether the memory operand of the instruction at RIP is in the stack segment. */
  #isStackOperand(): boolean {
    const page = this.#writer.pageOf(this.#record);
    if (page === undefined) return false;
    const offset = (this.state.i32[(this.#record + R.RIP) >> 2]! - page.ripBase) & (PAGE - 1);
    return this.#cache.decode(page, offset, this.#instruction) >= 0 && this.#instruction.segment === SS;
  }

  /** Executes the TypeScript function of the instruction at a record. */
  #helper(record: number): RunExit | undefined {
    const { state, system } = this;
    const words = state.i32;
    const isHelper = words[(record + R.HANDLER) >> 2] === R.PSEUDO.helper;
    const index = words[(record + R.TARGET) >> 2]!;
    if (isHelper && index < 0) {
      return this.#deliver(
        index === DecodeError.TooLong
          ? new GuestException(Vector.GENERAL_PROTECTION, 0)
          : new GuestException(Vector.INVALID_OPCODE),
      );
    }
    const { generation } = this.#cache;
    const instruction = isHelper ? this.#writer.helpers[index]! : this.#decodeHere();
    const low = words[RIP_WORD]!;
    const high = words[RIP_WORD + 1]!;
    const context = state.fetchContext;
    const sum = (low >>> 0) + instruction.length;
    const nextLow = sum | 0;
    const nextHigh = state.mode64 && sum > 0xffff_ffff ? (high + 1) | 0 : high;
    system.charge = 1;
    words[RIP_WORD] = nextLow;
    words[RIP_WORD + 1] = nextHigh;
    try {
      this.#requireSse(instruction);
      system.execute(instruction);
    } catch (exception) {
      if (!(exception instanceof GuestException && exception.inNewTask)) {
        words[RIP_WORD] = low;
        words[RIP_WORD + 1] = high;
      }
      return this.#deliverThrown(exception);
    }
    this.instructionCount += system.charge;
    this.#paused = system.charge !== 1;
    const straight = words[RIP_WORD] === nextLow && words[RIP_WORD + 1] === nextHigh;
    const goesOn = straight && state.fetchContext === context && !FORMS[instruction.form]!.endsRun;
    if (goesOn && this.#cache.generation === generation) this.#next = record + R.RECORD_BYTES;
    return undefined;
  }

  /** The instruction at RIP, decoded on the spot: its handler has left it to TypeScript. */
  #decodeHere(): Instruction {
    this.#lookup();
    this.#cache.decode(this.#page!, this.#offset(), this.#instruction);
    return this.#instruction;
  }

  /** @throws GuestException when SSE is switched off: #UD by CR0.EM or CR4.OSFXSR, #NM by CR0.TS (SDM vol. 3A 13.1) */
  #requireSse(instruction: Instruction): void {
    if (this.state.mode & MODE.sse || !this.#writer.usesSse(instruction.form)) return;
    const CR0_EM = 1n << 2n;
    const CR4_OSFXSR = 1n << 9n;
    const enabled = (this.state.get64('cr0') & CR0_EM) === 0n && (this.state.get64('cr4') & CR4_OSFXSR) !== 0n;
    throw new GuestException(enabled ? Vector.DEVICE_NOT_AVAILABLE : Vector.INVALID_OPCODE);
  }

  /** The slow path's translation: see Imports.fill. */
  #fill(low: number, high: number, size: number, flags: number): number {
    const { state, system } = this;
    const kind = flags >> 1;
    const forbidden = low === 0 && high === -0x80000000;
    const code = forbidden ? Fill.NON_CANONICAL : system.fill(low, high, (flags & 1) as 0 | 1);
    switch (code) {
      case Fill.RAM:
        if (this.#isWatched(low, flags & 1) && !this.#watchedAccess(low, high, size, flags & 1)) return 0;
        if ((flags & 1) !== 0 && state.storesObserved) this.#stops.stored(linearAddress(low, high), size);
        return state.ramAddress + system.tlb.physical;
      case Fill.DEVICE:
        if (state.i32[DEVICE_ACCESS_WORD]! === 0) {
          state.i32[EXIT_REASON_WORD] = R.EXIT.DEVICE;
          return 0;
        }
        this.#deviceAddress = system.tlb.physical;
        return DEVICE_HOST;
      case Fill.NON_CANONICAL:
        this.#raise(kind === 1 ? Vector.STACK_FAULT : Vector.GENERAL_PROTECTION, 0);
        this.#operandFault = kind === 0;
        break;
      default:
        this.#operandFault = false;
    }
    state.i32[EXIT_REASON_WORD] = R.EXIT.FAULT;
    return 0;
  }

  #isWatched(low: number, write: number): boolean {
    const index = this.state.mmuIndex(this.state.cpl);
    const tlb = write ? tlbWriteAddress(index) : tlbReadAddress(index);
    const tag = this.state.i32[(tlb >> 2) + ((low >>> 12) & (TLB_ENTRIES - 1)) * 4]!;
    return (tag & (PAGE - 1)) === TLB_SLOW_WATCH;
  }

  /** @returns whether the access may go on now */
  #watchedAccess(low: number, high: number, size: number, write: number): boolean {
    if (this.state.i32[DEVICE_ACCESS_WORD]! === 0) {
      this.state.i32[EXIT_REASON_WORD] = R.EXIT.DEVICE;
      return false;
    }
    const linear = linearAddress(low, high);
    if (this.system.debug.dataActive) this.system.debug.dataAccess(linear, size, write === 1);
    if (write && !this.state.storesObserved) this.#stops.stored(linear, size);
    return true;
  }

  #readDevice(size: number): void {
    const value = this.bus.readPhysical(this.#deviceAddress, size as 1 | 2 | 4 | 8);
    if (size === 8) this.state.set64('transfer', BigInt.asUintN(64, BigInt(value)));
    else this.state.setHalves(FIELDS.transfer.address, truncate(Number(value), size), 0);
  }

  #writeDevice(size: number): void {
    const value = size === 8 ? this.state.get64('transfer') : truncate(this.state.get64Low('transfer'), size);
    this.bus.writePhysical(this.#deviceAddress, size as 1 | 2 | 4 | 8, value);
  }
}

/** @returns the low 1, 2 or 4 bytes, unsigned */
const truncate = (value: number, bytes: number): number =>
  bytes === 4 ? value >>> 0 : value & ((1 << (8 * bytes)) - 1);

const linearAddress = (low: number, high: number): bigint =>
  BigInt.asUintN(64, (BigInt(high) << 32n) | BigInt(low >>> 0));
