import ts from 'typescript';
import { describe } from '../frontend/type-names.ts';
import type { DialectType } from '../frontend/types.ts';

import { at } from '../ir/builder.ts';
import { unsupportedSyntax } from '../rules/syntax.ts';
import { elementReplaced, notConstant, objectInFunction } from '../rules/values.ts';
import { undeclaredType } from '../rules/widths.ts';
import { disposeOf } from './calls.ts';
import type { Variable } from './frame.ts';
import type { FunctionLowering } from './function.ts';
import { newVariable, readVariable } from './places.ts';
import { inlineValue } from './properties.ts';
import { coerce } from './representation.ts';
import type { Value } from './values.ts';
import { lowerExpression } from './visitors.ts';

export const visitVariableStatement = (lowering: FunctionLowering, node: ts.VariableStatement): void =>
  declareList(lowering, node.declarationList);

export function declareList(lowering: FunctionLowering, list: ts.VariableDeclarationList): void {
  for (const declaration of list.declarations) {
    lowering.spanned(declaration, () => declareVariable(lowering, declaration, list));
  }
}

const isUsing = (list: ts.VariableDeclarationList): boolean => (list.flags & ts.NodeFlags.Using) === ts.NodeFlags.Using;

function declareVariable(
  lowering: FunctionLowering,
  node: ts.VariableDeclaration,
  list: ts.VariableDeclarationList,
): void {
  const symbol = lowering.module.constants.symbolOf(node.name);
  if (!ts.isIdentifier(node.name) || symbol === undefined) {
    lowering.report(unsupportedSyntax('a destructuring declaration'), node.name);
    return;
  }
  const isConst = (list.flags & ts.NodeFlags.Const) !== 0;
  const inline = node.initializer && localStorage(lowering, node, node.name.text, node.initializer);
  if (inline !== undefined) {
    if (!isConst) lowering.report(elementReplaced('storage made in place'), node);
    lowering.declare(symbol, inline, null);
    return;
  }
  if (node.initializer === undefined) {
    const type = lowering.typeOf(node.name);
    const declared = newVariable(lowering, node.name.text, type, null, node);
    lowering.declare(symbol, declared, node.name);
    return;
  }
  const value = lowerExpression(lowering, node.initializer);
  const variable = bind(lowering, node, value, isConst || isUsing(list));
  lowering.declare(symbol, variable, variable.fixed === undefined ? node.name : null);
  if (isUsing(list)) disposeLater(lowering, node, variable);
}

/** The variable that a declaration makes of a value: constants and arrow functions need no register. */
function bind(lowering: FunctionLowering, node: ts.VariableDeclaration, value: Value, isConst: boolean): Variable {
  const name = node.name.getText();
  const type = declaredType(lowering, node, value);
  const fixed: Variable = { name, type, registers: [], fixed: value };
  if (isConst && value.kind === 'closure') return fixed;
  if (isConst && value.kind === 'array') return fixed;
  if (value.kind === 'void' && type.kind === 'unsupported') return fixed;
  if (isConst && value.kind === 'integer' && value.literal) {
    if (type.kind === 'integer') coerce(lowering, value, type, node.initializer ?? node);
    return fixed;
  }
  if (isConst && (value.kind === 'function' || value.kind === 'truth')) {
    coerce(lowering, value, type, node.initializer ?? node);
    return fixed;
  }
  if (isConst && value.kind === 'pointer' && value.address.base?.kind === 'slot') return fixed;
  if (type.kind === 'plain') {
    lowering.report(undeclaredType(name, describe(type)), node);
    return fixed;
  }
  return newVariable(lowering, name, type, coerce(lowering, value, type, node.initializer ?? node), node);
}

function declaredType(lowering: FunctionLowering, node: ts.VariableDeclaration, value: Value): DialectType {
  if (node.type !== undefined) return lowering.typeOf(node.name);
  if (value.kind === 'integer' && value.type.kind === 'integer') return value.type;
  if (value.kind === 'pointer' || value.kind === 'code' || value.kind === 'result' || value.kind === 'function') {
    return value.type;
  }
  const type = lowering.typeOf(node.name);
  return type.kind === 'unsupported' && value.kind === 'array' ? value.type : type;
}

/** `array(...)`, `embed(Struct)` and `references(...)` as locals: zeroed storage on the stack. */
function localStorage(
  lowering: FunctionLowering,
  node: ts.VariableDeclaration,
  name: string,
  initialiser: ts.Expression,
): Variable | undefined {
  const storage = lowering.module.layouts.inlineStorage(initialiser, lowering.frame.environment);
  if (storage === undefined) return undefined;
  const { type, size, alignment, length } = storage;
  if (type.kind === 'object' || (type.kind === 'array' && type.inline && type.element.kind === 'object')) {
    lowering.report(objectInFunction(describe(type)), initialiser);
    return undefined;
  }
  if (!ts.isCallExpression(initialiser) || !isZeroed(lowering, initialiser)) {
    lowering.report(notConstant('a table'), initialiser);
    return undefined;
  }
  const { builder } = lowering;
  const slot = builder.slot(name, size, Math.min(16, size >= 16 ? 16 : alignment));
  zero(lowering, slot, size);
  lowering.declareSlot(name, type, slot, node.name, length);
  return { name, type, registers: [], fixed: inlineValue(type, at.slot(slot), length) };
}

function isZeroed(lowering: FunctionLowering, node: ts.CallExpression): boolean {
  const name = lowering.module.constants.libraryName(node.expression);
  return name === 'array' || name === 'embed' || name === 'references' || name === 'aligned';
}

const STORES_AT_MOST = 64;

function zero(lowering: FunctionLowering, slot: number, size: number): void {
  const { builder } = lowering;
  if (size > STORES_AT_MOST) {
    const destination = builder.addressOf(at.slot(slot));
    builder.emit({
      op: 'setMemory',
      destination,
      value: builder.const('i8', 0n),
      length: builder.const('i64', BigInt(size)),
    });
    return;
  }
  for (let offset = 0; offset < size; ) {
    const width = [8, 4, 2, 1].find((bytes) => offset + bytes <= size)!;
    builder.store(at.slot(slot, offset), builder.const(`i${width * 8}` as 'i8', 0n));
    offset += width;
  }
}

/** `using`: the object's [Symbol.dispose] runs on every way out of the block. */
function disposeLater(lowering: FunctionLowering, node: ts.VariableDeclaration, variable: Variable): void {
  const frame = lowering.frame;
  lowering.cleanups.push({
    emit: () => {
      const saved = lowering.frame;
      lowering.frame = frame;
      disposeOf(lowering, readVariable(lowering, variable), node);
      lowering.frame = saved;
    },
  });
}
