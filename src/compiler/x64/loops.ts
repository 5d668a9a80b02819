import type { IrFunction } from '../ir/module.ts';
import { successors } from '../ir/shapes.ts';

/** For each block, how many loops it lies in. Loops are found as back edges of a depth-first walk. */
export function loopDepths(fn: IrFunction): number[] {
  const count = fn.blocks.length;
  const next = fn.blocks.map((block) => successors(block.terminator));
  const previous: number[][] = fn.blocks.map(() => []);
  next.forEach((targets, block) => {
    for (const target of targets) previous[target]?.push(block);
  });
  const depths = new Array<number>(count).fill(0);
  for (const [header, latches] of backEdges(next)) {
    const body = new Set([header]);
    const work = [...latches];
    while (work.length > 0) {
      const block = work.pop()!;
      if (body.has(block)) continue;
      body.add(block);
      work.push(...previous[block]!);
    }
    for (const block of body) depths[block]!++;
  }
  return depths;
}

/** Loop headers with the blocks that jump back to them. */
export function backEdges(next: readonly (readonly number[])[]): Map<number, number[]> {
  const state = new Uint8Array(next.length);
  const edges = new Map<number, number[]>();
  const stack: { block: number; child: number }[] = [{ block: 0, child: 0 }];
  state[0] = 1;
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    const target = next[top.block]![top.child++];
    if (target === undefined) {
      state[top.block] = 2;
      stack.pop();
    } else if (state[target] === 0) {
      state[target] = 1;
      stack.push({ block: target, child: 0 });
    } else if (state[target] === 1) {
      const known = edges.get(target);
      if (known) known.push(top.block);
      else edges.set(target, [top.block]);
    }
  }
  return edges;
}

/** Reachable blocks, each after all blocks that it dominates. */
export function postorder(fn: IrFunction): number[] {
  const visited = new Uint8Array(fn.blocks.length);
  const order: number[] = [];
  const stack: { block: number; next: number[] }[] = [{ block: 0, next: successors(fn.blocks[0]!.terminator) }];
  visited[0] = 1;
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    const target = top.next.pop();
    if (target === undefined) {
      order.push(top.block);
      stack.pop();
    } else if (!visited[target]) {
      visited[target] = 1;
      stack.push({ block: target, next: successors(fn.blocks[target]!.terminator) });
    }
  }
  return order;
}
