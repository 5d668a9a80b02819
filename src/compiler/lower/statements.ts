import ts from 'typescript';
import { localReturned, unusedResult } from '../rules/values.ts';
import { lowerCondition } from './conditional.ts';
import type { FunctionLowering, JumpTarget } from './function.ts';
import { coerce, registersOf, registersOfValue } from './representation.ts';
import type { Value } from './values.ts';
import { lowerExpression, lowerStatement } from './visitors.ts';

export function visitEmpty(): void {}

export function visitBlock(lowering: FunctionLowering, node: ts.Block): void {
  lowering.scoped(node, () => lowerStatements(lowering, node.statements));
}

/** Statements of one block: what `using` declared in it is disposed of at its end. */
export function lowerStatements(lowering: FunctionLowering, nodes: readonly ts.Statement[]): void {
  const depth = lowering.cleanups.length;
  for (const statement of nodes) lowerStatement(lowering, statement);
  if (lowering.reachable) lowering.runCleanups(depth);
  lowering.cleanups.length = depth;
}

export function visitExpressionStatement(lowering: FunctionLowering, node: ts.ExpressionStatement): void {
  const value = lowerExpression(lowering, node.expression);
  const assigned = ts.isBinaryExpression(node.expression);
  if (value.kind === 'result' && !assigned) lowering.report(unusedResult(), node);
}

export function visitIf(lowering: FunctionLowering, node: ts.IfStatement): void {
  const yes = lowering.label();
  const no = lowering.label();
  lowerCondition(lowering, node.expression, yes, no);
  lowering.enter(yes);
  lowerStatement(lowering, node.thenStatement);
  if (node.elseStatement === undefined) {
    lowering.jump(no);
    lowering.enter(no);
    return;
  }
  const done = lowering.label();
  lowering.jump(done);
  lowering.enter(no);
  lowerStatement(lowering, node.elseStatement);
  lowering.jump(done);
  lowering.enter(done);
}

export function visitLabeled(lowering: FunctionLowering, node: ts.LabeledStatement): void {
  lowering.pendingLabel = node.label.text;
  if (ts.isIterationStatement(node.statement, false)) {
    lowerStatement(lowering, node.statement);
    return;
  }
  const end = lowering.label();
  withTarget(lowering, { breakTo: end, continueTo: null }, () => lowerStatement(lowering, node.statement));
  lowering.jump(end);
  lowering.enter(end);
}

/** Runs `action` where `break` (and `continue`) go to the given labels. */
export function withTarget(
  lowering: FunctionLowering,
  labels: Pick<JumpTarget, 'breakTo' | 'continueTo'>,
  action: () => void,
): void {
  const name = lowering.pendingLabel;
  lowering.pendingLabel = null;
  lowering.jumps.push({ ...labels, name, cleanupDepth: lowering.cleanups.length });
  action();
  lowering.jumps.pop();
}

function findTarget(lowering: FunctionLowering, label: ts.Identifier | undefined, continues: boolean): JumpTarget {
  const candidates = lowering.jumps.filter((jump) =>
    label === undefined ? !continues || jump.continueTo !== null : jump.name === label.text,
  );
  return candidates.at(-1)!;
}

export function visitBreak(lowering: FunctionLowering, node: ts.BreakStatement): void {
  const target = findTarget(lowering, node.label, false);
  lowering.runCleanups(target.cleanupDepth);
  lowering.jump(target.breakTo);
}

export function visitContinue(lowering: FunctionLowering, node: ts.ContinueStatement): void {
  const target = findTarget(lowering, node.label, true);
  lowering.runCleanups(target.cleanupDepth);
  lowering.jump(target.continueTo!);
}

export function visitReturn(lowering: FunctionLowering, node: ts.ReturnStatement): void {
  const type = lowering.frame.resultType;
  let registers: readonly number[] = [];
  if (node.expression !== undefined) {
    const value = lowerExpression(lowering, node.expression);
    if (!lowering.reachable) return;
    checkEscape(lowering, value, node.expression);
    if (type.kind !== 'void')
      registers = registersOfValue(lowering, coerce(lowering, value, type, node.expression), type);
  }
  returnRegisters(lowering, keptOverCleanups(lowering, registers));
}

/** Storage on the stack must not outlive its function; inside an expansion it does not. */
function checkEscape(lowering: FunctionLowering, value: Value, node: ts.Expression): void {
  const address = value.kind === 'pointer' || value.kind === 'array' ? value.address : undefined;
  if (address?.base?.kind === 'slot' && lowering.frame.exit === null) {
    lowering.report(localReturned(node.getText()), node);
  }
}

/** Result registers survive the cleanups: what they were read from may change there. */
function keptOverCleanups(lowering: FunctionLowering, registers: readonly number[]): readonly number[] {
  const { builder } = lowering;
  if (lowering.cleanups.length === lowering.frame.cleanupDepth) return registers;
  return registers.map((register) => {
    const copy = builder.register(builder.typeOf(register));
    builder.copy(copy, register);
    return copy;
  });
}

/** Leaves the function (or the expansion) with values in registers, disposing of what is in use. */
export function returnRegisters(lowering: FunctionLowering, registers: readonly number[]): void {
  const { frame, builder } = lowering;
  lowering.runCleanups(frame.cleanupDepth);
  if (!lowering.reachable) return;
  if (frame.exit === null) {
    const expected = registersOf(frame.resultType).length;
    builder.return(...registers.slice(0, Math.min(expected, 2)));
    return;
  }
  registers.forEach((register, index) => {
    builder.copy(frame.exit!.registers[index]!, register);
  });
  lowering.jump(frame.exit.label);
}
