import ts from 'typescript';
import type { DialectType, ObjectType, TypeEnvironment } from '../frontend/types.ts';
import type { Callee, Register } from '../ir/module.ts';
import { noOptional, unsupportedSyntax } from '../rules/syntax.ts';
import { notConstant, objectInFunction, recursiveExpansion, unsupportedType } from '../rules/values.ts';
import { lowerAssembly } from './assembly.ts';
import { mayAssign } from './captures.ts';
import type { Frame, Variable } from './frame.ts';
import type { FunctionLowering } from './function.ts';
import { constantOf } from './identifiers.ts';
import { lowerIntrinsic, namespaceIntrinsic } from './intrinsics.ts';
import { lowerMethodIntrinsic } from './method-intrinsics.ts';
import { newVariable } from './places.ts';
import { lowerPrint } from './print.ts';
import { coerce, registersOf, registersOfValue, resultRegisters, settled, valueOfRegisters } from './representation.ts';
import { lowerStatements } from './statements.ts';
import { type Callable, type Value, VOID_VALUE } from './values.ts';
import { lowerExpression } from './visitors.ts';

export function visitCall(lowering: FunctionLowering, node: ts.CallExpression): Value {
  if (node.questionDotToken !== undefined) {
    lowering.report(noOptional('?.'), node);
    return VOID_VALUE;
  }
  const known = constantOf(lowering, node);
  if (known !== undefined) return known;
  const { expression } = node;
  const { constants } = lowering.module;
  const library = constants.libraryName(expression);
  if (library !== undefined) return lowerIntrinsic(lowering, library, node);
  if (ts.isPropertyAccessExpression(expression) || isDispose(expression)) return methodCall(lowering, node, expression);
  return callValue(lowering, lowerExpression(lowering, expression), node);
}

const isDispose = (node: ts.Expression): node is ts.ElementAccessExpression =>
  ts.isElementAccessExpression(node) && node.argumentExpression.getText() === 'Symbol.dispose';

function methodCall(
  lowering: FunctionLowering,
  node: ts.CallExpression,
  callee: ts.PropertyAccessExpression | ts.ElementAccessExpression,
): Value {
  const { constants } = lowering.module;
  if (ts.isPropertyAccessExpression(callee)) {
    const namespace = constants.libraryName(callee.expression);
    const intrinsic = namespace && namespaceIntrinsic(namespace, callee.name.text);
    if (intrinsic) return intrinsic(lowering, node);
    const viewed = lowerStructAt(lowering, callee, node);
    if (viewed !== undefined) return viewed;
    const code = lowering.module.staticMethod(callee);
    if (code !== undefined) return callDeclaration(lowering, node, code.node, code.environment, null);
    if (constants.memberOf(callee) !== undefined) return callValue(lowering, lowerExpression(lowering, callee), node);
  }
  const object = settledObject(lowering, lowerExpression(lowering, callee.expression), node.arguments);
  const name = ts.isPropertyAccessExpression(callee) ? callee.name.text : '[Symbol.dispose]';
  const special = lowerMethodIntrinsic(lowering, object, name, node);
  if (special !== undefined) return special;
  if (object.kind === 'pointer' && object.type.kind === 'object') {
    const method = lowering.module.method(object.type, name);
    if (method !== undefined) {
      const environment = lowering.module.layouts.environmentOf(object.type);
      return callDeclaration(lowering, node, method, environment, object);
    }
  }
  return callValue(lowering, lowerExpression(lowering, callee), node);
}

/** The receiver of a method, kept from what the arguments assign. */
function settledObject(lowering: FunctionLowering, object: Value, next: readonly ts.Node[]): Value {
  if (object.kind !== 'pointer' || next.length === 0) return object;
  return { ...object, address: lowering.settledAddress(object.address, next) };
}

/** `Struct.at(address)`. */
function lowerStructAt(
  lowering: FunctionLowering,
  callee: ts.PropertyAccessExpression,
  node: ts.CallExpression,
): Value | undefined {
  if (callee.name.text !== 'at') return undefined;
  const fields = lowering.module.layouts.structOf(callee.expression);
  const [address] = node.arguments;
  if (fields === undefined || address === undefined) return undefined;
  const value = lowerExpression(lowering, address);
  return { kind: 'pointer', type: { kind: 'view', node: fields }, address: lowering.addressOfInteger(value) };
}

