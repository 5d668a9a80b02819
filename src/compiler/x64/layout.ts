import { backEdges } from './loops.ts';
import { blockLabel, blockOfLabel, type MachineBlock, type MachineFunction, sameRegister } from './machine.ts';
import { target } from './operands.ts';

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

/** The only target of a block that does nothing but jump, or undefined. */
function onlyJumps({ instructions }: MachineBlock): number | undefined {
  const real = instructions.filter(
    ({ mnemonic, copy, operands }) =>
      mnemonic !== 'bind' && mnemonic !== 'keep' && !(copy && sameRegister(operands[0], operands[1])),
  );
  const [first] = real;
  const [to] = first?.operands ?? [];
  if (real.length !== 1 || first?.mnemonic !== 'jmp' || to?.kind !== 'target') return undefined;
  return blockOfLabel(to.label);
}

/** Sends jumps past blocks that do nothing. Returns where a jump to a block ends up. */
export function skipEmptyBlocks(fn: MachineFunction): (block: number) => number {
  const targets = fn.blocks.map(onlyJumps);
  const resolve = (block: number): number => {
    let current = block;
    for (let steps = 0; steps < targets.length; steps++) {
      const next = targets[current];
      if (next === undefined || current === 0) break;
      current = next;
    }
    return current;
  };
  for (const block of fn.blocks) {
    block.successors = block.successors.map(resolve);
    for (const instruction of block.instructions) {
      const [to] = instruction.operands;
      const from = to?.kind === 'target' ? blockOfLabel(to.label) : undefined;
      if (from !== undefined) instruction.operands = [target(blockLabel(resolve(from)))];
    }
  }
  return resolve;
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
