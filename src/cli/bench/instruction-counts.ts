import { Machine } from '../../machine/machine.ts';
import { benchKernel } from './guests.ts';
import { textOnCountingQemu } from './on-qemu.ts';

/** What one pass of a guest came to. */
export interface Count {
  readonly checksum: string;
  readonly instructions: number;
}

export interface CountResult {
  readonly name: string;
  readonly ours: Count;
  readonly qemu: Count | undefined;
}

/**
 * Instructions that each compute guest retires, by the time-stamp counter: ours counts instructions, and so does QEMU's when
 * its clock is driven by them (-icount). QEMU counts an iteration of REP as an instruction, as no processor does.
 * @param only the guests to count, when not all
 */
export async function countInstructions(compares: boolean, only: readonly string[] = []): Promise<CountResult[]> {
  const image = { kernel: await benchKernel(), commandLine: ['init=count', ...only].join(' ') };
  const machine = new Machine(image.kernel, { commandLine: image.commandLine });
  machine.runSync();
  const ours = readCounts(machine.serial.text);
  const theirs = compares ? readCounts(await textOnCountingQemu(image)) : new Map<string, Count>();
  return [...ours].map(([name, count]) => ({ name, ours: count, qemu: theirs.get(name) }));
}

/** The lines `NAME CHECKSUM INSTRUCTIONS` of a console. */
export function readCounts(text: string): Map<string, Count> {
  const lines = text.matchAll(/^(\S+) (\d+) (\d+)\r?$/gm);
  return new Map(
    [...lines].map(([, name, checksum, count]) => [name!, { checksum: checksum!, instructions: Number(count) }]),
  );
}
