import { backEdges } from './loops.ts';
import type { MachineFunction } from './machine.ts';

/**
 * The order in which blocks are emitted: reverse postorder with loops kept together, a loop's test at its end when
 * that saves the jump back, cold blocks last. Blocks that cannot be reached are left out.
 */
export function layoutBlocks(fn: MachineFunction): number[] {
  const order = reversePostorder(fn);
  const hot = order.filter((block) => !fn.blocks[block]!.cold || block === 0);
  const cold = order.filter((block) => fn.blocks[block]!.cold && block !== 0);
  return [...rotateLoops(fn, hot), ...cold];
}

function reversePostorder(fn: MachineFunction): number[] {
  const visited = new Uint8Array(fn.blocks.length);
  const order: number[] = [];
  const stack: { block: number; next: number[] }[] = [];
  const enter = (block: number) => {
    visited[block] = 1;
    const { successors } = fn.blocks[block]!;
    // Later entries of `next` are walked first and so end up later in the result: loop exits before loop bodies.
    const next = [...successors].sort((left, right) => fn.blocks[right]!.depth - fn.blocks[left]!.depth);
    stack.push({ block, next });
  };
  enter(0);
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    const target = top.next.pop();
    if (target === undefined) {
      order.push(top.block);
      stack.pop();
    } else if (!visited[target]) enter(target);
  }
  return order.reverse();
}

/** Moves the header of a loop that ends in `jmp header` behind its last block, so that one branch closes the loop. */
function rotateLoops(fn: MachineFunction, order: number[]): number[] {
  const edges = backEdges(fn.blocks.map((block) => block.successors));
  for (const [header, latches] of edges) {
    if (header === 0 || fn.blocks[header]!.successors.length < 2) continue;
    const at = order.indexOf(header);
    const last = Math.max(...latches.map((latch) => order.indexOf(latch)));
    if (last <= at) continue;
    const latch = fn.blocks[order[last]!]!;
    const inside = new Set(order.slice(at, last + 1));
    const leaves = fn.blocks[header]!.successors.some((target) => !inside.has(target));
    if (latch.successors.length !== 1 || !leaves) continue;
    order.splice(at, 1);
    order.splice(last, 0, header);
  }
  return order;
}
