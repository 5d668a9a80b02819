import ts from 'typescript';
import { exactly, within } from '../frontend/interval.ts';
import type { SwitchCase } from '../ir/module.ts';
import { notConstant, typeMismatch } from '../rules/values.ts';
import type { Label } from './frame.ts';
import type { FunctionLowering } from './function.ts';
import { commonWidth, materialise } from './integers.ts';
import { kindOf } from './representation.ts';
import { lowerStatements, withTarget } from './statements.ts';
import type { IntegerExpression } from './values.ts';
import { lowerExpression } from './visitors.ts';

/** `switch` over integers: the back end chooses between compares and a jump table. */
export function visitSwitch(lowering: FunctionLowering, node: ts.SwitchStatement): void {
  const value = lowerExpression(lowering, node.expression);
  if (value.kind !== 'integer') {
    if (value.kind !== 'void') lowering.report(typeMismatch(kindOf(value), 'integer'), node.expression);
    return;
  }
  const { expression } = value;
  const labels = node.caseBlock.clauses.map(() => lowering.label());
  const done = lowering.label();
  dispatch(lowering, node, expression, labels, done);
  withTarget(lowering, { breakTo: done, continueTo: null }, () => {
    node.caseBlock.clauses.forEach((clause, index) => {
      const label = labels[index]!;
      lowering.jump(label);
      lowering.enter(label);
      if (lowering.reachable) lowering.scoped(clause, () => lowerStatements(lowering, clause.statements));
    });
  });
  lowering.jump(done);
  lowering.enter(done);
}

function dispatch(
  lowering: FunctionLowering,
  node: ts.SwitchStatement,
  expression: IntegerExpression,
  labels: readonly Label[],
  done: Label,
): void {
  const bits = commonWidth(expression.range, expression.range)?.bits ?? 64;
  const cases: SwitchCase[] = [];
  const seen = new Set<bigint>();
  let otherwise = done;
  node.caseBlock.clauses.forEach((clause, index) => {
    const label = labels[index]!;
    if (ts.isDefaultClause(clause)) {
      otherwise = label;
      return;
    }
    const constant = lowering.module.constants.integer(clause.expression);
    if (constant === undefined) lowering.report(notConstant('the value of a case'), clause.expression);
    else if (within(exactly(constant), expression.range) && !seen.has(constant)) {
      seen.add(constant);
      arrive(lowering, label, expression, constant);
      cases.push({ value: BigInt.asUintN(bits, constant), target: label.block });
    }
  });
  const register = materialise(lowering, expression, bits);
  const { low, high } = expression.range;
  const exhaustive = otherwise === done && high - low + 1n === BigInt(seen.size);
  if (exhaustive) otherwise = lowering.label(true);
  otherwise.arrive(new Map(lowering.facts));
  lowering.builder.terminate({ op: 'switch', value: register, cases, otherwise: otherwise.block });
}

/** In a case the switched variable has that one value. */
function arrive(lowering: FunctionLowering, label: Label, expression: IntegerExpression, value: bigint): void {
  const facts = new Map(lowering.facts);
  if (expression.op === 'register' && expression.variable !== undefined) {
    facts.set(expression.variable, exactly(value));
  }
  label.arrive(facts);
}
