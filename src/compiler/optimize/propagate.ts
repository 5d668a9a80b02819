import { type Address, bytesOf, type Instruction, type Register, type Terminator } from '../ir/module.ts';
import { type Fields, forEachDefinition, shapeOf } from '../ir/shapes.ts';
import { sameComparison, simplifyComparison } from './comparisons.ts';
import { nextOf } from './destruct.ts';
import { addressKey, escapedSlots, isPure, KnownMemory, mayWrite } from './effects.ts';
import { dominators, graphOf } from './graph.ts';
import { simplify } from './simplify.ts';
import { mapUses, type SsaBlock, type SsaFunction } from './ssa.ts';
import { Values } from './values.ts';

/**
 * One walk over the dominator tree that rewrites every instruction by the rules of simplify.ts, unites equal
 * computations, forwards stores to loads inside extended blocks and turns branches on comparisons into
 * compare-and-branch. Returns whether anything changed.
 */
export function propagate(fn: SsaFunction): boolean {
  return new Propagation(fn).run();
}

const commutative = new Set<string>(['add', 'mul', 'and', 'or', 'xor', 'mulHighUnsigned', 'mulHighSigned']);

class Propagation {
  readonly #fn: SsaFunction;
  readonly #values: Values;
  readonly #replacement: Register[] = [];
  readonly #known = new Map<string, Register>();
  readonly #escaped: ReadonlySet<number>;
  readonly #resolve = (register: Register): Register => this.#find(register);
  #changed = false;
  /** the block being rewritten */
  #index = 0;

  constructor(fn: SsaFunction) {
    this.#fn = fn;
    this.#values = new Values(fn);
    this.#escaped = escapedSlots(this.#values);
  }

  run(): boolean {
    const graph = graphOf(nextOf(this.#fn));
    const immediate = dominators(graph);
    const children: number[][] = this.#fn.blocks.map(() => []);
    for (const index of graph.reachable) if (index !== 0) children[immediate[index]!]!.push(index);
    const stack: { block: number; memory: KnownMemory | null; added: string[] | null }[] = [
      { block: 0, memory: null, added: null },
    ];
    while (stack.length > 0) {
      const top = stack.pop()!;
      if (top.added) {
        for (const key of top.added) this.#known.delete(key);
        continue;
      }
      const added: string[] = [];
      const memory = top.memory ?? new KnownMemory(this.#escaped);
      this.#index = top.block;
      this.#block(this.#fn.blocks[top.block]!, memory, added);
      stack.push({ block: top.block, memory: null, added });
      for (const child of children[top.block]!) {
        // What is known at the end of the only predecessor holds on; one successor may go on changing it.
        const only = graph.previous[child]!.length === 1 && graph.next[top.block]!.length === 1;
        stack.push({ block: child, memory: only ? memory : null, added: null });
      }
    }
    this.#finish();
    return this.#changed;
  }

  #find(register: Register): Register {
    let current = register;
    for (;;) {
      const next = this.#replacement[current];
      if (next === undefined) return current;
      current = next;
    }
  }

  #replace(register: Register, by: Register): void {
    this.#replacement[register] = by;
    this.#changed = true;
  }

  #block(block: SsaBlock, memory: KnownMemory, added: string[]): void {
    this.#phis(block);
    const { instructions } = block;
    const output: Instruction[] = [];
    this.#values.output = output;
    for (const instruction of instructions)
      this.#instruction(mapUses(instruction, this.#resolve), memory, added, output);
    block.terminator = this.#terminator(mapUses(block.terminator, this.#resolve));
    block.instructions = output;
  }

  /** A phi of one value is that value; equal phis are one. */
  #phis(block: SsaBlock): void {
    const seen = new Map<string, Register>();
    block.phis = block.phis.filter((phi) => {
      phi.inputs = phi.inputs.map(this.#resolve);
      const others = new Set(phi.inputs.filter((input) => input !== phi.result));
      const [only] = others;
      if (others.size === 1 && only !== undefined) {
        this.#replace(phi.result, only);
        return false;
      }
      const key = phi.inputs.join();
      const twin = seen.get(key);
      if (twin !== undefined && this.#fn.types[twin] === this.#fn.types[phi.result]) {
        this.#replace(phi.result, twin);
        return false;
      }
      seen.set(key, phi.result);
      return true;
    });
  }

