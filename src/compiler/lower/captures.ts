import ts from 'typescript';
import type { Frame, Variable } from './frame.ts';
import type { FunctionLowering } from './function.ts';

/** The local names of an enclosing function (and `this`) that a function refers to. */
export function capturedNames(lowering: FunctionLowering, node: ts.Node): string[] {
  const names: string[] = [];
  const visit = (child: ts.Node): void => {
    if (child.kind === ts.SyntaxKind.ThisKeyword) names.push('this');
    if (ts.isIdentifier(child)) {
      const declaration = lowering.module.constants.symbolOf(child)?.valueDeclaration;
      if (declaration !== undefined && isLocal(declaration) && !encloses(node, declaration)) names.push(child.text);
    }
    ts.forEachChild(child, visit);
  };
  ts.forEachChild(node, visit);
  return names;
}

const encloses = (outer: ts.Node, inner: ts.Node): boolean =>
  outer.getSourceFile() === inner.getSourceFile() && inner.pos >= outer.pos && inner.end <= outer.end;

/** Whether a declaration is a parameter or variable of a function, rather than of a module. */
export function isLocal(declaration: ts.Node): boolean {
  if (ts.isParameter(declaration)) return true;
  if (!ts.isVariableDeclaration(declaration) && !ts.isBindingElement(declaration)) return false;
  for (let node: ts.Node = declaration; !ts.isSourceFile(node); node = node.parent) {
    if (ts.isFunctionLike(node) || ts.isBlock(node)) return true;
  }
  return false;
}

const ASSIGNMENTS = { first: ts.SyntaxKind.FirstAssignment, last: ts.SyntaxKind.LastAssignment };

export const isAssignment = (node: ts.Node): node is ts.BinaryExpression =>
  ts.isBinaryExpression(node) &&
  node.operatorToken.kind >= ASSIGNMENTS.first &&
  node.operatorToken.kind <= ASSIGNMENTS.last;

const isStep = (node: ts.Node): node is ts.PrefixUnaryExpression | ts.PostfixUnaryExpression =>
  (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) &&
  (node.operator === ts.SyntaxKind.PlusPlusToken || node.operator === ts.SyntaxKind.MinusMinusToken);

/** An assignment to a local variable, by the name it was written with. */
export interface Assigned {
  readonly variable: Variable;
  /** `x++`, or `x += c` with a constant that is not negative: the variable never falls. */
  readonly rising: boolean;
}

/** The local variables that code may change, arrow functions it calls included. */
export function assignedIn(lowering: FunctionLowering, nodes: readonly (ts.Node | undefined)[]): Assigned[] {
  const found: Assigned[] = [];
  const closures = holdsClosure(lowering.frame);
  const seen = new Set<ts.Node>();
  const note = (target: ts.Expression, rising: boolean): void => {
    const symbol = ts.isIdentifier(target) ? lowering.module.constants.symbolOf(target) : undefined;
    const variable = symbol === undefined ? undefined : lowering.variable(symbol);
    if (variable !== undefined) found.push({ variable, rising });
  };
  const visit = (node: ts.Node): void => {
    if (seen.has(node)) return;
    seen.add(node);
    if (isAssignment(node)) note(node.left, isRising(lowering, node));
    if (isStep(node)) note(node.operand as ts.Expression, node.operator === ts.SyntaxKind.PlusPlusToken);
    if (closures && ts.isIdentifier(node)) visitClosure(node);
    ts.forEachChild(node, visit);
  };
  const visitClosure = (node: ts.Identifier): void => {
    const symbol = lowering.module.constants.symbolOf(node);
    const fixed = symbol === undefined ? undefined : lowering.variable(symbol)?.fixed;
    if (fixed?.kind !== 'closure') return;
    const saved = lowering.frame;
    lowering.frame = fixed.frame;
    visit(fixed.node);
    lowering.frame = saved;
  };
  for (const node of nodes) if (node !== undefined) visit(node);
  return found;
}

function holdsClosure(innermost: Frame): boolean {
  for (let frame: Frame | null = innermost; frame !== null; frame = frame.outer) {
    for (const { fixed } of frame.variables.values()) if (fixed?.kind === 'closure') return true;
  }
  return false;
}

function isRising(lowering: FunctionLowering, node: ts.BinaryExpression): boolean {
  if (node.operatorToken.kind !== ts.SyntaxKind.PlusEqualsToken) return false;
  const step = lowering.module.constants.integer(node.right);
  return step !== undefined && step >= 0n;
}

/** Whether evaluating the expression may change a local variable. */
export function mayAssign(lowering: FunctionLowering, nodes: readonly ts.Node[]): boolean {
  return assignedIn(lowering, nodes).length > 0;
}
