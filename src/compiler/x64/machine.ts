import type { Span } from '../ir/module.ts';
import { firstVirtual, type MemoryOperand, type Operand, type Width } from './operands.ts';

/**
 * One machine instruction between selection and encoding. Besides the encoder's mnemonics there are pseudo ones:
 * `add3 d, a, b` (add or lea, whichever the registers allow), `zero d`, `movtry` (mov whose destination keeps its
 * value when the access faults), `keep` (operands stay alive up to here), `label`, `return`, `assembly`, `bind` (where a
 * variable is, for debuggers: its operand is named, not read).
 */
export interface MachineInstruction {
  readonly mnemonic: string;
  operands: Operand[];
  readonly span: Span;
  readonly prefixes?: readonly string[];
  /** machine registers read and written beyond the operands */
  readonly uses?: readonly number[];
  readonly defines?: readonly number[];
  /** a plain move between registers: the allocator may unite both sides */
  readonly copy?: boolean;
  /** `label`: its name; an access in the exception table: the label of its fixup */
  readonly label?: string;
  readonly assembly?: AssemblyTemplate;
  /** `bind`: the variable whose value the operand holds from here on */
  readonly variable?: number;
}

/** An `asm` instruction: operand `names[i]` stands for `operands[i]`. */
export interface AssemblyTemplate {
  readonly text: string;
  readonly mode: 32 | 64;
  readonly names: readonly string[];
  readonly directions: readonly ('in' | 'out' | 'inout')[];
}

export interface MachineBlock {
  readonly instructions: MachineInstruction[];
  successors: readonly number[];
  /** nesting of loops around the block */
  readonly depth: number;
  readonly cold: boolean;
}

export const blockLabel = (index: number): string => `b${index}`;

/** The block that a label names, or undefined when it is another label of the function. */
export function blockOfLabel(label: string): number | undefined {
  return /^b\d+$/.test(label) ? Number(label.slice(1)) : undefined;
}

export interface MachineFunction {
  readonly name: string;
  readonly blocks: MachineBlock[];
  /** width in bits of virtual register 16 + index */
  readonly widths: Width[];
  readonly slots: { readonly size: number; readonly alignment: number }[];
  /** bytes at the bottom of the frame for stack arguments of calls */
  outgoing: number;
  hasCalls: boolean;
  /** the entry of a user program, whose parameter is the initial stack pointer */
  readonly userEntry: boolean;
}

export type Role = 'r' | 'w' | 'rw';

const roleTable: Readonly<Record<string, readonly Role[]>> = (() => {
  const table: Record<string, readonly Role[]> = {};
  const rows: [string, Role[]][] = [
    ['mov movzx movsx movsxd movabs lea bsf bsr', ['w', 'r']],
    ['add or adc sbb and sub xor shl shr sar rol ror movtry', ['rw', 'r']],
    ['cmp test bt', ['r', 'r']],
    ['neg not inc dec bswap', ['rw']],
    ['push div idiv mul jmp call lgdt lidt sgdt sidt lldt ltr invlpg fxsave64 fxrstor64 ldmxcsr', ['r']],
    ['stmxcsr wrfsbase wrgsbase', ['r']],
    ['pop zero rdfsbase rdgsbase', ['w']],
    ['add3', ['w', 'r', 'r']],
    ['xchg xadd', ['rw', 'rw']],
    ['cmpxchg', ['rw', 'r']],
    ['in', ['w', 'r']],
    ['out', ['r', 'r']],
  ];
  for (const [names, roles] of rows) for (const name of names.split(' ')) table[name] = roles;
  return table;
})();

/** How each operand of an instruction is accessed; registers inside memory operands are always read. */
export function rolesOf(instruction: MachineInstruction): readonly Role[] {
  const { mnemonic, operands, assembly } = instruction;
  if (assembly) return assembly.directions.map((direction) => ({ in: 'r', out: 'w', inout: 'rw' })[direction] as Role);
  const known = roleTable[mnemonic];
  if (known) return known;
  if (mnemonic === 'imul') return [[], ['r'], ['rw', 'r'], ['w', 'r', 'r']][operands.length] as Role[];
  if (mnemonic.startsWith('set')) return ['w'];
  if (mnemonic.startsWith('cmov')) return ['rw', 'r'];
  return operands.map(() => 'r');
}

/** Calls `visit` for each register operand, virtual or not, with its role; address registers have role 'r'. */
export function forEachRegister(instruction: MachineInstruction, visit: (register: number, role: Role) => void): void {
  const { mnemonic, operands } = instruction;
  if (mnemonic === 'bind') return;
  const roles = rolesOf(instruction);
  for (let index = 0; index < operands.length; index++) {
    const operand = operands[index]!;
    if (operand.kind === 'register') visit(operand.register, roles[index] ?? 'r');
    else if (operand.kind === 'memory') {
      if (operand.base !== undefined) visit(operand.base, 'r');
      if (operand.index !== undefined) visit(operand.index, 'r');
    }
  }
}

/** The operand with its registers replaced. */
export function mapRegisters(operand: Operand, map: (register: number) => number): Operand {
  if (operand.kind === 'register') {
    const register = map(operand.register);
    return register === operand.register ? operand : { ...operand, register };
  }
  if (operand.kind !== 'memory') return operand;
  const base = operand.base === undefined ? undefined : map(operand.base);
  const index = operand.index === undefined ? undefined : map(operand.index);
  if (base === operand.base && index === operand.index) return operand;
  const mapped: { -readonly [K in keyof MemoryOperand]: MemoryOperand[K] } = { ...operand };
  if (base !== undefined) mapped.base = base;
  if (index !== undefined) mapped.index = index;
  return mapped;
}

/** Replaces the registers of the instruction's operands; operands that stay as they are are not copied. */
export function renameRegisters(instruction: MachineInstruction, map: (register: number) => number): void {
  const { operands } = instruction;
  let changed: Operand[] | undefined;
  for (let index = 0; index < operands.length; index++) {
    const mapped = mapRegisters(operands[index]!, map);
    if (mapped === operands[index]) continue;
    changed ??= [...operands];
    changed[index] = mapped;
  }
  if (changed) instruction.operands = changed;
}

export function newVirtual(fn: MachineFunction, width: Width): number {
  return fn.widths.push(width) - 1 + firstVirtual;
}

export function widthOf(fn: MachineFunction, register: number): Width {
  return register < firstVirtual ? 64 : fn.widths[register - firstVirtual]!;
}

export function sameRegister(left: Operand | undefined, right: Operand | undefined): boolean {
  return left?.kind === 'register' && right?.kind === 'register' && left.register === right.register;
}
