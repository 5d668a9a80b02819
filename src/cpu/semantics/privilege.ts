/**
 * Changes of privilege in 64-bit mode (SDM vol. 2: SYSCALL, SYSRET, IRET, STAC, CLAC). Each does the case that kernels live on and
 * leaves the others, with everything that raises an exception, to its TypeScript function in ../system/instructions; what changes with
 * the ring is what CpuState.updateMode derives.
 */

import { FLAG, RFLAGS_FIXED, STATUS_FLAGS, SYSTEM_FLAGS } from '../flags.ts';
import {
  CS,
  DS,
  ES,
  FS,
  GS,
  MMU_SUPERVISOR,
  MMU_SUPERVISOR_USER_ACCESS,
  MMU_USER,
  MODE,
  NO_FETCH_CONTEXT,
  SEGMENT_ATTRIBUTES,
  SEGMENT_SELECTOR,
  SS,
  TLB_BYTES,
  TLB_EMPTY,
  tlbReadAddress,
} from '../layout.ts';
import { Cr4, Efer } from '../system/control-bits.ts';
import { Attributes, SELECTOR_MASK, TABLE_INDICATOR } from '../system/descriptors.ts';
import { type Context, i32, i64, RCX, type Semantics, select } from './context.ts';
import type { I32, I64 } from './nodes.ts';

const R11 = 11;
const FLAT_LIMIT = i32.const(-1);
const FLAT_DATA =
  Attributes.PRESENT |
  Attributes.CODE_OR_DATA |
  Attributes.WRITABLE |
  Attributes.ACCESSED |
  Attributes.GRANULARITY |
  Attributes.DEFAULT_BIG;
const FLAT_CODE = (FLAT_DATA & ~Attributes.DEFAULT_BIG) | Attributes.CODE | Attributes.LONG;

export const isClear = (value: I32, bits: number): I32 => i32.eqz(i32.and(value, i32.const(bits)));
export const all = (...conditions: I32[]): I32 => conditions.reduce((a, b) => i32.and(a, b));
export const isCanonical = (address: I64): I32 =>
  i64.eq(i64.shr_s(i64.shl(address, i64.const(16)), i64.const(16)), address);
const shiftedPrivilege = (privilege: I32, place: number): I32 => i32.shl(privilege, i32.const(place));

/** 64-bit mode, and data accesses go through the TLBs of the ring, not the empty one that stands in while each of them is looked at. */
export function isOrdinary(c: Context, privilege?: number): I32 {
  const mask = MODE.code64 | (privilege === undefined ? 0 : MODE.cplMask);
  const mode = i32.eq(i32.and(c.field('mode'), i32.const(mask)), i32.const(MODE.code64 | (privilege ?? 0)));
  return i32.and(mode, i32.ne(c.field('tlbWrite'), i32.const(TLB_EMPTY)));
}

function selectTlbs(c: Context, mmuIndex: I32): void {
  const read = c.let(i32.add(i32.mul(mmuIndex, i32.const(2 * TLB_BYTES)), i32.const(tlbReadAddress(0))));
  c.setField('tlbRead', read);
  c.setField('tlbWrite', i32.add(read, i32.const(TLB_BYTES)));
}

/** @param flags that hold in the supervisor's ring */
export function supervisorIndex(c: Context, flags: I32): I32 {
  const isForbidden = i32.and(i32.eqz(isClear(c.field('cr4'), Cr4.SMAP)), isClear(flags, FLAG.AC));
  return select(i32.const(MMU_SUPERVISOR), i32.const(MMU_SUPERVISOR_USER_ACCESS), isForbidden);
}

/**
 * @param privilege 0 or 3
 * @param flags the new RFLAGS
 * @param attends whether the driver must look at the boundary behind the instruction, which ends in a jump
 */
export function enterRing(c: Context, privilege: I32, flags: I32, attends: I32): void {
  const mode = i32.and(c.field('mode'), i32.const(~MODE.cplMask));
  c.setField('mode', i32.or(mode, privilege));
  selectTlbs(c, select(i32.const(MMU_USER), supervisorIndex(c, flags), privilege));
  const context = select(c.field('userFetchContext'), c.field('supervisorFetchContext'), privilege);
  c.setField('fetchContext', select(i32.const(NO_FETCH_CONTEXT), context, attends));
}

/** Whether an interrupt has only waited for these flags. */
function letsInterruptIn(c: Context, flags: I32): I32 {
  return i32.and(c.field('interruptPending'), i32.eqz(isClear(flags, FLAG.IF)));
}

/** Flags that a return to ring 0 or 3 must find and leave clear. */
const TRAPPING = FLAG.TF | FLAG.NT | FLAG.AC;

export function setFlags(c: Context, flags: I32): void {
  c.setStatusFlags(i32.and(flags, i32.const(STATUS_FLAGS)));
  c.setField('systemFlags', i32.or(i32.and(flags, i32.const(SYSTEM_FLAGS)), i32.const(RFLAGS_FIXED)));
}

