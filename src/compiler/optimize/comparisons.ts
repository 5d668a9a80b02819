import { evaluateCondition } from '../ir/arithmetic.ts';
import { bitsOf, type Condition, type Register } from '../ir/module.ts';
import type { Values } from './values.ts';

export const invertedCondition: Readonly<Record<Condition, Condition>> = {
  eq: 'ne',
  ne: 'eq',
  ult: 'uge',
  uge: 'ult',
  ule: 'ugt',
  ugt: 'ule',
  slt: 'sge',
  sge: 'slt',
  sle: 'sgt',
  sgt: 'sle',
};

const exchanged: Readonly<Record<Condition, Condition>> = {
  eq: 'eq',
  ne: 'ne',
  ult: 'ugt',
  ugt: 'ult',
  ule: 'uge',
  uge: 'ule',
  slt: 'sgt',
  sgt: 'slt',
  sle: 'sge',
  sge: 'sle',
};

const unsignedOf: Partial<Record<Condition, Condition>> = { slt: 'ult', sle: 'ule', sgt: 'ugt', sge: 'uge' };

export interface Comparison {
  readonly condition: Condition;
  readonly left: Register;
  readonly right: Register;
}

export function sameComparison(left: Comparison, right: Comparison): boolean {
  return left.condition === right.condition && left.left === right.left && left.right === right.right;
}

/** A comparison in a simpler form, its result when that is known, or a value that already is its result. */
export function simplifyComparison(
  v: Values,
  { condition, left, right }: Comparison,
): Comparison | boolean | { readonly boolean: Register } {
  let current: Comparison = { condition, left, right };
  for (let round = 0; round < 8; round++) {
    const next = step(v, current);
    if (next === undefined) return current;
    if (typeof next === 'boolean' || 'boolean' in next) return next;
    current = next;
  }
  return current;
}

type Step = Comparison | boolean | { readonly boolean: Register } | undefined;

function step(v: Values, comparison: Comparison): Step {
  const { condition, left, right } = comparison;
  const bits = v.bitsOf(left);
  const [a, b] = [v.constant(left), v.constant(right)];
  if (a !== undefined && b !== undefined) return evaluateCondition(condition, a, b, bits);
  if (left === right) return ['eq', 'ule', 'uge', 'sle', 'sge'].includes(condition);
  if (a !== undefined) return { condition: exchanged[condition], left: right, right: left };
  const unsigned = unsignedOf[condition];
  if (unsigned && v.isNonNegative(left) && v.isNonNegative(right)) return { condition: unsigned, left, right };
  return (b === undefined ? undefined : withConstant(v, comparison, b)) ?? narrowed(v, comparison, b);
}

/** Rules for a comparison with a constant on the right. */
function withConstant(v: Values, { condition, left, right }: Comparison, b: bigint): Step {
  const type = v.typeOf(left);
  const bound = v.bound(left);
  if (condition === 'ult' && bound < b) return true;
  if (condition === 'ule' && bound <= b) return true;
  if (condition === 'ugt' && bound <= b) return false;
  if (condition === 'uge' && bound < b) return false;
  if ((condition === 'eq' || condition === 'ne') && bound < b) return condition === 'ne';
  if (condition === 'ult' && b === 1n) return { condition: 'eq', left, right: v.makeConstant(type, 0n) };
  if (condition === 'uge' && b === 1n) return { condition: 'ne', left, right: v.makeConstant(type, 0n) };
  if (condition === 'ugt' && b === 0n) return { condition: 'ne', left, right };
  if (condition === 'ule' && b === 0n) return { condition: 'eq', left, right };
  if (condition !== 'eq' && condition !== 'ne') return undefined;
  return equality(v, { condition, left, right }, b);
}

/** eq and ne with a constant: of truth values, sums and differences. */
function equality(v: Values, { condition, left }: Comparison, b: bigint): Step {
  const type = v.typeOf(left);
  const definition = v.definition(left);
  if (v.bound(left) <= 1n && b <= 1n) {
    const wantsTrue = (condition === 'ne') === (b === 0n);
    const inner = definition?.op === 'zeroExtend' ? v.definition(definition.source) : definition;
    if (inner?.op === 'compare') {
      const tested = wantsTrue ? inner.condition : invertedCondition[inner.condition];
      return { condition: tested, left: inner.left, right: inner.right };
    }
    if (wantsTrue && type === 'i8') return b === 0n && condition === 'ne' ? { boolean: left } : undefined;
  }
  // A result that others read as well is at hand: comparing its operands would keep those alive, too.
  if (!v.usedOnce(left)) return undefined;
  if (definition?.op === 'sub' && b === 0n) return { condition, left: definition.left, right: definition.right };
  if (definition?.op === 'xor' && b === 0n) return { condition, left: definition.left, right: definition.right };
  const addend = definition?.op === 'add' ? v.constant(definition.right) : undefined;
  if (definition?.op === 'add' && addend !== undefined) {
    return { condition, left: definition.left, right: v.makeConstant(type, b - addend) };
  }
  return undefined;
}

/** Extended operands are compared at their own width. */
function narrowed(v: Values, { condition, left, right }: Comparison, b: bigint | undefined): Step {
  const [first, second] = [v.definition(left), v.definition(right)];
  const signed = condition.startsWith('s');
  if (first?.op === 'zeroExtend' && (!signed || v.isNonNegative(right))) {
    const type = v.typeOf(first.source);
    const narrowCondition = unsignedOf[condition] ?? condition;
    if (second?.op === 'zeroExtend' && v.typeOf(second.source) === type) {
      return { condition: narrowCondition, left: first.source, right: second.source };
    }
    if (b !== undefined && b < 1n << BigInt(bitsOf[type])) {
      return { condition: narrowCondition, left: first.source, right: v.makeConstant(type, b) };
    }
  }
  if (first?.op === 'signExtend' && (signed || condition === 'eq' || condition === 'ne')) {
    const type = v.typeOf(first.source);
    if (second?.op === 'signExtend' && v.typeOf(second.source) === type) {
      return { condition, left: first.source, right: second.source };
    }
    if (b !== undefined) {
      const value = BigInt.asIntN(v.bitsOf(left), b);
      if (BigInt.asIntN(bitsOf[type], value) === value) {
        return { condition, left: first.source, right: v.makeConstant(type, value) };
      }
    }
  }
  return undefined;
}
