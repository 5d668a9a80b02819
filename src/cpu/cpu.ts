import { type CpuBus, GuestException } from './bus.ts';
import { CodeFetch } from './code-fetch.ts';
import { type CpuSnapshot, captureCpu, restoreCpu } from './cpu-snapshot.ts';
import { DataAccess } from './data-access.ts';
import { DebugStops, toSigned } from './debug-stops.ts';
import { DecodeError, Decoder } from './decode/decoder.ts';
import { FORMS } from './decode/forms.ts';
import type { Instruction } from './decode/instruction.ts';
import { DeviceAccess } from './device-access.ts';
import { Execution, type InterpreterExports, MARGIN, NO_TICKS } from './execution.ts';
import type { CodeCache } from './interpreter/code-cache.ts';
import { NO_EXACT_RECORD, RUN_ENDS } from './interpreter/exact-run.ts';
import { interpreterModule } from './interpreter/instance.ts';
import { RecordWriter } from './interpreter/record-writer.ts';
import * as R from './interpreter/records.ts';
import { Templates } from './interpreter/templates.ts';
import {
  BRANCH_RECORD,
  EXIT_RECORD,
  FIELDS,
  INDIRECT_RECORD,
  LOOKUP_RECORD,
  MODE,
  RESUME_RECORD,
  STRING_LIMIT,
} from './layout.ts';
import { PendingFault } from './pending-fault.ts';
import { CpuState } from './state.ts';
import { SystemUnit } from './system/system-unit.ts';
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

/** Instructions between returns to TypeScript: V8 replaces a running function by its optimised version only when it is called. */
const SLICE = 200_000;
/** Slices differ by up to so much in length, else samples of periodic code would all show the same place. */
const SLICE_SPREAD = 16_384;
/** Odd and near the spread's golden section, so that successive lengths are well distributed. */
const SLICE_STEP = 10_127;
/**
 * Where events and system instructions end every slice early, one ends by itself after so many instructions, so that the translator gets
 * a sample. Translating such code gains little for what it costs: it must go on for long.
 */
