import {
  forEachRegister,
  type MachineFunction,
  type MachineInstruction,
  mapRegisters,
  newVirtual,
  rolesOf,
  sameRegister,
  widthOf,
} from './machine.ts';
import { firstVirtual, immediate, type MemoryOperand, type Operand, register, type Width } from './operands.ts';

/** Mnemonics whose operand at this place may be memory when no other operand is. */
const memoryPlaces: Readonly<Record<string, readonly number[]>> = (() => {
  const table: Record<string, readonly number[]> = {};
  const rows: [string, number[]][] = [
    ['mov add or and sub xor cmp adc sbb', [0, 1]],
    ['movzx movsx movsxd bsf bsr imul', [1]],
    ['test shl shr sar rol ror neg not inc dec push pop div idiv mul call jmp', [0]],
  ];
  for (const [names, places] of rows) for (const name of names.split(' ')) table[name] = places;
  return table;
})();

function mayBeMemory({ mnemonic, operands }: MachineInstruction, place: number): boolean {
  const system = operands.some(({ kind }) => kind === 'control' || kind === 'segment' || kind === 'debug');
  if (system) return false;
  if (mnemonic === 'imul' && operands.length === 1) return true;
  if (mnemonic.startsWith('set')) return true;
  if (mnemonic.startsWith('cmov')) return place === 1;
  return memoryPlaces[mnemonic]?.includes(place) ?? false;
}

/** Gives each register a stack slot and rewrites its uses; new registers for reloads go into `unspillable`. */
export function spill(fn: MachineFunction, registers: readonly number[], unspillable: Set<number>): void {
  const slots = new Map<number, number>();
  for (const spilled of registers) slots.set(spilled, fn.slots.push({ size: 8, alignment: 8 }) - 1);
  for (const block of fn.blocks) {
    const output: MachineInstruction[] = [];
    for (const instruction of block.instructions) {
      if (instruction.mnemonic === 'bind') output.push(boundToSlot(instruction, slots));
      else if (mentions(instruction, slots)) rewrite(fn, instruction, slots, unspillable, output);
      else output.push(instruction);
    }
    block.instructions.splice(0, block.instructions.length, ...output);
  }
}

function mentions(instruction: MachineInstruction, slots: ReadonlyMap<number, number>): boolean {
  let found = false;
  forEachRegister(instruction, (mentioned) => {
    if (slots.has(mentioned)) found = true;
  });
  return found;
}

/** A variable whose register is spilled is found in the slot. */
function boundToSlot(instruction: MachineInstruction, slots: ReadonlyMap<number, number>): MachineInstruction {
  const operands = instruction.operands.map((operand) =>
    operand.kind === 'register' && slots.has(operand.register) ? toSlot(operand, slots) : operand,
  );
  return { ...instruction, operands };
}

function slotOperand(slot: number, width: Width): MemoryOperand {
  return { kind: 'memory', width, slot, displacement: 0 };
}

/** Reloads and stores move 32 bits for registers of up to 32 bits, so that an i32 keeps its upper half clear. */
const transferWidth = (width: Width): Width => (width === 64 ? 64 : 32);

function rewrite(
  fn: MachineFunction,
  instruction: MachineInstruction,
  slots: ReadonlyMap<number, number>,
  unspillable: Set<number>,
  output: MachineInstruction[],
): void {
  const direct = withMemory(fn, instruction, slots);
  if (direct) {
    output.push(...direct);
    return;
  }
  const roles = new Map<number, { read: boolean; write: boolean }>();
  forEachRegister(instruction, (mentioned, role) => {
    if (!slots.has(mentioned)) return;
    const known = roles.get(mentioned) ?? { read: false, write: false };
    roles.set(mentioned, { read: known.read || role !== 'w', write: known.write || role !== 'r' });
  });
  const after: MachineInstruction[] = [];
  const temporaries = new Map<number, number>();
  for (const [spilled, { read, write }] of roles) {
    const width = widthOf(fn, spilled);
    const temporary = newVirtual(fn, width);
    unspillable.add(temporary);
    temporaries.set(spilled, temporary);
    const moved = transferWidth(width);
    const slot = slotOperand(slots.get(spilled)!, moved);
    const held = register(temporary, moved);
    const { span } = instruction;
    if (read) output.push({ mnemonic: 'mov', operands: [held, slot], span });
    if (write) after.push({ mnemonic: 'mov', operands: [slot, held], span });
  }
  const operands = instruction.operands.map((operand) =>
    mapRegisters(operand, (mentioned) => temporaries.get(mentioned) ?? mentioned),
  );
  output.push({ ...instruction, operands }, ...after);
}