  #instruction(instruction: Instruction, memory: KnownMemory, added: string[], output: Instruction[]): void {
    const before = output.length;
    const simplified = simplify(this.#values, instruction);
    // What a rule made on the way is simplified and united like everything else.
    const helpers = output.splice(before);
    for (const helper of helpers) this.#keep(mapUses(helper, this.#resolve), memory, added, output);
    if ('value' in simplified) {
      this.#changed = true;
      forEachDefinition(instruction, (register) => this.#replace(register, this.#find(simplified.value)));
      return;
    }
    if (simplified.instruction !== instruction) this.#changed = true;
    this.#keep(mapUses(simplified.instruction, this.#resolve), memory, added, output);
  }

  #keep(instruction: Instruction, memory: KnownMemory, added: string[], output: Instruction[]): void {
    if (isPure(instruction) && 'result' in instruction) {
      const key = this.#isCheap(instruction) ? `${this.#index} ${this.#keyOf(instruction)}` : this.#keyOf(instruction);
      const known = this.#known.get(key);
      if (known !== undefined) {
        this.#replace(instruction.result, known);
        return;
      }
      this.#known.set(key, instruction.result);
      added.push(key);
    } else if (this.#remember(instruction, memory)) return;
    this.#values.define(instruction);
    output.push(instruction);
  }

  /** Keeps `memory` up to date; true when the instruction is a load of a known value and was replaced. */
  #remember(instruction: Instruction, memory: KnownMemory): boolean {
    if (instruction.op === 'load' && !instruction.volatile) {
      const type = this.#values.typeOf(instruction.result);
      const known = memory.load(instruction.address, type);
      if (known !== undefined) {
        this.#replace(instruction.result, known);
        return true;
      }
      memory.learn(instruction.address, type, instruction.result);
    } else if (instruction.op === 'store' && !instruction.volatile) {
      const type = this.#values.typeOf(instruction.source);
      memory.store(instruction.address, bytesOf[type]);
      memory.learn(instruction.address, type, instruction.source);
    } else if (mayWrite(instruction)) memory.forget();
    return false;
  }

  /**
   * What costs no more than holding its result in a register is united inside a block only: sums with a constant
   * become part of addresses, comparisons part of branches.
   */
  #isCheap(instruction: Instruction): boolean {
    switch (instruction.op) {
      case 'compare':
      case 'truncate':
      case 'zeroExtend':
        return true;
      case 'add':
        return this.#values.constant(instruction.right) !== undefined;
      case 'addressOf':
        return instruction.address.index === undefined;
      default:
        return false;
    }
  }

  #keyOf(instruction: Instruction): string {
    const fields = instruction as unknown as Fields;
    let key = `${instruction.op} ${this.#values.typeOf((instruction as { result: Register }).result)}`;
    if (commutative.has(instruction.op)) {
      const { left, right } = instruction as { left: Register; right: Register };
      return `${key} ${Math.min(left, right)} ${Math.max(left, right)}`;
    }
    for (const [field, kind] of shapeOf(instruction)) {
      if (kind === 'def') continue;
      const value = fields[field];
      key += kind === 'address' ? ` ${addressKey(value as Address)}` : ` ${value}`;
    }
    return key;
  }

  #terminator(terminator: Terminator): Terminator {
    this.#values.span = terminator.span;
    if (terminator.op === 'branch') return this.#branch(terminator);
    if (terminator.op === 'branchCompare') {
      const comparison = simplifyComparison(this.#values, terminator);
      const { then, otherwise, span } = terminator;
      if (typeof comparison === 'boolean') return { op: 'jump', target: comparison ? then : otherwise, span };
      if ('boolean' in comparison)
        return this.#branch({ op: 'branch', test: comparison.boolean, then, otherwise, span });
      if (sameComparison(comparison, terminator)) return terminator;
      this.#changed = true;
      return { ...terminator, ...comparison };
    }
    if (terminator.op === 'switch') {
      const known = this.#values.constant(terminator.value);
      if (known === undefined) return terminator;
      const bits = this.#values.bitsOf(terminator.value);
      const found = terminator.cases.find((entry) => BigInt.asUintN(bits, entry.value) === known);
      return { op: 'jump', target: found?.target ?? terminator.otherwise, span: terminator.span };
    }
    return terminator;
  }

  #branch(terminator: Terminator & { op: 'branch' }): Terminator {
    const { test, then, otherwise, span } = terminator;
    const known = this.#values.constant(test);
    if (known !== undefined) return { op: 'jump', target: known !== 0n ? then : otherwise, span };
    const tested = this.#values.definition(test);
    if (tested?.op !== 'compare') return terminator;
    this.#changed = true;
    const { condition, left, right } = tested;
    return { op: 'branchCompare', condition, left: this.#find(left), right: this.#find(right), then, otherwise, span };
  }

  /** Only phis may use what is defined, and so rewritten, later. */
  #finish(): void {
    for (const block of this.#fn.blocks) {
      for (const phi of block?.phis ?? []) phi.inputs = phi.inputs.map(this.#resolve);
    }
  }
}
