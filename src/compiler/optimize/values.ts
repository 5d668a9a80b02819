import { bitsOf, type Instruction, type Register, type Span, type Type } from '../ir/module.ts';
import { forEachDefinition, forEachUse } from '../ir/shapes.ts';
import type { SsaFunction } from './ssa.ts';

/** What the rewriting rules may ask about values, and how they make new ones. */
export class Values {
  readonly fn: SsaFunction;
  /** the instruction that defines a value; undefined for parameters and phis */
  readonly definitions: (Instruction | undefined)[] = [];
  readonly uses: Int32Array;
  /** instructions of the current block, finished; rules append what they need before the one they rewrite */
  output: Instruction[] = [];
  span: Span;
  readonly #bounds = new Map<Register, bigint>();
  #uses: Int32Array;

  constructor(fn: SsaFunction) {
    this.fn = fn;
    this.span = fn.ir.span;
    this.#uses = new Int32Array(fn.types.length);
    this.uses = this.#uses;
    const count = (used: Register) => {
      this.#uses[used]!++;
    };
    for (const block of fn.blocks) {
      if (!block) continue;
      for (const phi of block.phis) for (const input of phi.inputs) this.#uses[input]!++;
      for (const instruction of block.instructions) {
        this.define(instruction);
        forEachUse(instruction, count);
      }
      forEachUse(block.terminator, count);
    }
  }

  define(instruction: Instruction): void {
    forEachDefinition(instruction, (register) => {
      this.definitions[register] = instruction;
    });
  }

  typeOf(register: Register): Type {
    return this.fn.types[register]!;
  }

  bitsOf(register: Register): 8 | 16 | 32 | 64 {
    return bitsOf[this.typeOf(register)];
  }

  definition(register: Register): Instruction | undefined {
    return this.definitions[register];
  }

  /** Whether nothing but the instruction in hand reads the value. New values count as used once. */
  usedOnce(register: Register): boolean {
    return (this.uses[register] ?? 1) <= 1;
  }

  /** The value of a constant, unsigned. */
  constant(register: Register): bigint | undefined {
    const definition = this.definitions[register];
    return definition?.op === 'const' ? BigInt.asUintN(this.bitsOf(register), definition.value) : undefined;
  }

  fresh(type: Type): Register {
    return this.fn.types.push(type) - 1;
  }

  /** Appends an instruction that defines `result`; returns the result. */
  emit(instruction: Instruction & { readonly result: Register }): Register {
    this.output.push(instruction);
    this.define(instruction);
    return instruction.result;
  }

  makeConstant(type: Type, value: bigint): Register {
    const wrapped = BigInt.asUintN(bitsOf[type], value);
    return this.emit({ op: 'const', result: this.fresh(type), value: wrapped, span: this.span });
  }

  /** An upper bound of the value, unsigned. */
  bound(register: Register, depth = 0): bigint {
    const known = this.#bounds.get(register);
    if (known !== undefined) return known;
    const limit = (1n << BigInt(this.bitsOf(register))) - 1n;
    if (depth > 6) return limit;
    const found = this.#boundOf(register, limit, depth);
    const result = found < limit ? found : limit;
    this.#bounds.set(register, result);
    return result;
  }

  #boundOf(register: Register, limit: bigint, depth: number): bigint {
    const definition = this.definitions[register];
    if (!definition) return limit;
    const of = (operand: Register) => this.bound(operand, depth + 1);
    switch (definition.op) {
      case 'const':
        return this.constant(register)!;
      case 'compare':
        return 1n;
      case 'zeroExtend':
      case 'copy':
        return of(definition.source);
      case 'truncate': {
        const bound = of(definition.source);
        return bound <= limit ? bound : limit;
      }
      case 'and': {
        const [left, right] = [of(definition.left), of(definition.right)];
        return lesser(left, right);
      }
      case 'or':
      case 'xor':
        return (1n << BigInt(lengthOf(of(definition.left) | of(definition.right)))) - 1n;
      case 'add':
        return of(definition.left) + of(definition.right);
      case 'mul':
        return of(definition.left) * of(definition.right);
      case 'select': {
        const [yes, no] = [of(definition.whenTrue), of(definition.whenFalse)];
        return greater(yes, no);
      }
      case 'shl': {
        const count = this.constant(definition.right);
        return count === undefined ? limit : of(definition.left) << (count % BigInt(this.bitsOf(register)));
      }
      case 'shr': {
        const count = this.constant(definition.right);
        return count === undefined
          ? of(definition.left)
          : of(definition.left) >> (count % BigInt(this.bitsOf(register)));
      }
      case 'divUnsigned': {
        const divisor = this.constant(definition.right);
        return divisor ? of(definition.left) / divisor : of(definition.left);
      }
      case 'remUnsigned': {
        const divisor = of(definition.right);
        const dividend = of(definition.left);
        return divisor > 0n && divisor - 1n < dividend ? divisor - 1n : dividend;
      }
      case 'bitScanForward':
      case 'bitScanReverse':
        return BigInt(this.bitsOf(register) - 1);
      default:
        return limit;
    }
  }

  /** Whether the sign bit is known to be clear. */
  isNonNegative(register: Register): boolean {
    return this.bound(register) >> BigInt(this.bitsOf(register) - 1) === 0n;
  }
}

// Math.min and Math.max do not take bigints.
const lesser = (left: bigint, right: bigint): bigint => (left > right ? right : left) as bigint;
const greater = (left: bigint, right: bigint): bigint => -lesser(-left, -right);

/** Bits up to the highest set one. */
export function lengthOf(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}
