import ts from 'typescript';
import { unwrapped } from '../frontend/constants.ts';
import type { ClassField } from '../frontend/layout.ts';
import type { DialectType, ObjectType } from '../frontend/types.ts';
import { at } from '../ir/builder.ts';
import type { Address, Register } from '../ir/module.ts';
import { notConstant } from '../rules/values.ts';
import { lowerBody } from './calls.ts';
import type { FunctionLowering } from './function.ts';
import { coerce, store } from './representation.ts';
import { lowerExpression } from './visitors.ts';

/** Gives raw memory the initial values of an object of a class, by a call of the class's own initialiser. */
export function constructObject(lowering: FunctionLowering, type: ObjectType, pointer: Register): void {
  lowering.builder.call(lowering.module.requestInitialiser(type), [pointer]);
}

/** The body of that initialiser: zero, then every field's initial value, then the constructor. */
export function lowerInitialiser(lowering: FunctionLowering, type: ObjectType, self: Register): void {
  const { builder } = lowering;
  const layout = lowering.layoutOf(type);
  const length = builder.const('i64', BigInt(layout.size));
  builder.emit({ op: 'setMemory', destination: self, value: builder.const('i8', 0n), length });
  for (const field of layout.fields.values()) initialiseField(lowering, field, at.register(self, field.offset));
  const constructorNode = type.declaration.members.find(ts.isConstructorDeclaration);
  if (constructorNode === undefined) return;
  if (constructorNode.parameters.length > 0) lowering.report(notConstant('a constructor parameter'), constructorNode);
  lowerBody(lowering, constructorNode);
}

function initialiseField(lowering: FunctionLowering, field: ClassField, address: Address): void {
  const { initializer } = field.node;
  if (initializer === undefined) return;
  if (!field.inline) {
    const constant = lowering.module.constants.evaluate(initializer);
    if (constant === null || constant === false || constant === 0 || constant === 0n) return;
    const value = coerce(lowering, lowerExpression(lowering, initializer), field.type, initializer);
    store(lowering, address, value, field.type, false);
    return;
  }
  initialiseInline(lowering, field.type, address, field.length, unwrapped(initializer));
}

function initialiseInline(
  lowering: FunctionLowering,
  type: DialectType,
  address: Address,
  length: number | undefined,
  node: ts.Expression,
): void {
  if (type.kind === 'object') {
    constructObject(lowering, type, lowering.pointer(address));
    return;
  }
  if (type.kind === 'array' && type.inline && type.element.kind === 'object') {
    const { size } = lowering.layoutOf(type.element);
    for (let index = 0; index < (length ?? 0); index++) {
      constructObject(lowering, type.element, lowering.pointer(lowering.offset(address, index * size)));
    }
    return;
  }
  if (type.kind !== 'atomic' || !ts.isNewExpression(node)) return;
  const initial = node.arguments?.[0] && lowering.module.constants.integer(node.arguments[0]);
  if (initial) lowering.builder.store(address, lowering.builder.const(`i${type.bits}`, initial));
}
