import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEFECTS } from './process-module/defects.ts';
import type { NamedTest } from './process-module/named-test.ts';
import { OPERATIONS } from './process-module/operations.ts';
import { type DeclaredTest, declaredTests } from './test-titles.ts';

const root = resolve(import.meta.dirname, '../..');
const known = new Map<string, readonly DeclaredTest[]>();

function testsOf(file: string): readonly DeclaredTest[] {
  const path = join(root, 'tests', file);
  const declared = known.get(file) ?? (existsSync(path) ? declaredTests(path) : []);
  known.set(file, declared);
  return declared;
}

/** Why a test cannot hold anything, or undefined. */
function problemOf([file, title]: NamedTest): string | undefined {
  const found = testsOf(file).filter((test) => test.title === title || test.title.endsWith(` > ${title}`));
  if (found.length === 0) return `${file} has no test '${title}'`;
  return found.every(({ isDisabled }) => isDisabled) ? `'${title}' of ${file} never runs` : undefined;
}

/** Whether a source file declares a function, class, constant or method of that name. */
function declares(file: string, symbol: string): boolean {
  const path = join(root, 'src/kernel', file);
  if (!existsSync(path)) return false;
  return new RegExp(`^(export )?(function|class|const|let) ${symbol}\\b`, 'm').test(readFileSync(path, 'utf8'));
}

const isProblem = (problem: string | undefined): boolean => problem !== undefined;

describe('every operation of the process module', () => {
  it('is where the table says', () => {
    const missing = OPERATIONS.filter(({ file, symbol }) => !declares(file, symbol));
    expect(missing.map(({ name, file, symbol }) => `${name}: ${symbol} in ${file}`)).toEqual([]);
  });

  it('is exercised by a test that exists and runs', () => {
    const problems = OPERATIONS.map(({ name, test }) => problemOf(test) && `${name}: ${problemOf(test)}`);
    expect(problems.filter(isProblem)).toEqual([]);
  });

  it('is there once, under one name', () => {
    const names = OPERATIONS.map(({ name }) => name);
    const symbols = OPERATIONS.map(({ file, symbol }) => `${file} ${symbol}`);
    expect([new Set(names).size, new Set(symbols).size]).toEqual([names.length, symbols.length]);
  });
});

describe('every known defect of process modules', () => {
  it('has its number, from 1 to 90', () => {
    expect(DEFECTS.map(({ number }) => number)).toEqual(Array.from({ length: 90 }, (_, index) => index + 1));
  });

  it('is held off by a test that exists and runs, or cannot occur for a reason', () => {
    const problems = DEFECTS.map(({ number, heldBy }) => {
      const problem = typeof heldBy === 'string' ? reasonProblem(heldBy) : problemOf(heldBy);
      return problem && `${number}: ${problem}`;
    });
    expect(problems.filter(isProblem)).toEqual([]);
  });
});

/** A reason is a sentence. */
function reasonProblem(reason: string): string | undefined {
  return /^[A-Z].{30,}\.$/s.test(reason) ? undefined : 'no reason';
}
