import type { Engine } from '../../cpu/cpu.ts';
import { Machine } from '../../machine/machine.ts';
import { CommandError } from '../failure.ts';
import { processorSeconds } from '../process-time.ts';
import { type Edge, type GuestRun, GuestTimer } from './guest-timer.ts';

/** A kernel, an initramfs that holds the guest unless the kernel is it, and how to start it. */
export interface GuestImage {
  readonly kernel: Uint8Array;
  readonly initramfs?: Uint8Array;
  readonly commandLine: string;
}

export interface MachineRun extends GuestRun {
  /** Retired between the guest's two lines. */
  readonly instructions: number;
}

/**
 * Runs a guest on our machine, in this process.
 * @param onEdge called when the guest's work begins and when it has ended
 * @throws CommandError when the guest does not come to its end
 */
export function runOnMachine(
  { kernel, initramfs, commandLine }: GuestImage,
  engine: Engine,
  onEdge: (machine: Machine, edge: Edge) => void = () => {},
): MachineRun {
  const machine = new Machine(kernel, {
    commandLine,
    engine,
    ...(initramfs === undefined ? {} : { initrd: initramfs }),
  });
  const edges: number[] = [];
  const timer = new GuestTimer(processorSeconds, (edge) => {
    edges.push(machine.instructions);
    onEdge(machine, edge);
  });
  machine.serial.onByte((byte) => timer.byte(byte));
  machine.runSync();
  const { run } = timer;
  if (run === undefined) throw new CommandError(`the guest of '${commandLine}' failed:\n${machine.serial.text}`);
  return { ...run, instructions: edges[1]! - edges[0]! };
}
