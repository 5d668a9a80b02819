import type { Convention } from '../ir/module.ts';
import { writtenRegisters } from './allocate.ts';
import { calleeSaved } from './conventions.ts';
import type { MachineFunction } from './machine.ts';

/** Where everything of a function's stack frame lies. */
export interface Frame {
  /** rbp is pushed and points to its saved value */
  readonly hasPointer: boolean;
  /** callee-saved registers to keep, in push order */
  readonly saved: readonly number[];
  /** rbp-relative offset of each used slot */
  readonly offsets: ReadonlyMap<number, number>;
  /** bytes below the saved registers */
  readonly size: number;
}

/**
 * Lays out the frame: saved registers below rbp, then slots, then outgoing stack arguments at rsp. rsp is a multiple
 * of 16 at calls (System V AMD64 ABI 3.2.2). A function that calls nothing and keeps nothing on the stack needs no rbp.
 */
export function layoutFrame(fn: MachineFunction, convention: Convention): Frame {
  const usedSlots = new Set<number>();
  let usesPointer = fn.hasCalls || convention === 'isr' || convention === 'isrWithCode';
  for (const block of fn.blocks) {
    for (const { operands } of block.instructions) {
      for (const operand of operands) {
        if (operand.kind !== 'memory') continue;
        if (operand.slot !== undefined) usedSlots.add(operand.slot);
        if (operand.base === 5) usesPointer = true;
      }
    }
  }
  const written = writtenRegisters(fn);
  const restores = convention === 'sysv';
  const saved = restores ? calleeSaved.filter((register) => written.has(register)) : [];
  const offsets = new Map<number, number>();
  // After `push rbp` an ordinary frame is 16-aligned, an interrupt frame is 8 bytes off.
  const skew = convention === 'isr' || convention === 'isrWithCode' ? 8 : 0;
  let depth = saved.length * 8;
  for (const slot of [...usedSlots].sort((left, right) => left - right)) {
    const { size, alignment } = fn.slots[slot]!;
    depth = alignUp(depth + size + skew, Math.max(alignment, 1)) - skew;
    offsets.set(slot, -depth);
  }
  const hasPointer = usesPointer || usedSlots.size > 0 || fn.outgoing > 0;
  depth = alignUp(depth, 8) + fn.outgoing;
  const total = fn.hasCalls ? alignUp(depth + skew, 16) - skew : depth;
  return { hasPointer, saved, offsets, size: total - saved.length * 8 };
}

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
