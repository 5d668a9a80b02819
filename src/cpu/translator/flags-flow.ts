/** What is known of the status flags along a region's control flow. */
import type { ControlFlow } from './control-flow.ts';
import { type Block, successorsOf } from './region.ts';

/** The stored kind of the flags at each block's start, where it is the same on all ways there. */
export function flagKindsAtEntry(blocks: readonly Block[], flow: ControlFlow): (number | undefined)[] {
  const unknown = -1;
  const unseen = -2;
  const kinds = new Int32Array(blocks.length).fill(unseen);
  kinds[0] = unknown;
  for (let changed = true; changed; ) {
    changed = false;
    for (const number of flow.order) {
      const block = blocks[number]!;
      let kind = kinds[number]!;
      for (const { translatable } of block.instructions) {
        if (translatable.flagKind !== null) kind = translatable.flagKind ?? unknown;
      }
      for (const next of successorsOf(block)) {
        const merged = kinds[next] === unseen || kinds[next] === kind ? kind : unknown;
        if (merged !== kinds[next]) {
          kinds[next] = merged;
          changed = true;
        }
      }
    }
  }
  return [...kinds].map((kind) => (kind < 0 ? undefined : kind));
}

/**
 * Which instructions write flags that nobody will look at: another one replaces them first, and on no way there control may leave the
 * region, where they must be right. A list a block, an entry an instruction.
 */
export function deadFlags(blocks: readonly Block[], flow: ControlFlow): boolean[][] {
  const deadAtEntry = blocks.map(() => true);
  const result: boolean[][] = blocks.map(() => []);
  for (let changed = true; changed; ) {
    changed = false;
    for (const number of [...flow.order].reverse()) {
      const block = blocks[number]!;
      // On the way back to a loop's header control may leave, when the budget is used up.
      const stays = (next: number) => deadAtEntry[next]! && flow.isForward(number, next);
      let dead = staysInside(block) && successorsOf(block).every(stays);
      for (let index = block.instructions.length - 1; index >= 0; index--) {
        const { translatable } = block.instructions[index]!;
        result[number]![index] = dead;
        const { readsFlags } = dead ? translatable.withoutFlags : translatable;
        if (readsFlags || translatable.mayExit) dead = false;
        else if (translatable.writesFlags) dead = true;
      }
      if (dead !== deadAtEntry[number]) {
        deadAtEntry[number] = dead;
        changed = true;
      }
    }
  }
  return result;
}

/** Every way out of the block leads to a block. */
function staysInside({ ending, taken, next }: Block): boolean {
  return (
    ending !== 'jump' &&
    (taken === undefined || taken.kind === 'block') &&
    (next === undefined || next.kind === 'block')
  );
}
