/** Call gates: where they lead, and the way to inner rings (SDM vol. 3A 5.8.3 to 5.8.5; vol. 2A, CALL: Operation). */

import { CS, SS, TR } from '../../layout.ts';
import type { Segment } from '../../state.ts';
import { isCanonical } from '../addresses.ts';
import { type Descriptor, SELECTOR_MASK, SystemType } from '../descriptors.ts';
import { generalProtection, invalidTss, segmentNotPresent, stackFault } from '../faults.ts';
import { InnerStack } from '../inner-stack.ts';
import { StackCursor } from '../operands.ts';
import { Access } from '../page-walk.ts';
import type { SystemUnit } from '../system-unit.ts';

const RSP = 4;

export interface Call {
  readonly selector: number;
  readonly offset: bigint;
  readonly target: Descriptor;
  /** Width of what a call pushes. */
  readonly width: 2 | 4 | 8;
  /** Words that a call to an inner ring copies from the old stack to the new one. */
  readonly parameters: number;
}

/** Whether a system descriptor is a call gate in this mode. */
export function isCallGate(system: SystemUnit, { isSystem, type }: Descriptor): boolean {
  return isSystem && (type === SystemType.CALL_GATE || (type === SystemType.CALL_GATE_16 && !system.longActive));
}

/** Where a call gate leads, with the checks that JMP and CALL share. */
export function readCallGate(system: SystemUnit, selector: number, gate: Descriptor): Call {
  const code = selector & SELECTOR_MASK;
  const { cpl } = system.state;
  if (gate.dpl < cpl || gate.dpl < (selector & 3)) throw generalProtection(code);
  if (!gate.present) throw segmentNotPresent(code);
  const upper = system.longActive ? upperOffset(system, selector) : 0n;
  const wide = gate.type === SystemType.CALL_GATE;
  const low = ((wide ? gate.high & 0xffff_0000 : 0) | (gate.low & 0xffff)) >>> 0;
  const targetSelector = gate.low >>> 16;
  if ((targetSelector & SELECTOR_MASK) === 0) throw generalProtection();
  const target = system.segments.read(targetSelector);
  const targetCode = targetSelector & SELECTOR_MASK;
  const wrongSize = system.longActive && (!target.isLong || target.isBig);
  if (!target.isCode || target.dpl > cpl || wrongSize) throw generalProtection(targetCode);
  if (!target.present) throw segmentNotPresent(targetCode);
  return {
    selector: targetSelector,
    offset: (upper << 32n) | BigInt(low),
    target,
    width: system.longActive ? 8 : wide ? 4 : 2,
    parameters: system.longActive ? 0 : gate.high & 0x1f,
  };
}

/** Bits 63:32 of the offset in a gate of 16 bytes. */
function upperOffset(system: SystemUnit, selector: number): bigint {
  const code = selector & SELECTOR_MASK;
  const address = system.segments.address(selector, 16);
  if (address === undefined) throw generalProtection(code);
  const upper = system.memory.read(BigInt.asUintN(64, address + 8n), 8, Access.SYSTEM);
  if (((upper >> 40n) & 0x1fn) !== 0n) throw generalProtection(code);
  return upper & 0xffff_ffffn;
}

/** Calls an inner ring, on the stack that the TSS names for it. */
export function callInner(system: SystemUnit, call: Call): void {
  if (system.longActive) callInnerLong(system, call);
  else callInnerLegacy(system, call);
}

function enter({ segments, state }: SystemUnit, { selector, target, offset }: Call): void {
  segments.install(CS, (selector & SELECTOR_MASK) | target.dpl, target);
  state.rip = offset;
}

/** SS becomes null. */
function callInnerLong(system: SystemUnit, call: Call): void {
  const { state } = system;
  const privilege = call.target.dpl;
  const task = state.segments[TR] as Segment;
  const offset = privilege * 8 + 4;
  if (offset + 7 > task.limit) throw invalidTss(task.selector & SELECTOR_MASK);
  let pointer = system.memory.read(BigInt.asUintN(64, task.base + BigInt(offset)), 8, Access.SYSTEM);
  for (const value of [BigInt(state.ss.selector), state.gpr(RSP), BigInt(state.cs.selector), state.rip]) {
    pointer = BigInt.asUintN(64, pointer - 8n);
    if (!isCanonical(pointer)) throw stackFault();
    system.memory.write(pointer, 8, value, system.events.accessAt(privilege));
  }
  enter(system, call);
  system.segments.loadNull(SS, privilege);
  state.setGpr(RSP, pointer);
}

function callInnerLegacy(system: SystemUnit, call: Call): void {
  const { state, memory, segments, events } = system;
  const width = call.width as 2 | 4;
  const privilege = call.target.dpl;
  const stack = new InnerStack(state, memory, segments, privilege, events.accessAt(privilege));
  const outer = new StackCursor(system);
  const parameters = Array.from({ length: call.parameters }, () => outer.pop(width)).reverse();
  const frame = [BigInt(state.ss.selector), state.gpr(RSP), ...parameters, BigInt(state.cs.selector), state.rip];
  for (const value of frame) stack.push(width, value);
  enter(system, call);
  segments.install(SS, stack.selector, stack.descriptor);
  state.setGpr(RSP, stack.pointer);
}
