import { FLAG } from '../flags.ts';
import {
  BRANCH_RECORD,
  EXIT_RECORD,
  FIELDS,
  type FieldName,
  INDIRECT_RECORD,
  JUMP_CACHE,
  LOOKUP_RECORD,
  REGION_SLOTS,
  REGION_TICKS,
  RESUME_RECORD,
  SIDE_EXIT_COUNTERS,
  SIDE_EXITS,
} from '../layout.ts';
import { Context, type Variant } from '../semantics/context.ts';
import { semanticsOf } from '../semantics/index.ts';
import type { Program, Statement } from '../semantics/nodes.ts';
import { Vector } from '../system/vectors.ts';
import { Code, type Label } from '../wasm/code.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { defineExactRun, defineRecordAfter } from './exact-run.ts';
import { fuse } from './fusion.ts';
import { fusedConditions, heatOf } from './hot-forms.ts';
import { fitsArm, HotLowering, mayGiveUp } from './hot-lowering.ts';
import { defineLookUps } from './look-ups.ts';
import { Lowering, type LoweringOptions, type Surroundings } from './lower.ts';
import * as R from './records.ts';
import { declareImports, defineSharedFunctions, type SharedFunctions } from './shared-functions.ts';
import { VariantTable } from './variants.ts';

/** What the run builder must know of a variant, as bits of `Handlers.traits`. */
export const TRAIT = {
  /** Looks at the status flags. */
  readsFlags: 1,
  /** Replaces all of them, whatever the operands. */
  writesFlags: 2,
  /** May fault, leave or restart. */
  mayStop: 4,
} as const;

/** Handler numbers of each variant; -1 where there is none. */
export interface Handlers {
  readonly table: VariantTable;
  /** Any addressing; register forms are only here and in `noFlags`. */
  readonly general: Int32Array;
  readonly base: Int32Array;
  readonly index: Int32Array;
  readonly noFlags: Int32Array;
  /** Fused with a conditional jump: 32 a variant, by condition code, the upper 16 with an index. */
  readonly fused: Int32Array;
  readonly traits: Uint8Array;
  /** First of the REGION.slots table slots that translated regions use. */
  readonly firstRegionSlot: number;
  /** Asks the driver what is due before a record: the slot before them. */
  readonly attend: number;
  /** The module whose `run(record, ticks)` executes records. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

interface Arm {
  readonly program: Program;
  readonly options: LoweringOptions;
  /** Key in #cold of the function that the arm gives up to. */
  readonly fallback: number;
}

const PAGES = 65536;
/** Ticks that are never left. */
const NO_FAULT_TICKS = -0x8000_0000;

function traitsOf(program: Program): number {
  let traits = 0;
  const visit = (statements: readonly Statement[], top: boolean): void => {
    for (const statement of statements) {
      const { kind } = statement;
      if (kind === 'condition' || kind === 'statusFlags') traits |= TRAIT.readsFlags;
      else if (kind === 'setFlags' && top) traits |= TRAIT.writesFlags;
      else if (kind === 'if') {
        visit(statement.whenTrue, false);
        visit(statement.whenFalse, false);
      } else if (kind === 'loop') visit(statement.body, false);
      else if (STOPPING.has(kind)) traits |= TRAIT.mayStop;
    }
  };
  visit(program.statements, true);
  return traits;
}
const STOPPING = new Set<Statement['kind']>(['load', 'store', 'raise', 'leave', 'restart', 'branch', 'jump', 'bulk']);

/** Puts the interpreter together: hot variants as arms of one function, the others as functions in a table. */
class Generator {
  readonly #table = new VariantTable();
  readonly #arms: Arm[] = [];
  /** Programs that get functions of their own, by variant, or behind the variants by fused pair. */
  readonly #cold = new Map<number, Program>();
  /** Slot of each of them in the function table. */
  readonly #slots = new Map<number, number>();
  /** Slot of each look-up, by pseudo handler. */
  readonly #lookUpSlots = new Map<number, number>();
  readonly #module = new ModuleBuilder();
  readonly #functions: SharedFunctions;
  readonly #handlerType: number;

  constructor() {
    this.#functions = defineSharedFunctions(this.#module, declareImports(this.#module));
    this.#handlerType = this.#module.type(['i32', 'i32'], ['i32']);
  }

