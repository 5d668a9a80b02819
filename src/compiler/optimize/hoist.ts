import type { Instruction, Register } from '../ir/module.ts';
import { forEachDefinition, forEachUse } from '../ir/shapes.ts';
import { nextOf } from './destruct.ts';
import { isPure } from './effects.ts';
import { dominates, dominators, graphOf } from './graph.ts';
import type { SsaFunction } from './ssa.ts';

/**
 * What selection folds into its users: moving it out of a loop would only hold a register. Constants do move, since
 * what uses them could not move otherwise; they are folded wherever they are.
 */
const freeAnywhere = new Set<Instruction['op']>(['compare', 'truncate', 'zeroExtend', 'bind', 'copy']);

/**
 * Moves computations that give the same result in every round of a loop in front of it, where a block that only
 * leads into the loop exists. Division is left alone: it must not run when the loop would not have run it. So are
 * loops with calls: few registers survive those, and a value reloaded from the stack is as dear as most computations.
 */
export function hoistInvariants(fn: SsaFunction): boolean {
  const graph = graphOf(nextOf(fn));
  const immediate = dominators(graph);
  let changed = false;
  // Inner loops come later in reverse postorder; going backwards lets values leave several loops in turn.
  for (const header of [...graph.reachable].reverse()) {
    const latches = graph.previous[header]!.filter((from) => dominates(immediate, header, from));
    if (latches.length === 0) continue;
    const outside = graph.previous[header]!.filter((from) => !latches.includes(from));
    const [entry] = outside;
    if (outside.length !== 1 || entry === undefined || graph.next[entry]!.length !== 1) continue;
    const body = loopBody(graph.previous, header, latches);
    if (!callsInside(fn, body) && hoistLoop(fn, body, entry, graph.reachable)) changed = true;
  }
  return changed;
}

function callsInside(fn: SsaFunction, body: ReadonlySet<number>): boolean {
  return [...body].some((index) => {
    const block = fn.blocks[index]!;
    return !block.cold && block.instructions.some((instruction) => instruction.op === 'call');
  });
}

function loopBody(previous: readonly (readonly number[])[], header: number, latches: readonly number[]): Set<number> {
  const body = new Set([header]);
  const waiting = [...latches];
  while (waiting.length > 0) {
    const block = waiting.pop()!;
    if (body.has(block)) continue;
    body.add(block);
    waiting.push(...previous[block]!);
  }
  return body;
}

function hoistLoop(fn: SsaFunction, body: ReadonlySet<number>, entry: number, order: readonly number[]): boolean {
  const varying = new Set<Register>();
  for (const index of body) {
    const block = fn.blocks[index]!;
    for (const phi of block.phis) varying.add(phi.result);
    for (const instruction of block.instructions) forEachDefinition(instruction, (register) => varying.add(register));
  }
  const moved: Instruction[] = [];
  for (const index of order) {
    if (!body.has(index)) continue;
    const block = fn.blocks[index]!;
    if (block.cold) continue;
    block.instructions = block.instructions.filter((instruction) => {
      if (!isHoistable(instruction)) return true;
      let invariant = true;
      forEachUse(instruction, (used) => {
        if (varying.has(used)) invariant = false;
      });
      if (!invariant) return true;
      forEachDefinition(instruction, (register) => varying.delete(register));
      moved.push(instruction);
      return false;
    });
  }
  fn.blocks[entry]!.instructions.push(...moved);
  return moved.length > 0;
}

function isHoistable(instruction: Instruction): boolean {
  if (!isPure(instruction) || freeAnywhere.has(instruction.op)) return false;
  if (instruction.op.startsWith('div') || instruction.op.startsWith('rem')) return false;
  // The address of a symbol or slot is folded where it is used.
  return instruction.op !== 'addressOf' || instruction.address.base?.kind === 'register';
}
