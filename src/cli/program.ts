import { Command } from 'commander';

/** The verbs, in the order of the help. Each module is loaded only when its verb is wanted. */
const VERBS: Readonly<Record<string, () => Promise<Command>>> = {
  bench: async () => (await import('./bench.ts')).benchCommand(),
  boot: async () => (await import('./boot.ts')).bootCommand(),
  build: async () => (await import('./build.ts')).buildCommand(),
  trace: async () => (await import('./trace.ts')).traceCommand(),
  step: async () => (await import('./step.ts')).stepCommand(),
  exec: async () => (await import('./exec.ts')).execCommand(),
};

/**
 * The command line, its options and help. It throws a CommanderError where commander would exit.
 * @param verb the only one to be there; without it, or when there is no such verb, all are
 */
export async function createProgram(verb = ''): Promise<Command> {
  const program = new Command('verdigris')
    .description('An x86-64 computer written in TypeScript, and the microkernel that runs on it.')
    .version('0.1.0')
    .showHelpAfterError('(add --help for what is possible)')
    .exitOverride();
  const wanted = Object.hasOwn(VERBS, verb) ? [VERBS[verb]!] : Object.values(VERBS);
  for (const load of wanted) program.addCommand(await load());
  for (const command of program.commands) command.copyInheritedSettings(program);
  return program;
}
