import ts from 'typescript';
import { ranges, SAFE, within } from '../frontend/interval.ts';
import type { IntegerType } from '../frontend/types.ts';
import { elementReplaced, typeMismatch } from '../rules/values.ts';
import { inexact, mayWrap } from '../rules/widths.ts';
import { lowerTruth } from './conditional.ts';
import type { FunctionLowering } from './function.ts';
import { constant, integerValue, integral, ring } from './integers.ts';
import { readPlace, typeOfPlace, writePlace } from './places.ts';
import { lowerPlace } from './properties.ts';
import { kindOf, settled } from './representation.ts';
import type { IntegerExpression, IntegerValue, Value } from './values.ts';
import { lowerExpression } from './visitors.ts';

const INT32_NOT = { low: -(1n << 31n), high: (1n << 31n) - 1n };

export function visitPrefixUnary(lowering: FunctionLowering, node: ts.PrefixUnaryExpression): Value {
  switch (node.operator) {
    case ts.SyntaxKind.ExclamationToken:
      return lowerTruth(lowering, node);
    case ts.SyntaxKind.PlusPlusToken:
    case ts.SyntaxKind.MinusMinusToken:
      return step(lowering, node, node.operand, true);
    default:
      break;
  }
  const operand = integerOperand(lowering, node.operand);
  if (node.operator === ts.SyntaxKind.PlusToken) return operand;
  return negated(lowering, node, operand);
}

function negated(lowering: FunctionLowering, node: ts.PrefixUnaryExpression, operand: IntegerValue): Value {
  const { big } = operand.type;
  const inner = operand.expression;
  integral(lowering, inner, node);
  const op = node.operator === ts.SyntaxKind.MinusToken ? 'neg' : 'not';
  const int32 = op === 'not' && !big;
  let range = ranges[op](inner.range);
  if (int32 && !within(inner.range, INT32_NOT)) range = INT32_NOT;
  if (!big && !within(range, SAFE)) lowering.report(inexact(op === 'neg' ? '-' : '~'), node);
  const folded: IntegerExpression =
    range.low === range.high ? constant(range.low) : { op, operand: inner, int32, range };
  return { kind: 'integer', type: { kind: 'plain', big }, expression: folded, literal: operand.literal };
}

export const visitPostfixUnary = (lowering: FunctionLowering, node: ts.PostfixUnaryExpression): Value =>
  step(lowering, node, node.operand, false);

/** `++` and `--`: allowed where the range proves that nothing wraps. */
function step(
  lowering: FunctionLowering,
  node: ts.PrefixUnaryExpression | ts.PostfixUnaryExpression,
  target: ts.Expression,
  returnsNew: boolean,
): Value {
  const sign = node.operator === ts.SyntaxKind.PlusPlusToken ? '+' : '-';
  const place = lowerPlace(lowering, target);
  const type = place === undefined ? undefined : typeOfPlace(place);
  if (place === undefined || type?.kind !== 'integer') {
    lowering.report(elementReplaced('this'), node);
    return { kind: 'void' };
  }
  const old = readPlace(lowering, place, target) as IntegerValue;
  const before = !returnsNew && !isDiscarded(node) ? settled(lowering, old, type) : old;
  const result = stepped(lowering, old, sign, 1n, type, node);
  const after = writePlace(lowering, place, result, node);
  return returnsNew ? after : before;
}

const isDiscarded = (node: ts.Node): boolean =>
  ts.isExpressionStatement(node.parent) || (ts.isForStatement(node.parent) && node.parent.incrementor === node);

/** `value + amount`, still of the value's type, or VG1004. */
export function stepped(
  lowering: FunctionLowering,
  value: IntegerValue,
  sign: '+' | '-',
  amount: bigint,
  type: IntegerType,
  node: ts.Node,
): IntegerValue {
  const sum = ring(lowering, sign === '+' ? 'add' : 'sub', value.expression, constant(amount), type.big, node);
  if (within(sum.range, type.range)) return integerValue(type, sum);
  lowering.report(mayWrap(sign === '+' ? '++' : '--', type.name), node);
  return integerValue(type, value.expression);
}

/** An operand that must be an integer. */
export function integerOperand(lowering: FunctionLowering, node: ts.Expression): IntegerValue {
  const value = lowerExpression(lowering, node);
  if (value.kind === 'integer') return value;
  if (value.kind !== 'void') lowering.report(typeMismatch(kindOf(value), 'integer'), node);
  return { kind: 'integer', type: { kind: 'plain', big: false }, expression: constant(0n), literal: true };
}
