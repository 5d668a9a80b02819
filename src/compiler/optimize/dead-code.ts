import { isRemovable } from '../ir/effects.ts';
import type { Instruction } from '../ir/module.ts';
import { forEachDefinition, forEachUse } from '../ir/shapes.ts';
import type { Phi, SsaFunction } from './ssa.ts';

/** Drops computations, loads and phis whose results nothing needs, and bindings of values that are gone. */
export function removeDeadCode(fn: SsaFunction): void {
  const definitions: (Instruction | Phi | undefined)[] = [];
  const needed = new Uint8Array(fn.types.length);
  const waiting: number[] = [];
  const need = (register: number) => {
    if (needed[register]) return;
    needed[register] = 1;
    waiting.push(register);
  };
  for (const block of fn.blocks) {
    if (!block) continue;
    for (const phi of block.phis) definitions[phi.result] = phi;
    for (const instruction of block.instructions) {
      forEachDefinition(instruction, (register) => {
        definitions[register] = instruction;
      });
      if (!isRemovable(instruction)) forEachUse(instruction, need);
    }
    forEachUse(block.terminator, need);
  }
  while (waiting.length > 0) {
    const definition = definitions[waiting.pop()!];
    if (definition?.op === 'phi') definition.inputs.forEach(need);
    else if (definition) forEachUse(definition, need);
  }
  const parameters = new Set(fn.parameters);
  for (const block of fn.blocks) {
    if (!block) continue;
    block.phis = block.phis.filter((phi) => needed[phi.result]);
    block.instructions = block.instructions.filter((instruction) => {
      if (!isRemovable(instruction)) return true;
      if (instruction.op === 'bind') {
        const { source } = instruction;
        return needed[source] === 1 || parameters.has(source) || definitions[source]?.op === 'const';
      }
      let wanted = false;
      forEachDefinition(instruction, (register) => {
        wanted ||= needed[register] === 1;
      });
      return wanted;
    });
  }
}
