import {
  type Address,
  bitsOf,
  type Instruction,
  type InstructionOf,
  type IrFunction,
  type IrModule,
  type Terminator,
} from '../ir/module.ts';
import { forEachUse, successors } from '../ir/shapes.ts';
import { argumentRegisters } from './conventions.ts';
import { loopDepths, postorder } from './loops.ts';
import { type MachineFunction, type MachineInstruction, newVirtual } from './machine.ts';
import {
  firstVirtual,
  type ImmediateOperand,
  immediate,
  type MemoryOperand,
  type Operand,
  rdi,
  register,
  rsp,
  type Width,
} from './operands.ts';
import { RegisterFacts } from './register-facts.ts';
import { selectArithmetic } from './select-arithmetic.ts';
import { selectControl, selectTerminator } from './select-control.ts';
import { selectMemory } from './select-memory.ts';
import { selectSystem } from './select-system.ts';

/** A table of code addresses for a `switch`: `labels[i]` is a block label of the function. */
export interface JumpTable {
  readonly symbol: string;
  readonly labels: readonly string[];
}

export interface Selection {
  readonly machine: MachineFunction;
  readonly jumpTables: readonly JumpTable[];
}

/** Chooses machine instructions for a function, block by block, from the last instruction to the first. */
export class Selector {
  readonly machine: MachineFunction;
  readonly ir: IrFunction;
  readonly module: IrModule;
  readonly jumpTables: JumpTable[] = [];
  readonly #facts: RegisterFacts;
  #chunk: MachineInstruction[] = [];
  #current: Instruction | Terminator;
  #labels = 0;

  constructor(module: IrModule, ir: IrFunction) {
    this.module = module;
    this.ir = ir;
    this.#facts = new RegisterFacts(ir);
    this.#current = ir.blocks[0]!.terminator;
    const depths = loopDepths(ir);
    this.machine = {
      name: ir.name,
      blocks: ir.blocks.map((block, index) => ({
        instructions: [],
        successors: successors(block.terminator),
        depth: depths[index]!,
        cold: block.cold ?? false,
      })),
      widths: ir.registers.map((type) => bitsOf[type]),
      slots: ir.slots.map(({ size, alignment }) => ({ size, alignment })),
      outgoing: 0,
      hasCalls: false,
      userEntry: ir.convention === 'entry' && module.kind === 'user',
    };
  }

  run(): Selection {
    // Postorder: what uses a value is selected before what defines it, so that folding is known in time.
    for (const block of postorder(this.ir)) this.#selectBlock(block);
    return { machine: this.machine, jumpTables: this.jumpTables };
  }

