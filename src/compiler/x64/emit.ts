import type { Convention, IrFunction, Span } from '../ir/module.ts';
import { assembleInto } from './assembler.ts';
import { CodeAssembler } from './code.ts';
import { interruptFrame, interruptPushes } from './conventions.ts';
import type { Fixup } from './encode.ts';
import { type Frame, layoutFrame } from './frame.ts';
import { layoutBlocks, skipEmptyBlocks } from './layout.ts';
import { blockLabel, blockOfLabel, type MachineFunction, type MachineInstruction, sameRegister } from './machine.ts';
import { immediate, type Operand, rbp, rdi, register, rsp, target } from './operands.ts';
import type { JumpTable } from './select.ts';
import { invertedJumps } from './select-control.ts';
import { follow, mayMove, type Places, parameterPlaces, placesAtEntry } from './variable-flow.ts';

/** While pc is in [from, to), a variable is at `place`: a register, rbp-relative memory or a constant. */
export interface VariableRange {
  readonly variable: number;
  readonly from: number;
  readonly to: number;
  readonly place: Operand;
}

export interface LineEntry {
  readonly offset: number;
  readonly span: Span;
}

/** Machine code of one function and everything the linker and the debug information need to know of it. */
export interface FunctionCode {
  readonly ir: IrFunction;
  readonly bytes: Uint8Array;
  readonly fixups: readonly Fixup[];
  readonly lines: readonly LineEntry[];
  /** the offset behind the prologue */
  readonly bodyOffset: number;
  /** offset of an access -> offset where a fault continues */
  readonly exceptionTable: readonly { readonly at: number; readonly fixup: number }[];
  readonly jumpTables: readonly { readonly symbol: string; readonly offsets: readonly number[] }[];
  readonly frame: Frame;
  readonly variables: readonly VariableRange[];
  /** offsets of the instructions that leave the function, when the frame is gone, and behind them */
  readonly returns: readonly { readonly at: number; readonly end: number }[];
}

/** Encodes a function whose registers have been allocated. */
export function emitFunction(ir: IrFunction, machine: MachineFunction, jumpTables: readonly JumpTable[]): FunctionCode {
  return new Emitter(ir, machine).run(jumpTables);
}

class Emitter {
  readonly #ir: IrFunction;
  readonly #machine: MachineFunction;
  readonly #code = new CodeAssembler();
  readonly #frame: Frame;
  readonly #lines: { mark: number; span: Span }[] = [];
  readonly #faults: { mark: number; label: string }[] = [];
  readonly #entryPlaces: readonly Places[];
  readonly #ranges: { variable: number; from: number; to: number; place: Operand }[] = [];
  /** where variables are now, and the mark since when */
  #places: Places = new Map();
  #since = new Map<number, number>();
  #lastSpan: Span | undefined;
  readonly #returns: { at: number; end: number }[] = [];
  #labels = 0;

  constructor(ir: IrFunction, machine: MachineFunction) {
    this.#ir = ir;
    this.#machine = machine;
    this.#frame = layoutFrame(machine, ir.convention);
    this.#entryPlaces = placesAtEntry(machine, parameterPlaces(ir));
  }

