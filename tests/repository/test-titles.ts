import { readFileSync } from 'node:fs';
import ts from 'typescript';

/** A test or a group of tests as its file declares it. */
export interface DeclaredTest {
  /** The titles of the groups around it and its own, joined by ` > `; templates stand as they are written. */
  readonly title: string;
  /** Whether it never runs: skipped or left to do, by itself or with a group around it. `skipIf` is no such thing. */
  readonly isDisabled: boolean;
}

const ROOTS = new Set(['describe', 'it', 'test']);
const DISABLING = new Set(['skip', 'todo', 'fails']);

/** The tests that a file declares, groups included, read from its syntax. */
export function declaredTests(file: string): DeclaredTest[] {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ESNext, true);
  const found: DeclaredTest[] = [];
  const visit = (node: ts.Node, outer: DeclaredTest | undefined): void => {
    const own = ts.isCallExpression(node) ? testsOf(node, outer) : [];
    found.push(...own);
    ts.forEachChild(node, (child) => visit(child, own[0] ?? outer));
  };
  visit(source, undefined);
  return found;
}

/** A call like `it(...)`, `describe.skip(...)` or `it.each(rows)('%s ...', ...)`: one test for each row whose name is known. */
function testsOf(call: ts.CallExpression, outer: DeclaredTest | undefined): DeclaredTest[] {
  const chain = chainOf(call.expression);
  const title = call.arguments[0] && textOf(call.arguments[0]);
  if (chain === undefined || title === undefined) return [];
  const isDisabled = outer?.isDisabled === true || chain.names.some((name) => DISABLING.has(name));
  const titles = title.includes('%s') ? [title, ...chain.rows.map((row) => title.replace('%s', row))] : [title];
  return titles.map((own) => ({ title: outer === undefined ? own : `${outer.title} > ${own}`, isDisabled }));
}

/** What `it.skipIf(x).each(rows)` consists of; undefined when it does not begin with a function of vitest. */
function chainOf(node: ts.Expression): { readonly names: string[]; readonly rows: string[] } | undefined {
  if (ts.isIdentifier(node)) return ROOTS.has(node.text) ? { names: [], rows: [] } : undefined;
  if (ts.isPropertyAccessExpression(node)) {
    const chain = chainOf(node.expression);
    return chain && { ...chain, names: [...chain.names, node.name.text] };
  }
  if (!ts.isCallExpression(node)) return undefined;
  const chain = chainOf(node.expression);
  return chain?.names.at(-1) === 'each' ? { ...chain, rows: rowNames(node.arguments[0]) } : chain;
}

function rowNames(rows: ts.Expression | undefined): string[] {
  if (rows === undefined || !ts.isArrayLiteralExpression(rows)) return [];
  return rows.elements.flatMap((row) => {
    const first = ts.isArrayLiteralExpression(row) ? row.elements[0] : row;
    return first && ts.isStringLiteralLike(first) ? [first.text] : [];
  });
}

/** The text of a title; of `tool.title('text')` the text in it. */
function textOf(node: ts.Expression): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node)) return node.getText().slice(1, -1);
  return ts.isCallExpression(node) && node.arguments[0] ? textOf(node.arguments[0]) : undefined;
}
