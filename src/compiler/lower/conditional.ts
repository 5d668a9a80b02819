import ts from 'typescript';
import { hull, INT64, type Interval, intersect, interval, UINT64, within } from '../frontend/interval.ts';
import { describe } from '../frontend/type-names.ts';
import { BOOLEAN, type DialectType, NULL, type PlainType } from '../frontend/types.ts';
import type { Condition, Register } from '../ir/module.ts';
import { typeMismatch } from '../rules/values.ts';
import { unwrappedOperand } from '../rules/widths.ts';
import { mayAssign } from './captures.ts';
import type { Label } from './frame.ts';
import type { FunctionLowering } from './function.ts';
import { constantOf } from './identifiers.ts';
import { comparable, detached, held, integerValue, integral, materialise } from './integers.ts';
import { newVariable, readVariable } from './places.ts';
import { coerce, kindOf, registersOfValue, settled } from './representation.ts';
import { equalStrings } from './strings.ts';
import type { IntegerExpression, Value } from './values.ts';
import { lowerExpression } from './visitors.ts';

type Sign = '<' | '<=' | '>' | '>=' | '===' | '!==';

const COMPARISONS: { readonly [kind in ts.SyntaxKind]?: Sign } = {
  [ts.SyntaxKind.LessThanToken]: '<',
  [ts.SyntaxKind.LessThanEqualsToken]: '<=',
  [ts.SyntaxKind.GreaterThanToken]: '>',
  [ts.SyntaxKind.GreaterThanEqualsToken]: '>=',
  [ts.SyntaxKind.EqualsEqualsEqualsToken]: '===',
  [ts.SyntaxKind.ExclamationEqualsEqualsToken]: '!==',
};

export const isComparison = (operator: ts.SyntaxKind): boolean => COMPARISONS[operator] !== undefined;

/** Branches on an expression: comparisons and `&& || !` become jumps, never values. Ends the current block. */
export function lowerCondition(lowering: FunctionLowering, node: ts.Expression, yes: Label, no: Label): void {
  lowering.spanned(node, () => condition(lowering, node, yes, no));
}

function condition(lowering: FunctionLowering, node: ts.Expression, yes: Label, no: Label): void {
  if (ts.isParenthesizedExpression(node)) {
    condition(lowering, node.expression, yes, no);
    return;
  }
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken) {
    lowerCondition(lowering, node.operand, no, yes);
    return;
  }
  if (ts.isBinaryExpression(node)) {
    const operator = node.operatorToken.kind;
    if (operator === ts.SyntaxKind.AmpersandAmpersandToken || operator === ts.SyntaxKind.BarBarToken) {
      const both = operator === ts.SyntaxKind.AmpersandAmpersandToken;
      const middle = lowering.label();
      lowerCondition(lowering, node.left, both ? middle : yes, both ? no : middle);
      lowering.enter(middle);
      if (lowering.reachable) lowerCondition(lowering, node.right, yes, no);
      return;
    }
    const sign = COMPARISONS[operator];
    if (sign !== undefined && constantOf(lowering, node) === undefined) {
      comparison(lowering, node, sign, yes, no);
      return;
    }
  }
  branchOnValue(lowering, lowerExpression(lowering, node), node, yes, no);
}

/** Branches on a value's truth: booleans, integers (not zero), references (not null). */
function branchOnValue(lowering: FunctionLowering, value: Value, node: ts.Node, yes: Label, no: Label): void {
  const { builder } = lowering;
  switch (value.kind) {
    case 'truth':
      lowering.jump(value.value ? yes : no);
      break;
    case 'null':
      lowering.jump(no);
      break;
    case 'boolean':
      arriveBoth(lowering, yes, no);
      builder.branch(value.register, yes.block, no.block);
      break;
    case 'integer': {
      const { range } = value.expression;
      const bits = within(range, interval(-(1n << 31n), (1n << 32n) - 1n)) ? 32 : 64;
      branchNotZero(lowering, materialise(lowering, value.expression, bits), yes, no);
      break;
    }
    case 'pointer':
    case 'code':
    case 'function':
      branchNotZero(lowering, registersOfValue(lowering, value, { kind: 'void' })[0]!, yes, no);
      break;
    default:
      if (value.kind !== 'void') lowering.report(typeMismatch(kindOf(value), 'boolean'), node);
      lowering.jump(no);
  }
}

