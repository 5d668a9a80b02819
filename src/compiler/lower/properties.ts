import ts from 'typescript';
import { intersect, interval, within } from '../frontend/interval.ts';
import { type DialectType, integers, type ObjectType } from '../frontend/types.ts';
import type { Address, Register } from '../ir/module.ts';
import { noOptional } from '../rules/syntax.ts';
import { indexOutside, unsupportedType } from '../rules/values.ts';
import type { FunctionLowering } from './function.ts';
import { constantOf, globalPlace } from './identifiers.ts';
import { constant, held, integerValue, materialise } from './integers.ts';
import { type Place, readPlace } from './places.ts';
import { LENGTHS, lengthRegister } from './representation.ts';
import { integerOperand } from './unary.ts';
import type { ArrayValue, IntegerExpression, IntegerValue, Value } from './values.ts';
import { lowerExpression } from './visitors.ts';

/** The place that an expression names, undefined when it names none. */
export function lowerPlace(lowering: FunctionLowering, node: ts.Expression): Place | undefined {
  if (ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node)) return lowerPlace(lowering, node.expression);
  if (ts.isIdentifier(node)) {
    const symbol = lowering.module.constants.symbolOf(node);
    const variable = symbol === undefined ? undefined : lowering.variable(symbol);
    if (variable === undefined) return globalPlace(lowering, node);
    return variable.fixed === undefined ? { kind: 'variable', variable } : { kind: 'inline', value: variable.fixed };
  }
  if (ts.isPropertyAccessExpression(node)) {
    const object = lowerExpression(lowering, node.expression);
    return propertyPlace(lowering, object, node.name.text, node);
  }
  return ts.isElementAccessExpression(node) ? elementPlace(lowering, node) : undefined;
}

export function visitPropertyAccess(lowering: FunctionLowering, node: ts.PropertyAccessExpression): Value {
  if (node.questionDotToken !== undefined) {
    lowering.report(noOptional('?.'), node);
    return { kind: 'void' };
  }
  const known = constantOf(lowering, node);
  if (known !== undefined) return known;
  const member = lowering.module.constants.memberOf(node);
  if (member !== undefined) return lowerExpression(lowering, member);
  const code = lowering.module.functionValue(node);
  if (code !== undefined) return code;
  const object = lowerExpression(lowering, node.expression);
  const direct = ownProperty(lowering, object, node.name.text);
  if (direct !== undefined) return direct;
  const place = propertyPlace(lowering, object, node.name.text, node);
  if (place !== undefined) return readPlace(lowering, place, node);
  lowering.report(unsupportedType(node.getText()), node);
  return { kind: 'void' };
}

/** Properties that are parts of a value: lengths, and a Result's three. */
function ownProperty(lowering: FunctionLowering, object: Value, name: string): Value | undefined {
  if ((object.kind === 'array' || object.kind === 'string') && name === 'length') {
    return integerValue(integers.u32, lengthOf(object.length));
  }
  if (object.kind !== 'result') return undefined;
  if (name === 'value') return object.value;
  if (name === 'error') {
    const type = { ...integers.u32, name: 'Errno' };
    return integerValue(type, held(object.error, 32, integers.u32.range));
  }
  const zero = lowering.builder.const('i32', 0n);
  return { kind: 'boolean', register: lowering.builder.compare('eq', object.error, zero) };
}

const lengthOf = (length: Register | bigint): IntegerExpression =>
  typeof length === 'bigint' ? constant(length) : held(length, 64, LENGTHS);

/** A field of an object or structure. */
export function propertyPlace(
  lowering: FunctionLowering,
  object: Value,
  name: string,
  node: ts.Node,
): Place | undefined {
  if (object.kind !== 'pointer') return undefined;
  const { type, address } = object;
  if (type.kind === 'object') return fieldPlace(lowering, type, address, name);
  if (type.kind === 'view') {
    const field = lowering.module.layouts.struct(type.node).fields.get(name);
    if (field === undefined) return undefined;
    return structPlace(field.type, lowering.offset(address, field.offset), field.length);
  }
  if (type.kind !== 'bits') return undefined;
  if (name === 'raw') return { kind: 'memory', address, type: type.carrier, volatile: true };
  const field = lowering.module.layouts.bits(type).find((candidate) => candidate.name === name);
  if (field === undefined) {
    lowering.report(unsupportedType(name), node);
    return undefined;
  }
  const { shift, width } = field;
  return { kind: 'bits', address, carrier: type.carrier, shift, width };
}

