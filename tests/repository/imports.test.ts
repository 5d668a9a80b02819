import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/** Which folders of src each top-level folder may import from, besides itself. */
const allowed: Record<string, readonly string[]> = {
  cli: ['debugger', 'machine', 'compiler', 'cpu', 'devices', 'kernel'],
  debugger: ['machine', 'cpu', 'devices', 'compiler'],
  machine: ['cpu', 'devices'],
  cpu: [],
  devices: [],
  compiler: [],
  kernel: [],
  user: ['kernel/abi'],
};

function sourcesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sourcesBelow(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^'$]+)'/g)].map((match) => match[1] as string);
}

describe('imports run one way', () => {
  for (const [folder, others] of Object.entries(allowed)) {
    it(`src/${folder} imports only ${[folder, ...others].join(', ')}`, () => {
      const wrong = sourcesBelow(join(root, 'src', folder)).flatMap((file) =>
        importsOf(file)
          .filter((specifier) => specifier.startsWith('.'))
          .map((specifier) => relative(join(root, 'src'), resolve(dirname(file), specifier)))
          .filter((target) => ![folder, ...others].some((place) => target.startsWith(`${place}/`)))
          .map((target) => `${relative(root, file)} -> src/${target}`),
      );
      expect(wrong).toEqual([]);
    });
  }

  it('only src/cli uses Node', () => {
    const wrong = sourcesBelow(join(root, 'src'))
      .filter((file) => !relative(root, file).startsWith('src/cli/'))
      .filter((file) => importsOf(file).some((specifier) => specifier.startsWith('node:')));
    expect(wrong.map((file) => relative(root, file))).toEqual([]);
  });
});
