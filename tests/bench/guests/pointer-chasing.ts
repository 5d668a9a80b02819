import { array, mulLow32, u32 } from '#dialect';

const NODES = 65_536;
const STEPS = 30_000_000;
const next = array(u32, NODES);

/** One cycle through all nodes in an order without pattern (Sattolo's shuffle). */
function link(): void {
  for (let node: u32 = 0; node < NODES; node++) next[node] = node;
  let seed: u32 = 7;
  for (let node: u32 = NODES - 1; node > 0; node = u32(node - 1)) {
    seed = u32(mulLow32(seed, 1_664_525) + 1_013_904_223);
    const other = u32((seed >>> 8) % node);
    const exchanged = next[node]!;
    next[node] = next[other]!;
    next[other] = exchanged;
  }
}

/** Follows a linked list that does not fit the first-level cache. */
export function pointerChasing(): u32 {
  link();
  let node: u32 = 0;
  for (let step: u32 = 0; step < STEPS; step++) node = next[node]!;
  return node;
}