const RARE_SAMPLES = 2_000_000;
/** How often in a row nothing may retire, as where a handler of exceptions cannot be reached, before the host gets a turn. */
const PATIENCE = 32;
const RIP_WORD = FIELDS.rip.address >> 2;
const COVERED_WORD = FIELDS.covered.address >> 2;
const STRING_LIMIT_WORD = FIELDS.stringLimit.address >> 2;
const DEVICE_ACCESS_WORD = FIELDS.deviceAccess.address >> 2;

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
const { LOOKUP, RELOOKUP, TICKS, STOP, BOUNDARY } = R.EXIT;
const GONE_ON: ReadonlySet<number> = new Set([LOOKUP, RELOOKUP, TICKS, STOP, BOUNDARY]);

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
  /** Told of every exception and interrupt that is delivered. */
  onEvent: ((event: CpuEvent) => void) | undefined;

  readonly #stops: DebugStops;
  /** Undefined with the engine `interpreter`. */
  readonly translator: Translator | undefined;
  readonly #fault: PendingFault;
  readonly #fetch: CodeFetch;
  readonly #cache: CodeCache;
  readonly #writer: RecordWriter;
  readonly #execution: Execution;
  /** Record at RIP, when it is known. */
  #next = 0;
  /** Instructions until a slice ends for the sake of a sample. */
  #untilSample = RARE_SAMPLES;
  /** What the present slice is shorter than the longest. */
  #slice = 0;
  #passedAt = -1;
  #passedRip = 0n;

  constructor({ memoryBytes, bus, engine = 'auto', translator }: CpuOptions) {
    const state = new CpuState(memoryBytes);
    this.state = state;
    this.memory = state.memory;
    this.bus = bus;
    this.system = new SystemUnit(state, bus, {
      event: (source, vector, errorCode, address) => this.#reportEvent(source, vector, errorCode, address),
      eventsObserved: () => this.onEvent !== undefined,
    });
    this.#stops = new DebugStops(state, this.system.tlb, this.system.memory);
    this.system.memory.onCodeWrite = (physical, bytes) => this.#cache.invalidate(physical, bytes);
    state.i32[STRING_LIMIT_WORD] = STRING_LIMIT;
    this.#writeFixedRecords();
    const { handlers, module } = interpreterModule();
    const decoder = new Decoder();
    this.#writer = new RecordWriter(state, handlers, decoder);
    this.#fault = new PendingFault(state, () => this.#fetch.isStackOperand(this.#execution.record));
    this.#fetch = new CodeFetch(
      state,
      this.system,
      decoder,
      new Templates(decoder, handlers),
      this.#writer,
      this.#fault,
    );
    this.#cache = this.#fetch.cache;
    const data = new DataAccess(state, this.system, this.#stops, this.#fault);
    const instance = new WebAssembly.Instance(module, {
      env: {
        memory: this.memory,
        fill: (low: number, high: number, size: number, flags: number) => data.fill(low, high, size, flags),
        readDevice: (low: number, size: number) => devices.read(low, size),
        writeDevice: (low: number, size: number, value: number, high: number) => devices.write(low, size, value, high),
        attend: (record: number, ticks: number) => this.#execution.attend(record, ticks),
        codeWritten: (host: number, size: number) => this.#cache.invalidate((host >>> 0) - state.ramAddress, size),
        lookup: () => this.#fetch.lookupInRun(),
        link: (stub: number) => this.#fetch.link(stub),
        renew: (record: number) => this.#fetch.renewInRun(record),
      },
    });
    const exports = instance.exports as unknown as InterpreterExports;
    this.#execution = new Execution(state, this.system, this.#cache, exports, handlers.attend);
    const devices = new DeviceAccess(state, bus, this.#writer, this.#execution);
    state.statusFlags = instance.exports.statusFlags as () => number;
    this.system.events.engine = instance.exports.deliverEvent as () => number;
    if (engine === 'interpreter') return;
    const eagerness = engine === 'translator' ? { threshold: 1, batch: 1 } : {};
    const options = { ...DEFAULT_TRANSLATOR, ...eagerness, ...translator };
    this.translator = new Translator(
      state,
      this.#cache,
      this.#writer,
      handlers,
      instance.exports,
      options,
      (linear) => this.#peek64(linear),
      this.system.tlb.spans,
    );
    this.#fetch.leavesRuns = this.translator.isEager;
  }

  /**
   * Instructions retired, which is virtual time. A HLT counts, a faulting instruction does not, a repeated string instruction counts
   * once and STRING_LIMIT for each pause: time goes on within one that takes for ever. `run` may come back so much late.
   */
  get instructionCount(): number {
    return this.#execution.instructionCount;
  }
  set instructionCount(count: number) {
    this.#execution.instructionCount = count;
  }

  get guestRam(): Uint8Array {
    return this.state.guestRam;
  }

  #writeFixedRecords(): void {
    this.state.i32[(EXIT_RECORD + R.HANDLER) >> 2] = R.PSEUDO.exit;
    this.state.i32[(INDIRECT_RECORD + R.HANDLER) >> 2] = R.PSEUDO.indirect;
    this.state.i32[(BRANCH_RECORD + R.HANDLER) >> 2] = R.PSEUDO.goto;
    this.state.i32[(RESUME_RECORD + R.HANDLER) >> 2] = R.PSEUDO.resume;
    this.state.i32[(LOOKUP_RECORD + R.HANDLER) >> 2] = R.PSEUDO.lookup;
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
    this.system.stopRequested = true;
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
    if (this.system.stopRequested) {
      this.system.stopRequested = false;
      return { reason: 'stop' };
    }
    while (this.system.eventPending) {
      this.#next = 0;
      if (!this.system.takeEvent()) return { reason: 'shutdown' };
    }
    return this.state.halted !== 0 ? { reason: 'halt' } : undefined;
  }

  #advance(left: number): RunExit | undefined {
    const record = this.#next || this.#fetch.known() || this.#fetch.lookup();
    if (record === 0) return this.#deliverPending();
    if (left <= MARGIN) return this.#atMost(record, left);
    const before = this.instructionCount;
    this.#slice = (this.#slice + SLICE_STEP) % SLICE_SPREAD;
    const ticks = Math.min(SLICE - this.#slice, this.#untilSample);
    const isFar = left - MARGIN - REGION_REACH >= ticks;
    this.#next = 0;
    const reason = this.#execution.run(record, Math.min(left - MARGIN, ticks), 0, isFar ? REGION_REACH : 0);
    this.#untilSample -= this.instructionCount - before;
    return this.#handle(reason);
  }

  #handle(reason: number): RunExit | undefined {
    switch (reason) {
      case R.EXIT.LOOKUP:
        return this.#goOn(this.#fetch.lookup());
      case R.EXIT.RELOOKUP:
        return this.#goOn(this.#fetch.renew(this.#execution.record));
      case R.EXIT.HELPER:
        return this.#helper(this.#execution.record);
      case R.EXIT.FAULT:
        return this.#deliverPending();
      case R.EXIT.DEVICE:
        return this.#deviceInstruction();
      case R.EXIT.BREAKPOINT: {
        const exit = this.#breakpointHere();
        if (exit === undefined) this.#next = this.#execution.record + R.RECORD_BYTES;
        return exit;
      }
      case R.EXIT.BOUNDARY:
        return undefined;
      case R.EXIT.SHUTDOWN:
        return { reason: 'shutdown' };
      case R.EXIT.TICKS:
        this.#sample();
        return undefined;
      case R.EXIT.RESTART:
        this.#next = this.#execution.record;
        if (this.state.get('stringLimit') === STRING_LIMIT) this.instructionCount += STRING_LIMIT;
        return undefined;
      default:
        this.#next = this.#execution.record;
        return undefined;
    }
  }

  /** @returns 64 bits of RAM at a linear address within a page, without side effects */
  #peek64(linear: bigint): bigint | undefined {
    const physical = linear & 7n ? undefined : this.system.translate(linear);
    if (physical === undefined || physical + 8 > this.state.memoryBytes) return undefined;
    return this.state.view.getBigUint64(this.state.ramAddress + physical, true);
  }

  /** The end of a slice shows where time is spent, unless only that end kept a region from going on. */
  #sample(): void {
    this.#next = this.#execution.record;
    this.#untilSample = RARE_SAMPLES;
    this.system.tlb.spans.refresh();
    if (this.translator === undefined) return;
    this.translator.pass();
    const isCovered = this.state.i32[COVERED_WORD] !== 0 && !this.translator.isEager;
    if (!isCovered && this.#fetch.lookup() === this.#execution.record)
      this.translator.sample(this.#fetch.page!, this.#execution.record);
  }

  /** Control comes to a record by a way that was not known yet. @param record 0 with a fault pending */
  #goOn(record: number): RunExit | undefined {
    if (record === 0) return this.#deliverPending();
    this.#next = record;
    if (this.translator?.isEager) {
      this.system.tlb.spans.refresh();
      this.translator.pass();
      this.translator.sample(this.#fetch.page!, record);
    }
    return undefined;
  }

  /** Runs no more than `count` instructions, which is at most MARGIN: from run to run, at last to a marked record. */
  #atMost(first: number, count: number): RunExit | undefined {
    const until = this.instructionCount + count;
    for (let record = first; ; record = this.#execution.record) {
      const left = until - this.instructionCount;
      const stop = this.#execution.recordAfter(record, left);
      if (stop === NO_EXACT_RECORD) return this.#single();
      this.#next = 0;
      const reason = stop === RUN_ENDS ? this.#execution.approach(record, left) : this.#execution.runTo(stop, record);
      const goesOn = reason === R.EXIT.TICKS && this.instructionCount < until && !this.system.mustStep;
      if (!goesOn) return this.#handle(reason);
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
    const exit = this.#isolated(this.#fetch.lookup());
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
    const stop = this.#execution.recordAfter(alone, 1);
    this.#next = 0;
    const execution = this.#execution;
    const reason = stop <= RUN_ENDS ? execution.run(alone, NO_TICKS) : execution.runTo(stop, alone);
    this.#paused = reason === R.EXIT.RESTART;
    if (reason === R.EXIT.FAULT || reason === R.EXIT.DEVICE) this.#stops.discard();
    // What comes next belongs to the next step: its fetch may fault, behind whatever this instruction left pending.
    const exit = GONE_ON.has(reason) ? undefined : this.#handle(reason);
    const goesOn = reason === R.EXIT.STOP && alone === record && this.#cache.generation === generation;
    this.#next = goesOn ? this.#execution.record : 0;
    return exit;
  }

  /**
   * @param record at RIP
   * @returns it, if its instruction can be executed alone there, else a record made for that; 0 with a fault to deliver
   */
  #alone(record: number): number {
    const isBreakpoint = (this.state.u8[record + R.MARKS]! & R.MARK.breakpoint) !== 0;
    return isBreakpoint || this.#execution.recordAfter(record, 1) === NO_EXACT_RECORD
      ? this.#fetch.lookupSingle()
      : record;
  }

  /** Repeats the instruction at RIP, which met a device or a watched page, with access to them. */
  #deviceInstruction(): RunExit | undefined {
    this.state.i32[DEVICE_ACCESS_WORD] = 1;
    try {
      return this.#isolated(this.#execution.record);
    } finally {
      this.state.i32[DEVICE_ACCESS_WORD] = 0;
    }
  }

  #deliverPending(): RunExit | undefined {
    return this.#deliver(this.#fault.take(this.onEvent !== undefined));
  }

  #deliverThrown(exception: unknown): RunExit | undefined {
    if (exception instanceof GuestException) return this.#deliver(exception);
    throw exception;
  }

  #deliver(exception: GuestException): RunExit | undefined {
    this.#next = 0;
    return this.system.deliver(exception) ? undefined : { reason: 'shutdown' };
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
    const instruction = isHelper ? this.#writer.helpers[index]! : this.#fetch.decodeHere();
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

  /** @throws GuestException when SSE is switched off: #UD by CR0.EM or CR4.OSFXSR, #NM by CR0.TS (SDM vol. 3A 13.1) */
  #requireSse(instruction: Instruction): void {
    if (this.state.mode & MODE.sse || !this.#writer.usesSse(instruction.form)) return;
    const CR0_EM = 1n << 2n;
    const CR4_OSFXSR = 1n << 9n;
    const enabled = (this.state.get64('cr0') & CR0_EM) === 0n && (this.state.get64('cr4') & CR4_OSFXSR) !== 0n;
    throw new GuestException(enabled ? Vector.DEVICE_NOT_AVAILABLE : Vector.INVALID_OPCODE);
  }
}
