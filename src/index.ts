import type { CompileRequest, CompileResult } from './compiler/compile.ts';
import { Machine, type MachineOptions } from './machine/machine.ts';

export type { CompileRequest, CompileResult, Diagnostic, SourceHost } from './compiler/compile.ts';

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

/**
 * Compiles a kernel or a user program from the dialect to an ELF64 image. The compiler is loaded when first needed.
 *
 * @param request entry module, kind, and a host that reads sources by path relative to its root
 * @returns the image, or the diagnostics that prevented one
 */
export async function compile(request: CompileRequest): Promise<CompileResult> {
  const compiler = await import('./compiler/compile.ts');
  return compiler.compile(request);
}

/** @returns a diagnostic as text: place, rule, fix, reason and source line */
export async function formatDiagnostic(diagnostic: CompileResult['diagnostics'][number]): Promise<string> {
  const compiler = await import('./compiler/compile.ts');
  return compiler.formatDiagnostic(diagnostic);
}
