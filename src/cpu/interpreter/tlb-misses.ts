/**
 * What a miss in the TLB comes to, and INVLPG, in WebAssembly: walks of 4-level paging through tables in RAM to a small page of RAM,
 * the faults on the way there, and the upkeep of the TLBs. All else is left to system/tlb.ts and system/page-walk.ts, which do the same
 * in general and own what is kept.
 */

import {
  CODE_GRANULES,
  FETCHED_PAGES,
  FIELDS,
  type FieldName,
  LARGE_1G,
  LARGE_4M,
  LARGE_PAGES,
  MMU_INDEXES,
  MMU_SUPERVISOR,
  MMU_USER,
  PAGE_HASH_FACTOR,
  PAGE_HASHES,
  SPAN_BYTES,
  SPAN_LENGTH,
  SPAN_OFFSET,
  SPAN_STATUS,
  SPANS_NONE,
  TLB_ADDEND,
  TLB_BYTES,
  TLB_EMPTY,
  TLB_GLOBAL,
  TLB_GLOBAL_LOG,
  TLB_IN_GLOBAL_LOG,
  TLB_IN_LOCAL_LOG,
  TLB_INVALID,
  TLB_LOCAL_LOG,
  TLB_PHYSICAL_PAGE,
  TLB_SLOW_CODE,
  TLB_STATUS,
  TLB_TAG,
  tlbReadAddress,
} from '../layout.ts';
import { Access, ENTRY_ADDRESS, Entry } from '../system/page-walk.ts';
import { Vector } from '../system/vectors.ts';
import type { Code, Label } from '../wasm/code.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { pushHalves } from './lower.ts';
import { EXIT } from './records.ts';

const PAGE_MASK = -4096n;
/** Levels of tables, the PML4 being the highest. */
const LEVELS = 4;

/** Pushes a field of the CPU block. */
function load(code: Code, field: FieldName): Code {
  const { address, width } = FIELDS[field];
  return code.i32(0).load(width === 8 ? 'i64' : 'i32', width * 8, address);
}

/** Pushes the offset in its TLB of the entry for a linear address. */
function entryOffset(code: Code, address: number): Code {
  return code.get(address).i64(8n).op('i64.shr_u').op('i32.wrap_i64').i32(0xfff0).op('i32.and');
}

/** (TLB): ends its spans, as Spans.forget does. */
function defineForgetSpans(module: ModuleBuilder): number {
  return module.add(['i32'], [], (code) => {
    const [at, left] = [code.local('i32'), code.local('i32')];
    code.get(0).load('i32', 32, SPAN_STATUS).i32(SPANS_NONE).op('i32.eq').if().return().end();
    code.get(0).i32(SPANS_NONE).store('i32', 32, SPAN_STATUS);
    load(code, 'spansUsed').tee(left).op('i32.eqz').if().return().end();
    code.get(0).i32(SPAN_OFFSET).op('i32.add').set(at);
    const again = code.loop();
    code.get(at).i64(0n).store('i64', 64, SPAN_LENGTH);
    code.get(at).i32(SPAN_BYTES).op('i32.add').set(at);
    code.get(left).i32(1).op('i32.sub').tee(left).brIf(again).end();
  });
}

