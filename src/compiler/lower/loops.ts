import ts from 'typescript';
import { exactly, type Interval, interval } from '../frontend/interval.ts';
import { rangeOfType } from '../frontend/types.ts';
import { unsupportedType } from '../rules/values.ts';
import { assignedIn } from './captures.ts';
import { lowerCondition } from './conditional.ts';
import { declareList } from './declarations.ts';
import type { Label, Variable } from './frame.ts';
import type { FunctionLowering } from './function.ts';
import { held } from './integers.ts';
import { readPlace } from './places.ts';
import { arrayElement } from './properties.ts';
import { lengthRegister, registersOf, registersOfValue } from './representation.ts';
import { withTarget } from './statements.ts';
import type { ArrayValue, Value } from './values.ts';
import { lowerExpression, lowerStatement } from './visitors.ts';

/** Forgets what is known of variables that a loop changes; ones that only rise keep their lower bound. */
function forgetAssigned(lowering: FunctionLowering, nodes: readonly (ts.Node | undefined)[]): void {
  const rising = new Map<Variable, boolean>();
  for (const { variable, rising: rises } of assignedIn(lowering, nodes)) {
    rising.set(variable, (rising.get(variable) ?? true) && rises);
  }
  for (const [variable, rises] of rising) {
    if (variable.type.kind !== 'integer') continue;
    const { low } = lowering.rangeOf(variable);
    lowering.facts.set(variable, rises ? interval(low, rangeOfType(variable.type).high) : rangeOfType(variable.type));
  }
}

const isTrue = (node: ts.Expression | undefined): boolean =>
  node === undefined || node.kind === ts.SyntaxKind.TrueKeyword;

/** A loop with its test at the top: the test is repeated at the bottom, so that a turn has one branch. */
function topTested(
  lowering: FunctionLowering,
  test: ts.Expression | undefined,
  statement: ts.Statement,
  advance: ts.Expression | undefined,
): void {
  const body = lowering.label();
  const done = lowering.label();
  const next = lowering.label();
  forgetAssigned(lowering, [test, statement, advance]);
  const entryFacts = new Map(lowering.facts);
  enterLoop(lowering, test, body, done);
  lowering.enter(body);
  if (lowering.reachable) {
    withTarget(lowering, { breakTo: done, continueTo: next }, () => lowerStatement(lowering, statement));
    lowering.jump(next);
    lowering.enter(next);
    if (lowering.reachable) {
      if (advance !== undefined) lowerExpression(lowering, advance);
      lowering.facts = new Map(entryFacts);
      enterLoop(lowering, test, body, done);
    }
  }
  lowering.enter(done);
}

function enterLoop(lowering: FunctionLowering, test: ts.Expression | undefined, body: Label, done: Label): void {
  if (test === undefined || isTrue(test)) lowering.jump(body);
  else lowerCondition(lowering, test, body, done);
}

export const visitWhile = (lowering: FunctionLowering, node: ts.WhileStatement): void =>
  topTested(lowering, node.expression, node.statement, undefined);

export function visitFor(lowering: FunctionLowering, node: ts.ForStatement): void {
  lowering.scoped(node, () => {
    const depth = lowering.cleanups.length;
    if (node.initializer !== undefined) {
      if (ts.isVariableDeclarationList(node.initializer)) declareList(lowering, node.initializer);
      else lowerExpression(lowering, node.initializer);
    }
    topTested(lowering, node.condition, node.statement, node.incrementor);
    if (lowering.reachable) lowering.runCleanups(depth);
    lowering.cleanups.length = depth;
  });
}

export function visitDo(lowering: FunctionLowering, node: ts.DoStatement): void {
  const body = lowering.label();
  const next = lowering.label();
  const done = lowering.label();
  forgetAssigned(lowering, [node.expression, node.statement]);
  lowering.jump(body);
  lowering.enter(body);
  withTarget(lowering, { breakTo: done, continueTo: next }, () => lowerStatement(lowering, node.statement));
  lowering.jump(next);
  lowering.enter(next);
  if (lowering.reachable) enterLoop(lowering, node.expression, body, done);
  lowering.enter(done);
}

/** `for (const x of array)`: by index, without checks. */
export function visitForOf(lowering: FunctionLowering, node: ts.ForOfStatement): void {
  const array = lowerExpression(lowering, node.expression);
  if (array.kind !== 'array' || node.awaitModifier !== undefined) {
    if (array.kind !== 'void') lowering.report(unsupportedType(node.expression.getText()), node.expression);
    return;
  }
  lowering.scoped(node, () => forOf(lowering, node, array));
}

function forOf(lowering: FunctionLowering, node: ts.ForOfStatement, array: ArrayValue): void {
  const { builder } = lowering;
  const index = builder.register('i64');
  const length = lengthRegister(lowering, array.length);
  builder.copy(index, builder.const('i64', 0n));
  const body = lowering.label();
  const next = lowering.label();
  const done = lowering.label();
  forgetAssigned(lowering, [node.statement]);
  const entryFacts = new Map(lowering.facts);
  const test = (): void => {
    body.arrive(new Map(lowering.facts));
    done.arrive(new Map(lowering.facts));
    builder.branchCompare('ult', index, length, body.block, done.block);
  };
  if (typeof array.length === 'bigint' && array.length > 0n) lowering.jump(body);
  else test();
  lowering.enter(body);
  declareElement(lowering, node, array, index);
  withTarget(lowering, { breakTo: done, continueTo: next }, () => lowerStatement(lowering, node.statement));
  lowering.jump(next);
  lowering.enter(next);
  if (lowering.reachable) {
    builder.copy(index, builder.binary('add', index, builder.const('i64', 1n)));
    lowering.facts = new Map(entryFacts);
    test();
  }
  lowering.enter(done);
}

function declareElement(lowering: FunctionLowering, node: ts.ForOfStatement, array: ArrayValue, index: number): void {
  const { initializer } = node;
  const declaration = ts.isVariableDeclarationList(initializer) ? initializer.declarations[0] : undefined;
  const symbol = declaration && lowering.module.constants.symbolOf(declaration.name);
  if (declaration === undefined || symbol === undefined || !ts.isIdentifier(declaration.name)) {
    lowering.report(unsupportedType('this loop variable'), initializer);
    return;
  }
  const range: Interval = typeof array.length === 'bigint' ? interval(0n, array.length) : exactly(0n);
  const place = arrayElement(lowering, array, held(index, 64, range), node);
  const value: Value = readPlace(lowering, place, node);
  const type = array.type.element;
  const registers = registersOf(type).map((register) => lowering.builder.register(register));
  const variable: Variable = { name: declaration.name.text, type, registers };
  registersOfValue(lowering, value, type).forEach((register, at) => {
    lowering.builder.copy(registers[at]!, register);
  });
  lowering.facts.delete(variable);
  lowering.declare(symbol, variable, declaration.name);
}
