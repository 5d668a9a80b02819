import { isRemovable } from '../ir/effects.ts';
import type { Instruction } from '../ir/module.ts';
import { forEachDefinition, forEachUse } from '../ir/shapes.ts';
import type { Phi, SsaFunction } from './ssa.ts';

/** Drops computations, loads and phis whose results nothing needs, and bindings of values that are gone. */
export function removeDeadCode(fn: SsaFunction): void {
  const definitions = new Map<number, Instruction | Phi>();
  const needed = new Set<number>();
  const waiting: number[] = [];
  const need = (register: number) => {
    if (needed.has(register)) return;
    needed.add(register);
    waiting.push(register);
  };
  for (const block of fn.blocks) {
    if (!block) continue;
    for (const phi of block.phis) definitions.set(phi.result, phi);
    for (const instruction of block.instructions) {
      forEachDefinition(instruction, (register) => definitions.set(register, instruction));
      if (!isRemovable(instruction)) forEachUse(instruction, need);
    }
    forEachUse(block.terminator, need);
  }
  while (waiting.length > 0) {
    const definition = definitions.get(waiting.pop()!);
    if (definition?.op === 'phi') definition.inputs.forEach(need);
    else if (definition) forEachUse(definition, need);
  }
  const parameters = new Set(fn.parameters);
  for (const block of fn.blocks) {
    if (!block) continue;
    block.phis = block.phis.filter((phi) => needed.has(phi.result));
    block.instructions = block.instructions.filter((instruction) => {
      if (!isRemovable(instruction)) return true;
      if (instruction.op === 'bind') {
        const { source } = instruction;
        return needed.has(source) || parameters.has(source) || definitions.get(source)?.op === 'const';
      }
      let wanted = false;
      forEachDefinition(instruction, (register) => {
        wanted ||= needed.has(register);
      });
      return wanted;
    });
  }
}