  run(jumpTables: readonly JumpTable[]): FunctionCode {
    this.#line(this.#ir.span);
    this.#movePlaces(new Map(this.#entryPlaces[0]));
    if (this.#ir.convention !== 'naked') this.#prologue();
    const body = this.#code.mark();
    const resolve = skipEmptyBlocks(this.#machine);
    const order = layoutBlocks(this.#machine);
    if (order[0] !== 0) this.#code.instruction('jmp', [target(blockLabel(0))]);
    order.forEach((block, index) => {
      this.#block(block, order[index + 1]);
    });
    this.#movePlaces(new Map());
    const { bytes, fixups, labels, marks } = this.#code.finish(this.#ir.name);
    return {
      ir: this.#ir,
      bytes,
      fixups,
      lines: this.#lines.map(({ mark, span }) => ({ offset: marks[mark]!, span })),
      bodyOffset: marks[body]!,
      exceptionTable: this.#faults.map(({ mark, label }) => ({ at: marks[mark]!, fixup: labels.get(label)! })),
      jumpTables: jumpTables.map((table) => ({
        symbol: table.symbol,
        offsets: table.labels.map((label) => labels.get(blockLabel(resolve(blockOfLabel(label)!)))!),
      })),
      frame: this.#frame,
      returns: this.#returns.map(({ at, end }) => ({ at: marks[at]!, end: marks[end]! })),
      variables: this.#ranges.map((range) => ({ ...range, from: marks[range.from]!, to: marks[range.to]! })),
    };
  }

  #op(mnemonic: string, ...operands: Operand[]): void {
    this.#code.instruction(mnemonic, operands);
  }

  #line(span: Span): void {
    const last = this.#lastSpan;
    if (last && last.file === span.file && last.line === span.line && last.column === span.column) return;
    this.#lastSpan = span;
    this.#lines.push({ mark: this.#code.mark(), span });
  }

  #block(index: number, next: number | undefined): void {
    this.#code.label(blockLabel(index));
    this.#movePlaces(new Map(this.#entryPlaces[index]));
    const { instructions } = this.#machine.blocks[index]!;
    for (let at = 0; at < instructions.length; at++) {
      const instruction = instructions[at]!;
      const follower = instructions[at + 1];
      if (this.#isJumpTo(instruction, next) && at === instructions.length - 1) continue;
      // jcc next; jmp other -> jncc other
      const turned = invertedJumps.get(instruction.mnemonic);
      if (turned && at === instructions.length - 2 && isPlainJump(follower)) {
        const [to] = instruction.operands;
        if (next !== undefined && to?.kind === 'target' && to.label === blockLabel(next)) {
          this.#line(instruction.span);
          this.#op(turned, follower!.operands[0]!);
          continue;
        }
      }
      if (this.#wasTurned(instructions, at, next)) continue;
      this.#instruction(instruction);
      this.#followVariables(instruction);
    }
  }

  #followVariables(instruction: MachineInstruction): void {
    if (!mayMove(instruction, this.#places)) return;
    const next: Places = new Map(this.#places);
    if (follow(instruction, next)) this.#movePlaces(next);
  }

  /** Ends the ranges of variables that moved and begins their new ones here. */
  #movePlaces(next: Places): void {
    const mark = this.#code.mark();
    for (const [variable, place] of this.#places) {
      if (next.get(variable) === place) continue;
      const from = this.#since.get(variable)!;
      this.#ranges.push({ variable, from, to: mark, place: this.#settle(place) });
    }
    for (const [variable, place] of next) {
      if (this.#places.get(variable) !== place) this.#since.set(variable, mark);
    }
    this.#places = next;
  }

  #isJumpTo(instruction: MachineInstruction, next: number | undefined): boolean {
    const [to] = instruction.operands;
    return (
      next !== undefined && instruction.mnemonic === 'jmp' && to?.kind === 'target' && to.label === blockLabel(next)
    );
  }

  /** Whether this `jmp` was merged into the conditional jump before it. */
  #wasTurned(instructions: readonly MachineInstruction[], at: number, next: number | undefined): boolean {
    const before = instructions[at - 1];
    if (at !== instructions.length - 1 || !isPlainJump(instructions[at]) || !before || next === undefined) {
      return false;
    }
    const [to] = before.operands;
    return invertedJumps.has(before.mnemonic) && to?.kind === 'target' && to.label === blockLabel(next);
  }

  #instruction(instruction: MachineInstruction): void {
    const { mnemonic, label } = instruction;
    if (mnemonic === 'label') this.#code.label(label!);
    if (mnemonic === 'label' || mnemonic === 'keep' || mnemonic === 'bind') return;
    const operands = instruction.operands.map((operand) => this.#settle(operand));
    const [first, second] = operands;
    if (instruction.copy && sameRegister(first, second)) return;
    this.#line(instruction.span);
    if (label !== undefined) this.#faults.push({ mark: this.#code.mark(), label });
    switch (mnemonic) {
      case 'add3':
        this.#sum(operands as [Operand & { kind: 'register' }, Operand & { kind: 'register' }, Operand]);
        break;
      case 'zero':
        this.#op('xor', first!, first!);
        break;
      case 'movtry':
        this.#op('mov', first!, second!);
        break;
      case 'return':
        this.#epilogue();
        break;
      case 'assembly':
        this.#assembly(instruction, operands);
        break;
      default:
        this.#code.instruction(mnemonic, operands, 64, instruction.prefixes);
    }
  }

  /** Replaces a stack slot by its place in the frame. */
  #settle(operand: Operand): Operand {
    if (operand.kind !== 'memory' || operand.slot === undefined) return operand;
    const { slot, ...rest } = operand;
    const displacement = operand.displacement + this.#frame.offsets.get(slot)!;
    return { ...rest, base: rbp, displacement };
  }

  /** into = left + right, by add when the registers coincide and by lea when not. */
  #sum([into, left, right]: [Operand & { kind: 'register' }, Operand & { kind: 'register' }, Operand]): void {
    if (right.kind === 'immediate') this.#sumWithConstant(into, left, right.value);
    else if (sameRegister(into, left)) this.#op('add', into, right);
    else if (sameRegister(into, right)) this.#op('add', into, left);
    else if (right.kind === 'register') {
      const swap = (left.register & 7) === rbp && (right.register & 7) !== rbp;
      const base = swap ? right.register : left.register;
      const index = swap ? left.register : right.register;
      this.#op('lea', into, { kind: 'memory', width: 0, base, index, scale: 1, displacement: 0 });
    } else {
      this.#op('mov', into, left);
      this.#op('add', into, right);
    }
  }

