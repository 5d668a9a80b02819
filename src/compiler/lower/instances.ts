import ts from 'typescript';
import { describe } from '../frontend/type-names.ts';
import type { DialectType, ObjectType, TypeEnvironment } from '../frontend/types.ts';

import { at, FunctionBuilder } from '../ir/builder.ts';
import type { Convention, IrFunction, Register } from '../ir/module.ts';
import { noAsync, noOptional, unsupportedSyntax, wrapperShape } from '../rules/syntax.ts';
import { unsupportedType } from '../rules/values.ts';
import { undeclaredType } from '../rules/widths.ts';
import { lowerAssembly } from './assembly.ts';
import { lowerBody } from './calls.ts';
import { lowerInitialiser } from './construct.ts';
import type { Frame, Variable } from './frame.ts';
import { FunctionLowering } from './function.ts';
import type { ModuleLowering } from './module.ts';
import { registersOf, resultRegisters } from './representation.ts';
import { returnRegisters } from './statements.ts';
import type { Callable, Value } from './values.ts';

/** A function to be lowered, its type parameters filled in. */
export interface Instance {
  readonly kind: 'function' | 'initialiser';
  readonly node: Callable | ts.ClassDeclaration;
  readonly environment: TypeEnvironment;
  readonly symbol: string;
  readonly displayName: string;
}

const CONVENTIONS: Readonly<Record<string, Convention>> = {
  isr: 'isr',
  isrWithCode: 'isrWithCode',
  naked: 'naked',
  entry: 'entry',
};

/** Lowers one instance to IR. */
export function lowerInstance(module: ModuleLowering, instance: Instance): IrFunction {
  const { node, environment } = instance;
  const convention = CONVENTIONS[module.wrapperOf(node) ?? ''] ?? 'sysv';
  const resultType = resultTypeOf(module, instance, convention);
  const builder = new FunctionBuilder(instance.symbol, {
    displayName: instance.displayName,
    exported: isExported(node),
    convention,
    section: node.getSourceFile().fileName.endsWith('.boot.ts') ? '.boot.text' : '.text',
    results: convention === 'sysv' ? resultRegisters(module, resultType, node) : [],
    resultType: convention === 'sysv' ? module.debugTypes.of(resultType) : -1,
    span: module.spanOf(node),
  });
  const frame: Frame = {
    variables: new Map(),
    outer: null,
    environment,
    self: selfParameter(module, instance, builder),
    resultType,
    exit: null,
    cleanupDepth: 0,
    declaration: node,
    expanding: [node],
  };
  const lowering = new FunctionLowering(module, builder, frame, node.getSourceFile());
  if (ts.isClassDeclaration(node)) lowering.scoped(node, () => initialise(lowering, environment.self!, frame.self));
  else if (convention === 'naked') lowerNaked(lowering, node);
  else lowering.scoped(node, () => lowerOrdinary(lowering, node));
  return builder.function;
}

function initialise(lowering: FunctionLowering, type: ObjectType, self: Value | null): void {
  lowerInitialiser(lowering, type, self?.kind === 'pointer' ? lowering.pointer(self.address) : 0);
  if (lowering.reachable) returnRegisters(lowering, []);
}

function lowerOrdinary(lowering: FunctionLowering, node: Callable): void {
  if (node.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.AsyncKeyword)) {
    lowering.report(noAsync('async'), node);
  }
  if (node.asteriskToken !== undefined) lowering.report(noAsync('a generator'), node);
  for (const parameter of node.parameters) declareParameter(lowering, parameter);
  lowerBody(lowering, node);
  if (!lowering.reachable) return;
  const { resultType } = lowering.frame;
  if (resultType.kind === 'never') lowering.builder.unreachable();
  else
    returnRegisters(
      lowering,
      registersOf(resultType).map((type) => lowering.builder.const(type, 0n)),
    );
}

/** The body of `naked`: one template and nothing else. */
function lowerNaked(lowering: FunctionLowering, node: Callable): void {
  let body: ts.Node | undefined = node.body;
  if (body !== undefined && ts.isBlock(body) && body.statements.length === 1) {
    const [statement] = body.statements;
    if (ts.isExpressionStatement(statement!) || ts.isReturnStatement(statement!)) body = statement.expression;
  }
  if (body !== undefined && ts.isTaggedTemplateExpression(body)) {
    const template = body;
    lowering.spanned(template, () => lowerAssembly(lowering, template));
  } else lowering.report(wrapperShape('naked'), node);
  lowering.builder.unreachable();
}

function resultTypeOf(module: ModuleLowering, instance: Instance, convention: Convention): DialectType {
  if (instance.kind === 'initialiser' || convention === 'isr' || convention === 'isrWithCode') return { kind: 'void' };
  const { node, environment } = instance;
  const type = module.types.resultOf(node as Callable, environment);
  if (type.kind === 'plain') module.report(undeclaredType('the result', describe(type)), node);
  if (type.kind === 'unsupported') module.report(unsupportedType(type.text), node);
  return convention === 'entry' ? { kind: 'never' } : type;
}

const isExported = (node: ts.Node): boolean =>
  ts.isFunctionDeclaration(node) &&
  (node.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword) ?? false);

/** `this` as the first parameter of a method. */
function selfParameter(module: ModuleLowering, instance: Instance, builder: FunctionBuilder): Value | null {
  const { node, environment } = instance;
  const isStatic =
    ts.isMethodDeclaration(node) && node.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.StaticKeyword);
  const { self } = environment;
  if (self === null || isStatic || !(ts.isMethodDeclaration(node) || ts.isClassDeclaration(node))) return null;
  const register: Register = builder.parameter('this', 'i64', module.debugTypes.of(self));
  return { kind: 'pointer', type: self, address: at.register(register) };
}

function declareParameter(lowering: FunctionLowering, node: ts.ParameterDeclaration): void {
  const symbol = lowering.module.constants.symbolOf(node.name);
  if (symbol === undefined || !ts.isIdentifier(node.name) || node.dotDotDotToken !== undefined) {
    lowering.report(unsupportedSyntax('a rest or destructured parameter'), node);
    return;
  }
  if (node.questionToken !== undefined) lowering.report(noOptional('an optional parameter'), node);
  const type = lowering.typeOf(node);
  if (type.kind === 'plain') lowering.report(undeclaredType(node.name.text, describe(type)), node);
  if (type.kind === 'unsupported') lowering.report(unsupportedType(type.text), node);
  const name = node.name.text;
  const parts = registersOf(type);
  const registers = parts.map((part, index) => {
    const label = index === 0 ? name : `${name}.length`;
    const debugType = parts.length === 1 ? lowering.module.debugTypes.of(type) : -1;
    return lowering.builder.parameter(label, part, debugType);
  });
  const variable: Variable = { name, type, registers };
  lowering.frame.variables.set(symbol, variable);
}