  generate(): Handlers {
    const { variants } = this.#table;
    const slots = () => new Int32Array(variants.length).fill(-1);
    const [general, base, index, noFlags] = [slots(), slots(), slots(), slots()];
    const fused = new Int32Array(variants.length * 32).fill(-1);
    const traits = new Uint8Array(variants.length);
    variants.forEach((variant, number) => {
      const program = Context.record(variant, semanticsOf(variant.form)!);
      traits[number] = traitsOf(program);
      const heat = heatOf(variant);
      if (heat.base && fitsArm(program, false)) base[number] = this.#arm(program, 'base', false, number);
      if (heat.index) index[number] = this.#arm(program, 'index', false, number);
      if (heat.noFlags && fitsArm(program, true)) noFlags[number] = this.#arm(program, 'base', true, number);
      const isArm = base[number]! >= 0 && !variant.memory;
      if (!isArm || mayGiveUp(program)) this.#cold.set(number, program);
      this.#fuse(variant, number, program, fused);
    });
    const first = R.PSEUDO_HANDLERS + this.#arms.length;
    const functions = [...this.#cold].map(([key, program], position) => {
      this.#slots.set(key, first + position);
      return this.#coldFunction(program);
    });
    variants.forEach((variant, number) => {
      general[number] = base[number]! >= 0 && !variant.memory ? base[number]! : this.#slots.get(number)!;
    });
    for (const [pseudo, lookUp] of defineLookUps(this.#module, this.#functions)) {
      this.#lookUpSlots.set(pseudo, first + functions.length);
      functions.push(lookUp);
    }
    functions.push(this.#attend());
    this.#module.element(first, functions);
    const firstRegionSlot = first + functions.length;
    this.#module.reserveTable(firstRegionSlot + REGION_SLOTS);
    const recordAfter = defineRecordAfter(this.#module);
    this.#module.export('run', defineExactRun(this.#module, this.#run(firstRegionSlot), recordAfter));
    this.#module.export('recordAfter', recordAfter);
    this.#module.export('statusFlags', this.#functions.statusFlags);
    this.#module.export('deliverEvent', this.#functions.deliverEvent);
    this.#module.export('invalidatePage', this.#functions.invalidatePage);
    this.#functions.conditions.forEach((index, pair) => {
      this.#module.export(`condition${pair}`, index);
    });
    this.#module.exportTable('table');
    const bytes = this.#module.bytes({ minimum: 1, maximum: PAGES });
    const attend = firstRegionSlot - 1;
    return { table: this.#table, general, base, index, noFlags, fused, traits, firstRegionSlot, attend, bytes };
  }

  #arm(program: Program, addressing: 'base' | 'index', noFlags: boolean, fallback: number): number {
    this.#arms.push({ program, options: { addressing, noFlags }, fallback });
    return R.PSEUDO_HANDLERS + this.#arms.length - 1;
  }