  #sumWithConstant(into: Operand & { kind: 'register' }, left: Operand & { kind: 'register' }, value: bigint): void {
    if (!sameRegister(into, left)) {
      this.#op('lea', into, { kind: 'memory', width: 0, base: left.register, displacement: Number(value) });
    } else if (value === 1n) this.#op('inc', into);
    else if (value === -1n) this.#op('dec', into);
    else if (value === 128n) this.#op('sub', into, immediate(-128));
    else if (value !== 0n) this.#op('add', into, immediate(value));
  }

  #assembly({ assembly, span }: MachineInstruction, operands: readonly Operand[]): void {
    const { text, mode, names } = assembly!;
    const prefix = `asm${this.#labels++}.`;
    const lineAt = (line: number) => this.#line({ ...span, line: span.line + line });
    assembleInto(this.#code, text, mode, {
      operands: new Map(names.map((name, index) => [name, operands[index]!] as const)),
      labelPrefix: prefix,
      lineAt,
    });
  }

  #prologue(): void {
    const { convention } = this.#ir;
    const { hasPointer, saved, size } = this.#frame;
    if (convention === 'isr' || convention === 'isrWithCode') this.#interruptPrologue(convention);
    else if (convention === 'entry') this.#entryPrologue();
    else if (hasPointer) {
      this.#op('push', register(rbp));
      this.#op('mov', register(rbp), register(rsp));
    }
    for (const kept of saved) this.#op('push', register(kept));
    if (size === 8) this.#op('push', register(1));
    else if (size > 0) this.#op('sub', register(rsp), immediate(size));
  }

  #entryPrologue(): void {
    if (this.#machine.userEntry) this.#op('mov', register(rdi), register(rsp));
    this.#op('xor', register(rbp, 32), register(rbp, 32));
    this.#op('and', register(rsp), immediate(-16));
    this.#op('push', immediate(0));
    this.#op('push', register(rbp));
    this.#op('mov', register(rbp), register(rsp));
  }

  #interruptPrologue(convention: Convention): void {
    if (convention === 'isr') this.#op('push', immediate(0));
    for (const pushed of interruptPushes) this.#op('push', register(pushed));
    this.#swapGsFromUser('entered');
    this.#op('cld');
    this.#op('mov', register(rdi), register(rsp));
    this.#op('push', { kind: 'memory', width: 64, base: rsp, displacement: interruptFrame.rip });
    this.#op('push', register(rbp));
    this.#op('mov', register(rbp), register(rsp));
  }

  #swapGsFromUser(name: string): void {
    const skip = `${name}.${this.#labels++}`;
    this.#op('test', { kind: 'memory', width: 8, base: rsp, displacement: interruptFrame.cs }, immediate(3));
    this.#op('je', target(skip));
    this.#op('swapgs');
    this.#code.label(skip);
  }

  #epilogue(): void {
    const { convention } = this.#ir;
    if (convention === 'isr' || convention === 'isrWithCode') this.#interruptEpilogue();
    else this.#ordinaryEpilogue();
  }

  #ordinaryEpilogue(): void {
    const { hasPointer, saved, size } = this.#frame;
    if (saved.length === 0 && hasPointer && size > 0) this.#op('leave');
    else {
      if (size === 8) this.#op('pop', register(1));
      else if (size > 0) this.#op('add', register(rsp), immediate(size));
      for (const kept of [...saved].reverse()) this.#op('pop', register(kept));
      if (hasPointer) this.#op('pop', register(rbp));
    }
    const at = this.#code.mark();
    this.#op('ret');
    this.#returns.push({ at, end: this.#code.mark() });
  }

  /** Interrupts stay off from here: the user's GS base must not be seen by another handler. */
  #interruptEpilogue(): void {
    this.#op('lea', register(rsp), { kind: 'memory', width: 0, base: rbp, displacement: 16 });
    this.#op('cli');
    this.#swapGsFromUser('leaving');
    for (const pushed of [...interruptPushes].reverse()) this.#op('pop', register(pushed));
    this.#op('add', register(rsp), immediate(8));
    this.#op('iretq');
  }
}

/** A jump to a place in the function, not through a table. */
function isPlainJump(instruction: MachineInstruction | undefined): boolean {
  return instruction?.mnemonic === 'jmp' && instruction.operands[0]?.kind === 'target';
}
