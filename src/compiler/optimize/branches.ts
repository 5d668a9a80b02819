import type { Terminator } from '../ir/module.ts';
import { successors } from '../ir/shapes.ts';
import { nextOf, retarget } from './destruct.ts';
import { graphOf } from './graph.ts';
import type { SsaBlock, SsaFunction } from './ssa.ts';

/**
 * Tidies the control flow: drops unreachable blocks, sends jumps past blocks that do nothing, joins a block with its
 * only successor when that has no other way in. Returns whether anything changed.
 */
export function simplifyBranches(fn: SsaFunction): boolean {
  let changed = dropUnreachable(fn);
  for (let index = 0; index < fn.blocks.length; index++) {
    const block = fn.blocks[index];
    if (!block) continue;
    if (uniteTargets(block)) changed = true;
    if (skipEmpty(fn, index)) changed = true;
    while (absorbSuccessor(fn, index)) changed = true;
  }
  if (changed) dropUnreachable(fn);
  return changed;
}

/** Removes blocks that control cannot reach and their inputs to phis. */
function dropUnreachable(fn: SsaFunction): boolean {
  const graph = graphOf(nextOf(fn));
  let changed = false;
  fn.blocks.forEach((block, index) => {
    if (!block) return;
    if (graph.order[index]! < 0) {
      fn.blocks[index] = null;
      changed = true;
      return;
    }
    const kept = graph.previous[index]!;
    if (block.previous.length === kept.length && block.previous.every((from) => kept.includes(from))) return;
    changed = true;
    const positions = block.previous.flatMap((from, position) => (kept.includes(from) ? [position] : []));
    for (const phi of block.phis) phi.inputs = positions.map((position) => phi.inputs[position]!);
    block.previous = positions.map((position) => block.previous[position]!);
  });
  return changed;
}

/** A branch whose ways lead to one block is a jump. */
function uniteTargets(block: SsaBlock): boolean {
  const targets = new Set(successors(block.terminator));
  const [only] = targets;
  if (block.terminator.op === 'jump' || targets.size !== 1 || only === undefined) return false;
  block.terminator = { op: 'jump', target: only, span: block.terminator.span };
  return true;
}

/** An empty block that jumps on is left out of the way of its predecessors, where no phi tells them apart. */
function skipEmpty(fn: SsaFunction, index: number): boolean {
  const block = fn.blocks[index]!;
  if (index === 0 || block.terminator.op !== 'jump' || block.phis.length > 0) return false;
  if (block.instructions.some((instruction) => instruction.op !== 'bind')) return false;
  const { target } = block.terminator;
  const next = fn.blocks[target]!;
  if (target === index || block.previous.includes(index)) return false;
  if (next.phis.length > 0 && block.previous.some((from) => next.previous.includes(from))) return false;
  const position = next.previous.indexOf(index);
  for (const from of block.previous) {
    const before = fn.blocks[from]!;
    before.terminator = retarget(before.terminator, (to) => (to === index ? target : to)) as Terminator;
    if (next.previous.includes(from)) continue;
    next.previous.push(from);
    for (const phi of next.phis) phi.inputs.push(phi.inputs[position]!);
  }
  next.previous.splice(position, 1);
  for (const phi of next.phis) phi.inputs.splice(position, 1);
  fn.blocks[index] = null;
  return true;
}

function absorbSuccessor(fn: SsaFunction, index: number): boolean {
  const block = fn.blocks[index];
  if (block?.terminator.op !== 'jump') return false;
  const { target } = block.terminator;
  const next = fn.blocks[target]!;
  if (target === index || target === 0 || next.previous.length !== 1 || next.phis.length > 0) return false;
  block.instructions.push(...next.instructions);
  block.terminator = next.terminator;
  block.cold ||= next.cold;
  for (const after of new Set(successors(next.terminator))) {
    const { previous } = fn.blocks[after]!;
    previous[previous.indexOf(target)] = index;
  }
  fn.blocks[target] = null;
  return true;
}
