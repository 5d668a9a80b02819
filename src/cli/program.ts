import { Command } from 'commander';
import { benchCommand } from './bench.ts';
import { bootCommand } from './boot.ts';
import { buildCommand } from './build.ts';
import { execCommand } from './exec.ts';
import { stepCommand } from './step.ts';
import { traceCommand } from './trace.ts';

/** The command line: every verb with its options and help. It throws a CommanderError where commander would exit. */
export function createProgram(): Command {
  const program = new Command('verdigris')
    .description('An x86-64 computer written in TypeScript, and the microkernel that runs on it.')
    .version('0.1.0')
    .showHelpAfterError('(add --help for what is possible)')
    .exitOverride()
    .addCommand(benchCommand())
    .addCommand(bootCommand())
    .addCommand(buildCommand())
    .addCommand(traceCommand())
    .addCommand(stepCommand())
    .addCommand(execCommand());
  for (const command of program.commands) command.copyInheritedSettings(program);
  return program;
}
