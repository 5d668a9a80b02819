import { readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import chalk from 'chalk';
import { Command } from 'commander';
import { MachineTarget } from '../debugger/machine-target.ts';
import { complete, execute } from '../debugger/session/commands.ts';
import { Session } from '../debugger/session/session.ts';
import { locationView, sourceView } from '../debugger/session/views.ts';
import { debugImages, sourceReaderBelow } from './debug-images.ts';
import { fileError } from './failure.ts';
import { addMachineOptions, type MachineFlags, openMachine } from './machine-options.ts';
import { writeOutput } from './output.ts';

const HISTORY_FILE = join(homedir(), '.verdigris_history');
const HISTORY_LINES = 1000;
const PROMPT = '(verdigris) ';
/** Commands after which the source around the new place is of interest. */
const MOVES = /^(s|step|n|next|finish|out)$/;

const DETAILS = `
Commands: stepi nexti step next finish continue until break watch delete breakpoints registers memory
stack backtrace list disassemble locals print walk gdt idt processes where help quit. Tab completes
commands, symbols and registers; the arrow keys walk through the history; an empty line repeats.
Ctrl-C interrupts a running machine. Commands may also come from a pipe or a file.

Examples:
  verdigris step
  verdigris step kernel.elf --append 'init=/bin/init'
  echo 'break fork\ncontinue\nbacktrace' | verdigris step
`;

/** The verb `step`. */
export function stepCommand(): Command {
  const command = new Command('step')
    .description('debug a kernel image: step, break, watch, and look at everything')
    .argument('[image]', 'the kernel image (default: our kernel, compiled when stale)');
  return addMachineOptions(command)
    .addHelpText('after', DETAILS)
    .action(async (image: string | undefined, flags: MachineFlags) => {
      process.exitCode = await step(image, flags);
    });
}

async function step(imagePath: string | undefined, flags: MachineFlags): Promise<number> {
  const opened = await openMachine(imagePath, flags);
  const target = new MachineTarget(opened.machine);
  const images = debugImages(opened, (address, length) => target.readMemory(address, length));
  const session = new Session(target, images, sourceReaderBelow(opened.sourceRoot));
  const serial = new SerialLines(opened.machine);
  const input = createPrompt(session, target);
  for (const line of locationView(session)) print(line);
  await readCommands(session, input, serial);
  input.close();
  saveHistory(input);
  return 0;
}

/** Shows the guest's serial output a line at a time, set apart from the debugger's own. */
class SerialLines {
  #partial = '';

  constructor(machine: { serial: { onByte(listener: (byte: number) => void): void } }) {
    machine.serial.onByte((byte) => this.#output(byte));
  }

  #output(byte: number): void {
    const character = String.fromCharCode(byte);
    if (character === '\n') this.flush();
    else if (character !== '\r') this.#partial += character;
  }

  flush(): void {
    if (this.#partial !== '') print(chalk.green(`| ${this.#partial}`));
    this.#partial = '';
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Latest first, as readline wants it. A file that cannot be read is no history. */
function loadHistory(): string[] {
  if (!process.stdin.isTTY) return [];
  try {
    return readFileSync(HISTORY_FILE, 'utf8').split('\n').filter(Boolean).reverse();
  } catch {
    return [];
  }
}

/** @throws CommandError when it cannot be written */
function saveHistory(input: Interface): void {
  if (!process.stdin.isTTY) return;
  const { history } = input as Interface & { history: string[] };
  const text = `${history.slice(0, HISTORY_LINES).reverse().join('\n')}\n`;
  try {
    writeFileSync(HISTORY_FILE, text, { mode: 0o600 });
  } catch (error) {
    throw fileError('history', HISTORY_FILE, error, 'write');
  }
}

function createPrompt(session: Session, target: MachineTarget): Interface {
  const input = createInterface({
    input: process.stdin,
    ...(process.stdin.isTTY ? { output: process.stdout } : {}),
    prompt: PROMPT,
    history: loadHistory(),
    historySize: HISTORY_LINES,
    completer: (line: string) => [complete(session, line), line],
  });
  input.on('SIGINT', () => {
    target.interrupt = true;
  });
  return input;
}

async function readCommands(session: Session, input: Interface, serial: SerialLines): Promise<void> {
  const interactive = process.stdin.isTTY;
  let previous = '';
  if (interactive) input.prompt();
  for await (const line of input) {
    const text = line.trim() === '' && interactive ? previous : line;
    previous = text;
    if (text.trim() !== '' && !text.trim().startsWith('#')) {
      if (!interactive) print(`${PROMPT}${text}`);
      const { lines, quit } = await execute(session, text);
      serial.flush();
      const shown = interactive && MOVES.test(text.trim()) ? [...lines, ...sourceView(session, 3)] : lines;
      const isRead = await writeOutput(shown.map((each) => `${each}\n`).join(''));
      if (quit || !isRead) return;
    }
    if (interactive) input.prompt();
  }
}
