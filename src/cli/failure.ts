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
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
};

/** @returns the error of a file operation as a sentence about the file */
export function fileError(what: string, path: string, error: unknown): CommandError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new CommandError(`cannot read the ${what} ${path}: ${REASONS[code ?? ''] ?? message}`);
}
