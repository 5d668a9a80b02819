import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileToIr, formatDiagnostic } from '../../../src/compiler/compile.ts';
import { sourceHost } from '../source-host.ts';

const folder = join(import.meta.dirname, 'fixtures');
const fixtures = readdirSync(folder).filter((name) => name.endsWith('.dialect'));

/** `// @expect-error VG1001` announces a diagnostic of the next line. */
function expected(text: string): string[] {
  return text.split('\n').flatMap((line, index) => {
    const [, codes] = /\/\/ @expect-error (.+)$/.exec(line) ?? [];
    return codes === undefined ? [] : codes.split(' ').map((code) => `${index + 2} ${code}`);
  });
}

const factories = join(import.meta.dirname, '../../../src/compiler/rules');
const declared = readdirSync(factories).flatMap((name) =>
  [...readFileSync(join(factories, name), 'utf8').matchAll(/rule\('(VG\d{4})'/g)].map((match) => match[1]!),
);

describe('rules', () => {
  for (const name of fixtures) {
    const text = readFileSync(join(folder, name), 'utf8');
    it(`finds exactly the broken rules in ${name}`, () => {
      const entry = `test/${name}.ts`;
      const request = { entry, kind: 'user', host: sourceHost({ [entry]: text }), keepExports: true } as const;
      const { diagnostics } = compileToIr(request);
      const found = diagnostics.map(({ code, location }) => `${location?.line} ${code}`);
      expect([...new Set(found)].sort(), diagnostics.map(formatDiagnostic).join('\n')).toEqual(expected(text).sort());
    });
  }

  it('have codes of their own', () => {
    expect(new Set(declared).size).toBe(declared.length);
  });

  it('are each broken by a fixture', () => {
    const texts = fixtures.map((name) => readFileSync(join(folder, name), 'utf8'));
    texts.push(readFileSync(import.meta.filename, 'utf8'));
    const broken = new Set(texts.flatMap((text) => text.match(/VG\d{4}/g) ?? []));
    expect(declared.filter((code) => !broken.has(code))).toEqual([]);
  });
});

it('says rule, place, source line, fix and reason, as tsc prints', () => {
  const text = "import { u32 } from '#dialect';\nexport function f(a: u32): u32 {\n  return a + 1;\n}\n";
  const host = sourceHost({ 'test/one.ts': text });
  const { diagnostics } = compileToIr({ entry: 'test/one.ts', kind: 'user', host, keepExports: true });
  expect(
    diagnostics.map(formatDiagnostic).join(''),
  ).toBe(`test/one.ts:3:10 - error VG1001: a computed number has no width, and u32 needs one

3   return a + 1;
           ~~~~~
  fix: wrap it in a constructor, as in u32(...)
  why: widths are declared, never inferred: the constructor is where the wrap is read
`);
});

it('asks for an entry point (VG3015)', () => {
  const host = sourceHost({ 'test/one.ts': 'export {};\n' });
  const codes = (kind: 'kernel' | 'user') =>
    compileToIr({ entry: 'test/one.ts', kind, host }).diagnostics.map(({ code }) => code);
  expect([codes('kernel'), codes('user')]).toEqual([['VG3015'], ['VG3015']]);
});

it('reports what tsc finds first, and only that', () => {
  const text = "import { u32 } from '#dialect';\nexport function f(a: u32): u32 {\n  return a + missing;\n}\n";
  const host = sourceHost({ 'test/one.ts': text });
  const { diagnostics } = compileToIr({ entry: 'test/one.ts', kind: 'user', host, keepExports: true });
  expect(diagnostics.map(({ code }) => code)).toEqual(['TS2304']);
});
