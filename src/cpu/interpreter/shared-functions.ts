/** The WebAssembly functions that handlers call: the slow path of memory accesses, general addresses, flags, block moves. */

import { FLAG } from '../flags.ts';
import {
  CODE_GRANULES,
  FIELDS,
  MMU_SUPERVISOR,
  MMU_SUPERVISOR_USER_ACCESS,
  MODE,
  SEGMENT_ATTRIBUTES,
  SEGMENT_BASE,
  SEGMENT_BYTES,
  SEGMENT_LIMIT,
  SEGMENT_VIOLATION,
  SEGMENTS,
  TLB_ADDEND,
  TLB_PHYSICAL_PAGE,
  TLB_SLOW_CODE,
  TLB_SLOW_DEVICE,
  tlbReadAddress,
  tlbWriteAddress,
} from '../layout.ts';
import { Context } from '../semantics/context.ts';
import { deliverEvent } from '../semantics/event-delivery.ts';
import { evenCondition, statusFlags } from '../semantics/flags.ts';
import type { I32 } from '../semantics/nodes.ts';
import { Cr4 } from '../system/control-bits.ts';
import { Attributes } from '../system/descriptors.ts';
import type { Code } from '../wasm/code.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import type { ValueType } from '../wasm/operators.ts';
import { Lowering, pushHalves, type Surroundings } from './lower.ts';
import * as R from './records.ts';
import { defineTlbMisses } from './tlb-misses.ts';

/** Function indexes. Addresses are linear; sizes are bytes; `kind` is one of ACCESS_KINDS. exitReason tells failure. */
export interface SharedFunctions {
  /** (address i64, size, kind) -> i64, zero-extended */
  readonly load: number;
  /** (address i64, value i64, size, kind) */
  readonly store: number;
  /** (address i64, low i64, high i64, kind) */
  readonly storeVector: number;
  /** (address i64, kind) -> v128 */
  readonly loadVector: number;
  /** (address i64, size, kind) -> host address to load from and store to, or 0: go through load and store */
  readonly modify: number;
  /** (record) -> i64 */
  readonly operandOffset: number;
  /** (record, bytes, write) -> i64, SEGMENT_VIOLATION where the segment forbids the access */
  readonly operandAddress: number;
  /** (segment in bytes from SEGMENTS, offset i64, bytes i64, write) -> i64, likewise; outside 64-bit mode only */
  readonly segmentAddress: number;
  /** () -> i32 */
  readonly statusFlags: number;
  /** () -> i32, for the even condition codes */
  readonly conditions: readonly number[];
  /** (vector, error code or -1) */
  readonly raise: number;
  /** (destination, source, count, element bytes) -> count done */
  readonly bulkCopy: number;
  /** (destination, value, count, element bytes) -> count done */
  readonly bulkFill: number;
  /** (linear address i64) -> i32; see tlb-misses.ts */
  readonly invalidatePage: number;
  readonly attend: number;
  readonly lookup: number;
  readonly link: number;
  readonly renew: number;
  /** () -> i32 */
  readonly deliverEvent: number;
}

/** What the slow path asks of TypeScript; only 32-bit integers cross. */
export interface Imports {
  /**
   * Translates one access within a page. @param flags bit 0: write; the rest: the access kind
   * @returns host address; 0 when the instruction must stop (exitReason set); DEVICE_HOST for a device, with its `devicePage`
   */
  readonly fill: number;
  /**
   * (linear address low, size) -> bits 31:0 of the device's value, of which the rest goes to the upper half of `transfer`. Where the
   * instruction has to be repeated alone, exitReason says so and nothing is read; likewise for `writeDevice`.
   */
  readonly readDevice: number;
  /** (linear address low, size, value low, value high) */
  readonly writeDevice: number;
  /**
   * (record, ticks): what is due before this record, the next to execute.
   * @returns 1 when an event has been delivered and control goes to `rip`; 0 with exitReason set to leave before the record
   */
  readonly attend: number;
  /** (host address, size): bytes that had been decoded were written. */
  readonly codeWritten: number;
  /** () -> the record at `rip`, 0 when only the driver can go on there; see CodeFetch, as for the next two. */
  readonly lookup: number;
  /** (stub): its branch will lead to its target without a look-up. No record may be used after it. */
  readonly link: number;
  /** (record) -> 1 when a dropped record may be executed again; 0: control goes to its RIP, and no record may be used; -1: leave. */
  readonly renew: number;
}

