import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { verdigris } from './verdigris.ts';

const verbs = (await createProgram()).commands.map((command) => command.name());

/** The help of a verb as it is printed, its own text behind the options included. */
async function helpOf(verb: string): Promise<string> {
  const command = (await createProgram()).commands.find((each) => each.name() === verb)!;
  let text = '';
  command.configureOutput({
    writeOut: (piece) => {
      text += piece;
    },
  });
  command.outputHelp();
  return text;
}

const helps = await Promise.all(verbs.map(helpOf));
const examples = helps.flatMap((help) =>
  [...help.matchAll(/^ {2}(?:echo .* \| )?(verdigris \S.*?)(?: {2,}.*)?$/gm)].map((match) => match[1]!),
);

/** Words as a shell would split them: quotes hold words together, redirections are the shell's. */
function wordsOf(line: string): string[] {
  const words = [...line.replace(/ <.*$/, '').matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2]!);
  return words.slice(1);
}

async function parse(line: string): Promise<string[]> {
  const program = await createProgram();
  const called: string[] = [];
  for (const command of program.commands as Command[]) {
    command.configureOutput({ writeErr: () => {} });
    command.action(() => {
      called.push(command.name());
    });
  }
  await program.parseAsync(wordsOf(line), { from: 'user' });
  return called;
}

describe('the help of every verb', () => {
  it('is led to by verdigris --help', async () => {
    const { stdout, status } = await verdigris(['--help']);
    expect(status).toBe(0);
    for (const verb of verbs) expect(stdout).toMatch(new RegExp(`^ {2}${verb} .*\\w`, 'm'));
    expect(verbs.toSorted()).toEqual(['bench', 'boot', 'build', 'exec', 'step', 'trace']);
  });

  it.each(verbs)('%s: describes each option and gives examples', async (verb) => {
    const text = await helpOf(verb);
    const command = (await createProgram()).commands.find((each) => each.name() === verb)!;
    for (const option of command.options) {
      expect(text).toContain(option.flags);
      expect(option.description.length).toBeGreaterThan(5);
    }
    expect(text.split('\nExamples:\n')[1]).toMatch(new RegExp(`verdigris ${verb}`));
    const printed = await verdigris([verb, '--help']);
    expect([printed.stdout, printed.stderr, printed.status]).toEqual([text, '', 0]);
  });
});

describe('the examples in the help', () => {
  it.each(examples)('%s', async (line) => {
    expect(await parse(line)).toEqual([wordsOf(line)[0]]);
  });

  it('are at least two a verb', () => {
    for (const verb of verbs)
      expect(examples.filter((line) => line.startsWith(`verdigris ${verb}`)).length).toBeGreaterThanOrEqual(2);
  });
});
