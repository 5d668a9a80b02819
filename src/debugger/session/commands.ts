import { hexadecimal } from '../value-printer.ts';
import { CommandError, parseAddress, parseCodeAddresses, parseCount } from './expression.ts';
import { processView } from './process-table.ts';
import type { Session } from './session.ts';
import { globalDescriptorTable, interruptDescriptorTable, pageWalk } from './tables.ts';
import {
  backtraceView,
  disassemblyView,
  localsView,
  locationView,
  memoryView,
  registersView,
  sourceView,
  stackView,
  valueAt,
  variableText,
} from './views.ts';

interface Command {
  readonly names: readonly string[];
  readonly usage: string;
  readonly summary: string;
  /** What its argument is, for completion. */
  readonly completes?: 'symbol' | 'register' | 'source';
  run(session: Session, words: readonly string[]): string[] | Promise<string[]>;
}

/** The result of one line of input: what to print, and whether the person asked to leave. */
export interface CommandResult {
  readonly lines: readonly string[];
  readonly quit: boolean;
}

const moved = (session: Session, notes: readonly string[]) => [...notes, ...locationView(session)];

function needed(words: readonly string[], what: string): string {
  const text = words.join('');
  if (text === '') throw new CommandError(`${what} is missing`);
  return text;
}

const COMMANDS: readonly Command[] = [
  {
    names: ['stepi', 'si'],
    usage: 'stepi [COUNT]',
    summary: 'execute one instruction, or COUNT of them',
    run: (session, [count]) => moved(session, session.stepInstructions(parseCount(count, 1))),
  },
  {
    names: ['nexti', 'ni'],
    usage: 'nexti',
    summary: 'execute one instruction, a call as a whole',
    run: async (session) => moved(session, await session.nextInstruction()),
  },
  {
    names: ['step', 's'],
    usage: 'step',
    summary: 'execute to the next source line, into calls',
    run: async (session) => moved(session, await session.stepLine()),
  },
  {
    names: ['next', 'n'],
    usage: 'next',
    summary: 'execute to the next source line, over calls',
    run: async (session) => moved(session, await session.nextLine()),
  },
  {
    names: ['finish', 'out'],
    usage: 'finish',
    summary: 'run until the current function returns',
    run: async (session) => moved(session, await session.finish()),
  },
  {
    names: ['continue', 'c'],
    usage: 'continue [COUNT]',
    summary: 'run to a breakpoint or the end, at most COUNT instructions',
    run: async (session, [count]) => {
      const limit = count === undefined ? undefined : session.target.instructionCount + parseCount(count, 1);
      return moved(session, await session.continue(limit));
    },
  },
  {
    names: ['until', 'u'],
    usage: 'until PLACE',
    summary: 'run to a symbol, file.ts:line or address',
    completes: 'symbol',
    run: async (session, words) => {
      const [address] = parseCodeAddresses(needed(words, 'the place to run to'), session);
      return moved(session, await session.runTo(address!));
    },
  },
  {
    names: ['break', 'b'],
    usage: 'break PLACE',
    summary: 'stop at a symbol, file.ts:line or address',
    completes: 'symbol',
    run: (session, words) => {
      const text = needed(words, 'the place of the breakpoint');
      const addresses = parseCodeAddresses(text, session);
      const { number } = session.addBreakpoint(text, addresses);
      return [`breakpoint ${number} at ${text}: ${addresses.map((each) => hexadecimal(each)).join(', ')}`];
    },
  },
  {
    names: ['watch', 'w'],
    usage: 'watch ADDRESS [BYTES]',
    summary: 'stop when memory is written',
    completes: 'symbol',
    run: (session, [place, bytes]) => {
      const address = parseAddress(needed(place === undefined ? [] : [place], 'the address to watch'), session);
      const size = parseCount(bytes, 8);
      const { number } = session.addBreakpoint(`write to ${place}`, [address], size);
      return [`watchpoint ${number} on ${size} bytes at ${hexadecimal(address, 16)}`];
    },
  },
  {
    names: ['delete', 'd'],
    usage: 'delete NUMBER',
    summary: 'remove a breakpoint or watchpoint',
    run: (session, [number]) => {
      const removed = session.removeBreakpoint(parseCount(number, 0));
      if (!removed) throw new CommandError(`there is no breakpoint ${number ?? ''}; 'breakpoints' lists them`);
      return [];
    },
  },
  {
    names: ['breakpoints', 'bl'],
    usage: 'breakpoints',
    summary: 'list breakpoints and watchpoints',
    run: (session) =>
      session.breakpoints.length === 0
        ? ['no breakpoints']
        : session.breakpoints.map(
            (each) =>
              `${each.number}  ${each.description}  ${each.addresses.map((a) => session.describe(a)).join(', ')}`,
          ),
  },
  {
    names: ['registers', 'r'],
    usage: 'registers [NAME ...]',
    summary: 'show registers',
    completes: 'register',
    run: (session, names) => registersView(session, names),
  },
  {
    names: ['memory', 'x'],
    usage: 'memory ADDRESS [BYTES]',
    summary: 'dump memory',
    completes: 'symbol',
    run: (session, [place, bytes]) => {
      const address = parseAddress(needed(place === undefined ? [] : [place], 'the address to show'), session);
      return memoryView(session, address, parseCount(bytes, 64));
    },
  },
  {
    names: ['stack', 'k'],
    usage: 'stack [COUNT]',
    summary: 'show the quadwords at RSP with their symbols',
    run: (session, [count]) => stackView(session, parseCount(count, 16)),
  },
  {
    names: ['backtrace', 'bt'],
    usage: 'backtrace',
    summary: 'show who called this function',
    run: (session) => backtraceView(session),
  },
  {
    names: ['list', 'l'],
    usage: 'list [LINES]',
    summary: 'show the source around the current line, with its instructions',
    run: (session, [lines]) => sourceView(session, parseCount(lines, 5)),
  },
  {
    names: ['disassemble', 'dis'],
    usage: 'disassemble [PLACE] [COUNT]',
    summary: 'show instructions',
    completes: 'symbol',
    run: (session, [place, count]) => {
      const address = place === undefined ? session.rip : parseCodeAddresses(place, session)[0]!;
      return disassemblyView(session, address, parseCount(count, 10));
    },
  },
  {
    names: ['locals'],
    usage: 'locals',
    summary: 'show parameters and locals of the current function',
    run: (session) => localsView(session),
  },
  {
    names: ['print', 'p'],
    usage: 'print NAME | TYPE ADDRESS',
    summary: 'show a variable, or memory as a class or struct',
    completes: 'symbol',
    run: (session, [name, place]) => printCommand(session, needed(name === undefined ? [] : [name], 'a name'), place),
  },
  {
    names: ['walk'],
    usage: 'walk ADDRESS',
    summary: 'show the page-table walk of a linear address',
    completes: 'symbol',
    run: (session, words) => {
      const address = parseAddress(needed(words, 'the address to walk'), session);
      const { levels, physical } = session.target.walk(address);
      return pageWalk(address, levels, physical);
    },
  },
  { names: ['gdt'], usage: 'gdt', summary: 'show the global descriptor table', run: globalDescriptorTable },
  { names: ['idt'], usage: 'idt', summary: 'show the interrupt descriptor table', run: interruptDescriptorTable },
  { names: ['processes', 'ps'], usage: 'processes', summary: "show the kernel's process table", run: processView },
  { names: ['where'], usage: 'where', summary: 'show where the machine stands', run: locationView },
  { names: ['help', 'h', '?'], usage: 'help', summary: 'show this list', run: () => helpText() },
];

