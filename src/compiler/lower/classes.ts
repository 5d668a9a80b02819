import ts from 'typescript';
import { describe } from '../frontend/type-names.ts';
import { NO_ENVIRONMENT } from '../frontend/types.ts';
import { noAccessors, noInheritance, noOptional, unsupportedSyntax } from '../rules/syntax.ts';
import { fieldInitialiser } from '../rules/values.ts';
import { undeclaredType } from '../rules/widths.ts';
import type { ModuleLowering } from './module.ts';

/** What a class of the dialect may hold: fields with initial values, methods, one constructor. */
export function checkClass(module: ModuleLowering, node: ts.ClassDeclaration): void {
  for (const clause of node.heritageClauses ?? []) {
    if (clause.token === ts.SyntaxKind.ExtendsKeyword) module.report(noInheritance(), clause);
  }
  if (node.modifiers?.some(ts.isDecorator)) module.report(unsupportedSyntax('a decorator'), node);
  if (node.typeParameters === undefined) module.layouts.class({ kind: 'object', declaration: node, typeArguments: [] });
  const assigned = fieldsAssigned(node);
  for (const member of node.members) {
    if (ts.isGetAccessor(member) || ts.isSetAccessor(member)) module.report(noAccessors(), member);
    else if (ts.isPropertyDeclaration(member)) checkField(module, member, assigned);
    else if (ts.isClassStaticBlockDeclaration(member)) module.report(unsupportedSyntax('a static block'), member);
    else if (ts.isIndexSignatureDeclaration(member)) module.report(unsupportedSyntax('an index signature'), member);
  }
}

function checkField(module: ModuleLowering, member: ts.PropertyDeclaration, assigned: ReadonlySet<string>): void {
  if (member.questionToken !== undefined) module.report(noOptional('an optional field'), member);
  const isStatic = member.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.StaticKeyword);
  if (isStatic) module.report(unsupportedSyntax('a static field'), member);
  const name = member.name.getText();
  const type = module.types.of(member.name, NO_ENVIRONMENT);
  if (type.kind === 'plain') module.report(undeclaredType(name, describe(type)), member);
  if (member.initializer === undefined && member.questionToken === undefined && !assigned.has(name))
    module.report(fieldInitialiser(name), member);
}

/** The fields that the constructor's own statements assign. */
function fieldsAssigned(node: ts.ClassDeclaration): Set<string> {
  const names = new Set<string>();
  const constructorNode = node.members.find(ts.isConstructorDeclaration);
  for (const statement of constructorNode?.body?.statements ?? []) {
    const assignment = ts.isExpressionStatement(statement) ? statement.expression : undefined;
    if (assignment === undefined || !ts.isBinaryExpression(assignment)) continue;
    if (ts.isPropertyAccessExpression(assignment.left)) names.add(assignment.left.name.text);
  }
  return names;
}