  #selectBlock(blockIndex: number): void {
    const { instructions, terminator } = this.ir.blocks[blockIndex]!;
    this.#facts.enterBlock(blockIndex);
    const chunks: MachineInstruction[][] = [];
    const select = (index: number, item: Instruction | Terminator, action: () => void) => {
      this.#facts.moveTo(index);
      this.#current = item;
      this.#chunk = [];
      action();
      chunks.push(this.#chunk);
    };
    select(instructions.length, terminator, () => {
      selectTerminator(this, terminator);
    });
    for (let index = instructions.length - 1; index >= 0; index--) {
      const instruction = instructions[index]!;
      if (this.#facts.isUnneeded(instruction)) forEachUse(instruction, (used) => this.release(used));
      else select(index, instruction, () => this.#selectInstruction(instruction));
    }
    if (blockIndex === 0) chunks.push(this.#parameters());
    const output = this.machine.blocks[blockIndex]!.instructions;
    for (let index = chunks.length - 1; index >= 0; index--) output.push(...chunks[index]!);
  }

  #selectInstruction(instruction: Instruction): void {
    if (instruction.op === 'bind') {
      this.#bind(instruction.variable, instruction.source);
      return;
    }
    const done =
      selectArithmetic(this, instruction) ||
      selectMemory(this, instruction) ||
      selectControl(this, instruction) ||
      selectSystem(this, instruction);
    if (!done) throw new Error(`no machine code for '${instruction.op}'`);
  }

  /** Tells debuggers where a variable is: a constant, or a register if that is made at all. */
  #bind(variable: number, source: number): void {
    // A parameter that nothing reads stays where the caller put it.
    if (this.#facts.isIdleParameter(source)) return;
    const value = this.constantOf(source);
    const place = value === undefined ? this.reg(source) : immediate(value);
    this.emitWith({ variable }, 'bind', place);
  }

  #parameters(): MachineInstruction[] {
    this.#chunk = [];
    const { parameters, convention, span } = this.ir;
    this.#current = { op: 'unreachable', span };
    if (convention === 'naked') return [];
    parameters.forEach((parameter, index) => {
      if (this.#facts.uses(parameter.register) === 0) return;
      const width = this.widthOf(parameter.register);
      const into = this.reg(parameter.register, width);
      const source = convention === 'sysv' || convention === 'entry' ? argumentRegisters[index] : rdi;
      if (source !== undefined) this.move(into, register(source, width));
      else this.emit('mov', into, this.#incoming(index - argumentRegisters.length, width));
    });
    return this.#chunk;
  }

  /** Stack argument `index` as the callee sees it: above the saved rbp and the return address. */
  #incoming(index: number, width: Width): MemoryOperand {
    return { kind: 'memory', width, base: 5, displacement: 16 + 8 * index };
  }

  /** Stack argument `index` as the caller stores it. */
  outgoing(index: number, width: Width): MemoryOperand {
    this.machine.outgoing = Math.max(this.machine.outgoing, 8 * (index + 1));
    return { kind: 'memory', width, base: rsp, displacement: 8 * index };
  }

  // What selection rules ask and emit.

  emit(mnemonic: string, ...operands: Operand[]): void {
    this.#chunk.push({ mnemonic, operands, span: this.#current.span });
  }

  emitWith(extra: Partial<MachineInstruction>, mnemonic: string, ...operands: Operand[]): void {
    this.#chunk.push({ mnemonic, operands, span: this.#current.span, ...extra });
  }

  newLabel(): string {
    return `l${this.#labels++}`;
  }

  label(name: string): void {
    this.emitWith({ label: name }, 'label');
  }

  /** A register operand for an IR register. */
  reg(irRegister: number, width: Width = this.widthOf(irRegister)): Operand & { kind: 'register' } {
    return register(irRegister + firstVirtual, width);
  }

  fresh(width: Width): Operand & { kind: 'register' } {
    return register(newVirtual(this.machine, width), width);
  }

  widthOf(irRegister: number): Width {
    return bitsOf[this.ir.registers[irRegister]!];
  }

  /** A register-to-register move that the allocator may remove. Moves of 8 and 16 bits copy 32. */
  move(into: Operand & { kind: 'register' }, from: Operand & { kind: 'register' }): void {
    const width = into.width === 64 && from.width === 64 ? 64 : 32;
    this.emitWith({ copy: true }, 'mov', register(into.register, width), register(from.register, width));
  }

  /** The value of a register defined once, by a `const`. */
  constantOf(irRegister: number): bigint | undefined {
    const place = this.#facts.definition(irRegister);
    if (place?.instruction.op !== 'const') return undefined;
    return BigInt.asIntN(this.widthOf(irRegister), place.instruction.value);
  }

  /** Says that a use counted for `irRegister` needs no register after all. */
  release(irRegister: number): void {
    this.#facts.release(irRegister);
  }

  /** The immediate for a constant that fits a sign-extended 32-bit field; the use is released. */
  foldImmediate(irRegister: number): ImmediateOperand | undefined {
    const value = this.constantOf(irRegister);
    if (value === undefined || value < -0x80000000n || value > 0x7fffffffn) return undefined;
    this.release(irRegister);
    return immediate(value);
  }

  /** A register or immediate holding the value. */
  value(irRegister: number, width: Width = this.widthOf(irRegister)): Operand {
    return this.foldImmediate(irRegister) ?? this.inRegister(irRegister, width);
  }

  /** A register, immediate or foldable memory operand of the register's own width. */
  valueOrMemory(irRegister: number, width: Width): Operand {
    return this.foldImmediate(irRegister) ?? this.foldLoad(irRegister, width) ?? this.inRegister(irRegister, width);
  }

  /** A register with the value; constants are made on the spot, truncations read through. */
  inRegister(irRegister: number, width: Width = this.widthOf(irRegister)): Operand & { kind: 'register' } {
    const value = this.constantOf(irRegister);
    if (
      value !== undefined &&
      (this.#facts.uses(irRegister) === 1 || (value >= -0x80000000n && value <= 0xffffffffn))
    ) {
      const fresh = this.fresh(this.widthOf(irRegister));
      this.release(irRegister);
      this.loadConstant(fresh, value);
      return { ...fresh, width };
    }
    return this.reg(this.#throughTruncations(irRegister), width);
  }

  /** Like `inRegister`, and an i32 has its upper half clear: for moves, which may end up sharing the register. */
  wholeRegister(irRegister: number): Operand & { kind: 'register' } {
    if (this.constantOf(irRegister) === undefined && this.widthOf(irRegister) === 32) return this.reg(irRegister);
    return this.inRegister(irRegister);
  }

  /** Reads only the low bits of a value: the source of a truncation does as well as its result. */
  #throughTruncations(irRegister: number): number {
    const place = this.#facts.definition(irRegister);
    if (place?.instruction.op !== 'truncate') return irRegister;
    const { source } = place.instruction;
    if (!this.#facts.unchangedSince(source, place)) return irRegister;
    this.release(irRegister);
    this.#facts.retain(source);
    return this.#throughTruncations(source);
  }

  /** mov of a constant, in its shortest form; flags are not touched unless it is 0 */
  loadConstant(into: Operand & { kind: 'register' }, value: bigint): void {
    const bits = BigInt.asUintN(into.width, value);
    if (bits === 0n) this.emit('zero', register(into.register, 32));
    else if (bits <= 0xffffffffn) this.emit('mov', register(into.register, 32), immediate(bits));
    else if (value >= -0x80000000n && value < 0n) this.emit('mov', register(into.register, 64), immediate(value));
    else this.emit('movabs', register(into.register, 64), immediate(bits));
  }

  /** See `RegisterFacts.foldable`. */
  foldable<Op extends Instruction['op']>(irRegister: number, op: Op): InstructionOf<Op> | undefined {
    return this.#facts.foldable(irRegister, op);
  }

  /** See `RegisterFacts.foldableLoad`. */
  foldableLoad(irRegister: number): InstructionOf<'load'> | undefined {
    return this.#facts.foldableLoad(irRegister);
  }

  /** See `RegisterFacts.take`. */
  take(irRegister: number, instruction: Instruction): void {
    this.#facts.take(irRegister, instruction);
  }

  /** Whether a register's only definition is a load. */
  isLoaded(irRegister: number): boolean {
    return this.#facts.definition(irRegister)?.instruction.op === 'load';
  }

  /** A memory operand in place of a register that was loaded for this one use. */
  foldLoad(irRegister: number, width: Width): MemoryOperand | undefined {
    if (this.widthOf(irRegister) !== width) return undefined;
    const load = this.foldableLoad(irRegister);
    if (!load) return undefined;
    this.take(irRegister, load);
    return this.address(load.address, width);
  }

  /** The memory operand of an IR address; addresses of symbols and slots are folded in. */
  address(address: Address, width: Width | 0): MemoryOperand {
    const { base, index, segment } = address;
    const parts: { -readonly [K in keyof MemoryOperand]: MemoryOperand[K] } = {
      kind: 'memory',
      width,
      displacement: address.displacement ?? 0,
    };
    if (segment) parts.segment = segment;
    if (index !== undefined) {
      parts.index = this.inRegister(index).register;
      parts.scale = address.scale ?? 1;
    }
    if (base?.kind === 'slot') parts.slot = base.slot;
    if (base?.kind === 'symbol') parts.symbol = base.symbol;
    if (base?.kind === 'register') {
      const inner = this.#fixedAddress(base.register, parts.displacement);
      if (inner) {
        parts.displacement += inner.displacement ?? 0;
        if (inner.base?.kind === 'slot') parts.slot = inner.base.slot;
        if (inner.base?.kind === 'symbol') parts.symbol = inner.base.symbol;
      } else parts.base = this.inRegister(base.register).register;
    }
    if (parts.base === undefined && parts.index !== undefined && parts.scale === 1 && parts.slot === undefined) {
      parts.base = parts.index;
      delete parts.index;
    }
    const relative = parts.symbol !== undefined && index === undefined && parts.base === undefined;
    if (relative && !segment) parts.relative = true;
    return parts;
  }

  /** The address in a register that always holds the address of one symbol or slot; the use is released. */
  #fixedAddress(irRegister: number, displacement: number): Address | undefined {
    const place = this.#facts.definition(irRegister);
    if (place?.instruction.op !== 'addressOf') return undefined;
    const { address } = place.instruction;
    if (address.index !== undefined || address.segment || !address.base || address.base.kind === 'register') {
      return undefined;
    }
    const sum = displacement + (address.displacement ?? 0);
    if (sum !== (sum | 0)) return undefined;
    this.release(irRegister);
    return address;
  }

  get span(): Instruction['span'] {
    return this.#current.span;
  }

  usesOf(irRegister: number): number {
    return this.#facts.uses(irRegister);
  }
}

/** Machine code with virtual registers for one function of the module. */
export function select(module: IrModule, ir: IrFunction): Selection {
  return new Selector(module, ir).run();
}
