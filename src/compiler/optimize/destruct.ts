import type { Block, Instruction, IrFunction, Register } from '../ir/module.ts';
import { successors } from '../ir/shapes.ts';
import { graphOf } from './graph.ts';
import type { SsaBlock, SsaFunction } from './ssa.ts';

/**
 * Back from SSA form: each phi gets a register of its own that every predecessor fills at its end and the block
 * copies at its start, so that no order of copies can go wrong. The allocator unites what may share a register.
 * Unreachable blocks are dropped.
 */
export function destructSsa(fn: SsaFunction): IrFunction {
  splitCriticalEdges(fn);
  const registers = [...fn.types];
  const before = new Map<number, Instruction[]>();
  const after = new Map<number, Instruction[]>();
  const append = (map: Map<number, Instruction[]>, block: number, instruction: Instruction) => {
    const list = map.get(block);
    if (list) list.push(instruction);
    else map.set(block, [instruction]);
  };
  fn.blocks.forEach((block, index) => {
    if (!block) return;
    for (const phi of block.phis) {
      const shared: Register = registers.push(fn.types[phi.result]!) - 1;
      const span = block.instructions[0]?.span ?? block.terminator.span;
      append(before, index, { op: 'copy', result: phi.result, source: shared, span });
      block.previous.forEach((from, position) => {
        const { span: at } = fn.blocks[from]!.terminator;
        append(after, from, { op: 'copy', result: shared, source: phi.inputs[position]!, span: at });
      });
    }
  });
  const numbers = new Map<number, number>();
  fn.blocks.forEach((block, index) => {
    if (block) numbers.set(index, numbers.size);
  });
  const renumber = (index: number): number => numbers.get(index)!;
  const blocks = fn.blocks.flatMap((block, index): Block[] => {
    if (!block) return [];
    const instructions = [...(before.get(index) ?? []), ...block.instructions, ...(after.get(index) ?? [])];
    const terminator = retarget(block.terminator, renumber);
    return [block.cold ? { instructions, terminator, cold: true } : { instructions, terminator }];
  });
  const parameters = fn.ir.parameters.map((parameter, index) => ({ ...parameter, register: fn.parameters[index]! }));
  return { ...fn.ir, parameters, registers, blocks };
}

/**
 * Gives edges from a branch to a block with phis a block of their own for the copies, so that the other way of the
 * branch does not run them. Edges back to a loop's start are left: there a jump more would cost more than it saves.
 */
function splitCriticalEdges(fn: SsaFunction): void {
  const graph = graphOf(nextOf(fn));
  for (const index of graph.reachable) {
    const block = fn.blocks[index]!;
    if (block.phis.length === 0) continue;
    block.previous.forEach((from, position) => {
      const before = fn.blocks[from]!;
      if (graph.next[from]!.length < 2 || graph.order[from]! >= graph.order[index]!) return;
      const { span } = before.terminator;
      const cold = before.cold || block.cold;
      const between: SsaBlock = {
        phis: [],
        instructions: [],
        terminator: { op: 'jump', target: index, span },
        cold,
        previous: [from],
      };
      const middle = fn.blocks.push(between) - 1;
      before.terminator = retarget(before.terminator, (to) => (to === index ? middle : to));
      block.previous[position] = middle;
    });
  }
}

/** The terminator with every block it names replaced. */
export function retarget<T extends Block['terminator']>(terminator: T, map: (block: number) => number): T {
  switch (terminator.op) {
    case 'jump':
      return { ...terminator, target: map(terminator.target) };
    case 'branch':
    case 'branchCompare': {
      const then = map(terminator.then);
      return { ...terminator, then, otherwise: map(terminator.otherwise) };
    }
    case 'switch': {
      const cases = terminator.cases.map((entry) => ({ ...entry, target: map(entry.target) }));
      return { ...terminator, cases, otherwise: map(terminator.otherwise) };
    }
    default:
      return terminator;
  }
}

/** The successors of each block, null blocks having none. */
export function nextOf(fn: SsaFunction): number[][] {
  return fn.blocks.map((block) => (block ? successors(block.terminator) : []));
}