function branchNotZero(lowering: FunctionLowering, register: Register, yes: Label, no: Label): void {
  arriveBoth(lowering, yes, no);
  const zero = lowering.builder.const(lowering.builder.typeOf(register), 0n);
  lowering.builder.branchCompare('ne', register, zero, yes.block, no.block);
}

function arriveBoth(lowering: FunctionLowering, yes: Label, no: Label): void {
  yes.arrive(new Map(lowering.facts));
  no.arrive(new Map(lowering.facts));
}

const NEGATED: Readonly<Record<Sign, Sign>> = {
  '<': '>=',
  '<=': '>',
  '>': '<=',
  '>=': '<',
  '===': '!==',
  '!==': '===',
};
const SWAPPED: Readonly<Record<Sign, Sign>> = {
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
  '===': '===',
  '!==': '!==',
};

function comparison(lowering: FunctionLowering, node: ts.BinaryExpression, sign: Sign, yes: Label, no: Label): void {
  const { builder } = lowering;
  let left = lowerExpression(lowering, node.left);
  if (mayAssign(lowering, [node.right])) left = settledOperand(lowering, left);
  const right = lowerExpression(lowering, node.right);
  if (left.kind === 'integer' && right.kind === 'integer') {
    const a = left.expression;
    const b = right.expression;
    const decided = decide(sign, a.range, b.range);
    if (decided !== undefined) {
      lowering.jump(decided ? yes : no);
      return;
    }
    const { condition, left: first, right: second } = comparable(lowering, sign, a, b, node);
    arriveRefined(lowering, yes, sign, a, b);
    arriveRefined(lowering, no, NEGATED[sign], a, b);
    builder.branchCompare(condition, first, second, yes.block, no.block);
    return;
  }
  const equal = equality(lowering, sign, left, right, node);
  if (equal === undefined) {
    lowering.jump(no);
    return;
  }
  const negative = sign === '!==';
  arriveBoth(lowering, yes, no);
  if ('test' in equal) {
    builder.branch(equal.test, negative ? no.block : yes.block, negative ? yes.block : no.block);
    return;
  }
  builder.branchCompare(negative ? 'ne' : 'eq', equal.left, equal.right, yes.block, no.block);
}

function settledOperand(lowering: FunctionLowering, value: Value): Value {
  if (value.kind === 'integer') return { ...value, expression: detached(lowering, value.expression) };
  if (value.kind === 'boolean') return settled(lowering, value, BOOLEAN);
  if (value.kind === 'pointer') return settled(lowering, value, value.type);
  return value;
}

/** Operands of an equality between values that are not integers. */
function equality(
  lowering: FunctionLowering,
  sign: Sign,
  left: Value,
  right: Value,
  node: ts.BinaryExpression,
): { left: Register; right: Register } | { test: Register } | undefined {
  if (sign !== '===' && sign !== '!==') {
    lowering.report(typeMismatch(kindOf(left), 'integer'), node);
    return undefined;
  }
  if (left.kind === 'string' && right.kind === 'string') return { test: equalStrings(lowering, left, right) };
  const comparable = new Set(['boolean', 'truth', 'pointer', 'null', 'code', 'function']);
  if (!comparable.has(left.kind) || !comparable.has(right.kind)) {
    if (left.kind !== 'void' && right.kind !== 'void') lowering.report(typeMismatch(kindOf(right), kindOf(left)), node);
    return undefined;
  }
  const truth = left.kind === 'boolean' || left.kind === 'truth';
  const type = truth ? BOOLEAN : NULL;
  const [first = 0] = registersOfValue(lowering, left, type);
  const [second = 0] = registersOfValue(lowering, right, type);
  return { left: first, right: second };
}

