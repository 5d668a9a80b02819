import { type Block, type Region, successorsOf } from './region.ts';

/**
 * Where the outermost loop around a region's entry begins: the lowest target of a jump backward over the entry, from where control
 * comes to the entry again; a recursive function is a loop as well. A region that begins there has loops of a single entry.
 * @returns its record, or 0 when the entry is in no loop
 */
export function outermostLoop({ blocks }: Region): number {
  const entry = blocks[0]!.rip;
  const cycle = reaching(blocks);
  let found: Block | undefined;
  blocks.forEach((block, number) => {
    const { taken } = block;
    if (taken?.kind !== 'block' || !cycle.has(number) || !cycle.has(taken.block)) return;
    const target = blocks[taken.block]!;
    const isAround = target.rip <= entry && block.lastRip >= entry;
    if (!isAround || (block.mnemonic === 'CALL' && !isRecursive(blocks, number, taken.block))) return;
    if (found === undefined || target.rip < found.rip) found = target;
  });
  return found?.record ?? 0;
}

/** The blocks from which control may come back to the entry. */
function reaching(blocks: readonly Block[]): ReadonlySet<number> {
  const predecessors: number[][] = blocks.map(() => []);
  blocks.forEach((block, number) => {
    for (const next of successorsOf(block)) predecessors[next]!.push(number);
  });
  const found = new Set<number>();
  const queue = [...predecessors[0]!];
  for (let block = queue.pop(); block !== undefined; block = queue.pop()) {
    if (found.has(block)) continue;
    found.add(block);
    queue.push(...predecessors[block]!);
  }
  return found;
}

/** @returns whether the function whose body begins with a block has the call that ends another one */
function isRecursive(blocks: readonly Block[], call: number, body: number): boolean {
  const seen = new Set<number>();
  const queue = [body];
  for (let number = queue.pop(); number !== undefined; number = queue.pop()) {
    if (number === call) return true;
    if (seen.has(number)) continue;
    seen.add(number);
    const { mnemonic, returnSite } = blocks[number]!;
    if (mnemonic === 'RET') continue;
    if (mnemonic !== 'CALL') queue.push(...successorsOf(blocks[number]!));
    else if (returnSite !== undefined) queue.push(returnSite);
  }
  return false;
}
