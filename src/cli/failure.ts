import { readFileSync, writeFileSync } from 'node:fs';
import { chalkStderr } from 'chalk';
import { MachineError } from '../machine/machine-error.ts';
import { ExitCode } from '../machine/stop.ts';

/** Something the command line cannot do, in one clear sentence. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** Prints why a command failed, in one sentence. @returns the exit status: the machine could not run the image */
export function reportFailure(error: unknown): number {
  process.stderr.write(`${chalkStderr.red('verdigris:')} ${sentence(error)}\n`);
  return ExitCode.MachineError;
}

function sentence(error: unknown): string {
  if (error instanceof MachineError || error instanceof CommandError) return error.message;
  return `internal error: ${error instanceof Error ? error.message : error}`;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
  EEXIST: 'a part of the path is not a directory',
  ENOSPC: 'there is no space left on the disk',
  ERR_FS_FILE_TOO_LARGE: 'it is larger than 2 GiB',
};

/** @returns the error of a file operation as a sentence about the file; `what` is its part, as in `image` */
export function fileError(what: string, path: string, error: unknown, verb: 'read' | 'write' = 'read'): CommandError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = verb === 'write' && code === 'ENOENT' ? 'there is no such directory' : REASONS[code ?? ''];
  return new CommandError(`cannot ${verb} the ${what} ${path}: ${reason ?? message}`);
}

/** @throws CommandError when it cannot be read */
export function readInput(what: string, path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw fileError(what, path, error);
  }
}

/** @throws CommandError when it cannot be written */
export function writeResult(what: string, path: string, data: Uint8Array | string): void {
  try {
    writeFileSync(path, data);
  } catch (error) {
    throw fileError(what, path, error, 'write');
  }
}
