/** A control-flow graph whose block 0 is the entry. */
export interface Graph {
  readonly next: readonly (readonly number[])[];
  /** predecessors, reachable ones only, each once */
  readonly previous: readonly (readonly number[])[];
  /** reachable blocks in reverse postorder */
  readonly reachable: readonly number[];
  /** position of each block in `reachable`, -1 when it is not there */
  readonly order: Int32Array;
}

export function graphOf(next: readonly (readonly number[])[]): Graph {
  const postorder: number[] = [];
  const visited = new Uint8Array(next.length);
  const stack: { block: number; child: number }[] = [{ block: 0, child: 0 }];
  visited[0] = 1;
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    const target = next[top.block]![top.child++];
    if (target === undefined) {
      postorder.push(top.block);
      stack.pop();
    } else if (!visited[target]) {
      visited[target] = 1;
      stack.push({ block: target, child: 0 });
    }
  }
  const reachable = postorder.reverse();
  const order = new Int32Array(next.length).fill(-1);
  const previous: number[][] = next.map(() => []);
  reachable.forEach((block, index) => {
    order[block] = index;
    for (const target of next[block]!) {
      const before = previous[target]!;
      if (before[before.length - 1] !== block) before.push(block);
    }
  });
  return { next, previous, reachable, order };
}

/** Immediate dominators (Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm); the entry's is itself. */
export function dominators({ previous, reachable, order }: Graph): Int32Array {
  const immediate = new Int32Array(order.length).fill(-1);
  immediate[0] = 0;
  const meet = (left: number, right: number): number => {
    let a = left;
    let b = right;
    while (a !== b) {
      while (order[a]! > order[b]!) a = immediate[a]!;
      while (order[b]! > order[a]!) b = immediate[b]!;
    }
    return a;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const block of reachable) {
      if (block === 0) continue;
      let best = -1;
      for (const before of previous[block]!) {
        if (immediate[before]! < 0) continue;
        best = best < 0 ? before : meet(before, best);
      }
      if (immediate[block] !== best) {
        immediate[block] = best;
        changed = true;
      }
    }
  }
  return immediate;
}

/** For each block, the blocks where its dominance ends. */
export function dominanceFrontiers({ previous, reachable, next }: Graph, immediate: Int32Array): Set<number>[] {
  const frontiers = next.map(() => new Set<number>());
  for (const block of reachable) {
    const before = previous[block]!;
    if (before.length < 2) continue;
    for (const from of before) {
      for (let runner = from; runner !== immediate[block]; runner = immediate[runner]!) frontiers[runner]!.add(block);
    }
  }
  return frontiers;
}

/** Whether `upper` dominates `lower`. */
export function dominates(immediate: Int32Array, upper: number, lower: number): boolean {
  let block = lower;
  while (block !== upper) {
    if (block === 0) return false;
    block = immediate[block]!;
  }
  return true;
}