/** The instruction with its spilled operand in memory, when its encoding and the widths allow that. */
function withMemory(
  fn: MachineFunction,
  instruction: MachineInstruction,
  slots: ReadonlyMap<number, number>,
): MachineInstruction[] | undefined {
  const { mnemonic, operands, span } = instruction;
  if (mnemonic === 'keep') return [{ ...instruction, operands: keptOperands(instruction, slots) }];
  const places = spilledPlaces(instruction, slots);
  if (!places) return undefined;
  if (mnemonic === 'test' && places.length === 2 && sameRegister(operands[0], operands[1])) {
    return [{ ...instruction, mnemonic: 'cmp', operands: [toSlot(operands[0]!, slots), immediate(0)] }];
  }
  if (mnemonic === 'mov' && places.length === 2 && sameRegister(operands[0], operands[1])) {
    return instruction.copy ? [] : undefined;
  }
  if (places.length !== 1) return undefined;
  const place = places[0]!;
  const operand = operands[place] as Operand & { kind: 'register' };
  const spilledWidth = widthOf(fn, operand.register);
  const writes = rolesOf(instruction)[place] !== 'r';
  if (mnemonic === 'zero') {
    const slot = slotOperand(slots.get(operand.register)!, transferWidth(spilledWidth));
    return [{ mnemonic: 'mov', operands: [slot, immediate(0)], span }];
  }
  if (writes && operand.width < spilledWidth) return undefined;
  if (mnemonic === 'add3' && place === 1) return sumFromMemory(instruction, slots);
  if (!mayBeMemory(instruction, place)) return undefined;
  const rewritten = operands.map((other, index) => (index === place ? toSlot(other, slots) : other));
  const { copy: _, ...rest } = instruction;
  return [{ ...rest, operands: rewritten }];
}

/** The registers of a `keep` that are not spilled: what is on the stack stays there anyway. */
function keptOperands(instruction: MachineInstruction, slots: ReadonlyMap<number, number>): Operand[] {
  const kept: Operand[] = [];
  forEachRegister(instruction, (mentioned) => {
    if (!slots.has(mentioned)) kept.push(register(mentioned));
  });
  return kept;
}

/** add3 d, [slot], b: load d, then add, unless d is part of b. */
function sumFromMemory(
  instruction: MachineInstruction,
  slots: ReadonlyMap<number, number>,
): MachineInstruction[] | undefined {
  const [into, from, other] = instruction.operands as [Operand, Operand, Operand];
  if (sameRegister(into, other)) return undefined;
  return [
    { mnemonic: 'mov', operands: [into, toSlot(from, slots)], span: instruction.span },
    { ...instruction, operands: [into, into, other] },
  ];
}

/** Indexes of operands that are spilled registers; undefined when memory is involved already. */
function spilledPlaces({ operands }: MachineInstruction, slots: ReadonlyMap<number, number>): number[] | undefined {
  const places: number[] = [];
  for (let index = 0; index < operands.length; index++) {
    const operand = operands[index]!;
    if (operand.kind === 'memory') return undefined;
    if (operand.kind === 'register' && operand.register >= firstVirtual && slots.has(operand.register)) {
      places.push(index);
    }
  }
  return places;
}

function toSlot(operand: Operand, slots: ReadonlyMap<number, number>): MemoryOperand {
  const { register: spilled, width } = operand as Operand & { kind: 'register' };
  return slotOperand(slots.get(spilled)!, width);
}
