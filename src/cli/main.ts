import { CommanderError } from 'commander';
import { reportFailure } from './failure.ts';
import { watchOutput } from './output.ts';
import { createProgram } from './program.ts';

watchOutput();

try {
  await (await createProgram(process.argv[2])).parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else process.exitCode = reportFailure(error);
}
