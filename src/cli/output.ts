import { fileError, reportFailure } from './failure.ts';

/**
 * Sets what becomes of writes to stdout that fail: a reader that has gone away (`verdigris trace | head`) is no failure, a full disk
 * ends the program with one sentence.
 */
export function watchOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.exit(reportFailure(fileError('text', 'to standard output', error, 'write')));
  });
}

/** Writes to stdout and waits until it is written. @returns whether somebody still reads */
export function writeOutput(text: string): Promise<boolean> {
  return new Promise((resolve) => process.stdout.write(text, (error) => resolve(!error)));
}
