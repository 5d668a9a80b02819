import { readFileSync } from 'node:fs';
import ts from 'typescript';

/** A test or a group of tests as its file declares it. */
export interface DeclaredTest {
  /** The titles of the groups around it and its own, joined by ` > `; `…` stands for what a template or a row fills in. */
  readonly title: string;
  /** Whether it never runs: skipped or left to do, by itself or with a group around it. `skipIf` is no such thing. */
  readonly isDisabled: boolean;
}

const ROOTS = new Set(['describe', 'it', 'test']);
const DISABLING = new Set(['skip', 'todo', 'fails']);
/** What vitest fills in from a row. */
const FROM_ROW = /%[sidjfo]|\$\w+/g;

/** The tests that a file declares, groups included, read from its syntax. */
export function declaredTests(file: string): DeclaredTest[] {
  return new TitleReader(file).tests;
}

class TitleReader {
  readonly tests: DeclaredTest[] = [];
  /** Names that constants of the file hold: strings of an array, first cells of its rows, keys of an object. */
  readonly #names = new Map<string, readonly string[]>();

  constructor(file: string) {
    const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ESNext, true);
    this.#visit(source, undefined);
  }

  #visit(node: ts.Node, outer: DeclaredTest | undefined): void {
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.initializer !== undefined)
      this.#names.set(node.name.text, this.#namesIn(node.initializer));
    if (ts.isForOfStatement(node)) this.#readLoop(node);
    const own = ts.isCallExpression(node) ? this.#testsOf(node, outer) : [];
    this.tests.push(...own);
    ts.forEachChild(node, (child) => this.#visit(child, own[0] ?? outer));
  }

  /** A call like `it(...)`, `describe.skip(...)` or `it.each(rows)('%s ...', ...)`: itself, and each row whose name is known. */
  #testsOf(call: ts.CallExpression, outer: DeclaredTest | undefined): DeclaredTest[] {
    const chain = this.#chainOf(call.expression);
    const titles = call.arguments[0] === undefined ? [] : this.#titlesOf(call.arguments[0]);
    if (chain === undefined) return [];
    const isDisabled = outer?.isDisabled === true || chain.names.some((name) => DISABLING.has(name));
    const filled = titles.flatMap((title) => {
      const rows = title.includes('%s') ? chain.rows.map((row) => title.replace('%s', () => row)) : [];
      return [title, ...rows].map((each) => each.replace(FROM_ROW, '…'));
    });
    return filled.map((title) => ({ title: outer === undefined ? title : `${outer.title} > ${title}`, isDisabled }));
  }

  /** What `it.skipIf(x).each(rows)` consists of; undefined when it does not begin with a function of vitest. */
  #chainOf(node: ts.Expression): { readonly names: string[]; readonly rows: readonly string[] } | undefined {
    if (ts.isIdentifier(node)) return ROOTS.has(node.text) ? { names: [], rows: [] } : undefined;
    if (ts.isPropertyAccessExpression(node)) {
      const chain = this.#chainOf(node.expression);
      return chain && { ...chain, names: [...chain.names, node.name.text] };
    }
    if (!ts.isCallExpression(node)) return undefined;
    const chain = this.#chainOf(node.expression);
    const rows = node.arguments[0];
    return chain?.names.at(-1) === 'each' && rows ? { ...chain, rows: this.#namesIn(rows) } : chain;
  }

  /** The texts of a title: of `tool.title('text')` the text in it, of a constant or a loop's variable what it may hold. */
  #titlesOf(node: ts.Expression): readonly string[] {
    if (ts.isStringLiteralLike(node)) return [node.text];
    if (ts.isTemplateExpression(node))
      return [`${node.head.text}${node.templateSpans.map(({ literal }) => `…${literal.text}`).join('')}`];
    if (ts.isIdentifier(node)) return this.#names.get(node.text) ?? [];
    return ts.isCallExpression(node) && node.arguments[0] ? this.#titlesOf(node.arguments[0]) : [];
  }

  #namesIn(node: ts.Expression | undefined): readonly string[] {
    if (node === undefined) return [];
    if (ts.isAsExpression(node) || ts.isSatisfiesExpression(node)) return this.#namesIn(node.expression);
    if (ts.isStringLiteralLike(node)) return [node.text];
    if (ts.isTemplateExpression(node)) return this.#titlesOf(node);
    if (ts.isIdentifier(node)) return this.#names.get(node.text) ?? [];
    if (ts.isCallExpression(node) && node.arguments[0]) return this.#namesIn(node.arguments[0]);
    if (ts.isObjectLiteralExpression(node))
      return node.properties.flatMap(({ name }) => (name && 'text' in name ? [String(name.text)] : []));
    if (!ts.isArrayLiteralExpression(node)) return [];
    return node.elements.flatMap((element) => {
      if (ts.isSpreadElement(element)) return this.#namesIn(element.expression);
      return this.#namesIn(ts.isArrayLiteralExpression(element) ? element.elements[0] : element).slice(0, 1);
    });
  }

  /** `for (const [name, ...] of Object.entries(NAMES))`: its variable holds each of the names. */
  #readLoop({ initializer, expression }: ts.ForOfStatement): void {
    if (!ts.isVariableDeclarationList(initializer)) return;
    const { name } = initializer.declarations[0]!;
    const first = ts.isArrayBindingPattern(name) ? name.elements[0] : undefined;
    const variable = first && ts.isBindingElement(first) ? first.name : name;
    if (ts.isIdentifier(variable)) this.#names.set(variable.text, this.#namesIn(expression));
  }
}
