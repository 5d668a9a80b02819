/** Where the dialect's own declarations lie, relative to the repository's root. */
export const LIBRARY = 'src/compiler/library/index.ts';
export const STANDARD_LIBRARY = 'src/kernel/kernel.lib.d.ts';
export const LIBRARY_FOLDER = 'src/compiler/library/';

/** The path that a relative specifier names, seen from a file. */
export function joined(importer: string, specifier: string): string {
  const parts = importer.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}
