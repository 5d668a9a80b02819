import { forEachRegister, type MachineBlock, type MachineFunction, type Role } from './machine.ts';
import { firstVirtual } from './operands.ts';

/** A set of virtual registers, one bit each. */
export type RegisterSet = Uint32Array;

export function has(set: RegisterSet, register: number): boolean {
  const bit = register - firstVirtual;
  return (set[bit >> 5]! & (1 << (bit & 31))) !== 0;
}

function add(set: RegisterSet, register: number): void {
  const bit = register - firstVirtual;
  set[bit >> 5]! |= 1 << (bit & 31);
}

/** Calls `visit` for each member. */
export function forEachMember(set: RegisterSet, visit: (register: number) => void): void {
  for (let word = 0; word < set.length; word++) {
    let bits = set[word]!;
    while (bits !== 0) {
      const bit = 31 - Math.clz32(bits & -bits);
      visit(word * 32 + bit + firstVirtual);
      bits &= bits - 1;
    }
  }
}

/** The virtual registers that are live at the end of each block. Machine registers live inside one block only. */
export function liveOut(fn: MachineFunction): RegisterSet[] {
  const words = (fn.widths.length + 31) >> 5;
  const uses = fn.blocks.map(() => new Uint32Array(words));
  const definitions = fn.blocks.map(() => new Uint32Array(words));
  fn.blocks.forEach((block, index) => {
    summarize(block, uses[index]!, definitions[index]!);
  });
  const liveIn = uses.map((set) => set.slice());
  const out = fn.blocks.map(() => new Uint32Array(words));
  const waiting = fn.blocks.map((_, index) => index);
  const queued = new Uint8Array(fn.blocks.length).fill(1);
  const previous: number[][] = fn.blocks.map(() => []);
  fn.blocks.forEach((block, index) => {
    for (const next of block.successors) previous[next]!.push(index);
  });
  while (waiting.length > 0) {
    const index = waiting.pop()!;
    queued[index] = 0;
    const outSet = out[index]!;
    for (const next of fn.blocks[index]!.successors) {
      const from = liveIn[next]!;
      for (let word = 0; word < words; word++) outSet[word]! |= from[word]!;
    }
    let changed = false;
    const inSet = liveIn[index]!;
    for (let word = 0; word < words; word++) {
      const next = uses[index]![word]! | (outSet[word]! & ~definitions[index]![word]!);
      if (next >>> 0 !== inSet[word]!) {
        inSet[word] = next;
        changed = true;
      }
    }
    if (!changed) continue;
    for (const before of previous[index]!) {
      if (queued[before]) continue;
      queued[before] = 1;
      waiting.push(before);
    }
  }
  return out;
}

/** Registers read before any write in the block, and registers written in it. */
function summarize(block: MachineBlock, uses: RegisterSet, definitions: RegisterSet): void {
  const use = (register: number, role: Role) => {
    if (register >= firstVirtual && role !== 'w' && !has(definitions, register)) add(uses, register);
  };
  const define = (register: number, role: Role) => {
    if (register >= firstVirtual && role !== 'r') add(definitions, register);
  };
  for (const instruction of block.instructions) {
    forEachRegister(instruction, use);
    forEachRegister(instruction, define);
  }
}
