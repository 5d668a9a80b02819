import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { compileToIr } from '../../../src/compiler/compile.ts';
import { MODULE, program } from '../differential/harness.ts';
import { sourceHost } from '../source-host.ts';
import { absent, attributes, literals, nodes, operators, type Production, synthetic, types } from './productions.ts';

const productions = [...literals, ...nodes, ...types, ...attributes];

/** Names of kinds: an enumeration's aliases (FirstNode and the like) name them a second time. */
function kindNames(from: ts.SyntaxKind, to: ts.SyntaxKind): string[] {
  const aliases = /^(First|Last)/;
  return Object.entries(ts.SyntaxKind)
    .filter(([name, value]) => typeof value === 'number' && value >= from && value <= to && !aliases.test(name))
    .map(([name]) => name);
}

function contains(source: string, name: string): boolean {
  const wanted = ts.SyntaxKind[name as keyof typeof ts.SyntaxKind];
  const file = ts.createSourceFile(MODULE, source, ts.ScriptTarget.ES2023, true);
  let found = file.kind === wanted;
  const visit = (node: ts.Node): void => {
    if (node.kind === wanted) found = true;
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

function verdictOn(source: string): string[] {
  const { diagnostics } = compileToIr({
    entry: MODULE,
    kind: 'user',
    host: sourceHost({ [MODULE]: source }),
    keepExports: true,
  });
  return diagnostics.length === 0 ? ['compiled'] : diagnostics.map(({ code }) => code);
}

function check({ verdict, sample }: Production): void {
  expect(verdictOn(program(sample))).toContain(verdict);
}

describe('every production of the grammar is compiled, refused with a code, or an error of tsc', () => {
  for (const production of productions) {
    it(`${production.kind}: ${production.verdict}`, () => {
      expect(contains(program(production.sample), production.kind)).toBe(true);
      check(production);
    });
  }
  for (const production of operators) {
    it(`operator ${production.kind}: ${production.verdict}`, () => check(production));
  }

  it('lists every kind of node', () => {
    const kinds = kindNames(ts.SyntaxKind.FirstNode, ts.SyntaxKind.SourceFile);
    const listed = new Set([...productions.map(({ kind }) => kind), ...synthetic]);
    expect(kinds.filter((kind) => !listed.has(kind) && !absent.some((pattern) => pattern.test(kind)))).toEqual([]);
  });

  it('lists every literal', () => {
    const kinds = kindNames(ts.SyntaxKind.FirstLiteralToken, ts.SyntaxKind.LastTemplateToken);
    const listed = new Set(literals.map(({ kind }) => kind));
    expect(kinds.filter((kind) => !listed.has(kind) && !absent.some((pattern) => pattern.test(kind)))).toEqual([]);
  });

  it('lists every operator', () => {
    const tokens = kindNames(ts.SyntaxKind.QuestionDotToken, ts.SyntaxKind.LastAssignment);
    const texts = tokens.map((name) => ts.tokenToString(ts.SyntaxKind[name as keyof typeof ts.SyntaxKind])!);
    const punctuation = new Set(['</', '=>', '?', ':', '@', '`', '#']);
    const listed = new Set(operators.map(({ kind }) => kind));
    expect(texts.filter((text) => !listed.has(text) && !punctuation.has(text))).toEqual([]);
  });
});
