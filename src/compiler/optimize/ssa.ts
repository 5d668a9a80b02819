import type { Address, AsmOperand, Callee, Instruction, IrFunction, Register, Terminator, Type } from '../ir/module.ts';
import { definitionFields, type Fields, forEachDefinition, forEachUse, successors, useFields } from '../ir/shapes.ts';
import { dominanceFrontiers, dominators, type Graph, graphOf } from './graph.ts';

/** At the start of a block: result = the input that belongs to the predecessor control came from. */
export interface Phi {
  readonly op: 'phi';
  result: Register;
  /** parallel to the block's `previous` */
  inputs: Register[];
}

export interface SsaBlock {
  phis: Phi[];
  instructions: Instruction[];
  terminator: Terminator;
  cold: boolean;
  previous: number[];
}

/** A function in static single assignment form: every register has one definition, which dominates its uses. */
export interface SsaFunction {
  readonly ir: IrFunction;
  readonly types: Type[];
  readonly parameters: readonly Register[];
  /** unreachable blocks are null */
  readonly blocks: (SsaBlock | null)[];
}

/** The instruction with each register it reads replaced. */
export function mapUses<T extends Instruction | Terminator>(instruction: T, map: (register: Register) => Register): T {
  const chosen = useFields[instruction.op]!;
  let changed: Fields | undefined;
  for (let index = 0; index < chosen.length; index++) {
    const { name, kind } = chosen[index]!;
    const value = (instruction as unknown as Fields)[name];
    const mapped = kind === 'use' ? map(value as Register) : mapField(kind, value, map);
    if (mapped === value) continue;
    changed ??= { ...instruction } as unknown as Fields;
    changed[name] = mapped;
  }
  return (changed as T | undefined) ?? instruction;
}

function mapField(kind: string, value: unknown, map: (register: Register) => Register): unknown {
  switch (kind) {
    case 'name':
      return map(value as Register);
    case 'uses':
      return mapList(value as readonly Register[], map);
    case 'address':
      return mapAddress(value as Address, map);
    case 'callee': {
      const callee = value as Callee;
      if (callee.kind === 'symbol') return callee;
      const register = map(callee.register);
      return register === callee.register ? callee : { ...callee, register };
    }
    case 'operands':
      return (value as readonly AsmOperand[]).map((operand) =>
        operand.direction === 'in' ? { ...operand, register: map(operand.register) } : operand,
      );
    default:
      return value;
  }
}

function mapList(list: readonly Register[], map: (register: Register) => Register): readonly Register[] {
  let mapped: Register[] | undefined;
  for (let index = 0; index < list.length; index++) {
    const register = map(list[index]!);
    if (register === list[index]) continue;
    mapped ??= [...list];
    mapped[index] = register;
  }
  return mapped ?? list;
}

function mapAddress(address: Address, map: (register: Register) => Register): Address {
  const { base, index } = address;
  const newBase = base?.kind === 'register' ? map(base.register) : undefined;
  const newIndex = index === undefined ? undefined : map(index);
  const sameBase = base?.kind !== 'register' || newBase === base.register;
  if (sameBase && newIndex === index) return address;
  return {
    ...address,
    ...(sameBase ? {} : { base: { kind: 'register', register: newBase! } as const }),
    ...(newIndex === undefined ? {} : { index: newIndex }),
  };
}

/** The instruction with each register it writes replaced. */
export function mapDefinitions<T extends Instruction | Terminator>(
  instruction: T,
  map: (register: Register) => Register,
): T {
  const chosen = definitionFields[instruction.op]!;
  if (chosen.length === 0) return instruction;
  const changed = { ...instruction } as unknown as Fields;
  for (let index = 0; index < chosen.length; index++) {
    const { name, kind } = chosen[index]!;
    const value = changed[name];
    if (kind === 'def') changed[name] = map(value as Register);
    else if (kind === 'defs') changed[name] = mapList(value as readonly Register[], map);
    else {
      changed[name] = (value as readonly AsmOperand[]).map((operand) =>
        operand.direction === 'out' ? { ...operand, register: map(operand.register) } : operand,
      );
    }
  }
  return changed as unknown as T;
}

