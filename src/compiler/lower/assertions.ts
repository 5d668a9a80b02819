import ts from 'typescript';
import { describe } from '../frontend/type-names.ts';

import { undeclaredWidth } from '../rules/widths.ts';
import type { FunctionLowering } from './function.ts';
import type { Value } from './values.ts';
import { lowerExpression } from './visitors.ts';

/** `x as T`: another name for the same bits. It declares no width: a computed integer still needs its constructor. */
export function visitAs(lowering: FunctionLowering, node: ts.AsExpression): Value {
  const value = lowerExpression(lowering, node.expression);
  if (ts.isConstTypeReference(node.type)) return value;
  const type = lowering.typeOf(node);
  if (value.kind === 'pointer' && type.kind === 'object') return { ...value, type };
  if (value.kind !== 'integer' || type.kind !== 'integer') return value;
  if (value.type.kind === 'plain' && !value.literal)
    lowering.report(undeclaredWidth(describe(value.type), type.name), node);
  return { ...value, type };
}