/** (entry, tag i64, physical address of the page, not 0 for a global page): fills an entry of a TLB. */
function defineEnter(module: ModuleBuilder, forgetSpans: number): number {
  return module.add(['i32', 'i64', 'i32', 'i32'], [], (code) => {
    const [entry, tag, physical, global] = [0, 1, 2, 3];
    const [old, number, slot, status, mark, log, count] = [
      code.local('i64'),
      code.local('i32'),
      code.local('i32'),
      code.local('i32'),
      code.local('i32'),
      code.local('i32'),
      code.local('i32'),
    ];
    code.get(physical).i32(12).op('i32.shr_u').set(number);
    code.get(entry).load('i64', 64, TLB_TAG).tee(old).i64(TLB_INVALID).op('i64.ne').if();
    code.get(old).get(tag).op('i64.ne');
    code.get(entry).load('i32', 32, TLB_PHYSICAL_PAGE).get(number).op('i32.ne').op('i32.or').if();
    code.get(entry).i32(-TLB_BYTES).op('i32.and').call(forgetSpans).end().end();
    code.get(entry).get(tag).store('i64', 64, TLB_TAG);
    code.get(entry);
    load(code, 'ramAddress').get(physical).op('i32.add');
    code.get(tag).i64(PAGE_MASK).op('i64.and').op('i32.wrap_i64').op('i32.sub').store('i32', 32, TLB_ADDEND);
    code.get(entry).get(number).store('i32', 32, TLB_PHYSICAL_PAGE);

    code.get(entry).i32(tlbReadAddress(0)).op('i32.sub').i32(4).op('i32.shr_u').tee(slot);
    code.load('i32', 8, TLB_STATUS).i32(~TLB_GLOBAL).op('i32.and').set(status);
    code.i32(TLB_IN_GLOBAL_LOG).i32(TLB_IN_LOCAL_LOG).get(global).select().tee(mark);
    code.get(status).op('i32.and').op('i32.eqz').if();
    code.i32(TLB_GLOBAL_LOG).i32(TLB_LOCAL_LOG).get(global).select().tee(log);
    code.get(log).load('i32', 32).i32(1).op('i32.add').tee(count).store('i32', 32);
    code.get(log).get(count).i32(2).op('i32.shl').op('i32.add').get(slot).store('i32', 32).end();
    code.get(slot).get(status).get(mark).op('i32.or');
    code.i32(TLB_GLOBAL).i32(0).get(global).select().op('i32.or').store('i32', 8, TLB_STATUS);
  });
}

/** Emits a function (address i64, size, write, access kind) -> host address as Imports.fill returns it. */
class FillEmitter {
  readonly #code: Code;
  readonly #address = 0;
  readonly #size = 1;
  readonly #write = 2;
  readonly #kind = 3;
  /** Read TLB of the ring that accesses, and whether that is ring 3. */
  readonly #tlb: number;
  readonly #user: number;
  /** An entry, its host address and its low half; where it leads. */
  readonly #entry: number;
  readonly #at: number;
  readonly #low: number;
  readonly #target: number;
  /** The bits that all entries up to now have, and those that writing asks for. */
  readonly #rights: number;
  readonly #writeRight: number;
  /** Whether a fault is one of rights, as the error code has it. */
  readonly #cause: number;