export const DEVICE_HOST = 1;
const ALIGNMENT_CHECK = 17;
export function declareImports(module: ModuleBuilder): Imports {
  return {
    fill: module.import('fill', ['i32', 'i32', 'i32', 'i32'], ['i32']),
    readDevice: module.import('readDevice', ['i32', 'i32'], ['i32']),
    writeDevice: module.import('writeDevice', ['i32', 'i32', 'i32', 'i32'], []),
    attend: module.import('attend', ['i32', 'i32'], ['i32']),
    codeWritten: module.import('codeWritten', ['i32', 'i32'], []),
    lookup: module.import('lookup', [], ['i32']),
    link: module.import('link', ['i32'], []),
    renew: module.import('renew', ['i32'], ['i32']),
  };
}

class Builder {
  readonly #module: ModuleBuilder;
  readonly #imports: Imports;

  constructor(module: ModuleBuilder, imports: Imports) {
    this.#module = module;
    this.#imports = imports;
  }

  define(
    parameters: readonly ValueType[],
    results: readonly ValueType[],
    emit: (code: Code, self: number) => void,
  ): number {
    return this.#module.add(parameters, results, emit);
  }

  /** (address i64, size, write, kind) -> host address as Imports.fill returns it; the access lies in one page. */
  resolve(fill: number): number {
    return this.define(['i64', 'i32', 'i32', 'i32'], ['i32'], (code) => {
      const [entry, difference] = [code.local('i32'), code.local('i64')];
      code
        .i32(0)
        .load('i32', 32, FIELDS.tlbWrite.address)
        .i32(0)
        .load('i32', 32, FIELDS.tlbRead.address)
        .get(2)
        .select();
      code.get(0).i64(8n).op('i64.shr_u').op('i32.wrap_i64').i32(0xfff0).op('i32.and').op('i32.add').tee(entry);
      code.load('i64', 64).get(0).i64(-4096n).op('i64.and').op('i64.xor').tee(difference);
      code.i64(BigInt(~TLB_SLOW_CODE)).op('i64.and').op('i64.eqz').if('i32');
      code.get(entry).load('i32', 32, TLB_ADDEND).get(0).op('i32.wrap_i64').op('i32.add');
      code.else();
      code.get(difference).i64(BigInt(TLB_SLOW_DEVICE)).op('i64.eq').if('i32');
      code.i32(0).get(entry).load('i32', 32, TLB_PHYSICAL_PAGE).store('i32', 32, FIELDS.devicePage.address);
      code.i32(DEVICE_HOST).else();
      code.get(0).get(1).get(2).get(3).call(fill);
      code.end();
      code.end();
    });
  }