/** What a comparison is known to say from the ranges alone. */
function decide(sign: Sign, a: Interval, b: Interval): boolean | undefined {
  switch (sign) {
    case '<':
      return a.high < b.low ? true : a.low >= b.high ? false : undefined;
    case '<=':
      return a.high <= b.low ? true : a.low > b.high ? false : undefined;
    case '===':
      return a.high < b.low || a.low > b.high ? false : a.low === a.high && b.low === b.high ? true : undefined;
    case '!==':
      return negate(decide('===', a, b));
    default:
      return decide(SWAPPED[sign], b, a);
  }
}

const negate = (value: boolean | undefined): boolean | undefined => (value === undefined ? undefined : !value);

/** Reaches a label knowing that `a sign b` holds. */
function arriveRefined(
  lowering: FunctionLowering,
  label: Label,
  sign: Sign,
  a: IntegerExpression,
  b: IntegerExpression,
): void {
  const facts = new Map(lowering.facts);
  const refine = (e: IntegerExpression, relation: Sign, other: Interval): void => {
    if (e.op !== 'register' || e.variable === undefined) return;
    facts.set(e.variable, intersect(bounded(e.range, relation, other), e.range));
  };
  refine(a, sign, b.range);
  refine(b, SWAPPED[sign], a.range);
  label.arrive(facts);
}

function bounded(range: Interval, sign: Sign, other: Interval): Interval {
  switch (sign) {
    case '<':
      return other.high - 1n >= range.low ? interval(range.low, other.high - 1n) : range;
    case '<=':
      return other.high >= range.low ? interval(range.low, other.high) : range;
    case '>':
      return other.low + 1n <= range.high ? interval(other.low + 1n, range.high) : range;
    case '>=':
      return other.low <= range.high ? interval(other.low, range.high) : range;
    case '===':
      return other;
    default:
      if (other.low !== other.high || range.low === range.high) return range;
      if (other.low === range.low) return interval(range.low + 1n, range.high);
      return other.low === range.high ? interval(range.low, range.high - 1n) : range;
  }
}

/** A comparison or logical expression as a value. */
export function lowerTruth(lowering: FunctionLowering, node: ts.Expression): Value {
  const constant = constantOf(lowering, node);
  if (constant?.kind === 'truth') return constant;
  const direct = ts.isBinaryExpression(node) ? comparedValue(lowering, node) : undefined;
  if (direct !== undefined) return direct;
  const { builder } = lowering;
  const result = builder.register('i8');
  const yes = lowering.label();
  const no = lowering.label();
  const done = lowering.label();
  lowerCondition(lowering, node, yes, no);
  for (const [label, value] of [
    [yes, 1n],
    [no, 0n],
  ] as const) {
    lowering.enter(label);
    if (!lowering.reachable) continue;
    builder.copy(result, builder.const('i8', value));
    lowering.jump(done);
  }
  lowering.enter(done);
  return { kind: 'boolean', register: result };
}

/** A comparison of integers computes its value without a branch. */
function comparedValue(lowering: FunctionLowering, node: ts.BinaryExpression): Value | undefined {
  const sign = COMPARISONS[node.operatorToken.kind];
  if (sign === undefined) return undefined;
  let left = lowerExpression(lowering, node.left);
  if (mayAssign(lowering, [node.right])) left = settledOperand(lowering, left);
  const right = lowerExpression(lowering, node.right);
  if (left.kind === 'integer' && right.kind === 'integer') {
    const decided = decide(sign, left.expression.range, right.expression.range);
    if (decided !== undefined) return { kind: 'truth', value: decided };
    const operands = comparable(lowering, sign, left.expression, right.expression, node);
    return { kind: 'boolean', register: lowering.builder.compare(operands.condition, operands.left, operands.right) };
  }
  const equal = equality(lowering, sign, left, right, node);
  if (equal === undefined) return { kind: 'truth', value: false };
  const condition: Condition = sign === '!==' ? 'ne' : 'eq';
  if (!('test' in equal))
    return { kind: 'boolean', register: lowering.builder.compare(condition, equal.left, equal.right) };
  if (sign === '===') return { kind: 'boolean', register: equal.test };
  const zero = lowering.builder.const('i8', 0n);
  return { kind: 'boolean', register: lowering.builder.compare('eq', equal.test, zero) };
}

