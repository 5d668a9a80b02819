/**
 * Delivery of exceptions and interrupts in 64-bit mode to a handler in ring 0 (SDM vol. 3A 6.12, 6.14). It does what nearly every event
 * comes to, and leaves with nothing changed but memory below the new stack pointer where anything is out of the ordinary, down to a page
 * that the TLB does not have: then system/events.ts does it all.
 */

import { FLAG } from '../flags.ts';
import { CS, MODE, SEGMENT_LIMIT, SEGMENT_SELECTOR, SS, TR } from '../layout.ts';
import { Attributes, SELECTOR_MASK } from '../system/descriptors.ts';
import { type Context, i32, i64, RSP, select } from './context.ts';
import type { I32, I64 } from './nodes.ts';
import {
  all,
  CODE_CHECKED,
  CODE_WANTED,
  enterRing,
  isCanonical,
  isClear,
  isOrdinary,
  LoadedDescriptor,
  setFlags,
} from './privilege.ts';

const NONE = i64.const(0);

/** The upper half of a gate's first 64 bits: present, a system descriptor, of a type that is an interrupt or a trap gate. */
const GATE_CHECKED = 0x9e00;
const GATE_WANTED = 0x8e00;
const TRAP_GATE = 0x100;

/** RSP0 or the stack that the gate names, from the TSS. */
function stackFromTss(c: Context, interruptStack: I32): I64 {
  const isNamed = i32.ne(interruptStack, i32.const(0));
  const named = i32.add(i32.shl(interruptStack, i32.const(3)), i32.const(28));
  const offset = c.let(select(named, i32.const(4), isNamed));
  c.exactUnless(i32.le_u(i32.add(offset, i32.const(7)), c.segmentPart(TR, SEGMENT_LIMIT)));
  return c.load(c.let(i64.add(c.systemSegmentBase(TR), i64.extend_i32_u(offset))), 64);
}

/**
 * The event is in faultVector, faultErrorCode and faultHasErrorCode, what it adds to the saved RFLAGS in `eventFlags`; RIP is the address
 * to save. Loads go through the TLB of a supervisor that SMAP keeps away from user pages, stores through that of ring 0 as it is.
 * @returns 1; it leaves otherwise
 */
export function deliverEvent(c: Context): I32 {
  c.exactUnless(isOrdinary(c));
  const isInner = c.let(i32.ne(i32.and(c.field('mode'), i32.const(MODE.cplMask)), i32.const(0)));
  const gateOffset = c.let(i32.shl(c.field('faultVector'), i32.const(4)));
  c.exactUnless(i32.le_u(i32.add(gateOffset, i32.const(15)), c.field('idtrLimit')));
  const gateAddress = c.let(i64.add(c.field64('idtrBase'), i64.extend_i32_u(gateOffset)));
  const gate = c.load(gateAddress, 64);
  const upper = c.load(c.let(i64.add(gateAddress, i64.const(8))), 32);
  const gateHigh = c.let(i32.wrap_i64(i64.shr_u(gate, i64.const(32))));
  const low = i64.or(i64.and(gate, i64.const(0xffff)), i64.and(i64.shr_u(gate, i64.const(32)), i64.const(0xffff_0000)));
  const target = c.let(i64.or(i64.shl(upper, i64.const(32)), low));
  const isGate = i32.eq(i32.and(gateHigh, i32.const(GATE_CHECKED)), i32.const(GATE_WANTED));
  const selector = c.let(i32.and(i32.wrap_i64(i64.shr_u(gate, i64.const(16))), i32.const(SELECTOR_MASK)));
  c.exactUnless(all(isGate, isCanonical(target), i32.ne(selector, i32.const(0))));
  const code = new LoadedDescriptor(c, selector);
  c.exactUnless(code.is(CODE_CHECKED, CODE_WANTED, i32.const(0)));

  const oldStack = c.readRegister(RSP, 64);
  const interruptStack = c.let(i32.and(gateHigh, i32.const(7)));
  const stack = c.variable(oldStack);
  c.if(i32.or(isInner, interruptStack), () => c.assign(stack, stackFromTss(c, interruptStack)));
  const top = c.let(i64.and(stack, i64.const(-16)));
  const flags = c.let(i32.or(i32.or(c.field('systemFlags'), c.field('eventFlags')), c.statusFlags()));
  const push = (slot: number, value: I64) => c.store(c.let(i64.sub(top, i64.const(8 * slot))), 64, value);
  push(1, i64.extend_i32_u(c.segmentPart(SS, SEGMENT_SELECTOR)));
  push(2, oldStack);
  push(3, i64.extend_i32_u(flags));
  push(4, i64.extend_i32_u(c.segmentPart(CS, SEGMENT_SELECTOR)));
  push(5, c.field64('rip'));
  const hasErrorCode = c.field('faultHasErrorCode');
  c.if(hasErrorCode, () => push(6, i64.extend_i32_u(c.field('faultErrorCode'))));
  const pointer = i64.sub(top, select(i64.const(48), i64.const(40), hasErrorCode));

  c.if(isInner, () => c.setSegment(SS, i32.const(0), i32.const(Attributes.UNUSABLE), NONE, i32.const(0)));
  c.writeRegister(RSP, 64, pointer);
  c.setSegment(CS, selector, code.attributes, code.base, code.limit);
  c.setField64('rip', target);
  const masksInterrupts = isClear(gateHigh, TRAP_GATE);
  const cleared = i32.or(
    i32.const(FLAG.TF | FLAG.NT | FLAG.RF | FLAG.VM),
    i32.mul(masksInterrupts, i32.const(FLAG.IF)),
  );
  const left = c.let(i32.and(flags, i32.xor(cleared, i32.const(-1))));
  setFlags(c, left);
  enterRing(c, i32.const(0), left, i32.const(0));
  return i32.const(1);
}