  constructor(code: Code) {
    this.#code = code;
    [this.#tlb, this.#user] = [code.local('i32'), code.local('i32')];
    [this.#at, this.#low] = [code.local('i32'), code.local('i32')];
    [this.#rights, this.#writeRight, this.#cause] = [code.local('i32'), code.local('i32'), code.local('i32')];
    [this.#entry, this.#target] = [code.local('i64'), code.local('i64')];
  }

  /** PageWalker.walk and Tlb.fill for what is usual. @param general Imports.fill */
  emit(enter: number, general: number): void {
    const code = this.#code;
    const rare = code.block();
    const fault = code.block();
    this.#checkUsual(rare);
    this.#walk(rare, fault);
    this.#checkRights(fault);
    this.#enterPage(rare, enter);
    code.end();
    this.#raise();
    code.end();
    pushHalves(code, this.#address);
    code.get(this.#size).get(this.#write).get(this.#kind).i32(1).op('i32.shl').op('i32.or').call(general);
  }

  #checkUsual(rare: Label): void {
    const code = this.#code;
    load(code, 'walkTable').op('i32.eqz').brIf(rare);
    load(code, 'watchedPages').brIf(rare);
    const address = this.#address;
    code.get(address).i64(16n).op('i64.shl').i64(16n).op('i64.shr_s').get(address).op('i64.ne').brIf(rare);
    load(code, 'tlbRead').tee(this.#tlb).i32(TLB_EMPTY).op('i32.eq').brIf(rare);
    load(code, 'tlbWrite').i32(TLB_EMPTY).op('i32.eq').get(this.#write).op('i32.and').brIf(rare);
    code.get(this.#tlb).i32(tlbReadAddress(MMU_USER)).op('i32.eq').set(this.#user);
  }

  /** Down to the entry of a small page; sets the accessed flags of those above. */
  #walk(rare: Label, fault: Label): void {
    const code = this.#code;
    const [low, at, rights] = [this.#low, this.#at, this.#rights];
    const table = code.local('i32');
    load(code, 'walkTable').set(table);
    code.i32(Entry.USER | Entry.WRITABLE).set(rights);
    for (let level = LEVELS; level > 0; level--) {
      code
        .get(table)
        .get(this.#address)
        .i64(BigInt(9 * level))
        .op('i64.shr_u')
        .op('i32.wrap_i64');
      code.i32(0xff8).op('i32.and').op('i32.add').tee(at).load('i64', 64).tee(this.#entry).op('i32.wrap_i64').tee(low);
      code.i32(Entry.PRESENT).op('i32.and').op('i32.eqz').brIf(fault);
      code.get(this.#entry);
      load(code, 'walkReserved').op('i64.and').i64(0n).op('i64.ne').brIf(rare);
      code.get(rights).get(low).op('i32.and').set(rights);
      if (level === 1) break;
      code.get(low).i32(Entry.LARGE).op('i32.and').brIf(rare);
      code.get(low).i32(Entry.ACCESSED).op('i32.and').op('i32.eqz').if();
      code.get(at).get(low).i32(Entry.ACCESSED).op('i32.or').store('i32', 32).end();
      this.#findTarget(rare);
      code.get(this.#target).op('i32.wrap_i64');
      load(code, 'ramAddress').op('i32.add').set(table);
    }
  }

  #findTarget(rare: Label): void {
    const code = this.#code.get(this.#entry).i64(ENTRY_ADDRESS).op('i64.and').tee(this.#target);
    load(code, 'memoryBytes').op('i64.extend_i32_u').op('i64.ge_u').brIf(rare);
  }

  /** As PageWalker's: SDM vol. 3A 4.6.1. */
  #checkRights(fault: Label): void {
    const code = this.#code;
    const needed = code.local('i32');
    code.i32(Entry.PRESENT).set(this.#cause).i32(Entry.WRITABLE);
    load(code, 'walkSupervisorWrite').get(this.#user).select().set(this.#writeRight);
    code.get(this.#writeRight).i32(0).get(this.#write).select();
    code.i32(Entry.USER).i32(0).get(this.#user).select().op('i32.or').tee(needed);
    code.get(this.#rights).op('i32.and').get(needed).op('i32.ne').brIf(fault);
    code.get(this.#tlb).i32(tlbReadAddress(MMU_SUPERVISOR)).op('i32.eq');
    code.get(this.#rights).i32(Entry.USER).op('i32.and').i32(0).op('i32.ne').op('i32.and').brIf(fault);
  }

  /** Sets the page's flags, enters it for reading, and for writing if it is ready, and returns. */
  #enterPage(rare: Label, enter: number): void {
    const code = this.#code;
    const [flags, physical, global] = [code.local('i32'), code.local('i32'), code.local('i32')];
    const page = code.local('i64');
    this.#findTarget(rare);
    code
      .get(this.#low)
      .i32(Entry.ACCESSED | Entry.DIRTY)
      .i32(Entry.ACCESSED)
      .get(this.#write)
      .select();
    code.op('i32.or').tee(flags).get(this.#low).op('i32.ne').if();
    code.get(this.#at).get(flags).store('i32', 32).end();

    code.get(this.#address).i64(PAGE_MASK).op('i64.and').set(page);
    code.get(this.#target).op('i32.wrap_i64').set(physical);
    load(code, 'walkGlobal').get(flags).op('i32.and').set(global);
    entryOffset(code, this.#address).get(this.#tlb).op('i32.add').tee(this.#at);
    code.get(page).get(physical).get(global).call(enter);
    code.get(flags).i32(Entry.DIRTY).op('i32.and').op('i32.eqz').op('i32.eqz');
    code.get(this.#rights).get(this.#writeRight).op('i32.and').get(this.#writeRight).op('i32.eq').op('i32.and').if();
    code.get(this.#at).i32(TLB_BYTES).op('i32.add').get(page).i64(BigInt(TLB_SLOW_CODE)).i64(0n);
    code.get(physical).i32(12).op('i32.shr_u').i32(3).op('i32.shl').load('i64', 64, CODE_GRANULES);
    code.i64(0n).op('i64.ne').select().op('i64.or').get(physical).get(global).call(enter).end();
    load(code, 'ramAddress').get(physical).op('i32.add');
    code.get(this.#address).op('i32.wrap_i64').i32(0xfff).op('i32.and').op('i32.add').return();
  }

  /** #PF, left in the fault fields; returns. */
  #raise(): void {
    const code = this.#code;
    const set = (field: FieldName, push: () => Code) => {
      code.i32(0);
      push().store(FIELDS[field].width === 8 ? 'i64' : 'i32', FIELDS[field].width * 8, FIELDS[field].address);
    };
    set('exitReason', () => code.i32(EXIT.FAULT));
    set('faultVector', () => code.i32(Vector.PAGE_FAULT));
    set('faultHasErrorCode', () => code.i32(1));
    set('faultErrorCode', () => {
      code.i32(Access.WRITE).i32(0).get(this.#write).select().i32(Access.USER).i32(0).get(this.#user).select();
      return code.op('i32.or').get(this.#cause).op('i32.or');
    });
    set('faultAddress', () => code.get(this.#address));
    code.i32(0).return();
  }
}

/**
 * (address i64) -> i32: drops a page, and gives 1; 0 with nothing done when it may be a large one, or instructions may have been fetched
 * from it.
 */
function defineInvalidatePage(module: ModuleBuilder, forgetSpans: number): number {
  return module.add(['i64'], ['i32'], (code) => {
    const [address, offset] = [0, code.local('i32')];
    const hashed = (shift: number) => {
      code.get(address).op('i32.wrap_i64').i32(shift).op('i32.shr_u');
      code.get(address).i64(32n).op('i64.shr_u').op('i32.wrap_i64').i32(PAGE_HASH_FACTOR).op('i32.mul').op('i32.xor');
      return code.i32(PAGE_HASHES - 1).op('i32.and');
    };
    hashed(30).load('i32', 8, LARGE_PAGES).i32(LARGE_1G).op('i32.and');
    hashed(22).load('i32', 8, LARGE_PAGES).i32(LARGE_4M).op('i32.and').op('i32.or');
    hashed(12).i32(2).op('i32.shl').load('i32', 32, FETCHED_PAGES);
    load(code, 'supervisorFetchContext').op('i32.eq').op('i32.or').if().i32(0).return().end();
    entryOffset(code, address).set(offset);
    for (let table = 0; table < MMU_INDEXES * 2; table++) {
      const tlb = tlbReadAddress(0) + table * TLB_BYTES;
      code.get(offset).load('i64', 64, tlb).get(address).op('i64.xor').i64(PAGE_MASK).op('i64.and').op('i64.eqz').if();
      code.i32(tlb).call(forgetSpans);
      code.get(offset).i64(TLB_INVALID).store('i64', 64, tlb).end();
    }
    code.i32(1);
  });
}

/** Function indexes. */
export interface TlbMisses {
  readonly fill: number;
  readonly invalidatePage: number;
}

/** @param general index of Imports.fill */
export function defineTlbMisses(module: ModuleBuilder, general: number): TlbMisses {
  const forgetSpans = defineForgetSpans(module);
  const enter = defineEnter(module, forgetSpans);
  const fill = module.add(['i64', 'i32', 'i32', 'i32'], ['i32'], (code) => new FillEmitter(code).emit(enter, general));
  return { fill, invalidatePage: defineInvalidatePage(module, forgetSpans) };
}
