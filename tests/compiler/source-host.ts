import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { SourceHost } from '../../src/compiler/compile.ts';

const root = resolve(import.meta.dirname, '../..');

/** The repository's own files, with a few that exist only in the test. */
export function sourceHost(files: Readonly<Record<string, string>> = {}): SourceHost {
  return {
    readFile(path) {
      if (Object.hasOwn(files, path)) return files[path];
      try {
        return readFileSync(resolve(root, path), 'utf8');
      } catch {
        return undefined;
      }
    },
  };
}
