import ts from 'typescript';
import { within } from '../frontend/interval.ts';
import type { IntegerType } from '../frontend/types.ts';
import { refusedOperator } from '../rules/refusals.ts';
import { noConcatenation } from '../rules/syntax.ts';
import { elementReplaced, typeMismatch } from '../rules/values.ts';
import { mayWrap, negativeExponent } from '../rules/widths.ts';
import { isAssignment, mayAssign } from './captures.ts';
import { isComparison, lowerTruth, visitNullish } from './conditional.ts';
import type { FunctionLowering } from './function.ts';
import { constantOf } from './identifiers.ts';
import { constant, detached, divide, integerValue, integral, ring, shiftRight } from './integers.ts';
import { readPlace, settledPlace, typeOfPlace, writePlace } from './places.ts';
import { lowerPlace } from './properties.ts';
import { kindOf } from './representation.ts';
import { integerOperand } from './unary.ts';
import type { IntegerExpression, IntegerValue, Value } from './values.ts';
import { lowerExpression } from './visitors.ts';

const RING = {
  [ts.SyntaxKind.PlusToken]: 'add',
  [ts.SyntaxKind.MinusToken]: 'sub',
  [ts.SyntaxKind.AsteriskToken]: 'mul',
  [ts.SyntaxKind.AmpersandToken]: 'and',
  [ts.SyntaxKind.BarToken]: 'or',
  [ts.SyntaxKind.CaretToken]: 'xor',
  [ts.SyntaxKind.LessThanLessThanToken]: 'shl',
} as const;

/** The operator of a compound assignment. */
const COMPOUND: { readonly [kind in ts.SyntaxKind]?: ts.SyntaxKind } = {
  [ts.SyntaxKind.PlusEqualsToken]: ts.SyntaxKind.PlusToken,
  [ts.SyntaxKind.MinusEqualsToken]: ts.SyntaxKind.MinusToken,
  [ts.SyntaxKind.AsteriskEqualsToken]: ts.SyntaxKind.AsteriskToken,
  [ts.SyntaxKind.AsteriskAsteriskEqualsToken]: ts.SyntaxKind.AsteriskAsteriskToken,
  [ts.SyntaxKind.SlashEqualsToken]: ts.SyntaxKind.SlashToken,
  [ts.SyntaxKind.PercentEqualsToken]: ts.SyntaxKind.PercentToken,
  [ts.SyntaxKind.AmpersandEqualsToken]: ts.SyntaxKind.AmpersandToken,
  [ts.SyntaxKind.BarEqualsToken]: ts.SyntaxKind.BarToken,
  [ts.SyntaxKind.CaretEqualsToken]: ts.SyntaxKind.CaretToken,
  [ts.SyntaxKind.LessThanLessThanEqualsToken]: ts.SyntaxKind.LessThanLessThanToken,
  [ts.SyntaxKind.GreaterThanGreaterThanEqualsToken]: ts.SyntaxKind.GreaterThanGreaterThanToken,
  [ts.SyntaxKind.GreaterThanGreaterThanGreaterThanEqualsToken]: ts.SyntaxKind.GreaterThanGreaterThanGreaterThanToken,
};

export function visitAssignmentOrBinary(lowering: FunctionLowering, node: ts.BinaryExpression): Value {
  const operator = node.operatorToken.kind;
  const refusal = refusedOperator(node);
  if (refusal !== undefined) {
    lowering.report(refusal, node.operatorToken);
    return { kind: 'void' };
  }
  if (operator === ts.SyntaxKind.EqualsToken) return assignment(lowering, node);
  if (isAssignment(node)) return compoundAssignment(lowering, node);
  if (operator === ts.SyntaxKind.QuestionQuestionToken) return visitNullish(lowering, node);
  if (isLogical(operator) || isComparison(operator)) return lowerTruth(lowering, node);
  return constantOf(lowering, node) ?? arithmetic(lowering, node);
}

const isLogical = (operator: ts.SyntaxKind): boolean =>
  operator === ts.SyntaxKind.AmpersandAmpersandToken || operator === ts.SyntaxKind.BarBarToken;

function assignment(lowering: FunctionLowering, node: ts.BinaryExpression): Value {
  const place = settledPlace(lowering, lowerPlace(lowering, node.left), node.right);
  const value = lowerExpression(lowering, node.right);
  if (place === undefined) {
    lowering.report(elementReplaced('this'), node.left);
    return value;
  }
  return writePlace(lowering, place, value, node.right);
}