function fieldPlace(lowering: FunctionLowering, type: ObjectType, address: Address, name: string): Place | undefined {
  const field = lowering.layoutOf(type).fields.get(name);
  if (field === undefined) return undefined;
  const place = lowering.offset(address, field.offset);
  if (!field.inline) return { kind: 'memory', address: place, type: field.type, volatile: false };
  return { kind: 'inline', value: inlineValue(field.type, place, field.length) };
}

function structPlace(type: DialectType, address: Address, length: number | undefined): Place {
  if (type.kind === 'integer') return { kind: 'memory', address, type, volatile: true };
  return { kind: 'inline', value: inlineValue(type, address, length) };
}

/** The object or array that lies at an address. */
export function inlineValue(type: DialectType, address: Address, length: number | undefined): Value {
  if (type.kind === 'array') return { kind: 'array', type, address, length: BigInt(length ?? 0) };
  return { kind: 'pointer', type, address };
}

export function visitElementAccess(lowering: FunctionLowering, node: ts.ElementAccessExpression): Value {
  if (node.questionDotToken !== undefined) {
    lowering.report(noOptional('?.'), node);
    return { kind: 'void' };
  }
  const place = elementPlace(lowering, node);
  return place === undefined ? { kind: 'void' } : readPlace(lowering, place, node);
}

function elementPlace(lowering: FunctionLowering, node: ts.ElementAccessExpression): Place | undefined {
  const array = lowerExpression(lowering, node.expression);
  if (array.kind !== 'array') {
    if (array.kind !== 'void') lowering.report(unsupportedType(node.expression.getText()), node);
    return undefined;
  }
  const index = integerOperand(lowering, node.argumentExpression);
  const inBounds = checkedIndex(lowering, array, index, node);
  return arrayElement(lowering, array, inBounds, node);
}

/** An element at an index that has been checked. */
export function arrayElement(
  lowering: FunctionLowering,
  array: ArrayValue,
  index: IntegerExpression,
  node: ts.Node,
): Place {
  const { element, inline } = array.type;
  const { size, alignment } = lowering.module.layouts.elementOf(element, inline, node);
  const stride = Math.ceil(size / alignment) * alignment;
  const address = indexed(lowering, array.address, index, stride);
  if (!inline) return { kind: 'memory', address, type: element, volatile: false };
  return { kind: 'inline', value: { kind: 'pointer', type: element, address } };
}

/** Constant parts of an index go into the displacement. */
function indexed(lowering: FunctionLowering, address: Address, index: IntegerExpression, stride: number): Address {
  if (index.op === 'constant') return lowering.offset(address, Number(index.range.low) * stride);
  if (index.op === 'add' && index.right.op === 'constant' && !index.int32 && index.left.range.low >= 0n) {
    const base = lowering.offset(address, Number(index.right.range.low) * stride);
    return lowering.element(base, materialise(lowering, index.left, 64), stride);
  }
  return lowering.element(address, materialise(lowering, index, 64), stride);
}

/** Panics unless the index is inside the array; emits nothing where the ranges prove that it is. */
export function checkedIndex(
  lowering: FunctionLowering,
  array: { readonly length: Register | bigint },
  index: IntegerValue,
  node: ts.Node,
): IntegerExpression {
  const { builder } = lowering;
  const { length } = array;
  const { range } = index.expression;
  if (typeof length === 'bigint') {
    const valid = interval(0n, length - 1n);
    if (length > 0n && within(range, valid)) return index.expression;
    if (range.low >= length || range.high < 0n) {
      lowering.report(indexOutside(String(range.low), String(length)), node);
      return constant(0n);
    }
  }
  const bits = typeof length === 'bigint' && range.low >= 0n && range.high <= 0xffff_ffffn ? 32 : 64;
  const register = materialise(lowering, index.expression, bits);
  const limit = bits === 32 ? builder.const('i32', length as bigint) : lengthRegister(lowering, length);
  const inside = builder.block();
  const outside = builder.block(true);
  builder.branchCompare('ult', register, limit, inside, outside);
  builder.enter(outside);
  lowering.panic('index outside the array');
  builder.enter(inside);
  const top = typeof length === 'bigint' ? length - 1n : LENGTHS.high;
  const known = intersect(interval(0n, top), range);
  const { expression } = index;
  if (expression.op === 'register' && expression.variable !== undefined) {
    lowering.facts.set(expression.variable, known);
    return { ...expression, range: known };
  }
  return held(register, bits, known);
}

/** The byte of a string at an index. */
export function characterAt(
  lowering: FunctionLowering,
  text: Value & { kind: 'string' },
  index: IntegerValue,
  node: ts.Node,
): Value {
  const inBounds = checkedIndex(lowering, text, index, node);
  const address = indexed(lowering, text.pointer, inBounds, 1);
  return integerValue(integers.u8, held(lowering.builder.load('i8', address), 8, integers.u8.range));
}