/** CS and SS become flat. @param selector of CS, SS being the descriptor at `stack` from it */
function loadFlat(c: Context, selector: I32, stack: number, privilege: number): void {
  const withPrivilege = (base: I32) => i32.or(i32.and(base, i32.const(SELECTOR_MASK)), i32.const(privilege));
  const level = privilege << 5;
  const none = i64.const(0);
  c.setSegment(CS, withPrivilege(selector), i32.const(FLAT_CODE | level), none, FLAT_LIMIT);
  const stackSelector = withPrivilege(i32.add(selector, i32.const(stack)));
  c.setSegment(SS, stackSelector, i32.const(FLAT_DATA | level), none, FLAT_LIMIT);
}

/** @param place of the selector in STAR */
function starSelector(c: Context, place: number): I32 {
  return i32.and(i32.wrap_i64(i64.shr_u(c.field64('star'), i64.const(place))), i32.const(0xffff));
}

const systemCall: Semantics = (c) => {
  const system = c.field('systemFlags');
  const isEnabled = i32.eqz(isClear(c.field('efer'), Efer.SCE));
  c.exactUnless(all(isEnabled, isOrdinary(c), isClear(system, FLAG.TF)));
  const flags = c.let(i32.or(i32.and(system, i32.const(~FLAG.RF)), c.statusFlags()));
  const left = c.let(i32.and(flags, i32.xor(c.field('sfmask'), i32.const(-1))));
  const selector = c.let(starSelector(c, 32));
  const target = c.field64('lstar');
  c.writeRegister(RCX, 64, c.nextRip());
  c.writeRegister(R11, 64, i64.extend_i32_u(flags));
  loadFlat(c, selector, 8, 0);
  setFlags(c, left);
  enterRing(c, i32.const(0), left, i32.const(0));
  c.jump(target);
};

/** R11 gives all flags but RF and VM. */
const SYSRET_FLAGS = (STATUS_FLAGS | SYSTEM_FLAGS) & ~(FLAG.RF | FLAG.VM);

const systemReturn: Semantics = (c) => {
  c.exactUnless(i32.const(c.size === 64 ? 1 : 0));
  const target = c.readRegister(RCX, 64);
  const flags = c.let(i32.and(i32.wrap_i64(c.readRegister(R11, 64)), i32.const(SYSRET_FLAGS)));
  const isEnabled = i32.eqz(isClear(c.field('efer'), Efer.SCE));
  const isOld = isClear(c.field('systemFlags'), FLAG.TF);
  c.exactUnless(all(isEnabled, isOrdinary(c, 0), isOld, isCanonical(target), isClear(flags, TRAPPING)));
  const base = c.let(i32.add(starSelector(c, 48), i32.const(16)));
  loadFlat(c, base, -8, 3);
  setFlags(c, flags);
  enterRing(c, i32.const(3), flags, letsInterruptIn(c, flags));
  c.jump(target);
};

/** Bits of a descriptor's upper half that decide whether it may be returned to, DPL included. */
const DPL = 3 << 13;
const typeBits = (attributes: number): number => attributes << 8;
export const CODE_CHECKED =
  typeBits(Attributes.PRESENT | Attributes.CODE_OR_DATA | Attributes.CODE | Attributes.CONFORMING) |
  typeBits(Attributes.ACCESSED | Attributes.LONG | Attributes.DEFAULT_BIG);
export const CODE_WANTED = CODE_CHECKED & ~typeBits(Attributes.CONFORMING | Attributes.DEFAULT_BIG);
const STACK_CHECKED =
  typeBits(Attributes.PRESENT | Attributes.CODE_OR_DATA | Attributes.CODE | Attributes.WRITABLE) |
  typeBits(Attributes.ACCESSED);
const STACK_WANTED = STACK_CHECKED & ~typeBits(Attributes.CODE);

/** A segment register's hidden part out of a descriptor of the GDT. */
export class LoadedDescriptor {
  readonly #low: I32;
  readonly #high: I32;

  constructor(c: Context, selector: I32) {
    const offset = c.let(i32.and(selector, i32.const(0xfff8)));
    const isInTable = i32.le_u(i32.add(offset, i32.const(7)), c.field('gdtrLimit'));
    c.exactUnless(i32.and(isClear(selector, TABLE_INDICATOR), isInTable));
    const value = c.load(c.let(i64.add(c.field64('gdtrBase'), i64.extend_i32_u(offset))), 64);
    this.#low = c.let(i32.wrap_i64(value));
    this.#high = c.let(i32.wrap_i64(i64.shr_u(value, i64.const(32))));
  }