function compoundAssignment(lowering: FunctionLowering, node: ts.BinaryExpression): Value {
  const operator = COMPOUND[node.operatorToken.kind];
  const place = settledPlace(lowering, lowerPlace(lowering, node.left), node.right);
  const type = place === undefined ? undefined : typeOfPlace(place);
  if (place === undefined || operator === undefined || type?.kind !== 'integer') {
    const isText = type?.kind === 'string';
    lowering.report(isText ? noConcatenation() : elementReplaced('this'), node);
    return { kind: 'void' };
  }
  const old = readPlace(lowering, place, node.left) as IntegerValue;
  const changes = mayAssign(lowering, [node.right]);
  const before = changes ? { ...old, expression: detached(lowering, old.expression) } : old;
  const right = integerOperand(lowering, node.right);
  const result = combine(lowering, operator, before, right, node);
  return writePlace(lowering, place, kept(lowering, result, type, node), node);
}

/** A compound assignment's result must fit its target without a constructor: VG1004 otherwise. */
function kept(
  lowering: FunctionLowering,
  e: IntegerExpression,
  type: IntegerType,
  node: ts.BinaryExpression,
): IntegerValue {
  integral(lowering, e, node);
  if (!within(e.range, type.range)) lowering.report(mayWrap(node.operatorToken.getText(), type.name), node);
  return integerValue(type, e);
}

function arithmetic(lowering: FunctionLowering, node: ts.BinaryExpression): Value {
  const left = integerOrText(lowering, node, node.left);
  if (left === undefined) return { kind: 'void' };
  const stable = mayAssign(lowering, [node.right])
    ? { ...left, expression: detached(lowering, left.expression) }
    : left;
  const right = integerOrText(lowering, node, node.right);
  if (right === undefined) return { kind: 'void' };
  const expression = combine(lowering, node.operatorToken.kind, stable, right, node);
  const literal = left.literal && right.literal && expression.op === 'constant';
  return { kind: 'integer', type: { kind: 'plain', big: left.type.big }, expression, literal };
}

/** An operand that must be an integer; text means that somebody concatenates. */
function integerOrText(
  lowering: FunctionLowering,
  node: ts.BinaryExpression,
  side: ts.Expression,
): IntegerValue | undefined {
  const value = lowerExpression(lowering, side);
  if (value.kind === 'integer') return value;
  if (value.kind === 'string') lowering.report(noConcatenation(), node);
  else if (value.kind !== 'void') lowering.report(typeMismatch(kindOf(value), 'integer'), side);
  return undefined;
}

/** `left operator right` on integers. */
function combine(
  lowering: FunctionLowering,
  operator: ts.SyntaxKind,
  left: IntegerValue,
  right: IntegerValue,
  node: ts.BinaryExpression,
): IntegerExpression {
  const big = left.type.big;
  const a = left.expression;
  const b = right.expression;
  switch (operator) {
    case ts.SyntaxKind.SlashToken:
    case ts.SyntaxKind.PercentToken:
      return division(lowering, operator, a, b, big, node);
    case ts.SyntaxKind.GreaterThanGreaterThanToken:
      return shiftRight(lowering, a, b, false, big, node);
    case ts.SyntaxKind.GreaterThanGreaterThanGreaterThanToken:
      return shiftRight(lowering, a, b, true, big, node);
    case ts.SyntaxKind.AsteriskAsteriskToken:
      lowering.report(negativeExponent(), node);
      return constant(0n);
    default:
      return ring(lowering, RING[operator as keyof typeof RING], a, b, big, node);
  }
}

function division(
  lowering: FunctionLowering,
  operator: ts.SyntaxKind,
  left: IntegerExpression,
  right: IntegerExpression,
  big: boolean,
  node: ts.Node,
): IntegerExpression {
  integral(lowering, left, node);
  integral(lowering, right, node);
  const kind = operator === ts.SyntaxKind.SlashToken ? 'div' : 'rem';
  if (big) return divide(lowering, left, right, kind, 'panic', node);
  const nonzero = right.range.low > 0n || right.range.high < 0n;
  if (kind === 'rem' && nonzero) return divide(lowering, left, right, kind, 'zero', node);
  const range = divisionRange(left, right, kind);
  return { op: kind === 'div' ? 'quotient' : 'remainder', left, right, range };
}

function divisionRange(left: IntegerExpression, right: IntegerExpression, kind: 'div' | 'rem') {
  const { low, high } = left.range;
  const size = -low > high ? -low : high;
  if (kind === 'div' && low >= 0n && right.range.low >= 0n) return { low: 0n, high };
  return { low: low < 0n || kind === 'div' ? -size : 0n, high: size };
}
