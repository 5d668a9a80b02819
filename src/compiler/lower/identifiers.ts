import ts from 'typescript';
import { noOptional } from '../rules/syntax.ts';
import { dialectOnlyHere, unsupportedType } from '../rules/values.ts';
import type { FunctionLowering } from './function.ts';
import type { Place } from './places.ts';
import { readPlace, readVariable } from './places.ts';
import { constantValue } from './representation.ts';
import { type Value, VOID_VALUE } from './values.ts';

/** A compile-time constant as a value, undefined when the expression is not one. */
export function constantOf(lowering: FunctionLowering, node: ts.Expression): Value | undefined {
  const value = lowering.module.constants.evaluate(node);
  if (typeof value === 'number' || typeof value === 'bigint')
    return typed(lowering, constantValue(lowering, value, node), node);
  if (typeof value === 'boolean') return { kind: 'truth', value };
  if (typeof value === 'string') return lowering.module.strings.value(value, node);
  return value === null ? { kind: 'null' } : undefined;
}

/** A named constant keeps the type of its declaration: a literal of it fits wherever the value does. */
function typed(lowering: FunctionLowering, value: Value, node: ts.Expression): Value {
  if (value.kind !== 'integer') return value;
  const type = lowering.typeOf(node);
  return type.kind === 'integer' && type.literals === undefined ? { ...value, type } : value;
}

export function visitThis(lowering: FunctionLowering, node: ts.Node): Value {
  const self = lowering.self;
  if (self !== null) return self;
  lowering.report(dialectOnlyHere('this', 'in a method'), node);
  return VOID_VALUE;
}

/** A name: a local variable, a constant, a function, or module-level storage. */
export function visitIdentifier(lowering: FunctionLowering, node: ts.Identifier): Value {
  const { constants } = lowering.module;
  const symbol = constants.symbolOf(node);
  const variable = symbol === undefined ? undefined : lowering.variable(symbol);
  if (variable !== undefined) return readVariable(lowering, variable);
  if (node.text === 'undefined') {
    lowering.report(noOptional('undefined'), node);
    return { kind: 'null' };
  }
  const constant = constantOf(lowering, node);
  if (constant !== undefined) return constant;
  const code = lowering.module.functionValue(node);
  if (code !== undefined) return code;
  const place = globalPlace(lowering, node);
  if (place !== undefined) return readPlace(lowering, place, node);
  lowering.report(unsupportedType(node.text), node);
  return VOID_VALUE;
}

/** Module-level storage that a name refers to. */
export function globalPlace(lowering: FunctionLowering, node: ts.Identifier): Place | undefined {
  const declaration = lowering.module.constants.symbolOf(node)?.valueDeclaration;
  if (declaration === undefined || !ts.isVariableDeclaration(declaration)) return undefined;
  return lowering.module.storage.place(declaration);
}
