import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMAND_LINE } from './promises/command-line.ts';
import { COMPILER } from './promises/compiler.ts';
import { ENGINES } from './promises/engines.ts';
import type { Promised } from './promises/kept-by.ts';
import { KERNEL } from './promises/kernel.ts';
import { MACHINE } from './promises/machine.ts';
import { ORACLES } from './promises/oracles.ts';
import { PROCESSOR } from './promises/processor.ts';
import { REPOSITORY } from './promises/repository.ts';
import { type DeclaredTest, declaredTests } from './test-titles.ts';

const tests = resolve(import.meta.dirname, '..');

const SECTIONS: Readonly<Record<string, readonly Promised[]>> = {
  'the repository': REPOSITORY,
  'the processor': PROCESSOR,
  'the engines': ENGINES,
  'the machine and its devices': MACHINE,
  'the compiler': COMPILER,
  'the kernel and its programs': KERNEL,
  'the command line': COMMAND_LINE,
  'agreement with what others wrote, and speed': ORACLES,
};

const known = new Map<string, readonly DeclaredTest[]>();

/** The tests that a file declares; none when there is no such file. */
function testsOf(file: string): readonly DeclaredTest[] {
  const path = join(tests, file);
  const declared = known.get(file) ?? (existsSync(path) ? declaredTests(path) : []);
  known.set(file, declared);
  return declared;
}

/** Why a promise is not kept by the test that it names, or undefined. */
function problemOf({ promise, file, test }: Promised): string | undefined {
  const found = testsOf(file).filter(({ title }) => title === test);
  if (found.length === 0) return `${promise}: ${file} has no test '${test}'`;
  const isGroup = (title: string) => testsOf(file).some((other) => other.title.startsWith(`${title} > `));
  if (found.every(({ isDisabled }) => isDisabled)) return `${promise}: '${test}' in ${file} never runs`;
  const runs = testsOf(file).some(({ title, isDisabled }) => title.startsWith(`${test} > `) && !isDisabled);
  return isGroup(test) && !runs ? `${promise}: nothing in '${test}' of ${file} runs` : undefined;
}

describe('what is promised is held by a test that names it', () => {
  it.each(Object.entries(SECTIONS))('%s', (_section, promises) => {
    expect(promises.length).toBeGreaterThan(10);
    expect(promises.map(problemOf).filter((problem) => problem !== undefined)).toEqual([]);
  });

  it('and each promise is made once', () => {
    const texts = Object.values(SECTIONS)
      .flat()
      .map(({ promise }) => promise);
    expect(texts.filter((text, index) => texts.indexOf(text) !== index)).toEqual([]);
  });
});

describe('titles of tests', () => {
  it('are read with their groups, their rows, and whether they run', () => {
    const titles = declaredTests(join(import.meta.dirname, 'titles-sample.ts'));
    expect(titles).toEqual([
      { title: 'a group', isDisabled: false },
      { title: 'a group > a test', isDisabled: false },
      { title: 'a group > … of a row', isDisabled: false },
      { title: 'a group > first of a row', isDisabled: false },
      { title: 'a group > second of a row', isDisabled: false },
      { title: 'a group > needs gdb', isDisabled: false },
      { title: 'a group > template of … parts', isDisabled: false },
      { title: 'a group > one', isDisabled: false },
      { title: 'a group > two words', isDisabled: false },
      { title: 'a group > not yet', isDisabled: true },
      { title: 'left out', isDisabled: true },
      { title: 'left out > with the group', isDisabled: true },
    ]);
  });
});
