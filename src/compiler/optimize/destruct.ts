import type { Block, Instruction, IrFunction, Register } from '../ir/module.ts';
import { successors } from '../ir/shapes.ts';
import type { SsaFunction } from './ssa.ts';

/**
 * Back from SSA form: each phi gets a register of its own that every predecessor fills at its end and the block
 * copies at its start, so that no order of copies can go wrong. The allocator unites what may share a register.
 * Unreachable blocks are dropped.
 */
export function destructSsa(fn: SsaFunction): IrFunction {
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
