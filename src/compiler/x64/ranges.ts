import { forEachMember, liveOut } from './liveness.ts';
import { forEachRegister, type MachineFunction, type MachineInstruction } from './machine.ts';
import { firstVirtual } from './operands.ts';

/**
 * Where a register holds a value that is still wanted: half-open segments of positions, ascending and disjoint.
 * Instruction n reads at position 2n and writes at 2n + 1.
 */
export interface LiveRange {
  readonly starts: number[];
  readonly ends: number[];
}

export interface Ranges {
  /** by register number, machine registers first */
  readonly ranges: LiveRange[];
  /** reads and writes, weighted by loop depth */
  readonly weights: Float64Array;
}

/** How often a block runs, as the allocator sees it. */
export function frequency(block: { readonly depth: number; readonly cold: boolean }): number {
  return block.cold ? 0.01 : 8 ** Math.min(block.depth, 6);
}

class Builder {
  readonly ranges: LiveRange[];
  readonly weights: Float64Array;
  /** end of the open segment, or -1; walking backwards, a segment opens at its last use */
  readonly #open: Int32Array;

  constructor(count: number) {
    this.ranges = Array.from({ length: count }, () => ({ starts: [], ends: [] }));
    this.weights = new Float64Array(count);
    this.#open = new Int32Array(count).fill(-1);
  }

  use(register: number, end: number): void {
    if (this.#open[register] === -1) this.#open[register] = end;
  }

  isOpen(register: number): boolean {
    return this.#open[register] !== -1;
  }

  /** A write: the segment that was open begins here; a value that nobody reads lives for an instant. */
  define(register: number, start: number, instant: number): void {
    const end = this.#open[register]!;
    this.close(register, start, end === -1 ? instant : end);
  }

  close(register: number, start: number, end: number): void {
    this.#open[register] = -1;
    const { starts, ends } = this.ranges[register]!;
    const last = starts.length - 1;
    if (last >= 0 && starts[last]! <= end) {
      starts[last] = Math.min(start, starts[last]!);
      ends[last] = Math.max(end, ends[last]!);
    } else {
      starts.push(start);
      ends.push(end);
    }
  }

  endBlock(start: number, registers: readonly number[]): void {
    for (const register of registers) {
      if (this.#open[register] !== -1) this.close(register, start, this.#open[register]!);
    }
  }
}

/** Live ranges of every register; rsp and rbp are left out. */
export function buildRanges(fn: MachineFunction): Ranges {
  const count = firstVirtual + fn.widths.length;
  const builder = new Builder(count);
  const out = liveOut(fn);
  let position = 2 * fn.blocks.reduce((sum, block) => sum + block.instructions.length, 0);
  for (let index = fn.blocks.length - 1; index >= 0; index--) {
    const { instructions } = fn.blocks[index]!;
    const weight = frequency(fn.blocks[index]!);
    const touched = new Set<number>();
    forEachMember(out[index]!, (register) => {
      builder.use(register, position);
      touched.add(register);
    });
    for (let at = instructions.length - 1; at >= 0; at--) {
      position -= 2;
      walk(builder, instructions[at]!, position, weight, touched);
    }
    builder.endBlock(position, [...touched]);
  }
  for (const range of builder.ranges) {
    range.starts.reverse();
    range.ends.reverse();
  }
  return { ranges: builder.ranges, weights: builder.weights };
}

function walk(
  builder: Builder,
  instruction: MachineInstruction,
  position: number,
  weight: number,
  touched: Set<number>,
): void {
  const early = instruction.assembly !== undefined;
  const writeAt = early ? position : position + 1;
  for (const register of instruction.defines ?? []) builder.define(register, writeAt, position + 2);
  forEachRegister(instruction, (register, role) => {
    builder.weights[register]! += weight;
    if (role === 'w') builder.define(register, writeAt, position + 2);
    else if (role === 'rw' && !builder.isOpen(register)) builder.use(register, position + 2);
  });
  const read = (register: number) => {
    builder.use(register, position + 1);
    touched.add(register);
  };
  forEachRegister(instruction, (register, role) => {
    if (role !== 'w') read(register);
  });
  for (const register of instruction.uses ?? []) read(register);
}

/** Whether two ranges share a position. */
export function overlaps(left: LiveRange, right: LiveRange): boolean {
  let i = 0;
  let j = 0;
  const { starts: leftStarts, ends: leftEnds } = left;
  const { starts: rightStarts, ends: rightEnds } = right;
  while (i < leftStarts.length && j < rightStarts.length) {
    if (leftEnds[i]! <= rightStarts[j]!) i++;
    else if (rightEnds[j]! <= leftStarts[i]!) j++;
    else return true;
  }
  return false;
}

/** Every position that is in one of two ranges. */
export function union(left: LiveRange, right: LiveRange): LiveRange {
  const merged: LiveRange = { starts: [], ends: [] };
  let i = 0;
  let j = 0;
  while (i < left.starts.length || j < right.starts.length) {
    const takeLeft = j >= right.starts.length || (i < left.starts.length && left.starts[i]! < right.starts[j]!);
    const start = takeLeft ? left.starts[i]! : right.starts[j]!;
    const end = takeLeft ? left.ends[i++]! : right.ends[j++]!;
    const last = merged.ends.length - 1;
    if (last >= 0 && merged.ends[last]! >= start) merged.ends[last] = Math.max(merged.ends[last]!, end);
    else {
      merged.starts.push(start);
      merged.ends.push(end);
    }
  }
  return merged;
}

/** Positions covered. */
export function lengthOf(range: LiveRange): number {
  let total = 0;
  for (let index = 0; index < range.starts.length; index++) total += range.ends[index]! - range.starts[index]!;
  return total;
}

export function covers({ starts, ends }: LiveRange, position: number): boolean {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle]! > position) high = middle;
    else low = middle + 1;
  }
  return low < starts.length && starts[low]! <= position;
}