/** Whether the function can be translated: operands that asm reads and writes have no place in SSA form. */
export function hasSsa(ir: IrFunction): boolean {
  return !ir.blocks.some((block) =>
    block.instructions.some(
      (instruction) => instruction.op === 'asm' && instruction.operands.some(({ direction }) => direction === 'inout'),
    ),
  );
}

/** Translates a function into SSA form. */
export function buildSsa(ir: IrFunction): SsaFunction {
  return new Builder(ir).run();
}

class Builder {
  readonly #ir: IrFunction;
  readonly #graph: Graph;
  readonly #types: Type[] = [];
  readonly #blocks: (SsaBlock | null)[];
  readonly #immediate: Int32Array;
  /** definition sites of each register of the original */
  readonly #sites: (Set<number> | undefined)[];
  readonly #multiple: Uint8Array;
  /** phi -> original register */
  readonly #origins = new Map<Phi, Register>();
  readonly #boundTo: Map<Register, number[]> = new Map();

  constructor(ir: IrFunction) {
    this.#ir = ir;
    this.#graph = graphOf(ir.blocks.map((block) => successors(block.terminator)));
    this.#immediate = dominators(this.#graph);
    this.#sites = new Array<Set<number> | undefined>(ir.registers.length).fill(undefined);
    this.#multiple = new Uint8Array(ir.registers.length);
    this.#blocks = ir.blocks.map((block, index) =>
      this.#graph.order[index]! < 0
        ? null
        : {
            phis: [],
            instructions: [],
            terminator: block.terminator,
            cold: block.cold ?? false,
            previous: [...this.#graph.previous[index]!],
          },
    );
  }

