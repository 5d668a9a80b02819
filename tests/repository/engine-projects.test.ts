import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ENGINE_PROJECTS, LEFT_OUT } from '../engine-projects.ts';

const tests = resolve(import.meta.dirname, '..');

/** What makes a processor or a machine. */
const MAKES_ONE = /\bnew (Cpu|Machine)\(|\bboot\(|\bCaseMachine\(/;

/** A module of the tests and those that it imports from there. */
function closureOf(file: string, known = new Set<string>()): Set<string> {
  if (known.has(file)) return known;
  known.add(file);
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/from '(\.[^']+)'/g)) {
    const imported = resolve(dirname(file), path!);
    if (imported.startsWith(tests) && existsSync(imported)) closureOf(imported, known);
  }
  return known;
}

const files = readdirSync(tests, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.test.ts'));
const closures = new Map(files.map((name) => [name.replace(/\.test\.ts$/, ''), closureOf(join(tests, name))]));
const filesOf = (name: string): readonly string[] =>
  ENGINE_PROJECTS.find((project) => project.name === name)!.files.map((file) =>
    file.replace(/^tests\/|\.test\.ts$/g, ''),
  );

describe('a test file that executes a guest', () => {
  const executing = [...closures].filter(([, closure]) =>
    [...closure].some((module) => MAKES_ONE.test(readFileSync(module, 'utf8'))),
  );
  const leftOut = Object.values(LEFT_OUT).flat();
  const translated = [...filesOf('instructions-hot'), ...filesOf('kernels-hot')];

  it('runs with everything translated, or it is said why not', () => {
    const known = new Set([...translated, ...leftOut]);
    expect(executing.map(([name]) => name).filter((name) => !known.has(name))).toEqual([]);
    expect([...known].filter((name) => !closures.has(name))).toEqual([]);
    expect(translated.filter((name) => leftOut.includes(name))).toEqual([]);
  });

  it('runs in regions of one instruction when it runs in larger ones', () => {
    expect([...filesOf('instructions-tiny'), ...filesOf('kernels-tiny')]).toEqual(translated);
  });

  it('takes the engine that its project gives it', () => {
    const setting = join(tests, 'engine.ts');
    expect(translated.filter((name) => !closures.get(name)!.has(setting))).toEqual([]);
    for (const { name, engine } of ENGINE_PROJECTS) {
      expect([name, engine.engine, engine.translator?.regionLimit]).toEqual([
        name,
        'translator',
        name.endsWith('-tiny') ? 1 : expect.any(Number),
      ]);
    }
  });
});
