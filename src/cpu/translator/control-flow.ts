/**
 * The shape of a region's control flow, as structured code needs it (N. Ramsey, "Beyond Relooper", ICFP 2022): reverse postorder,
 * dominators, loop headers and merge points. Blocks are numbers; block 0 is the entry.
 */
export class ControlFlow {
  /** Blocks reachable from the entry, in reverse postorder. */
  readonly order: readonly number[];
  readonly #position: Int32Array;
  readonly #dominator: Int32Array;
  readonly #forwardEdges: Int32Array;
  readonly #headers = new Set<number>();

  /** @param successors of each block, within the region */
  constructor(successors: readonly (readonly number[])[]) {
    const order = reversePostorder(successors);
    this.order = order;
    this.#position = new Int32Array(successors.length).fill(-1);
    order.forEach((block, position) => {
      this.#position[block] = position;
    });
    this.#dominator = this.#immediateDominators(successors);
    this.#forwardEdges = new Int32Array(successors.length);
    for (const block of order) {
      for (const next of successors[block]!) {
        if (this.isForward(block, next)) this.#forwardEdges[next]!++;
        else if (this.dominates(next, block)) this.#headers.add(next);
      }
    }
  }

  /** @returns whether the edge goes on in reverse postorder: not back to a block on the way here */
  isForward(from: number, to: number): boolean {
    return this.#position[to]! > this.#position[from]!;
  }

  /** A back edge into the middle of a loop, which no structured construct expresses. */
  isIrreducible(from: number, to: number): boolean {
    return !this.isForward(from, to) && !this.dominates(to, from);
  }

  isLoopHeader(block: number): boolean {
    return this.#headers.has(block);
  }

  /** Several forward edges meet here: the block is reached by branches, not nested in one predecessor. */
  isMerge(block: number): boolean {
    return this.#forwardEdges[block]! > 1;
  }

  /** The blocks that `block` dominates immediately, in reverse postorder. */
  children(block: number): number[] {
    return this.order.filter((other) => other !== block && this.#dominator[other] === block);
  }

  dominates(ancestor: number, block: number): boolean {
    for (let at = block; ; at = this.#dominator[at]!) {
      if (at === ancestor) return true;
      if (at === this.order[0]) return false;
    }
  }

  /** K. Cooper, T. Harvey, K. Kennedy, "A Simple, Fast Dominance Algorithm". */
  #immediateDominators(successors: readonly (readonly number[])[]): Int32Array {
    const dominator = new Int32Array(successors.length).fill(-1);
    const predecessors: number[][] = successors.map(() => []);
    for (const block of this.order) for (const next of successors[block]!) predecessors[next]!.push(block);
    const entry = this.order[0]!;
    dominator[entry] = entry;
    const meet = (first: number, second: number): number => {
      let [a, b] = [first, second];
      while (a !== b) {
        while (this.#position[a]! > this.#position[b]!) a = dominator[a]!;
        while (this.#position[b]! > this.#position[a]!) b = dominator[b]!;
      }
      return a;
    };
    for (let changed = true; changed; ) {
      changed = false;
      for (const block of this.order.slice(1)) {
        const known = predecessors[block]!.filter((each) => dominator[each] !== -1);
        const found = known.reduce(meet);
        if (dominator[block] !== found) {
          dominator[block] = found;
          changed = true;
        }
      }
    }
    return dominator;
  }
}

function reversePostorder(successors: readonly (readonly number[])[]): number[] {
  const seen = new Uint8Array(successors.length);
  const postorder: number[] = [];
  const stack: { block: number; next: number }[] = [{ block: 0, next: 0 }];
  seen[0] = 1;
  while (stack.length > 0) {
    const top = stack.at(-1)!;
    const to = successors[top.block]![top.next++];
    if (to === undefined) {
      postorder.push(top.block);
      stack.pop();
    } else if (seen[to] === 0) {
      seen[to] = 1;
      stack.push({ block: to, next: 0 });
    }
  }
  return postorder.reverse();
}
