import ts from 'typescript';
import { refusal } from '../rules/refusals.ts';
import { unsupportedSyntax } from '../rules/syntax.ts';
import { visitAs } from './assertions.ts';
import { visitAssignmentOrBinary } from './binary.ts';
import { visitCall, visitNew, visitTaggedTemplate } from './calls.ts';
import { visitConditional } from './conditional.ts';
import { visitVariableStatement } from './declarations.ts';
import type { FunctionLowering } from './function.ts';
import { visitIdentifier, visitThis } from './identifiers.ts';
import {
  visitBigInt,
  visitFalse,
  visitFunctionExpression,
  visitNull,
  visitNumber,
  visitString,
  visitTrue,
} from './literals.ts';
import { visitDo, visitFor, visitForOf, visitWhile } from './loops.ts';
import { visitElementAccess, visitPropertyAccess } from './properties.ts';
import {
  visitBlock,
  visitBreak,
  visitContinue,
  visitEmpty,
  visitExpressionStatement,
  visitIf,
  visitLabeled,
  visitReturn,
} from './statements.ts';
import { visitSwitch } from './switch.ts';
import { visitPostfixUnary, visitPrefixUnary } from './unary.ts';
import { type Value, VOID_VALUE } from './values.ts';

type ExpressionVisitor = (lowering: FunctionLowering, node: never) => Value;
type StatementVisitor = (lowering: FunctionLowering, node: never) => void;

/** An expression that stands for the one inside it. */
const visitInner = (lowering: FunctionLowering, node: ts.ParenthesizedExpression): Value =>
  lowerExpression(lowering, node.expression);

/** The expressions of the dialect: what is not listed here or in `refusals` is VG3001. */
export const expressions: { readonly [kind in ts.SyntaxKind]?: ExpressionVisitor } = {
  [ts.SyntaxKind.NumericLiteral]: visitNumber,
  [ts.SyntaxKind.BigIntLiteral]: visitBigInt,
  [ts.SyntaxKind.StringLiteral]: visitString,
  [ts.SyntaxKind.NoSubstitutionTemplateLiteral]: visitString,
  [ts.SyntaxKind.TrueKeyword]: visitTrue,
  [ts.SyntaxKind.FalseKeyword]: visitFalse,
  [ts.SyntaxKind.NullKeyword]: visitNull,
  [ts.SyntaxKind.Identifier]: visitIdentifier,
  [ts.SyntaxKind.ThisKeyword]: visitThis,
  [ts.SyntaxKind.ParenthesizedExpression]: visitInner,
  [ts.SyntaxKind.NonNullExpression]: visitInner,
  [ts.SyntaxKind.AsExpression]: visitAs,
  [ts.SyntaxKind.SatisfiesExpression]: visitInner,
  [ts.SyntaxKind.PropertyAccessExpression]: visitPropertyAccess,
  [ts.SyntaxKind.ElementAccessExpression]: visitElementAccess,
  [ts.SyntaxKind.CallExpression]: visitCall,
  [ts.SyntaxKind.NewExpression]: visitNew,
  [ts.SyntaxKind.TaggedTemplateExpression]: visitTaggedTemplate,
  [ts.SyntaxKind.BinaryExpression]: visitAssignmentOrBinary,
  [ts.SyntaxKind.PrefixUnaryExpression]: visitPrefixUnary,
  [ts.SyntaxKind.PostfixUnaryExpression]: visitPostfixUnary,
  [ts.SyntaxKind.ConditionalExpression]: visitConditional,
  [ts.SyntaxKind.ArrowFunction]: visitFunctionExpression,
  [ts.SyntaxKind.FunctionExpression]: visitFunctionExpression,
};

/** The statements of the dialect. */
export const statements: { readonly [kind in ts.SyntaxKind]?: StatementVisitor } = {
  [ts.SyntaxKind.Block]: visitBlock,
  [ts.SyntaxKind.EmptyStatement]: visitEmpty,
  [ts.SyntaxKind.ExpressionStatement]: visitExpressionStatement,
  [ts.SyntaxKind.VariableStatement]: visitVariableStatement,
  [ts.SyntaxKind.IfStatement]: visitIf,
  [ts.SyntaxKind.ForStatement]: visitFor,
  [ts.SyntaxKind.ForOfStatement]: visitForOf,
  [ts.SyntaxKind.WhileStatement]: visitWhile,
  [ts.SyntaxKind.DoStatement]: visitDo,
  [ts.SyntaxKind.SwitchStatement]: visitSwitch,
  [ts.SyntaxKind.BreakStatement]: visitBreak,
  [ts.SyntaxKind.ContinueStatement]: visitContinue,
  [ts.SyntaxKind.ReturnStatement]: visitReturn,
  [ts.SyntaxKind.LabeledStatement]: visitLabeled,
  [ts.SyntaxKind.InterfaceDeclaration]: visitEmpty,
  [ts.SyntaxKind.TypeAliasDeclaration]: visitEmpty,
};

/** Emits the code that computes an expression. */
export function lowerExpression(lowering: FunctionLowering, node: ts.Expression): Value {
  return lowering.spanned(node, () => {
    const visitor = expressions[node.kind];
    if (visitor !== undefined) return visitor(lowering, node as never);
    lowering.report(refusal(node) ?? unsupportedSyntax(ts.SyntaxKind[node.kind]), node);
    return VOID_VALUE;
  });
}

/** Emits a statement; one that cannot be reached is not emitted. */
export function lowerStatement(lowering: FunctionLowering, node: ts.Statement): void {
  if (!lowering.reachable) return;
  lowering.spanned(node, () => {
    const visitor = statements[node.kind];
    if (visitor !== undefined) visitor(lowering, node as never);
    else lowering.report(refusal(node) ?? unsupportedSyntax(ts.SyntaxKind[node.kind]), node);
  });
}