  /** Pushes the number of bytes of an access of `size` at `address` that lie in the first page. */
  #bytesInPage(code: Code, address: number): Code {
    return code.i32(4096).get(address).op('i32.wrap_i64').i32(4095).op('i32.and').op('i32.sub');
  }

  /** #AC(0) for a misaligned access while alignment is checked; the caller returns when exitReason is set. */
  #checkAlignment(code: Code, address: number, size: number, raise: number): void {
    code.i32(0).load('i32', 32, FIELDS.mode.address).i32(MODE.alignmentCheck).op('i32.and').if();
    code.get(address).op('i32.wrap_i64').get(size).i32(1).op('i32.sub').op('i32.and').if();
    code.i32(ALIGNMENT_CHECK).i32(0).call(raise).end().end();
  }

  /** An access that runs out of the canonical addresses faults for that, whatever else is wrong with its first page. */
  #checkSecondPage(
    code: Code,
    address: number,
    first: number,
    kind: number,
    resolve: number,
    failed: () => void,
  ): void {
    const second = code.local('i64');
    code.get(address).get(first).op('i64.extend_i32_u').op('i64.add').tee(second);
    code.i64(16n).op('i64.shl').i64(16n).op('i64.shr_s').get(second).op('i64.ne').if();
    code.get(second).i32(1).i32(0).get(kind).call(resolve).op('i32.eqz').if();
    failed();
    code.return().end().end();
  }

  /** Opens a block for a split access of which one part is in a device: it is made byte by byte, as nothing can fault any more. */
  #ifDevice(code: Code, host: number, second: number): void {
    code.get(host).i32(DEVICE_HOST).op('i32.eq').get(second).i32(DEVICE_HOST).op('i32.eq').op('i32.or').if();
  }

  load(resolve: number, raise: number): number {
    return this.define(['i64', 'i32', 'i32'], ['i64'], (code, self) => {
      const [first, host, second, value] = [code.local('i32'), code.local('i32'), code.local('i32'), code.local('i64')];
      this.#checkAlignment(code, 0, 1, raise);
      code.i32(0).load('i32', 32, FIELDS.exitReason.address).if().i64(0n).return().end();
      this.#bytesInPage(code, 0).tee(first).get(1).op('i32.lt_u').if();
      this.#checkSecondPage(code, 0, first, 2, resolve, () => code.i64(0n));
      code.get(0).get(first).i32(0).get(2).call(resolve).tee(host).op('i32.eqz').if().i64(0n).return().end();
      code.get(0).get(first).op('i64.extend_i32_u').op('i64.add');
      code.get(1).get(first).op('i32.sub').i32(0).get(2).call(resolve).tee(second);
      code.op('i32.eqz').if().i64(0n).return().end();
      this.#ifDevice(code, host, second);
      const byByte = code.loop();
      code.get(1).i32(1).op('i32.sub').tee(1);
      code.op('i64.extend_i32_u').get(0).op('i64.add').i32(1).get(2).call(self);
      code.get(value).i64(8n).op('i64.shl').op('i64.or').set(value);
      code.get(1).brIf(byByte).end().get(value).return().end();
      const again = code.loop();
      code.get(1).i32(1).op('i32.sub').set(1);
      code.get(value).i64(8n).op('i64.shl');
      code.get(host).get(1).op('i32.add').get(second).get(1).op('i32.add').get(first).op('i32.sub');
      code.get(1).get(first).op('i32.lt_u').select();
      code.load('i64', 8).op('i64.or').set(value);
      code.get(1).brIf(again).end();
      code.get(value).return().end();
      code.get(0).get(1).i32(0).get(2).call(resolve).tee(host).op('i32.eqz').if().i64(0n).return().end();
      code.get(host).i32(DEVICE_HOST).op('i32.eq').if();
      code.get(0).op('i32.wrap_i64').get(1).call(this.#imports.readDevice).op('i64.extend_i32_u');
      code.get(1).i32(8).op('i32.ne').if('i64').i64(0n).else();
      code
        .i32(0)
        .load('i64', 32, FIELDS.transfer.address + 4)
        .i64(32n)
        .op('i64.shl')
        .end();
      code.op('i64.or').return().end();
      for (const bytes of [1, 2, 4]) {
        code
          .get(1)
          .i32(bytes)
          .op('i32.eq')
          .if()
          .get(host)
          .load('i64', bytes * 8)
          .return()
          .end();
      }
      code.get(host).load('i64', 64);
    });
  }

  loadVector(resolve: number, load: number): number {
    return this.define(['i64', 'i32'], ['v128'], (code) => {
      const first = code.local('i32');
      const none = () => code.float('v128', 0n);
      this.#bytesInPage(code, 0).tee(first).i32(16).op('i32.lt_u').if();
      this.#checkSecondPage(code, 0, first, 1, resolve, none);
      code.end();
      code.get(0).i32(8).get(1).call(load).op('i64x2.splat');
      code.get(0).i64(8n).op('i64.add').i32(8).get(1).call(load).op('i64x2.replace_lane', [1]);
    });
  }

  /** (host address, size): tells TypeScript when the bytes just written had been decoded. */
  codeCheck(): number {
    return this.define(['i32', 'i32'], [], (code) => {
      const [physical, mask] = [code.local('i32'), code.local('i64')];
      code.get(0).i32(0).load('i32', 32, FIELDS.ramAddress.address).op('i32.sub').tee(physical);
      code.i32(12).op('i32.shr_u').i32(3).op('i32.shl').load('i64', 64, CODE_GRANULES).tee(mask);
      code.op('i64.eqz').if().return().end();
      const granule = (last: boolean) => {
        code.get(mask).get(physical);
        if (last) code.get(1).op('i32.add').i32(1).op('i32.sub');
        code.i32(6).op('i32.shr_u').op('i64.extend_i32_u').op('i64.shr_u');
      };
      granule(false);
      granule(true);
      code.op('i64.or').i64(1n).op('i64.and').op('i64.eqz').op('i32.eqz').if();
      code.get(0).get(1).call(this.#imports.codeWritten).end();
    });
  }

  store(resolve: number, codeCheck: number, raise: number): number {
    return this.define(['i64', 'i64', 'i32', 'i32'], [], (code, self) => {
      const [first, host, second, at] = [code.local('i32'), code.local('i32'), code.local('i32'), code.local('i32')];
      this.#checkAlignment(code, 0, 2, raise);
      code.i32(0).load('i32', 32, FIELDS.exitReason.address).if().return().end();
      this.#bytesInPage(code, 0).tee(first).get(2).op('i32.lt_u').if();
      this.#checkSecondPage(code, 0, first, 3, resolve, () => {});
      code.get(0).get(first).i32(1).get(3).call(resolve).tee(host).op('i32.eqz').if().return().end();
      code.get(0).get(first).op('i64.extend_i32_u').op('i64.add');
      code.get(2).get(first).op('i32.sub').i32(1).get(3).call(resolve).tee(second);
      code.op('i32.eqz').if().return().end();
      code.i32(0).set(at);
      this.#ifDevice(code, host, second);
      const byByte = code.loop();
      code.get(0).get(at).op('i64.extend_i32_u').op('i64.add').get(1).i32(1).get(3).call(self);
      code.get(1).i64(8n).op('i64.shr_u').set(1);
      code.get(at).i32(1).op('i32.add').tee(at).get(2).op('i32.lt_u').brIf(byByte).end().return().end();
      const again = code.loop();
      code.get(host).get(at).op('i32.add').get(second).get(at).op('i32.add').get(first).op('i32.sub');
      code.get(at).get(first).op('i32.lt_u').select().get(1).store('i64', 8);
      code.get(1).i64(8n).op('i64.shr_u').set(1);
      code.get(at).i32(1).op('i32.add').tee(at).get(2).op('i32.lt_u').brIf(again).end();
      code.get(host).get(first).call(codeCheck);
      code.get(second).get(2).get(first).op('i32.sub').call(codeCheck).return().end();
      code.get(0).get(2).i32(1).get(3).call(resolve).tee(host).op('i32.eqz').if().return().end();
      code.get(host).i32(DEVICE_HOST).op('i32.eq').if();
      code.get(0).op('i32.wrap_i64').get(2);
      pushHalves(code, 1).call(this.#imports.writeDevice).return().end();
      const done = code.block();
      for (const bytes of [1, 2, 4]) {
        code
          .get(2)
          .i32(bytes)
          .op('i32.eq')
          .if()
          .get(host)
          .get(1)
          .store('i64', bytes * 8)
          .br(done)
          .end();
      }
      code.get(host).get(1).store('i64', 64);
      code.end();
      code.get(host).get(2).call(codeCheck);
    });
  }

  /** (address i64, size, kind) -> i32: 1 when all of the access may be written. */
  writable(resolve: number, raise: number): number {
    return this.define(['i64', 'i32', 'i32'], ['i32'], (code) => {
      const first = code.local('i32');
      this.#checkAlignment(code, 0, 1, raise);
      code.i32(0).load('i32', 32, FIELDS.exitReason.address).if().i32(0).return().end();
      this.#bytesInPage(code, 0).tee(first).get(1).op('i32.lt_u').if();
      this.#checkSecondPage(code, 0, first, 2, resolve, () => code.i32(0));
      code.get(0).get(first).i32(1).get(2).call(resolve).op('i32.eqz').if().i32(0).return().end();
      code.get(0).get(first).op('i64.extend_i32_u').op('i64.add').get(1).get(first).op('i32.sub');
      code.i32(1).get(2).call(resolve).i32(0).op('i32.ne').return().end();
      code.get(0).get(1).i32(1).get(2).call(resolve).i32(0).op('i32.ne');
    });
  }

  storeVector(writable: number, store: number): number {
    return this.define(['i64', 'i64', 'i64', 'i32'], [], (code) => {
      code.get(0).i32(16).get(3).call(writable).op('i32.eqz').if().return().end();
      code.get(0).get(1).i32(8).get(3).call(store);
      code.get(0).i64(8n).op('i64.add').get(2).i32(8).get(3).call(store);
    });
  }

  modify(resolve: number, writable: number, raise: number): number {
    return this.define(['i64', 'i32', 'i32'], ['i32'], (code) => {
      const host = code.local('i32');
      this.#checkAlignment(code, 0, 1, raise);
      code.i32(0).load('i32', 32, FIELDS.exitReason.address).if().i32(0).return().end();
      this.#bytesInPage(code, 0).get(1).op('i32.lt_u').if();
      code.get(0).get(1).get(2).call(writable).drop().i32(0).return().end();
      code
        .get(0)
        .get(1)
        .i32(1)
        .get(2)
        .call(resolve)
        .tee(host)
        .i32(DEVICE_HOST)
        .op('i32.le_u')
        .if()
        .i32(0)
        .return()
        .end();
      code.get(host).i32(0).load('i32', 32, FIELDS.ramAddress.address).op('i32.sub');
      code.i32(12).op('i32.shr_u').i32(3).op('i32.shl').load('i64', 64, CODE_GRANULES);
      code.op('i64.eqz').if('i32').get(host).else().i32(0).end();
    });
  }

  operandOffset(): number {
    return this.define(['i32'], ['i64'], (code) => {
      const [sum, kind] = [code.local('i64'), code.local('i32')];
      code.get(0).load('i32', 32, R.BASE).load('i64', 64).get(0).load('i64', 64, R.DISPLACEMENT).op('i64.add');
      code.get(0).load('i32', 32, R.INDEX).load('i64', 64).get(0).load('i64', 32, R.SCALE).op('i64.shl').op('i64.add');
      code.set(sum).get(0).load('i32', 8, R.ADDRESSING_KIND).tee(kind).op('i32.eqz').if().get(sum).return().end();
      code
        .get(sum)
        .i64(0xffffn)
        .i64(0xffffffffn)
        .get(kind)
        .i32(R.ADDRESSING.bits16)
        .op('i32.eq')
        .select()
        .op('i64.and');
    });
  }

  operandAddress(operandOffset: number, segmentAddress: number): number {
    return this.define(['i32', 'i32', 'i32'], ['i64'], (code) => {
      const segment = code.local('i32');
      code.get(0).load('i32', 8, R.SEGMENT).i32(SEGMENT_BYTES).op('i32.mul').set(segment);
      code.get(0).load('i32', 8, R.ADDRESSING_KIND).i32(R.ADDRESSING.bits32In64).op('i32.le_u').if();
      code.get(segment).load('i64', 64, SEGMENTS + SEGMENT_BASE);
      code.get(0).call(operandOffset).op('i64.add').return().end();
      code.get(segment).get(0).call(operandOffset).get(1).op('i64.extend_i32_u').get(2).call(segmentAddress);
    });
  }

  /** Type checks are protected mode's, limits everyone's outside 64-bit mode (SDM vol. 3A 5.3 and 5.4). */
  segmentAddress(): number {
    const { UNUSABLE, CODE, READABLE, WRITABLE, EXPAND_DOWN, DEFAULT_BIG } = Attributes;
    return this.define(['i32', 'i64', 'i64', 'i32'], ['i64'], (code) => {
      const [attributes, last] = [code.local('i32'), code.local('i64')];
      const violationIf = () => code.if().i64(-SEGMENT_VIOLATION).return().end();
      const masked = (mask: number, value: number) =>
        code.get(attributes).i32(mask).op('i32.and').i32(value).op('i32.eq');
      code
        .get(0)
        .load('i32', 32, SEGMENTS + SEGMENT_ATTRIBUTES)
        .set(attributes);
      code.i32(0).load('i32', 32, FIELDS.mode.address).i32(MODE.protected).op('i32.and').if();
      masked(UNUSABLE, UNUSABLE);
      masked(CODE | WRITABLE, WRITABLE).op('i32.eqz');
      masked(CODE | READABLE, CODE);
      code.get(3).select().op('i32.or');
      violationIf();
      code.end();
      code.get(1).get(2).op('i64.add').i64(1n).op('i64.sub').set(last);
      const limit = () => code.get(0).load('i64', 32, SEGMENTS + SEGMENT_LIMIT);
      masked(CODE | EXPAND_DOWN, EXPAND_DOWN).if('i32');
      code.get(1);
      limit().op('i64.le_u').get(last).i64(0xffff_ffffn).i64(0xffffn);
      masked(DEFAULT_BIG, DEFAULT_BIG).select().op('i64.gt_u').op('i32.or').else().get(last);
      limit().op('i64.gt_u').end();
      violationIf();
      code
        .get(0)
        .load('i64', 64, SEGMENTS + SEGMENT_BASE)
        .get(1)
        .op('i64.add')
        .i64(0xffffffffn)
        .op('i64.and');
    });
  }

  raise(): number {
    return this.define(['i32', 'i32'], [], (code) => {
      const setField = (field: keyof typeof FIELDS, push: () => void) => {
        code.i32(0);
        push();
        code.store('i32', 32, FIELDS[field].address);
      };
      setField('exitReason', () => code.i32(R.EXIT.FAULT));
      setField('faultVector', () => code.get(0));
      setField('faultHasErrorCode', () => code.get(1).i32(0).op('i32.ge_s'));
      setField('faultErrorCode', () => code.get(1));
    });
  }

  /** A function of the state alone, lowered from its recording. */
  fromState(functions: SharedFunctions, body: (context: Context) => I32): number {
    const { program, result } = Context.recordFunction(body);
    return this.define([], ['i32'], (code) => {
      new Lowering(outsideHandlers(code, functions), { noFlags: false, addressing: 'general' }).lowerFunction(
        program,
        result,
      );
    });
  }

  /** () -> i32: whether the event described in the state has been delivered; see semantics/event-delivery.ts. */
  deliverEvent(functions: SharedFunctions): number {
    const { program, result } = Context.recordFunction(deliverEvent);
    return this.define([], ['i32'], (code) => {
      const writeTlb = code.local('i32');
      code.i32(tlbWriteAddress(MMU_SUPERVISOR)).i32(tlbWriteAddress(MMU_SUPERVISOR_USER_ACCESS));
      code.i32(0).load('i32', 32, FIELDS.cr4.address).i32(Cr4.SMAP).op('i32.and').op('i32.eqz').op('i32.eqz');
      code.i32(0).load('i32', 32, FIELDS.systemFlags.address).i32(FLAG.AC).op('i32.and').op('i32.eqz');
      code.op('i32.and').select().set(writeTlb);
      const giveUp = () => code.i32(0).return();
      const pushTlb = (write: boolean) => (write ? code.get(writeTlb) : code.i32(tlbReadAddress(MMU_SUPERVISOR)));
      const surroundings = { ...outsideHandlers(code, functions), pushTlb, exit: giveUp };
      new ProbingLowering(surroundings, giveUp).lowerFunction(program, result);
    });
  }

  /**
   * Pushes whether the fast probe misses for a page; sets `host` to the host address of the access.
   * @param address local with the linear address
   */
  #probePage(code: Code, address: number, write: boolean, host: number): void {
    const field = write ? FIELDS.tlbWrite : FIELDS.tlbRead;
    code.get(address).i64(8n).op('i64.shr_u').op('i32.wrap_i64').i32(0xfff0).op('i32.and');
    code.i32(0).load('i32', 32, field.address).op('i32.add').tee(host).load('i64', 64);
    code.get(address).i64(-4096n).op('i64.and').op('i64.ne');
    code.get(host).load('i32', 32, 8).get(address).op('i32.wrap_i64').op('i32.add').set(host);
  }

  /** Lowers the count in local 2 to the elements that lie wholly in the page of local `address`. */
  #limitToPage(code: Code, address: number, count: number): void {
    const room = code.local('i64');
    this.#bytesInPage(code, address).get(3).op('i32.div_u').op('i64.extend_i32_u').tee(room);
    code.get(count).get(room).get(count).op('i64.lt_u').select().set(count);
  }

  bulkCopy(): number {
    return this.define(['i64', 'i64', 'i64', 'i32'], ['i64'], (code) => {
      const [to, from] = [code.local('i32'), code.local('i32')];
      this.#limitToPage(code, 0, 2);
      this.#limitToPage(code, 1, 2);
      this.#probePage(code, 0, true, to);
      this.#probePage(code, 1, false, from);
      code.op('i32.or').if().i64(0n).return().end();
      // A destination that starts inside the source repeats it: copy no more than the distance at a time.
      const distance = code.local('i64');
      code.get(to).get(from).op('i32.sub').get(3).op('i32.div_u').op('i64.extend_i32_u').set(distance);
      code
        .get(to)
        .get(from)
        .op('i32.gt_u')
        .get(distance)
        .get(2)
        .op('i64.lt_u')
        .op('i32.and')
        .if()
        .get(distance)
        .set(2)
        .end();
      code.get(to).get(from).get(2).op('i32.wrap_i64').get(3).op('i32.mul').memoryCopy();
      code.get(2);
    });
  }

  bulkFill(): number {
    return this.define(['i64', 'i64', 'i64', 'i32'], ['i64'], (code) => {
      const [to, left] = [code.local('i32'), code.local('i32')];
      this.#limitToPage(code, 0, 2);
      this.#probePage(code, 0, true, to);
      code.get(2).op('i64.eqz').op('i32.or').if().i64(0n).return().end();
      const spread = code.local('i64');
      code.get(1).i64(0xffn).op('i64.and').i64(0x0101010101010101n).op('i64.mul').set(spread);
      code.i64(-1n).i32(64).get(3).i32(3).op('i32.shl').op('i32.sub').op('i64.extend_i32_u').op('i64.shr_u');
      code.get(spread).get(1).op('i64.xor').op('i64.and').op('i64.eqz').if();
      code.get(to).get(1).op('i32.wrap_i64').get(2).op('i32.wrap_i64').get(3).op('i32.mul').memoryFill();
      code.get(2).return().end();
      code.get(2).op('i32.wrap_i64').set(left);
      const again = code.loop();
      for (const bytes of [2, 4, 8]) {
        code
          .get(3)
          .i32(bytes)
          .op('i32.eq')
          .if()
          .get(to)
          .get(1)
          .store('i64', bytes * 8)
          .end();
      }
      code.get(to).get(3).op('i32.add').set(to);
      code.get(left).i32(1).op('i32.sub').tee(left).brIf(again).end();
      code.get(2);
    });
  }
}

