import { bitsOf, type Register, type Terminator } from '../ir/module.ts';
import { forEachUse, successors } from '../ir/shapes.ts';
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
    if (threadConstants(fn, index)) changed = true;
    if (fn.blocks[index] && skipEmpty(fn, index)) changed = true;
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
  if (block.terminator.op === 'jump') return false;
  const [only, ...others] = successors(block.terminator);
  if (only === undefined || others.some((target) => target !== only)) return false;
  block.terminator = { op: 'jump', target: only, span: block.terminator.span };
  return true;
}

/**
 * A block that only branches on a phi: predecessors that bring a constant know the way and go there directly. This
 * undoes truth values that were made just to be tested, as `a && b` in a condition.
 */
function threadConstants(fn: SsaFunction, index: number): boolean {
  const block = fn.blocks[index]!;
  const [phi] = block.phis;
  const { terminator } = block;
  if (index === 0 || block.phis.length !== 1 || !phi || block.instructions.some(({ op }) => op !== 'bind'))
    return false;
  if (terminator.op !== 'branch' || terminator.test !== phi.result || usesElsewhere(fn, phi.result, index))
    return false;
  let changed = false;
  for (const from of [...block.previous]) {
    const known = constantOf(fn, phi.inputs[block.previous.indexOf(from)]!);
    const target = known === undefined || known === 0n ? terminator.otherwise : terminator.then;
    if (known === undefined || target === index || !redirect(fn, from, index, target)) continue;
    changed = true;
  }
  return changed;
}

/** Sends `from` to `target` instead of to `through`, which leads there; false when phis could not tell the ways apart. */
function redirect(fn: SsaFunction, from: number, through: number, target: number): boolean {
  const next = fn.blocks[target]!;
  const known = next.previous.includes(from);
  if (known && next.phis.length > 0) return false;
  const block = fn.blocks[through]!;
  const position = block.previous.indexOf(from);
  const before = fn.blocks[from]!;
  before.terminator = retarget(before.terminator, (to) => (to === through ? target : to));
  if (!known) {
    const way = next.previous.indexOf(through);
    next.previous.push(from);
    for (const phi of next.phis) phi.inputs.push(phi.inputs[way]!);
  }
  block.previous.splice(position, 1);
  for (const phi of block.phis) phi.inputs.splice(position, 1);
  return true;
}

function constantOf(fn: SsaFunction, register: Register): bigint | undefined {
  for (const block of fn.blocks) {
    const found = block?.instructions.find(
      (instruction) => instruction.op === 'const' && instruction.result === register,
    );
    if (found?.op === 'const') return BigInt.asUintN(bitsOf[fn.types[register]!], found.value);
  }
  return undefined;
}

/** Whether anything but the terminator of block `index` reads the register. */
function usesElsewhere(fn: SsaFunction, register: Register, index: number): boolean {
  let count = 0;
  const note = (used: Register) => {
    if (used === register) count++;
  };
  fn.blocks.forEach((block, at) => {
    if (!block) return;
    for (const phi of block.phis) phi.inputs.forEach(note);
    for (const instruction of block.instructions) forEachUse(instruction, note);
    if (at !== index) forEachUse(block.terminator, note);
  });
  return count > 0;
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