  run(): SsaFunction {
    this.#findDefinitions();
    this.#placePhis();
    const parameters = this.#rename();
    return { ir: this.#ir, types: this.#types, parameters, blocks: this.#blocks };
  }

  #findDefinitions(): void {
    const seen = new Uint8Array(this.#ir.registers.length);
    const note = (register: Register, block: number) => {
      if (seen[register]) this.#multiple[register] = 1;
      seen[register] = 1;
      const known = this.#sites[register];
      if (known) known.add(block);
      else this.#sites[register] = new Set([block]);
    };
    for (const parameter of this.#ir.parameters) note(parameter.register, 0);
    for (const index of this.#graph.reachable) {
      for (const instruction of this.#ir.blocks[index]!.instructions) {
        forEachDefinition(instruction, (register) => note(register, index));
        if (instruction.op === 'bind') {
          const known = this.#boundTo.get(instruction.source) ?? [];
          if (!known.includes(instruction.variable))
            this.#boundTo.set(instruction.source, [...known, instruction.variable]);
        }
      }
    }
  }

  /** Phis for registers with several definitions, where those meet and the value is still wanted. */
  #placePhis(): void {
    const frontiers = dominanceFrontiers(this.#graph, this.#immediate);
    const wanted = this.#liveIn();
    this.#sites.forEach((sites, register) => {
      if (!sites || !this.#multiple[register]) return;
      const waiting = [...sites];
      const placed = new Set<number>();
      while (waiting.length > 0) {
        for (const join of frontiers[waiting.pop()!]!) {
          if (placed.has(join) || !wanted[join]!.has(register)) continue;
          placed.add(join);
          const block = this.#blocks[join]!;
          const phi: Phi = { op: 'phi', result: -1, inputs: block.previous.map(() => -1) };
          this.#origins.set(phi, register);
          block.phis.push(phi);
          if (!sites.has(join)) waiting.push(join);
        }
      }
    });
  }

  /** Live registers at each block's start, of those that have several definitions. */
  #liveIn(): Set<Register>[] {
    const { blocks } = this.#ir;
    const upward = blocks.map(() => new Set<Register>());
    const killed = blocks.map(() => new Set<Register>());
    for (const index of this.#graph.reachable) {
      const use = (register: Register) => {
        if (this.#multiple[register] && !killed[index]!.has(register)) upward[index]!.add(register);
      };
      for (const instruction of blocks[index]!.instructions) {
        forEachUse(instruction, use);
        forEachDefinition(instruction, (register) => {
          if (this.#multiple[register]) killed[index]!.add(register);
        });
      }
      forEachUse(blocks[index]!.terminator, use);
    }
    const live = upward.map((set) => new Set(set));
    const waiting = [...this.#graph.reachable];
    while (waiting.length > 0) {
      const index = waiting.pop()!;
      for (const before of this.#graph.previous[index]!) {
        let grew = false;
        for (const register of live[index]!) {
          if (killed[before]!.has(register) || live[before]!.has(register)) continue;
          live[before]!.add(register);
          grew = true;
        }
        if (grew) waiting.push(before);
      }
    }
    return live;
  }

  #fresh(original: Register): Register {
    return this.#types.push(this.#ir.registers[original]!) - 1;
  }

  /** Walks the dominator tree with a stack of current names for each register. */
  #rename(): Register[] {
    const children: number[][] = this.#ir.blocks.map(() => []);
    for (const index of this.#graph.reachable) if (index !== 0) children[this.#immediate[index]!]!.push(index);
    const names: Register[][] = this.#ir.registers.map(() => []);
    for (const parameter of this.#ir.parameters) names[parameter.register]!.push(this.#fresh(parameter.register));
    const parameters = this.#ir.parameters.map((parameter) => names[parameter.register]![0]!);
    const stack: { block: number; pushed: Register[] | null }[] = [{ block: 0, pushed: null }];
    while (stack.length > 0) {
      const top = stack.pop()!;
      if (top.pushed) {
        for (const register of top.pushed) names[register]!.pop();
        continue;
      }
      const pushed = this.#renameBlock(top.block, names);
      stack.push({ block: top.block, pushed });
      for (const child of children[top.block]!) stack.push({ block: child, pushed: null });
    }
    return parameters;
  }

  #renameBlock(index: number, names: Register[][]): Register[] {
    const block = this.#blocks[index]!;
    const source = this.#ir.blocks[index]!;
    const pushed: Register[] = [];
    const current = (register: Register): Register => {
      const stack = names[register]!;
      return stack[stack.length - 1] ?? this.#undefinedValue(register, block);
    };
    const define = (register: Register): Register => {
      const fresh = this.#fresh(register);
      names[register]!.push(fresh);
      pushed.push(register);
      return fresh;
    };
    for (const phi of block.phis) {
      const original = this.#origins.get(phi)!;
      phi.result = define(original);
      for (const variable of this.#boundTo.get(original) ?? []) {
        const span = source.instructions[0]?.span ?? source.terminator.span;
        block.instructions.push({ op: 'bind', variable, source: phi.result, span });
      }
    }
    for (const instruction of source.instructions) {
      if (instruction.op === 'copy') {
        // A copy is another name for its source.
        names[instruction.result]!.push(current(instruction.source));
        pushed.push(instruction.result);
      } else block.instructions.push(mapDefinitions(mapUses(instruction, current), define));
    }
    block.terminator = mapUses(source.terminator, current);
    for (const next of new Set(successors(source.terminator))) {
      const target = this.#blocks[next]!;
      target.previous.forEach((before, position) => {
        if (before !== index) return;
        for (const phi of target.phis) {
          const original = this.#origins.get(phi);
          if (original !== undefined) phi.inputs[position] = current(original);
        }
      });
    }
    return pushed;
  }

  /** A register read before it was ever written holds 0: the front end's programs do not depend on it. */
  #undefinedValue(register: Register, block: SsaBlock): Register {
    const result = this.#fresh(register);
    block.instructions.push({ op: 'const', result, value: 0n, span: block.terminator.span });
    return result;
  }
}