  #fuse(variant: Variant, number: number, program: Program, fused: Int32Array): void {
    for (const condition of fusedConditions(variant)) {
      const pair = fuse(program, condition, variant.operandSize);
      if (!pair) continue;
      const key = this.#table.variants.length + number * 16 + condition;
      if (mayGiveUp(pair)) this.#cold.set(key, pair);
      fused[number * 32 + condition] = this.#arm(pair, 'base', false, key);
    }
  }

  /** (record, ticks) -> record to go on with */
  #coldFunction(program: Program): number {
    const index = this.#module.declare(['i32', 'i32'], ['i32']);
    const code = new Code(2);
    const leaveTo = (record: number) => code.i32(record).return();
    const surroundings: Surroundings = {
      code,
      functions: this.#functions,
      record: 0,
      beforeSlowPath: () => {
        code.i32(0).get(0).store('i32', 32, FIELDS.calledRecord.address);
        code.i32(0).get(1).store('i32', 32, FIELDS.calledTicks.address);
      },
      pushTlb: (write) => code.i32(0).load('i32', 32, FIELDS[write ? 'tlbWrite' : 'tlbRead'].address),
      exit: () => {
        code.i32(0).get(0).store('i32', 32, FIELDS.exitRecord.address);
        leaveTo(EXIT_RECORD);
      },
      next: () => code.get(0).i32(R.RECORD_BYTES).op('i32.add').return(),
      takeBranch: () => {
        for (const field of [R.TARGET, R.COST]) {
          code
            .i32(0)
            .get(0)
            .load('i32', 32, field)
            .store('i32', 32, BRANCH_RECORD + field);
        }
        leaveTo(BRANCH_RECORD);
      },
      jumpToStack: (resumes) => {
        const target = code.local('i64');
        code.set(target).i32(0).get(target).store('i64', 64, FIELDS.rip.address);
        code.i32(0).get(0).load('i32', 32, R.COST).store('i32', 32, FIELDS.leaveCost.address);
        leaveTo(resumes ? RESUME_RECORD : INDIRECT_RECORD);
      },
    };
    new Lowering(surroundings, { addressing: 'general', noFlags: false }).lower(program);
    code.unreachable();
    this.#module.define(index, code);
    return index;
  }

  /** A handler's function that executes nothing: an event that was due may have been delivered, else it leaves. */
  #attend(): number {
    const index = this.#module.declare(['i32', 'i32'], ['i32']);
    const code = new Code(2);
    code.get(0).get(1).call(this.#functions.attend).if('i32');
    code.i32(0).get(0).load('i32', 16, R.POSITION).store('i32', 32, FIELDS.leaveCost.address);
    code.i32(INDIRECT_RECORD).else();
    code.i32(0).get(0).store('i32', 32, FIELDS.exitRecord.address).i32(EXIT_RECORD).end();
    this.#module.define(index, code);
    return index;
  }

  /** run(record, ticks) -> ticks left. `ticks` counts down when control leaves a run; see R.COST and R.POSITION. */
  #run(firstRegionSlot: number): number {
    const index = this.#module.declare(['i32', 'i32'], ['i32']);
    const code = new Code(2);
    const [record, ticks] = [0, 1];
    const [tlbRead, tlbWrite, target, entry] = [
      code.local('i32'),
      code.local('i32'),
      code.local('i64'),
      code.local('i32'),
    ];
    code.i32(0).i32(R.EXIT.TICKS).store('i32', 32, FIELDS.exitReason.address);
    const loadTlbs = () => {
      code.i32(0).load('i32', 32, FIELDS.tlbRead.address).set(tlbRead);
      code.i32(0).load('i32', 32, FIELDS.tlbWrite.address).set(tlbWrite);
    };
    loadTlbs();
    code.i32(0).i32(NO_FAULT_TICKS).store('i32', 32, FIELDS.faultTicks.address);
    const again = code.loop();
    const exit = code.block();
    const next = code.loop();
    const indirect = code.block();
    const byFunction = code.block();
    const handler = code.local('i32');
    const surroundings: Surroundings = {
      code,
      functions: this.#functions,
      record,
      pushTlb: (write) => code.get(write ? tlbWrite : tlbRead),
      exit: () => code.br(exit),
      next: () => code.get(record).i32(R.RECORD_BYTES).op('i32.add').set(record).br(next),
      takeBranch: () => {
        code.get(ticks).get(record).load('i32', 32, R.COST).op('i32.sub').set(ticks);
        code.get(record).load('i32', 32, R.TARGET).set(record);
        code.get(ticks).i32(0).op('i32.lt_s').brIf(exit).br(next);
      },
      jumpToStack: () => {
        code.set(target).get(ticks).get(record).load('i32', 32, R.COST).op('i32.sub').set(ticks).br(indirect);
      },
    };
    const count = R.PSEUDO_HANDLERS + this.#arms.length;
    const otherwise = code.block();
    const labels: Label[] = Array.from({ length: count }, () => code.block()).reverse();
    const region = () =>
      this.#regionArm(surroundings, { ticks, handler, next, labels, otherwise, byFunction, firstRegionSlot, loadTlbs });
    const goByFunction = (slot: number) => code.i32(slot).set(handler).br(byFunction);
    const ways = { ticks, target, exit, indirect, byFunction: goByFunction };
    const pseudo = [region, ...this.#pseudoArms(surroundings, ways)];
    code.get(record).load('i32', 32, R.HANDLER).brTable(labels, otherwise);
    for (let arm = 0; arm < count; arm++) {
      code.end();
      if (arm < pseudo.length) pseudo[arm]!();
      else {
        const { program, options, fallback } = this.#arms[arm - pseudo.length]!;
        const giveUp = () => goByFunction(this.#slots.get(fallback)!);
        new HotLowering(surroundings, options, giveUp).lower(program);
      }
    }
    code.end();
    code.get(record).load('i32', 32, R.HANDLER).set(handler);
    code.end();
    code.i32(0).get(ticks).store('i32', 32, FIELDS.calledTicks.address);
    code.i32(0).get(record).store('i32', 32, FIELDS.calledRecord.address);
    code.get(record).get(ticks).get(handler).callIndirect(this.#handlerType).set(record);
    loadTlbs();
    code.br(next);
    code.end();
    this.#jumpThroughCache(code, { record, ticks, target, entry, exit, next });
    code.end();
    code.end();
    this.#deliverFault(surroundings, { ticks, again, loadTlbs });
    code.end();
    code.i32(0).get(record).store('i32', 32, FIELDS.exitRecord.address).get(ticks);
    this.#module.define(index, code);
    return index;
  }

  /**
   * At a way out: enters the handler of a page fault where the driver would, and goes on there. What comes to nothing between two faults
   * is left to the driver, which counts it.
   */
  #deliverFault({ code, record }: Surroundings, at: { ticks: number; again: Label; loadTlbs: () => void }): void {
    const { ticks, again, loadTlbs } = at;
    const field = (name: FieldName) => code.i32(0).load('i32', 32, FIELDS[name].address);
    const left = code.local('i32');
    field('exitReason').i32(R.EXIT.FAULT).op('i32.eq').if();
    field('deliversFaults');
    field('faultVector').i32(Vector.PAGE_FAULT).op('i32.eq').op('i32.and');
    field('attention').op('i32.eqz').op('i32.and');
    code.get(ticks).get(record).load('i32', 16, R.POSITION).op('i32.sub').tee(left);
    field('faultTicks').op('i32.ne').op('i32.and').if();
    code.i32(0).get(left).store('i32', 32, FIELDS.faultTicks.address);
    code.i32(0).get(record).load('i64', 64, R.RIP).store('i64', 64, FIELDS.rip.address);
    code.i32(0).i32(0).load('i64', 64, FIELDS.faultAddress.address).store('i64', 64, FIELDS.cr2.address);
    code.i32(0).i32(FLAG.RF).store('i32', 32, FIELDS.eventFlags.address);
    code.call(this.#functions.deliverEvent).if();
    code.i32(0).i32(R.EXIT.TICKS).store('i32', 32, FIELDS.exitReason.address);
    code.i32(0).i32(0).store('i32', 32, FIELDS.leaveCost.address);
    loadTlbs();
    code.get(left).set(ticks).i32(INDIRECT_RECORD).set(record).br(again).end();
    // It leaves as an instruction does that is left to TypeScript.
    code.i32(0).i32(R.EXIT.FAULT).store('i32', 32, FIELDS.exitReason.address);
    code.end().end();
  }

  /** In the order of R.PSEUDO, behind region. */
  #pseudoArms(
    to: Surroundings,
    at: { ticks: number; target: number; exit: Label; indirect: Label; byFunction: (slot: number) => void },
  ): (() => void)[] {
    const { ticks, target, exit, indirect, byFunction } = at;
    const { code, record } = to;
    const leave = (reason: number) => () => {
      code.i32(0).i32(reason).store('i32', 32, FIELDS.exitReason.address).br(exit);
    };
    const jump = () => {
      code.get(record).load('i64', 64, R.RIP);
      to.jumpToStack();
    };
    const goIndirect = () => {
      code.i32(0).load('i64', 64, FIELDS.rip.address).set(target);
      code.get(ticks).i32(0).load('i32', 32, FIELDS.leaveCost.address).op('i32.sub').set(ticks).br(indirect);
    };
    const goResuming = () => {
      code.i32(0).get(ticks).i32(0).load('i32', 32, FIELDS.leaveCost.address).op('i32.sub');
      code.store('i32', 32, FIELDS.resumeTicks.address);
      goIndirect();
    };
    const exitFromCold = () => {
      code.i32(0).load('i32', 32, FIELDS.exitRecord.address).set(record).br(exit);
    };
    const lookUp = (pseudo: number) => () => byFunction(this.#lookUpSlots.get(pseudo)!);
    const { link, relookup, lookup } = R.PSEUDO;
    const { HELPER, STOP, BREAKPOINT } = R.EXIT;
    const ways = [lookUp(link), jump, goIndirect, exitFromCold, () => to.takeBranch(), leave(HELPER), lookUp(relookup)];
    return [...ways, leave(STOP), leave(BREAKPOINT), goResuming, lookUp(lookup)];
  }

  /**
   * Runs the region at this record. When it comes back because of one instruction, or cannot begin, the record where it stands is
   * executed by its own handler, even if that record is the head of a region: so something always happens.
   */
  #regionArm(
    { code, record }: Surroundings,
    at: {
      ticks: number;
      handler: number;
      next: Label;
      labels: readonly Label[];
      otherwise: Label;
      byFunction: Label;
      firstRegionSlot: number;
      loadTlbs: () => void;
    },
  ): void {
    const { ticks, handler, next, labels, otherwise, byFunction, firstRegionSlot, loadTlbs } = at;
    const type = this.#module.type(['i32'], ['i32', 'i32']);
    const [slot, reserve] = [code.local('i32'), code.local('i32')];
    code.get(record).load('i32', 32, R.SCALE).i32(R.REGION.slotShift).op('i32.shr_u').tee(slot);
    code.i32(2).op('i32.shl').load('i32', 32, REGION_TICKS).i32(0).load('i32', 32, FIELDS.overrun.address);
    code.op('i32.sub').set(reserve);
    code.get(ticks).get(record).load('i32', 16, R.POSITION).op('i32.sub').get(reserve).op('i32.sub').tee(handler);
    code.i32(0).op('i32.ge_s').if();
    code.get(handler).get(slot).i32(firstRegionSlot).op('i32.add').callIndirect(type);
    code.get(reserve).op('i32.add').set(ticks).set(handler);
    loadTlbs();
    code.get(handler).i32(~SIDE_EXIT).op('i32.and').set(record);
    code.get(ticks).get(record).load('i32', 16, R.POSITION).op('i32.add').set(ticks);
    code.get(handler).i32(SIDE_EXIT).op('i32.and').op('i32.eqz').brIf(next);
    const counter = code.local('i32');
    code.get(record).i32(6).op('i32.shr_u');
    code
      .i32(SIDE_EXIT_COUNTERS - 1)
      .op('i32.and')
      .i32(2)
      .op('i32.shl')
      .tee(counter);
    code.get(counter).load('i32', 32, SIDE_EXITS).i32(1).op('i32.add').store('i32', 32, SIDE_EXITS).else();
    code.i32(0).i32(1).store('i32', 32, FIELDS.covered.address).end();
    code.get(record).load('i32', 32, R.HANDLER).tee(handler).op('i32.eqz').if();
    code.get(record).load('i32', 32, R.SCALE).i32(R.REGION.handlerShift).op('i32.shr_u');
    code.i32(R.REGION.handlerMask).op('i32.and').set(handler).end();
    code.get(handler).brTable([otherwise, ...labels.slice(1)], byFunction);
  }

  #jumpThroughCache(
    code: Code,
    at: { record: number; ticks: number; target: number; entry: number; exit: Label; next: Label },
  ): void {
    const { record, ticks, target, entry, exit, next } = at;
    code.get(target).op('i32.wrap_i64').tee(entry).get(entry).i32(12).op('i32.shr_u').op('i32.xor');
    code.i32(0xffff).op('i32.and').i32(4).op('i32.shl').tee(entry);
    code.load('i64', 64, JUMP_CACHE).get(target).op('i64.eq');
    code
      .get(entry)
      .load('i32', 32, JUMP_CACHE + 12)
      .i32(0)
      .load('i32', 32, FIELDS.fetchContext.address);
    code.op('i32.eq').op('i32.and').if();
    code
      .get(entry)
      .load('i32', 32, JUMP_CACHE + 8)
      .tee(record)
      .load('i32', 16, R.POSITION);
    code.get(ticks).op('i32.add').tee(ticks).i32(0).op('i32.lt_s').brIf(exit).br(next).end();
    code.i32(0).get(target).store('i64', 64, FIELDS.rip.address);
    code.i32(LOOKUP_RECORD).set(record).br(next);
  }
}

/** Position of a RIP in the jump cache: must agree with the generated code. @param low bits 31:0 */
export const jumpCacheIndex = (low: number): number => (low ^ (low >>> 12)) & 0xffff;

/** Set in the record that a region returns when the instruction at it must run in the interpreter, region or not. */
export const SIDE_EXIT = 1;

export function generateInterpreter(): Handlers {
  return new Generator().generate();
}