/** Calls whatever a value is: a function by name, a code pointer, or an arrow function in place. */
function callValue(lowering: FunctionLowering, callee: Value, node: ts.CallExpression): Value {
  switch (callee.kind) {
    case 'function':
      return callDeclaration(lowering, node, callee.node, callee.environment, null);
    case 'closure': {
      const frame = { outer: callee.frame, environment: callee.frame.environment, self: null };
      return expand(
        lowering,
        node,
        callee.node,
        frame,
        parametersOf(lowering, callee.node, node, callee.frame.environment),
      );
    }
    case 'code':
      return indirectCall(lowering, callee, node);
    default:
      if (callee.kind !== 'void') lowering.report(unsupportedType(node.expression.getText()), node.expression);
      return VOID_VALUE;
  }
}

function indirectCall(lowering: FunctionLowering, callee: Value & { kind: 'code' }, node: ts.CallExpression): Value {
  if (callee.type.kind !== 'function') return VOID_VALUE;
  const { parameters, result } = callee.type;
  const values = evaluateArguments(lowering, node.arguments, (index) => parameters[index]);
  const registers = values.flatMap((value, index) => {
    const type = parameters[index]!;
    const passed = value.kind === 'closure' ? coerce(lowering, value, type, node.arguments[index]!) : value;
    return registersOfValue(lowering, passed, type);
  });
  return emitCall(lowering, { kind: 'register', register: callee.register }, registers, result, node);
}

function emitCall(
  lowering: FunctionLowering,
  callee: Callee,
  registers: readonly Register[],
  result: DialectType,
  node: ts.Node,
): Value {
  const results = lowering.builder.call(callee, registers, resultRegisters(lowering, result, node));
  if (result.kind === 'never') lowering.builder.unreachable();
  return valueOfRegisters(result, results);
}

/** Values of arguments, left to right, each kept from what later ones assign. */
function evaluateArguments(
  lowering: FunctionLowering,
  nodes: readonly ts.Expression[],
  typeAt: (index: number) => DialectType | undefined,
): Value[] {
  return nodes.map((argument, index) => {
    const type = typeAt(index);
    const value = lowerExpression(lowering, argument);
    if (type === undefined) return value;
    const coerced =
      value.kind === 'closure' && type.kind === 'function' ? value : coerce(lowering, value, type, argument);
    const rest = nodes.slice(index + 1);
    const simple = coerced.kind === 'closure' || coerced.kind === 'function' || coerced.kind === 'truth';
    return !simple && rest.length > 0 && mayAssign(lowering, rest) ? settled(lowering, coerced, type) : coerced;
  });
}

/** A call of a declared function or method, its type parameters resolved. */
export function callDeclaration(
  lowering: FunctionLowering,
  node: ts.CallExpression,
  declaration: Callable,
  outer: TypeEnvironment,
  self: Value | null,
): Value {
  const environment = lowering.module.environmentOfCall(node, declaration, outer, lowering.frame.environment);
  const bound = parametersOf(lowering, declaration, node, environment);
  if (bound.some(({ value }) => value.kind === 'closure')) {
    return expand(lowering, node, declaration, { outer: null, environment, self }, bound);
  }
  const result = lowering.module.types.resultOf(declaration, environment);
  const registers = bound.flatMap(({ value, type }) => registersOfValue(lowering, value, type));
  const selves = self?.kind === 'pointer' ? [lowering.pointer(self.address)] : [];
  const symbol = lowering.module.requestFunction(declaration, environment);
  return emitCall(lowering, { kind: 'symbol', symbol }, [...selves, ...registers], result, node);
}

interface BoundParameter {
  readonly node: ts.ParameterDeclaration;
  readonly type: DialectType;
  readonly value: Value;
}

