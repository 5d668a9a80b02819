import { Machine, type MachineOptions } from './machine/machine.ts';

export { readElf } from './machine/boot/elf.ts';
export type { BootModule } from './machine/boot/kernel-entry.ts';
export type { Protocol } from './machine/boot/load-image.ts';
export { type Condition, serial } from './machine/condition.ts';
export { Machine, type MachineOptions, type RunLimits, type RunOptions } from './machine/machine.ts';
export { ImageError, MachineError } from './machine/machine-error.ts';
export type { TypedInput } from './machine/serial-console.ts';
export type { MachineSnapshot } from './machine/snapshot.ts';
export { describeStop, exitCodeOf, type Stop } from './machine/stop.ts';

/**
 * Powers a machine on with a kernel image; nothing has executed yet.
 *
 * ```ts
 * const machine = await boot(image, { memory: '64M', commandLine: 'quiet', initrd });
 * await machine.until(serial('init: ok'));
 * ```
 *
 * @param image an ELF64 image with a PVH note, or a Multiboot 1 image
 * @throws ImageError when the image cannot be booted, MachineError when an option is wrong
 */
export async function boot(image: Uint8Array, options: MachineOptions = {}): Promise<Machine> {
  return new Machine(image, options);
}
