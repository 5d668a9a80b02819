import type { IrFunction } from '../ir/module.ts';
import { argumentRegisters } from './conventions.ts';
import { forEachRegister, type MachineFunction, type MachineInstruction, sameRegister } from './machine.ts';
import { type Operand, register } from './operands.ts';

/** Where each variable is: a register, a stack slot or a constant. */
export type Places = Map<number, Operand>;

function samePlace(left: Operand | undefined, right: Operand | undefined): boolean {
  if (!left || !right || left.kind !== right.kind) return false;
  if (left.kind === 'register') return left.register === (right as typeof left).register;
  if (left.kind === 'memory') return left.slot === (right as typeof left).slot;
  return left.kind === 'immediate' && left.value === (right as typeof left).value;
}

/** Where a function finds its parameters: in the argument registers. Stack arguments are known behind the prologue only. */
export function parameterPlaces(ir: IrFunction): Places {
  const places: Places = new Map();
  if (ir.convention !== 'sysv') return places;
  ir.parameters.slice(0, argumentRegisters.length).forEach((_, index) => {
    places.set(index, register(argumentRegisters[index]!));
  });
  return places;
}

/** Whether `follow` could change `places`: most instructions write no register, or none that holds a variable. */
export function mayMove(instruction: MachineInstruction, places: Places): boolean {
  if (instruction.mnemonic === 'bind') return true;
  if (places.size === 0) return false;
  let written = 0;
  for (const register of instruction.defines ?? []) written |= 1 << register;
  forEachRegister(instruction, (register, role) => {
    if (role !== 'r') written |= 1 << register;
  });
  if (written === 0) return false;
  for (const place of places.values()) if (place.kind === 'register' && (written >> place.register) & 1) return true;
  return false;
}

/** Applies one instruction: a `bind` moves its variable, a written register forgets what it held. True when places changed. */
export function follow(instruction: MachineInstruction, places: Places): boolean {
  const { mnemonic, operands, variable, defines, copy } = instruction;
  if (mnemonic === 'bind') {
    const [place] = operands;
    if (samePlace(places.get(variable!), place)) return false;
    if (place) places.set(variable!, place);
    else places.delete(variable!);
    return true;
  }
  if (places.size === 0 || (copy && sameRegister(operands[0], operands[1]))) return false;
  let changed = false;
  const forget = (register: number) => {
    for (const [held, place] of places) {
      if (place.kind !== 'register' || place.register !== register) continue;
      places.delete(held);
      changed = true;
    }
  };
  for (const register of defines ?? []) forget(register);
  forEachRegister(instruction, (register, role) => {
    if (role !== 'r') forget(register);
  });
  return changed;
}

/** Where variables are at the start of each block: what all ways into it agree on; `initial` at the function's start. */
export function placesAtEntry(fn: MachineFunction, initial: Places): Places[] {
  const entry: (Places | undefined)[] = fn.blocks.map(() => undefined);
  entry[0] = new Map(initial);
  const waiting = [0];
  while (waiting.length > 0) {
    const index = waiting.pop()!;
    const block = fn.blocks[index]!;
    const places: Places = new Map(entry[index]);
    for (const instruction of block.instructions) follow(instruction, places);
    for (const next of block.successors) {
      const known = entry[next];
      if (!known) entry[next] = new Map(places);
      else if (!intersect(known, places)) continue;
      waiting.push(next);
    }
  }
  return entry.map((places) => places ?? new Map<number, Operand>());
}

/** Keeps in `known` what `other` agrees on; true when something was dropped. */
function intersect(known: Places, other: Places): boolean {
  let changed = false;
  for (const [variable, place] of known) {
    if (samePlace(place, other.get(variable))) continue;
    known.delete(variable);
    changed = true;
  }
  return changed;
}
