import { ControlFlow } from './control-flow.ts';
import { type Block, COPY_LIMIT, type Exit, successorsOf } from './region.ts';

/** How many blocks may be copied: each time the region's loops are worked out anew. */
const COPIES = 48;

/**
 * Gives loops with several entries one, as structured code needs it: the block that a jump into a loop's middle leads to is copied for
 * that jump (node splitting). Returns make such loops, since a function comes back to all places that call it. Jumps that are left when
 * a limit is reached leave the region.
 */
export function splitLoops(blocks: readonly Block[]): readonly Block[] {
  const result = [...blocks];
  let left = COPY_LIMIT;
  for (let copies = 0; copies < COPIES; copies++) {
    const jump = jumpIntoLoop(result);
    if (jump === undefined) break;
    const copied = result[jump.to]!;
    left -= copied.count;
    if (left < 0) break;
    result.push(copied);
    result[jump.from] = redirected(result[jump.from]!, jump.to, result.length - 1);
  }
  return result;
}

/** @returns of the jumps into the middle of a loop the one that is cheapest to do away with */
function jumpIntoLoop(blocks: readonly Block[]): { from: number; to: number } | undefined {
  const flow = new ControlFlow(blocks.map(successorsOf));
  let found: { from: number; to: number } | undefined;
  for (const from of flow.order) {
    for (const to of successorsOf(blocks[from]!)) {
      if (!flow.isIrreducible(from, to)) continue;
      if (found === undefined || blocks[to]!.count < blocks[found.to]!.count) found = { from, to };
    }
  }
  return found;
}

/** @returns a block that goes to `copy` wherever it went to `original` */
function redirected(block: Block, original: number, copy: number): Block {
  const redirect = (exit: Exit | undefined): Exit | undefined =>
    exit?.kind === 'block' && exit.block === original ? { ...exit, block: copy } : exit;
  return {
    ...block,
    taken: redirect(block.taken),
    next: redirect(block.next),
    candidates: block.candidates.map((each) => (each.block === original ? { ...each, block: copy } : each)),
  };
}