const QUIT = ['quit', 'q', 'exit'];

function helpText(): string[] {
  const width = Math.max(...COMMANDS.map((each) => each.usage.length));
  const lines = COMMANDS.map(({ usage, names, summary }) => {
    const short = names.length > 1 ? ` (${names.slice(1).join(', ')})` : '';
    return `${usage.padEnd(width)}  ${summary}${short}`;
  });
  return [...lines, `${'quit'.padEnd(width)}  leave (q, exit)`, 'An empty line repeats the last command.'];
}

function printCommand(session: Session, name: string, place: string | undefined): string[] {
  const images = [session.image, session.images.kernel].filter((image) => image !== undefined);
  if (place !== undefined) {
    const type = images.map((image) => image.info.typeNamed(name)).find((found) => found !== undefined);
    if (type === undefined) throw new CommandError(`there is no class or struct named '${name}'`);
    return valueAt(session, parseAddress(place, session), type).split('\n');
  }
  const info = session.function;
  const local = info?.variables.find((each) => each.name === name);
  if (local !== undefined) return variableText(session, local, info).split('\n');
  const global = images.map((image) => image.info.globals.get(name)?.[0]).find((found) => found !== undefined);
  if (global !== undefined) return variableText(session, global, undefined).split('\n');
  return [hexadecimal(parseAddress(name, session))];
}

/** Carries out one line of input. Errors that a person can correct come back as text. */
export async function execute(session: Session, line: string): Promise<CommandResult> {
  const [name = '', ...words] = line.trim().split(/\s+/);
  if (QUIT.includes(name)) return { lines: [], quit: true };
  const command = COMMANDS.find((each) => each.names.includes(name));
  if (command === undefined) return { lines: [`'${name}' is not a command; 'help' lists them`], quit: false };
  try {
    return { lines: await command.run(session, words), quit: false };
  } catch (error) {
    if (error instanceof CommandError) return { lines: [error.message], quit: false };
    throw error;
  }
}

/** The completions of what has been typed: command names first, then what the command's argument may be. */
export function complete(session: Session, line: string): string[] {
  const [, first = '', separator, rest = ''] = /^(\S*)(\s+)?(.*)$/.exec(line) ?? [];
  if (separator === undefined) {
    return [...COMMANDS.map((each) => each.names[0]!), 'quit'].filter((name) => name.startsWith(first));
  }
  const command = COMMANDS.find((each) => each.names.includes(first));
  if (command?.completes === undefined) return [];
  const candidates = command.completes === 'register' ? session.registerNames : session.symbolNames;
  return candidates.filter((name) => name.startsWith(rest)).map((name) => `${first} ${name}`);
}
