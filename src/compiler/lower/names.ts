import ts from 'typescript';
import { typeKey } from '../frontend/type-names.ts';
import type { TypeEnvironment } from '../frontend/types.ts';

/** A source file's part of symbol names: its path below the entry's folder, dots for slashes. */
export function moduleName(path: string, root: string): string {
  const inner = path.startsWith(root) ? path.slice(root.length) : path;
  return inner
    .replace(/\.ts$/, '')
    .replaceAll('/', '.')
    .replaceAll(/[^\w.]/g, '_');
}

const identifier = (text: string): string =>
  text === '[Symbol.dispose]' ? 'dispose' : text.replaceAll('#', '').replaceAll(/[^\w]/g, '_');

/** The name of a declaration inside its module, as a debugger shows it: `find`, `Process.exit`. */
export function localName(node: ts.Node): string {
  if (ts.isConstructorDeclaration(node)) return 'constructor';
  if (ts.isFunctionDeclaration(node)) return node.name?.text ?? 'default';
  if (ts.isMethodDeclaration(node)) return identifier(node.name.getText());
  if (ts.isVariableDeclaration(node)) return node.name.getText();
  const owner = ownerOf(node);
  if (owner !== undefined) return identifier(owner);
  const { line, character } = node.getSourceFile().getLineAndCharacterOfPosition(node.getStart());
  return `lambda_${line + 1}_${character + 1}`;
}

/** The variable or property that an arrow function is the value of, through the dialect's wrappers. */
function ownerOf(node: ts.Node): string | undefined {
  let parent = node.parent;
  if (ts.isCallExpression(parent) && ts.isVariableDeclaration(parent.parent)) parent = parent.parent;
  if (ts.isVariableDeclaration(parent)) return parent.name.getText();
  if (!ts.isPropertyAssignment(parent)) return undefined;
  const owner = parent.parent.parent;
  const name = parent.name.getText();
  return ts.isVariableDeclaration(owner) ? `${owner.name.getText()}_${name}` : undefined;
}

/** The suffix that tells instances of a generic function apart. */
export const instanceSuffix = (environment: TypeEnvironment): string =>
  environment.parameters.size === 0 ? '' : `$${[...environment.parameters.values()].map(typeKey).join('$')}`;