/** Gives up where the TLB has no entry. */
class ProbingLowering extends Lowering {
  readonly #giveUp: () => void;

  constructor(to: Surroundings, giveUp: () => void) {
    super(to, { noFlags: false, addressing: 'general' });
    this.#giveUp = giveUp;
  }

  protected override missedLoad(): void {
    this.#giveUp();
  }

  protected override missedStore(): void {
    this.#giveUp();
  }
}

function outsideHandlers(code: Code, functions: SharedFunctions): Surroundings {
  const never = () => {
    throw new Error('a function of the state reads no operand and goes nowhere');
  };
  return {
    code,
    functions,
    record: -1,
    pushTlb: never,
    exit: never,
    next: never,
    takeBranch: never,
    jumpToStack: never,
  };
}

export function defineSharedFunctions(module: ModuleBuilder, imports: Imports): SharedFunctions {
  const builder = new Builder(module, imports);
  const raise = builder.raise();
  const misses = defineTlbMisses(module, imports.fill);
  const resolve = builder.resolve(misses.fill);
  const codeCheck = builder.codeCheck();
  const writable = builder.writable(resolve, raise);
  const store = builder.store(resolve, codeCheck, raise);
  const operandOffset = builder.operandOffset();
  const load = builder.load(resolve, raise);
  const segmentAddress = builder.segmentAddress();
  const functions = {
    load,
    loadVector: builder.loadVector(resolve, load),
    store,
    storeVector: builder.storeVector(writable, store),
    modify: builder.modify(resolve, writable, raise),
    operandOffset,
    operandAddress: builder.operandAddress(operandOffset, segmentAddress),
    segmentAddress,
    raise,
    bulkCopy: builder.bulkCopy(),
    bulkFill: builder.bulkFill(),
    invalidatePage: misses.invalidatePage,
    attend: imports.attend,
    lookup: imports.lookup,
    link: imports.link,
    renew: imports.renew,
    statusFlags: 0,
    deliverEvent: 0,
    conditions: [] as number[],
  };
  functions.statusFlags = builder.fromState(functions, statusFlags);
  for (let pair = 0; pair < 8; pair++) {
    functions.conditions.push(builder.fromState(functions, (c) => evenCondition(c, pair)));
  }
  return { ...functions, deliverEvent: builder.deliverEvent(functions) };
}
