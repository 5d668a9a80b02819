import { isRemovable } from '../ir/effects.ts';
import type { Instruction, InstructionOf, IrFunction } from '../ir/module.ts';
import { forEachDefinition, forEachUse } from '../ir/shapes.ts';

/** An instruction and where it is. */
export interface Place {
  readonly block: number;
  readonly index: number;
  readonly instruction: Instruction;
}

/**
 * What selection knows of a function's registers while it walks a block: where they are defined, how many uses are
 * still to be met by a register, and what may be evaluated at the current place instead of where it stands.
 */
export class RegisterFacts {
  readonly #ir: IrFunction;
  /** the only definition of registers that have exactly one */
  readonly #definitions = new Map<number, Place>();
  readonly #counts: Int32Array;
  readonly #uses: Int32Array;
  #block = 0;
  #index = 0;
  /** `#epochs[i]`: instructions before number i of the block that no load may cross */
  #epochs: number[] = [];

  constructor(ir: IrFunction) {
    this.#ir = ir;
    this.#counts = new Int32Array(ir.registers.length);
    this.#uses = new Int32Array(ir.registers.length);
    for (const parameter of ir.parameters) this.#counts[parameter.register]!++;
    const use = (register: number) => this.retain(register);
    ir.blocks.forEach((block, blockIndex) => {
      block.instructions.forEach((instruction, index) => {
        forEachUse(instruction, use);
        forEachDefinition(instruction, (register) => {
          const count = ++this.#counts[register]!;
          if (count === 1) this.#definitions.set(register, { block: blockIndex, index, instruction });
          else this.#definitions.delete(register);
        });
      });
      forEachUse(block.terminator, use);
    });
  }

  enterBlock(block: number): void {
    this.#block = block;
    let epoch = 0;
    this.#epochs = [0];
    for (const instruction of this.#ir.blocks[block]!.instructions) {
      if (!isRemovable(instruction)) epoch++;
      this.#epochs.push(epoch);
    }
  }

  /** Makes instruction `index` of the block the current place. */
  moveTo(index: number): void {
    this.#index = index;
  }

  /** The only definition of a register, if it has exactly one and is no parameter. */
  definition(register: number): Place | undefined {
    return this.#counts[register] === 1 ? this.#definitions.get(register) : undefined;
  }

  uses(register: number): number {
    return this.#uses[register]!;
  }

  retain(register: number): void {
    this.#uses[register]!++;
  }

  /** Says that a use counted for the register needs no register after all. */
  release(register: number): void {
    this.#uses[register]!--;
  }

  /** Whether the register is a parameter that nothing reads or writes. */
  isIdleParameter(register: number): boolean {
    return this.#uses[register] === 0 && this.#counts[register] === 1 && !this.#definitions.has(register);
  }

  isUnneeded(instruction: Instruction): boolean {
    if (!isRemovable(instruction) || instruction.op === 'bind') return false;
    let needed = false;
    forEachDefinition(instruction, (register) => {
      if (this.#uses[register]! > 0) needed = true;
    });
    return !needed;
  }

  /** Whether a register still holds at the current place what it held at `place`. */
  unchangedSince(register: number, place: Place): boolean {
    if (this.#counts[register] === 1) return true;
    if (place.block !== this.#block) return false;
    const { instructions } = this.#ir.blocks[this.#block]!;
    for (let index = place.index + 1; index < this.#index; index++) {
      let changed = false;
      forEachDefinition(instructions[index]!, (defined) => {
        if (defined === register) changed = true;
      });
      if (changed) return false;
    }
    return true;
  }

  /**
   * The only definition of a register, when it is `op` in this block, has this one use, and can be evaluated here
   * instead. The caller emits it in place of the use and says so with `take`.
   */
  foldable<Op extends Instruction['op']>(register: number, op: Op): InstructionOf<Op> | undefined {
    const place = this.definition(register);
    if (place?.instruction.op !== op || this.#uses[register] !== 1 || place.block !== this.#block) return undefined;
    let fine = true;
    forEachUse(place.instruction, (used) => {
      if (!this.unchangedSince(used, place)) fine = false;
    });
    return fine ? (place.instruction as InstructionOf<Op>) : undefined;
  }

  /** A `foldable` load that may happen here instead: nothing in between may write memory. */
  foldableLoad(register: number): InstructionOf<'load'> | undefined {
    const load = this.foldable(register, 'load');
    if (!load || load.volatile) return undefined;
    const place = this.#definitions.get(register)!;
    return this.#epochs[place.index + 1] === this.#epochs[this.#index] ? load : undefined;
  }

  /** Takes a `foldable` definition's place: its operands are now used here. */
  take(register: number, instruction: Instruction): void {
    this.release(register);
    forEachUse(instruction, (used) => {
      this.retain(used);
    });
  }
}