/** Arguments matched to parameters, defaults filled in. */
function parametersOf(
  lowering: FunctionLowering,
  declaration: Callable,
  node: ts.CallExpression,
  environment: TypeEnvironment,
): BoundParameter[] {
  const parameters = declaration.parameters.filter((parameter) => parameter.name.getText() !== 'this');
  const types = parameters.map((parameter) => lowering.module.types.of(parameter, environment));
  const values = evaluateArguments(lowering, node.arguments, (index) => types[index]);
  return parameters.map((parameter, index) => {
    const type = types[index]!;
    const given = values[index];
    if (given !== undefined) return { node: parameter, type, value: given };
    const fallback = parameter.initializer && constantOf(lowering, parameter.initializer);
    if (fallback !== undefined) return { node: parameter, type, value: coerce(lowering, fallback, type, node) };
    if (parameter.initializer) lowering.report(notConstant('a default value'), parameter.initializer);
    else lowering.report(noOptional('an optional parameter'), parameter);
    return { node: parameter, type, value: VOID_VALUE };
  });
}

/** Emits a function's body in place: how arrow functions, and functions that take them, are called. */
function expand(
  lowering: FunctionLowering,
  node: ts.CallExpression,
  declaration: Callable,
  context: Pick<Frame, 'outer' | 'environment' | 'self'>,
  bound: readonly BoundParameter[],
): Value {
  if (lowering.frame.expanding.includes(declaration)) {
    lowering.report(recursiveExpansion(node.expression.getText()), node);
    return VOID_VALUE;
  }
  const { builder } = lowering;
  const resultType = lowering.module.types.resultOf(declaration, context.environment);
  const done = lowering.label();
  const registers = registersOf(resultType).map((register) => builder.register(register));
  const frame: Frame = {
    ...context,
    variables: new Map(),
    resultType,
    exit: { label: done, registers },
    cleanupDepth: lowering.cleanups.length,
    declaration,
    expanding: [...(context.outer ?? lowering.frame).expanding, declaration],
  };
  for (const { node: parameter, type, value } of bound) bindParameter(lowering, frame, parameter, type, value);
  const saved = { frame: lowering.frame, jumps: lowering.jumps.splice(0) };
  lowering.frame = frame;
  lowerBody(lowering, declaration);
  lowering.frame = saved.frame;
  lowering.jumps.push(...saved.jumps);
  lowering.jump(done);
  lowering.enter(done);
  return valueOfRegisters(resultType, registers);
}

function bindParameter(
  lowering: FunctionLowering,
  frame: Frame,
  parameter: ts.ParameterDeclaration,
  type: DialectType,
  value: Value,
): void {
  const symbol = lowering.module.constants.symbolOf(parameter.name);
  if (symbol === undefined || !ts.isIdentifier(parameter.name)) {
    lowering.report(unsupportedSyntax('a destructured parameter'), parameter);
    return;
  }
  const { text: name } = parameter.name;
  const fixed = value.kind === 'closure' || value.kind === 'function' || value.kind === 'array';
  const variable: Variable = fixed
    ? { name, type, registers: [], fixed: value }
    : newVariable(lowering, name, type, value, parameter);
  frame.variables.set(symbol, variable);
}

/** A function's statements, or the expression of an arrow function. */
export function lowerBody(lowering: FunctionLowering, declaration: Callable | ts.ConstructorDeclaration): void {
  const { body } = declaration;
  if (body === undefined) return;
  if (ts.isBlock(body)) {
    lowering.scoped(body, () => lowerStatements(lowering, body.statements));
    return;
  }
  lowering.scoped(body, () => lowering.returnExpression(body));
}

export function visitNew(lowering: FunctionLowering, node: ts.NewExpression): Value {
  lowering.report(objectInFunction(node.expression.getText()), node);
  return VOID_VALUE;
}

export function visitTaggedTemplate(lowering: FunctionLowering, node: ts.TaggedTemplateExpression): Value {
  if (lowering.module.constants.libraryName(node.tag) === 'asm') return lowerAssembly(lowering, node);
  return lowerPrint(lowering, node);
}

/** Calls an object's [Symbol.dispose]. */
export function disposeOf(lowering: FunctionLowering, object: Value, node: ts.Node): void {
  if (object.kind !== 'pointer' || object.type.kind !== 'object') return;
  const type: ObjectType = object.type;
  const method = lowering.module.method(type, '[Symbol.dispose]');
  if (method === undefined) {
    lowering.report(unsupportedType('an object without [Symbol.dispose]'), node);
    return;
  }
  const symbol = lowering.module.requestFunction(method, lowering.module.layouts.environmentOf(type));
  lowering.builder.call(symbol, [lowering.pointer(object.address)]);
}