  /** @returns whether the checked bits are the wanted ones and the DPL is the privilege */
  is(checked: number, wanted: number, privilege: I32): I32 {
    const bits = i32.and(this.#high, i32.const(checked | DPL));
    return i32.eq(bits, i32.or(i32.const(wanted), shiftedPrivilege(privilege, 13)));
  }

  get attributes(): I32 {
    return i32.and(i32.shr_u(this.#high, i32.const(8)), i32.const(0xf0ff));
  }

  get base(): I64 {
    const low = i32.shr_u(this.#low, i32.const(16));
    const middle = i32.shl(i32.and(this.#high, i32.const(0xff)), i32.const(16));
    return i64.extend_i32_u(i32.or(i32.or(low, middle), i32.and(this.#high, i32.const(0xff00_0000))));
  }

  get limit(): I32 {
    const raw = i32.or(i32.and(this.#low, i32.const(0xffff)), i32.and(this.#high, i32.const(0xf_0000)));
    const pages = i32.or(i32.shl(raw, i32.const(12)), i32.const(0xfff));
    return select(raw, pages, isClear(this.#high, typeBits(Attributes.GRANULARITY)));
  }
}

/** Whether ring 3 may keep what these segment registers hold: its own segments, or nothing. */
function keepsDataSegments(c: Context): I32 {
  const keeps = (segment: number): I32 => {
    const attributes = c.segmentPart(segment, SEGMENT_ATTRIBUTES);
    const selector = c.segmentPart(segment, SEGMENT_SELECTOR);
    const isUsers = i32.eq(i32.and(attributes, i32.const(3 << 5)), i32.const(3 << 5));
    const isNull =
      segment === FS || segment === GS
        ? isClear(selector, SELECTOR_MASK)
        : i32.and(i32.eqz(selector), i32.eq(attributes, i32.const(Attributes.UNUSABLE)));
    return i32.or(isUsers, isNull);
  };
  return all(keeps(ES), keeps(DS), keeps(FS), keeps(GS));
}

/** From ring 0 to ring 0 or 3, both in 64-bit mode. */
const interruptReturn: Semantics = (c) => {
  c.exactUnless(i32.const(c.size === 64 ? 1 : 0));
  const system = c.field('systemFlags');
  const isUnblocked = i32.eqz(c.field('nmiBlocked'));
  c.exactUnless(all(isOrdinary(c, 0), isUnblocked, isClear(system, TRAPPING | FLAG.RF)));
  const stack = c.stackPointer();
  const pop = (slot: number): I64 => c.load(c.let(i64.add(stack, i64.const(8 * slot))), 64, 'stack');
  const target = pop(0);
  const selector = c.let(i32.and(i32.wrap_i64(pop(1)), i32.const(0xffff)));
  const flags = c.let(i32.and(i32.wrap_i64(pop(2)), i32.const((STATUS_FLAGS | SYSTEM_FLAGS) & ~FLAG.VM)));
  const pointer = pop(3);
  const stackSelector = c.let(i32.and(i32.wrap_i64(pop(4)), i32.const(0xffff)));
  const privilege = c.let(i32.and(selector, i32.const(3)));
  const isOuter = c.let(i32.eq(privilege, i32.const(3)));
  c.exactUnless(all(i32.or(i32.eqz(privilege), isOuter), isCanonical(target), isClear(flags, TRAPPING)));
  const code = new LoadedDescriptor(c, selector);
  c.exactUnless(code.is(CODE_CHECKED, CODE_WANTED, privilege));
  const attributes = c.variable(i32.const(Attributes.UNUSABLE));
  const base = c.variable(i64.const(0));
  const limit = c.variable(i32.const(0));
  c.if(
    isClear(stackSelector, SELECTOR_MASK),
    () => c.exactUnless(i32.eqz(i32.or(stackSelector, privilege))),
    () => {
      const data = new LoadedDescriptor(c, stackSelector);
      const isMatching = i32.eq(i32.and(stackSelector, i32.const(3)), privilege);
      c.exactUnless(i32.and(isMatching, data.is(STACK_CHECKED, STACK_WANTED, privilege)));
      c.assign(attributes, data.attributes);
      c.assign(base, data.base);
      c.assign(limit, data.limit);
    },
  );
  c.exactUnless(i32.or(i32.eqz(isOuter), keepsDataSegments(c)));
  c.setSegment(CS, selector, code.attributes, code.base, code.limit);
  c.setSegment(SS, stackSelector, attributes, base, limit);
  c.setStackPointer(pointer);
  setFlags(c, flags);
  enterRing(c, privilege, flags, letsInterruptIn(c, flags));
  c.jumpAndResume(target);
};

/** STAC and CLAC. */
const setAlignmentCheck =
  (flag: number): Semantics =>
  (c) => {
    c.exactUnless(i32.and(isOrdinary(c, 0), i32.eqz(isClear(c.field('cr4'), Cr4.SMAP))));
    c.setField('systemFlags', i32.or(i32.and(c.field('systemFlags'), i32.const(~FLAG.AC)), i32.const(flag)));
    selectTlbs(c, i32.const(flag === 0 ? MMU_SUPERVISOR : MMU_SUPERVISOR_USER_ACCESS));
  };

export const PRIVILEGE: Readonly<Record<string, Semantics>> = {
  SYSCALL: systemCall,
  SYSRET: systemReturn,
  IRET: interruptReturn,
  STAC: setAlignmentCheck(FLAG.AC),
  CLAC: setAlignmentCheck(0),
};
