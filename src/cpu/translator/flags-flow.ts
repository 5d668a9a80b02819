/** What is known of the status flags along a region's control flow. */
import { KIND } from '../flags.ts';
import type { Node, Statement } from '../semantics/nodes.ts';
import type { ControlFlow } from './control-flow.ts';
import { type Block, type Exit, type RegionInstruction, successorsOf } from './region.ts';
import type { RegisterResolver } from './register-use.ts';

/** Where one of the two values of the lazy flags can be had. */
export type FlagValue =
  /** In its own local only. */
  | { readonly in: 'local' }
  /** The low `bits` of a general register hold it as well. */
  | { readonly in: 'register'; readonly number: number; readonly bits: number }
  | { readonly in: 'constant'; readonly bits: bigint }
  /** The kind has no use for it. */
  | { readonly in: 'nothing' };

/**
 * The lazy flags at one point. The region's locals always hold them; what is known besides lets ways out take them from elsewhere, so
 * that the locals need not be kept up in loops.
 */
export interface Flags {
  /** As flags.ts stores it, when it is the same on every way here. */
  readonly kind: number | undefined;
  readonly a: FlagValue;
  readonly b: FlagValue;
}

const LOCAL: FlagValue = { in: 'local' };
const NOTHING: FlagValue = { in: 'nothing' };
const UNKNOWN: Flags = { kind: undefined, a: LOCAL, b: LOCAL };

/** What an instruction does to the flags and to the registers that may hold their values. */
interface Effect {
  /** The flags behind it; undefined when it leaves them alone. */
  readonly flags: Flags | undefined;
  /** General registers it writes, as a mask. */
  readonly written: number;
}

/** Follows the flags through a region. */
export class FlagsFlow {
  /** The flags at the start and at the end of each block. */
  readonly atEntry: readonly Flags[];
  readonly atEnd: readonly Flags[];
  /** For each instruction of each block: nobody will look at the flags it writes. */
  readonly dead: readonly (readonly boolean[])[];
  readonly #resolver: RegisterResolver;

