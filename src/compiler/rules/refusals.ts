import ts from 'typescript';
import type { Rule } from '../frontend/diagnostics.ts';
import * as syntax from './syntax.ts';
import { objectInFunction } from './values.ts';

/** Syntax that is refused by a rule of its own: kind, and what to say. */
const REFUSED: { readonly [kind in ts.SyntaxKind]?: (node: ts.Node) => Rule } = {
  [ts.SyntaxKind.ThrowStatement]: () => syntax.noExceptions('throw'),
  [ts.SyntaxKind.TryStatement]: () => syntax.noExceptions('try'),
  [ts.SyntaxKind.AwaitExpression]: () => syntax.noAsync('await'),
  [ts.SyntaxKind.YieldExpression]: () => syntax.noAsync('yield'),
  [ts.SyntaxKind.TypeOfExpression]: () => syntax.noDynamicTypes('typeof'),
  [ts.SyntaxKind.VoidExpression]: () => syntax.unsupportedSyntax('void'),
  [ts.SyntaxKind.DeleteExpression]: () => syntax.noDynamicTypes('delete'),
  [ts.SyntaxKind.ForInStatement]: () => syntax.noDynamicTypes('for-in'),
  [ts.SyntaxKind.ObjectLiteralExpression]: () => syntax.noLiteralObjects('an object literal'),
  [ts.SyntaxKind.ArrayLiteralExpression]: () => syntax.noLiteralObjects('an array literal'),
  [ts.SyntaxKind.ClassExpression]: () => syntax.noLiteralObjects('a class expression'),
  [ts.SyntaxKind.ClassDeclaration]: () => syntax.noLiteralObjects('a class declaration'),
  [ts.SyntaxKind.FunctionDeclaration]: () => syntax.noLiteralObjects('a function declaration'),
  [ts.SyntaxKind.RegularExpressionLiteral]: () => syntax.noRegularExpressions(),
  [ts.SyntaxKind.TemplateExpression]: () => syntax.noConcatenation(),
  [ts.SyntaxKind.SpreadElement]: () => syntax.noLiteralObjects('a spread'),
  [ts.SyntaxKind.DebuggerStatement]: () => syntax.unsupportedSyntax('debugger'),
  [ts.SyntaxKind.WithStatement]: () => syntax.unsupportedSyntax('with'),
  [ts.SyntaxKind.NewExpression]: (node) => objectInFunction((node as ts.NewExpression).expression.getText()),
};

export function refusal(node: ts.Node): Rule | undefined {
  return REFUSED[node.kind]?.(node);
}

/** Operators that the dialect refuses. */
export function refusedOperator(node: ts.BinaryExpression): Rule | undefined {
  switch (node.operatorToken.kind) {
    case ts.SyntaxKind.EqualsEqualsToken:
      return syntax.looseEquality('==');
    case ts.SyntaxKind.ExclamationEqualsToken:
      return syntax.looseEquality('!=');
    case ts.SyntaxKind.InstanceOfKeyword:
      return syntax.noDynamicTypes('instanceof');
    case ts.SyntaxKind.InKeyword:
      return syntax.noDynamicTypes('in');
    case ts.SyntaxKind.CommaToken:
      return syntax.unsupportedSyntax('the comma operator');
    case ts.SyntaxKind.AmpersandAmpersandEqualsToken:
    case ts.SyntaxKind.BarBarEqualsToken:
    case ts.SyntaxKind.QuestionQuestionEqualsToken:
      return syntax.unsupportedSyntax(node.operatorToken.getText());
    default:
      return undefined;
  }
}