/** `test ? a : b`. */
export function visitConditional(lowering: FunctionLowering, node: ts.ConditionalExpression): Value {
  const yes = lowering.label();
  const no = lowering.label();
  lowerCondition(lowering, node.condition, yes, no);
  return merged(lowering, node, [
    { label: yes, value: () => lowerExpression(lowering, node.whenTrue), node: node.whenTrue },
    { label: no, value: () => lowerExpression(lowering, node.whenFalse), node: node.whenFalse },
  ]);
}

/** `value ?? other`, where value may be null. */
export function visitNullish(lowering: FunctionLowering, node: ts.BinaryExpression): Value {
  const present = lowering.label();
  const absent = lowering.label();
  const left = lowerExpression(lowering, node.left);
  branchOnValue(lowering, left, node.left, present, absent);
  return merged(lowering, node, [
    { label: present, value: () => left, node: node.left },
    { label: absent, value: () => lowerExpression(lowering, node.right), node: node.right },
  ]);
}

interface Alternative {
  readonly label: Label;
  readonly value: () => Value;
  readonly node: ts.Expression;
}

/** The value that one of two ways computes. */
function merged(lowering: FunctionLowering, node: ts.Expression, ways: readonly Alternative[]): Value {
  const done = lowering.label();
  const type = mergedType(lowering, node);
  if (type.kind === 'plain') return mergedPlain(lowering, node, type, ways);
  const variable = newVariable(lowering, 'merged', type, null, node);
  const ranges: Interval[] = [];
  for (const way of ways) {
    lowering.enter(way.label);
    if (!lowering.reachable) continue;
    const value = coerce(lowering, way.value(), type, way.node);
    if (!lowering.reachable) continue;
    const registers = registersOfValue(lowering, value, type);
    registers.forEach((register, index) => {
      lowering.builder.copy(variable.registers[index]!, register);
    });
    if (value.kind === 'integer') ranges.push(value.expression.range);
    lowering.jump(done);
  }
  lowering.enter(done);
  if (ranges.length > 0) {
    lowering.facts.set(variable, ranges.reduce(hull));
  }
  return readVariable(lowering, variable);
}

/** As `merged`, for integers whose width a constructor around the expression declares. */
function mergedPlain(
  lowering: FunctionLowering,
  node: ts.Expression,
  type: PlainType,
  ways: readonly Alternative[],
): Value {
  const done = lowering.label();
  const result = lowering.builder.register('i64');
  const ranges: Interval[] = [];
  for (const way of ways) {
    lowering.enter(way.label);
    const value = lowering.reachable ? way.value() : null;
    if (value?.kind !== 'integer' || !lowering.reachable) continue;
    integral(lowering, value.expression, way.node);
    ranges.push(value.expression.range);
    lowering.builder.copy(result, materialise(lowering, value.expression, 64));
    lowering.jump(done);
  }
  lowering.enter(done);
  const range = ranges.length === 0 ? INT64 : ranges.reduce(hull);
  if (!within(range, INT64) && !within(range, UINT64)) lowering.report(unwrappedOperand('?:'), node);
  return integerValue(type, held(result, 64, range));
}

/** The type of a conditional expression: its context's where the checker sees only literals. */
function mergedType(lowering: FunctionLowering, node: ts.Expression): DialectType {
  const type = lowering.typeOf(node);
  const contextual = lowering.module.checker.getContextualType(node);
  if (contextual === undefined) return type;
  const wanted = lowering.module.types.resolve(contextual, lowering.frame.environment);
  const vague =
    type.kind === 'plain' || type.kind === 'error' || (type.kind === 'integer' && type.literals !== undefined);
  const usable = wanted.kind === 'integer' || wanted.kind === 'result';
  return usable && (vague || type.kind === 'result' || describe(type) === describe(wanted)) ? wanted : type;
}
