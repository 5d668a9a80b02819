import type ts from 'typescript';
import type { FunctionLowering } from './function.ts';
import { constantValue } from './representation.ts';
import type { Value } from './values.ts';

export const visitNumber = (lowering: FunctionLowering, node: ts.NumericLiteral): Value =>
  constantValue(lowering, Number(node.text), node);

export const visitBigInt = (lowering: FunctionLowering, node: ts.BigIntLiteral): Value =>
  constantValue(lowering, BigInt(node.text.slice(0, -1)), node);

export const visitString = (lowering: FunctionLowering, node: ts.StringLiteralLike): Value =>
  lowering.module.strings.value(node.text, node);

export const visitTrue = (): Value => ({ kind: 'truth', value: true });
export const visitFalse = (): Value => ({ kind: 'truth', value: false });
export const visitNull = (): Value => ({ kind: 'null' });

/** An arrow function stays what it is until it is called or stored. */
export const visitFunctionExpression = (
  lowering: FunctionLowering,
  node: ts.ArrowFunction | ts.FunctionExpression,
): Value => ({ kind: 'closure', node, frame: lowering.frame });
