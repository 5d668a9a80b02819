import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileError } from './failure.ts';

/**
 * Writes a file whole: other processes see the old file or the new one, never a part.
 * @param what the file's part, as in `image`
 * @throws CommandError
 */
export function replaceFile(what: string, path: string, data: Uint8Array | string): void {
  const partial = `${path}.${process.pid}.partial`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(partial, data);
    renameSync(partial, path);
  } catch (error) {
    throw fileError(what, path, error, 'write');
  }
}