  constructor(blocks: readonly Block[], flow: ControlFlow, resolver: RegisterResolver) {
    this.#resolver = resolver;
    this.dead = deadFlags(blocks, flow);
    const effects = blocks.map(({ instructions }, number) =>
      instructions.map((instruction, index) => this.#effect(instruction, this.dead[number]![index]!)),
    );
    const atEntry: (Flags | undefined)[] = blocks.map(() => undefined);
    const atEnd: Flags[] = blocks.map(() => UNKNOWN);
    atEntry[0] = UNKNOWN;
    for (let changed = true; changed; ) {
      changed = false;
      for (const number of flow.order) {
        const end = effects[number]!.reduce(apply, atEntry[number]!);
        atEnd[number] = end;
        for (const next of successorsOf(blocks[number]!)) {
          const before = atEntry[next];
          const merged = before === undefined ? end : meet(before, end);
          if (before !== undefined && isSame(merged, before)) continue;
          atEntry[next] = merged;
          changed = true;
        }
      }
    }
    this.atEntry = atEntry.map((flags) => flags ?? UNKNOWN);
    this.atEnd = atEnd;
  }

  /** @returns the flags behind an instruction */
  behind(before: Flags, instruction: RegionInstruction, isDead: boolean): Flags {
    return apply(before, this.#effect(instruction, isDead));
  }

  #effect({ record, translatable }: RegionInstruction, isDead: boolean): Effect {
    const { program } = isDead ? translatable.withoutFlags : translatable;
    return new EffectSurvey(record, this.#resolver).of(program.statements);
  }
}

/** Works out the effect of one instruction. */
class EffectSurvey {
  readonly #record: number;
  readonly #resolver: RegisterResolver;
  /** Values of the program that can also be had elsewhere, by local. */
  readonly #known = new Map<number, FlagValue>();
  /** Significant bits of bound values. */
  readonly #widths = new Map<number, number>();
  #flags: Flags | undefined;
  #written = 0;

  constructor(record: number, resolver: RegisterResolver) {
    this.#record = record;
    this.#resolver = resolver;
  }

  of(statements: readonly Statement[]): Effect {
    for (const statement of statements) this.#visit(statement, true);
    return { flags: this.#flags, written: this.#written };
  }

  /** @param always whether the statement is executed whenever the instruction is */
  #visit(statement: Statement, always: boolean): void {
    switch (statement.kind) {
      case 'readRegister': {
        const { number, high } = this.#resolver.resolve(this.#record, statement.register, 'general');
        if (!high) this.#known.set(statement.local.id, { in: 'register', number, bits: statement.bits });
        break;
      }
      case 'let':
        this.#widths.set(statement.local.id, widthOf(statement.value));
        break;
      case 'assign':
        this.#widths.delete(statement.local.id);
        this.#known.delete(statement.local.id);
        break;
      case 'writeRegister': {
        const { number, high } = this.#resolver.resolve(this.#record, statement.register, 'general');
        this.#overwrite(number);
        const { bits, value } = statement;
        const isWhole = value.kind === 'local' && (this.#widths.get(value.id) ?? 64) <= bits;
        if (isWhole && !high && always) this.#known.set(value.id, { in: 'register', number, bits });
        break;
      }
      case 'setFlags': {
        const kind = statement.flagKind.kind === 'constant' ? Number(statement.flagKind.bits) : undefined;
        const hasOne = kind !== undefined && (kind >> 2 === KIND.RAW || kind >> 2 === KIND.LOGIC);
        this.#flags = { kind, a: this.#valueOf(statement.a), b: hasOne ? NOTHING : this.#valueOf(statement.b) };
        break;
      }
      case 'if':
        for (const each of [...statement.whenTrue, ...statement.whenFalse]) this.#visit(each, false);
        if (hasFlags([statement])) this.#flags = UNKNOWN;
        break;
    }
  }

  #valueOf(node: Node): FlagValue {
    const bits = this.#constantOf(node);
    if (bits !== undefined) return { in: 'constant', bits };
    return (node.kind === 'local' && this.#known.get(node.id)) || LOCAL;
  }

  /** @returns the value of a constant or an immediate, cut or not */
  #constantOf(node: Node): bigint | undefined {
    if (node.kind === 'constant') return node.bits;
    if (node.kind === 'instruction' && node.what === 'immediate') return this.#resolver.immediate(this.#record);
    if (node.kind !== 'operation' || node.name !== 'i64.and') return undefined;
    const [value, mask] = node.operands.map((operand) => this.#constantOf(operand));
    return value === undefined || mask === undefined ? undefined : value & mask;
  }

  #overwrite(number: number): void {
    this.#written |= 1 << number;
    for (const [local, value] of this.#known) {
      if (value.in === 'register' && value.number === number) this.#known.delete(local);
    }
    if (this.#flags) this.#flags = without(this.#flags, 1 << number);
  }
}

function hasFlags(statements: readonly Statement[]): boolean {
  return statements.some(
    (each) => each.kind === 'setFlags' || (each.kind === 'if' && (hasFlags(each.whenTrue) || hasFlags(each.whenFalse))),
  );
}

/** How many low bits of a value may be other than 0: exact for what cuts a result to its operand size. */
function widthOf(node: Node): number {
  if (node.kind !== 'operation' || node.name !== 'i64.and')
    return node.kind === 'operation' && node.name === 'i64.extend_i32_u' ? 32 : 64;
  const mask = node.operands[1]!;
  return mask.kind === 'constant' ? mask.bits.toString(2).length : 64;
}

function apply(flags: Flags, { flags: replaced, written }: Effect): Flags {
  return replaced ?? without(flags, written);
}

/** @param written registers that hold something else from now on */
function without(flags: Flags, written: number): Flags {
  const keep = (value: FlagValue) => (value.in === 'register' && written & (1 << value.number) ? LOCAL : value);
  const [a, b] = [keep(flags.a), keep(flags.b)];
  return a === flags.a && b === flags.b ? flags : { kind: flags.kind, a, b };
}

function meet(first: Flags, second: Flags): Flags {
  const kind = first.kind === second.kind ? first.kind : undefined;
  return { kind, a: meetValues(first.a, second.a), b: meetValues(first.b, second.b) };
}

function meetValues(first: FlagValue, second: FlagValue): FlagValue {
  if (first.in === 'nothing') return second;
  if (second.in === 'nothing' || isSameValue(first, second)) return first;
  return LOCAL;
}

const isSame = (first: Flags, second: Flags): boolean =>
  first.kind === second.kind && isSameValue(first.a, second.a) && isSameValue(first.b, second.b);

function isSameValue(first: FlagValue, second: FlagValue): boolean {
  if (first.in === 'register') {
    return second.in === 'register' && first.number === second.number && first.bits === second.bits;
  }
  if (first.in === 'constant') return second.in === 'constant' && first.bits === second.bits;
  return first.in === second.in;
}

/**
 * Which instructions write flags that nobody will look at: another one replaces them first, and on no way there control may leave the
 * region, where they must be right. A list a block, an entry an instruction.
 */
function deadFlags(blocks: readonly Block[], flow: ControlFlow): boolean[][] {
  const deadAtEntry = blocks.map(() => true);
  const result: boolean[][] = blocks.map(() => []);
  for (let changed = true; changed; ) {
    changed = false;
    for (const number of [...flow.order].reverse()) {
      const block = blocks[number]!;
      // On the way back to a loop's header control may leave, when the budget is used up.
      const stays = (next: number) => deadAtEntry[next]! && flow.isForward(number, next);
      let dead = staysInside(block) && successorsOf(block).every(stays);
      for (let index = block.instructions.length - 1; index >= 0; index--) {
        const { translatable } = block.instructions[index]!;
        result[number]![index] = dead;
        const { readsFlags } = dead ? translatable.withoutFlags : translatable;
        if (readsFlags || translatable.mayExit) dead = false;
        else if (translatable.writesFlags) dead = true;
      }
      if (dead !== deadAtEntry[number]) {
        deadAtEntry[number] = dead;
        changed = true;
      }
    }
  }
  return result;
}

/** Every way out of the block leads to a block, whatever the jump cache holds. */
function staysInside({ ending, taken, next }: Block): boolean {
  const stays = (exit: Exit | undefined) =>
    exit === undefined || (exit.kind === 'block' && exit.unlessKnown === undefined);
  return ending !== 'jump' && stays(taken) && stays(next);
}
