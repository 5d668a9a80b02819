import { basename } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PROTOCOLS, type Protocol } from '../machine/boot/load-image.ts';
import { Machine } from '../machine/machine.ts';
import type { TypedInput } from '../machine/serial-console.ts';
import { joinArchives } from './archive.ts';
import { CommandError, readInput } from './failure.ts';
import { type BuiltImages, buildImages, KERNEL_FILE, packageRoot } from './images.ts';
import { packDirectory } from './rootfs.ts';
import { offerStoredInterpreter } from './stored-interpreter.ts';

/** What every verb that powers a machine on lets the user choose. */
export interface MachineFlags {
  readonly initrd?: string;
  readonly rootfs?: string;
  readonly append: string;
  readonly memory: string;
  readonly maxInstructions?: number;
  readonly protocol: Protocol;
  readonly scheduleSeed?: string;
  readonly engine: 'interpreter' | 'translator' | 'auto';
  readonly replay?: string;
}

export interface OpenedMachine {
  readonly machine: Machine;
  readonly image: Uint8Array;
  readonly imageName: string;
  readonly initrd?: Uint8Array;
  /** The folder that relative source paths in the image's debug information start from. */
  readonly sourceRoot: string;
}

/** Adds the options of MachineFlags to a verb. */
export function addMachineOptions(command: Command): Command {
  return command
    .option('--initrd <file>', 'hand this file to the kernel as its first module')
    .addOption(
      new Option('--rootfs <directory>', 'make this directory the root of the file system').conflicts('initrd'),
    )
    .option('--append <text>', 'kernel command line', '')
    .option('--memory <size>', 'RAM, 1M to 3G', '256M')
    .option('--max-instructions <n>', 'stop after this many instructions', parseCount)
    .addOption(new Option('--protocol <name>', 'boot protocol').choices([...PROTOCOLS]).default('auto'))
    .addOption(
      new Option('--engine <name>', 'how instructions are executed; the guest sees no difference')
        .choices(['interpreter', 'translator', 'auto'])
        .default('auto'),
    )
    .option(
      '--schedule-seed <seed[:depth]>',
      'our kernel draws its schedules from this number: uniformly, or by PCT with that many priority changes',
      parseScheduleSeed,
    )
    .option('--replay <file>', 'type what `boot --record` wrote, at the same times');
}

/**
 * Powers a machine on.
 * @param imagePath a kernel image; undefined means our kernel with its programs, compiled when their sources changed
 * @throws CommandError or MachineError with one sentence
 */
export async function openMachine(imagePath: string | undefined, flags: MachineFlags): Promise<OpenedMachine> {
  const own = imagePath === undefined || flags.rootfs !== undefined ? await buildImages() : undefined;
  const image = imagePath === undefined ? own!.kernel : readInput('image', imagePath);
  const imageName = imagePath === undefined ? KERNEL_FILE : basename(imagePath);
  const initrd = initrdOf(flags, own);
  offerStoredInterpreter();
  const machine = new Machine(image, {
    memory: flags.memory,
    commandLine: [flags.scheduleSeed, flags.append].filter((words) => words).join(' '),
    imageName,
    protocol: flags.protocol,
    engine: flags.engine,
    ...(initrd === undefined ? {} : { initrd }),
    ...(flags.replay === undefined ? {} : { input: readRecording(flags.replay) }),
  });
  const sourceRoot = imagePath !== undefined ? process.cwd() : packageRoot();
  return { machine, image, imageName, sourceRoot, ...(initrd === undefined ? {} : { initrd }) };
}

function initrdOf(flags: MachineFlags, own: BuiltImages | undefined): Uint8Array | undefined {
  if (flags.rootfs !== undefined) return joinArchives([own!.servers, packDirectory(flags.rootfs)]);
  return flags.initrd === undefined ? own?.initramfs : readInput('initrd', flags.initrd);
}

/** @throws CommandError when the file is not what `boot --record` writes */
function readRecording(path: string): TypedInput[] {
  const text = new TextDecoder().decode(readInput('recording', path));
  let recording: unknown;
  try {
    recording = JSON.parse(text);
  } catch {
    recording = undefined;
  }
  if (Array.isArray(recording) && recording.every(isTypedInput)) return recording;
  throw new CommandError(`${path} is no recording: boot --record writes a list of times and bytes in JSON`);
}

function isTypedInput(value: unknown): value is TypedInput {
  const { time, bytes } = (value ?? {}) as Record<string, unknown>;
  return Number.isSafeInteger(time) && Array.isArray(bytes) && bytes.every((byte) => byte >= 0 && byte <= 255);
}

/** @returns the words of the kernel command line that `17` or `17:3` stand for */
function parseScheduleSeed(text: string): string {
  const [, seed, depth] = /^(\d+)(?::(\d+))?$/.exec(text) ?? [];
  if (seed === undefined) throw new InvalidArgumentError('It is not a number, or two with a colon between them.');
  return `schedule-seed=${seed}${depth === undefined ? '' : ` schedule-depth=${depth}`}`;
}

/** @returns the whole number that a text like `1000000` or `1_000_000` means */
export function parseCount(text: string): number {
  const count = text.trim() === '' ? Number.NaN : Number(text.replaceAll('_', ''));
  if (!Number.isSafeInteger(count) || count < 0) throw new InvalidArgumentError('It is not a whole number.');
  return count;
}
