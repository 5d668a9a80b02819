import type ts from 'typescript';
import { hull, type Interval } from '../frontend/interval.ts';
import type { DialectType, TypeEnvironment } from '../frontend/types.ts';
import type { BlockIndex, Register } from '../ir/module.ts';
import type { Value } from './values.ts';

/** A local variable or parameter: the registers that hold it, one or two (strings, arrays, results). */
export interface Variable {
  readonly name: string;
  readonly type: DialectType;
  readonly registers: readonly Register[];
  /** Set for what never changes and needs no register: constants, local arrays, arrow arguments. */
  readonly fixed?: Value;
}

/** The names of one function body, or of one expansion of an inlined function. */
export interface Frame {
  readonly variables: Map<ts.Symbol, Variable>;
  /** Where an arrow function was written; names it captures are found there. */
  readonly outer: Frame | null;
  readonly environment: TypeEnvironment;
  readonly self: Value | null;
  readonly resultType: DialectType;
  /** Set in an expansion: where `return` goes, instead of out of the function. */
  readonly exit: ReturnPoint | null;
  /** Cleanups pending when the frame was entered; `return` runs those above. */
  readonly cleanupDepth: number;
  readonly declaration: ts.Node;
  /** The functions whose bodies enclose this one's, through expansion or by being written there, and its own. */
  readonly expanding: readonly ts.Node[];
}

export interface ReturnPoint {
  readonly label: Label;
  readonly registers: readonly Register[];
}

export function findVariable(frame: Frame, symbol: ts.Symbol): Variable | undefined {
  for (let current: Frame | null = frame; current !== null; current = current.outer) {
    const variable = current.variables.get(symbol);
    if (variable !== undefined) return variable;
  }
  return undefined;
}

/** What is known about local variables at one point of the program; absent means: any value of its type. */
export type Facts = ReadonlyMap<Variable, Interval>;

/** A block that several jumps reach, with what holds on all of them. */
export class Label {
  readonly block: BlockIndex;
  #facts: Facts | null = null;

  constructor(block: BlockIndex) {
    this.block = block;
  }

  get reached(): boolean {
    return this.#facts !== null;
  }

  arrive(facts: Facts): void {
    if (this.#facts === null) this.#facts = facts;
    else this.#facts = join(this.#facts, facts);
  }

  get facts(): Facts {
    return this.#facts ?? new Map();
  }
}

function join(a: Facts, b: Facts): Facts {
  const joined = new Map<Variable, Interval>();
  for (const [variable, range] of a) {
    const other = b.get(variable);
    if (other !== undefined) joined.set(variable, hull(range, other));
  }
  return joined;
}
